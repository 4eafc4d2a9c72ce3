"""An overwrite in MariaDB renames a loaded table into the target's place, or leaves the target where it is."""

from typing import Any

import pytest

from connectors.kinds.sql import TableName, stash_of
from tests.jobs.steps.copying import Place, copy, place
from tests.jobs.steps.test_sql_copy_swap import way

TABLE = """CREATE TABLE t (
    id int AUTO_INCREMENT PRIMARY KEY, n int DEFAULT 5 CHECK (n > 0), name varchar(20) COLLATE utf8mb4_bin COMMENT 'a column',
    twice int AS (n * 2) STORED, UNIQUE KEY `odd ``name` (name), KEY (n)
) COMMENT = 'a table' AUTO_INCREMENT = 500"""


@pytest.fixture
def pair(request, tmp_path) -> tuple[Place, Place]:
    source, target = place(request, "mariadb", tmp_path, "s"), place(request, "mariadb", tmp_path, "t")
    source.run("CREATE TABLE s (id int, n int, name varchar(20))")
    source.insert("s", [(1, 1, "a"), (2, 1, None)])
    target.run(TABLE)
    target.run("INSERT INTO t (id, n, name) VALUES (1, 1, 'a'), (3, 3, 'c')")
    return source, target


def made(target: Place) -> Any:
    """The table's definition."""
    return target.rows("SHOW CREATE TABLE t")[0][1]


def content(target: Place) -> list[tuple]:
    return target.rows("SELECT id, n, name, twice FROM t ORDER BY id")


def test_everything_that_belongs_to_a_table_is_there_after_an_overwrite(pair, caplog):
    source, target = pair
    target.run("CREATE VIEW v AS SELECT id FROM t")
    before = made(target)
    for _ in range(2):
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(source, target, "s", "t")
        assert (way(caplog), made(target)) == ("swap", before)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2)]
    assert (target.rows("SELECT count(*) FROM v"), target.tables()) == ([(2,)], {"t"})
    target.run("INSERT INTO t (name) VALUES ('new')")
    assert target.rows("SELECT id, n FROM t WHERE name = 'new'") == [(500, 5)]


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (
            "CREATE TABLE child (id int, FOREIGN KEY (id) REFERENCES t (id)); INSERT INTO child VALUES (1)",
            ".child references it",
        ),
        (
            "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (3); "
            "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES p (id)",
            "it references p",
        ),
        ("CREATE TRIGGER hears AFTER INSERT ON t FOR EACH ROW SET @x = 1", "it has the trigger hears"),
        ("ALTER TABLE t ADD SYSTEM VERSIONING", "it is not an ordinary table but a system versioned"),
    ],
)
def test_a_table_that_something_else_holds_on_to_stays_in_its_place(pair, caplog, obstacle, words):
    source, target = pair
    for statement in obstacle.split("; "):
        target.run(statement)
    before = made(target)
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "s", "t")
    assert (way(caplog), words in caplog.text, made(target)) == ("gathered", True, before)
    assert content(target) == [(1, 1, "a", 2), (2, 1, None, 2)]


def test_a_user_who_may_only_write_rows_replaces_rows(pair, caplog, mariadb):
    source, owned = pair
    # In a database whose name doesn't begin with test_: those are open to everybody.
    database = f"narrow_{owned.rows('SELECT DATABASE()')[0][0]}"
    owned.run(f"CREATE DATABASE {database}")
    owned.run(f"USE {database}")
    owned.run(TABLE)
    owned.insert("t (id)", [(7,)])
    owned.run(f"CREATE USER {database}@'%' IDENTIFIED BY 'x'")
    owned.run(f"GRANT SELECT, INSERT, DELETE, UPDATE ON {database}.t TO {database}@'%'")
    owned.run(f"GRANT CREATE TEMPORARY TABLES ON {database}.* TO {database}@'%'")
    server = owned.url.split("@", 1)[1].split("/")[0]
    limited = Place("mariadb", f"mysql://{database}:x@{server}/{database}", owned.connection)
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, limited, "s", "t")
    assert "command denied" in caplog.text
    assert (content(owned), owned.tables()) == ([(1, 1, "a", 2), (2, 1, None, 2)], {"t"})


def test_a_transaction_that_has_read_the_table_is_waited_for_and_then_left_alone(pair, caplog, monkeypatch, mariadb):
    monkeypatch.setattr("connectors.kinds.sql._mysql_swap.LOCK_ATTEMPTS", 2)
    monkeypatch.setattr("connectors.kinds.sql._mysql_swap.LOCK_SECONDS", 0)
    monkeypatch.setattr("connectors.kinds.sql._mysql_swap.PAUSE_SECONDS", 0.05)
    source, target = pair
    reader = mariadb.connect(target.url)
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM t ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == [1, 3]
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(source, target, "s", "t")
        cursor.execute("SELECT id FROM t ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == [1, 3]
    reader.close()
    assert "other transactions that have read it didn't end" in caplog.text
    assert (content(target), target.tables()) == ([(1, 1, "a", 2), (2, 1, None, 2)], {"t"})


def test_what_a_killed_copy_has_left_is_gone_after_the_next(pair):
    source, target = pair
    schema = target.rows("SELECT DATABASE()")[0][0]
    stash = stash_of(TableName(schema, "t"))
    target.run(f"CREATE TABLE {stash} (x int)")
    target.run(f"CREATE TABLE _nomaflow_old_{stash[-12:]} (x int)")
    copy(source, target, "s", "t")
    assert target.tables() == {"t"}


def test_a_new_table_is_not_seen_before_it_is_complete(pair):
    source, target = pair
    seen: list[set[str]] = []
    copy(source, target, "s", "u", batch_size=1, on_progress=lambda _: seen.append(target.tables()))
    assert all("u" not in tables for tables in seen)
    assert target.tables() == {"t", "u"}

    def stop(_: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        copy(source, target, "s", "w", batch_size=1, on_progress=stop)
    assert target.tables() == {"t", "u"}
