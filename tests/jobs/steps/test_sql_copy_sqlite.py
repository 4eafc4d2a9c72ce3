"""An overwrite in SQLite renames a loaded table into the target's place; others may use the file while it's loaded."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from connectors.kinds.sql import TableName, stash_of
from jobs.steptype import StepFailed
from tests.jobs.steps.copying import Place, copy, place
from tests.jobs.steps.test_sql_copy_swap import way

TABLE = """CREATE TABLE "t" (id INTEGER PRIMARY KEY AUTOINCREMENT, n int DEFAULT 5 CHECK (n > 0),
    name varchar(20) COLLATE NOCASE UNIQUE, twice int GENERATED ALWAYS AS (n * 2))"""
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"


@pytest.fixture(params=["delete", "wal"])
def target(request, tmp_path) -> Place:
    made = place(request, "sqlite", tmp_path, "t")
    made.run(f"PRAGMA journal_mode = {request.param}")
    made.run(TABLE)
    made.run('CREATE INDEX "odd ""name" ON t (n DESC) WHERE n > 1')
    made.insert("t (id, n, name)", [(1, 1, "a"), (500, 3, "c")])
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def source(request, tmp_path) -> Place:
    made = place(request, request.param, tmp_path, "s")
    made.run("CREATE TABLE s (id int, n int, name varchar(20))")
    made.insert("s", [(1, 1, "a"), (2, 1, None)])
    return made


def content(target: Place) -> list[tuple]:
    return target.rows("SELECT id, n, name, twice FROM t ORDER BY id")


def test_everything_that_belongs_to_a_table_is_there_after_an_overwrite(source, target, caplog):
    target.run("CREATE VIEW v AS SELECT id FROM t")
    target.run("ANALYZE")
    before = target.rows(SCHEMA)
    for _ in range(2):
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(source, target, "s", "t")
        assert (way(caplog), target.rows(SCHEMA)) == ("swap", before)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2)]
    assert target.rows("SELECT count(*) FROM v") == [(2,)]
    # Of the other index nothing is known: no row is in it any more.
    assert target.rows("SELECT idx FROM sqlite_stat1 WHERE tbl = 't'") == [("sqlite_autoindex_t_1",)]
    target.run("INSERT INTO t (name) VALUES ('new')")
    assert target.rows("SELECT id, n FROM t WHERE name = 'new'") == [(501, 5)]
    assert target.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        ("CREATE TABLE child (id int REFERENCES T (id))", "child references it"),
        ("CREATE TRIGGER hears AFTER INSERT ON t BEGIN SELECT 1; END", "it has the trigger hears"),
    ],
)
def test_a_table_that_something_else_holds_on_to_stays_in_its_place(source, target, caplog, obstacle, words):
    target.run(obstacle)
    before = target.rows(SCHEMA)
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "s", "t")
    assert (way(caplog), words in caplog.text, target.rows(SCHEMA)) == ("gathered", True, before)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2)]


def test_others_write_into_the_file_while_a_table_is_loaded(source, target, tmp_path):
    target.run("CREATE TABLE other (n int)")

    def write(rows: int) -> None:
        with closing(sqlite3.connect(tmp_path / "t.db", timeout=0)) as connection, connection:
            connection.execute("INSERT INTO other VALUES (?)", [rows])

    copy(source, target, None, "t", query="SELECT id, n, name FROM s", batch_size=1, on_progress=write)
    assert target.rows("SELECT n FROM other") == [(1,), (2,)]


def test_a_second_copy_into_the_same_table_is_refused(source, target):
    def again(_: int) -> None:
        with pytest.raises(StepFailed, match="Another copy into main.t is running"):
            copy(source, target, "s", "t")

    copy(source, target, None, "t", query="SELECT id, n, name FROM s", on_progress=again)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2)]
    copy(source, target, "s", "t")


def test_a_table_that_is_changed_meanwhile_is_not_replaced_by_one_like_it_was(source, target, caplog):
    def change(rows: int) -> None:
        if rows == 1:
            target.run("ALTER TABLE t ADD COLUMN more text DEFAULT 'x'")

    query: dict[str, Any] = {"query": "SELECT id, n, name FROM s", "batch_size": 1, "on_progress": change}
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, None, "t", **query)
    assert "has been changed meanwhile" in caplog.text
    assert target.rows("SELECT id, more FROM t ORDER BY id") == [(1, "x"), (2, "x")]
    assert target.tables() == {"t", "sqlite_sequence"}


def test_rows_that_have_come_meanwhile_stay_beside_those_that_are_added(source, target, caplog):
    target.run("DELETE FROM t")

    def write(_: int) -> None:
        target.run("INSERT INTO t (id, n, name) VALUES (7, 7, 'meanwhile')")

    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, None, "t", query="SELECT id, n, name FROM s", mode="append", on_progress=write)
    assert (way(caplog), "isn't empty any more" in caplog.text) == ("swap", True)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2), (7, 7, "meanwhile", 14)]


def test_what_a_killed_copy_has_left_is_gone_after_the_next(source, target, tmp_path):
    stash = stash_of(TableName("main", "t"))
    target.run(f"CREATE TABLE {stash} (x int)")
    (tmp_path / f"t.db-nomaflow-{stash[-12:]}").touch()
    copy(source, target, "s", "t")
    assert target.tables() == {"t", "sqlite_sequence"}
    assert sorted(path.name for path in tmp_path.iterdir() if "nomaflow" in path.name) == []


def test_a_new_table_is_not_seen_before_it_is_complete(source, target):
    seen: list[set[str]] = []
    copy(source, target, "s", "u", batch_size=1, on_progress=lambda _: seen.append(target.tables()))
    assert len(seen) == 2
    assert all("u" not in tables for tables in seen)
    assert target.rows("SELECT id FROM u ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize(("value", "column"), [("'NaN'::float8", "d"), ("'NaN'::numeric(5,2)", "e")])
def test_what_sqlite_has_no_value_for_is_refused_and_named(request, tmp_path, value, column):
    source, target = place(request, "postgresql", tmp_path), place(request, "sqlite", tmp_path, "t")
    source.run("CREATE TABLE s (d float8, e numeric(5,2))")
    source.run("INSERT INTO s VALUES (1, 2)")
    source.run(f"INSERT INTO s ({column}) VALUES ({value})")
    with pytest.raises(StepFailed, match=f"Row 2, column '{column}', value 'NaN': SQLite has no NaN"):
        copy(source, target, "s", "u", batch_size=1)
    assert target.tables() == set()
