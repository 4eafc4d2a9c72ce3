"""Copying between every pair of databases, in every mode."""

from decimal import Decimal

import pytest

from connectors.definition import ConnectorError
from jobs.steps.sql_copy import SqlCopyForm
from jobs.steptype import StepFailed
from nomaflow_site.lib.config import ConfigError
from tests.jobs.steps.copying import PAIRS, Place, copy, place

ROWS = [(1, "one", "1.50"), (2, "", None), (3, None, "-0.05")]
TABLE = "CREATE TABLE {table} (id integer PRIMARY KEY, name varchar(20), price numeric(10,2))"


@pytest.fixture(params=PAIRS, ids="->".join)
def pair(request, tmp_path) -> tuple[Place, Place]:
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", request.param, strict=True))
    return source, target


def filled(source: Place) -> Place:
    source.run(TABLE.format(table="goods"))
    source.insert("goods", ROWS)
    return source


def expected(target: Place, rows=ROWS) -> list[tuple]:
    return [(i, name, None if price is None else Decimal(price)) for i, name, price in rows]


def test_a_missing_target_is_made_and_holds_the_same_rows(pair):
    source, target = filled(pair[0]), pair[1]
    result = copy(source, target, "goods", "items")
    assert (result.rows, result.output["source_rows"], result.output["target_rows"]) == (3, 3, 3)
    assert target.goods("items") == expected(target)


def test_overwrite_replaces_what_was_there(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(TABLE.format(table="items"))
    target.insert("items", [(1, "old", "9.99"), (7, "gone", None)])
    assert copy(source, target, "goods", "items").output["target_rows"] == 3
    assert target.goods("items") == expected(target)


def test_append_adds_to_what_was_there(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(TABLE.format(table="items"))
    target.insert("items", [(7, "kept", None)])
    assert copy(source, target, "goods", "items", mode="append").output["target_rows"] == 4
    assert target.goods("items") == expected(target, [*ROWS, (7, "kept", None)])


def test_upsert_updates_inserts_and_leaves_the_others(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(TABLE.format(table="items"))
    target.insert("items", [(1, "ONE", "1.50"), (2, None, None), (7, "kept", None)])
    assert copy(source, target, "goods", "items", mode="upsert").output["target_rows"] == 4
    assert target.goods("items") == expected(target, [*ROWS, (7, "kept", None)])


def test_a_query_with_renamed_columns_is_copied(pair):
    source, target = filled(pair[0]), pair[1]
    query, names = "SELECT id, name FROM goods -- all of them", {"id": "number", "name": "label"}
    copy(source, target, None, "people", query=query, where="id < 3", columns=names)
    assert sorted(target.rows("SELECT number, label FROM people")) == [(1, "one"), (2, "")]


def test_a_failed_copy_leaves_the_target_and_no_stash(pair):
    source, target = filled(pair[0]), pair[1]
    target.run("CREATE TABLE items (id integer PRIMARY KEY, name varchar(20) NOT NULL, price numeric(10,2))")
    target.insert("items", [(1, "old", "9.99")])
    with pytest.raises((StepFailed, ConnectorError)):
        copy(source, target, "goods", "items")
    assert target.goods("items") == [(1, "old", Decimal("9.99"))]
    assert target.tables() == {"items"} | ({"goods"} if source.url == target.url else set())


def test_a_copy_that_fails_while_loading_drops_the_table_it_has_made(pair):
    source, target = pair
    source.run("CREATE TABLE goods (id integer, name varchar(20), price numeric(10,2))")
    source.insert("goods", [(1, "a", "1.00"), (1, "b", "2.00")])
    with pytest.raises((StepFailed, ConnectorError)):
        copy(source, target, "goods", "items", mode="upsert", key_columns=["id"])
    assert "items" not in target.tables()


def test_an_upsert_with_a_double_key_names_examples(pair):
    source, target = pair
    source.run("CREATE TABLE goods (id integer, name varchar(20))")
    source.insert("goods", [(1, "a"), (1, "b"), (2, "c")])
    target.run(TABLE.format(table="items"))
    with pytest.raises(ConnectorError, match=r"not unique.*\(1\) 2 times"):
        copy(source, target, "goods", "items", mode="upsert", schema_drift="ignore")


def test_a_parent_of_a_foreign_key_is_overwritten_row_by_row(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(TABLE.format(table="items"))
    target.insert("items", [(1, "old", "9.99"), (7, "gone", None)])
    target.run(
        "CREATE TABLE parts (id integer PRIMARY KEY, item integer NOT NULL, FOREIGN KEY (item) REFERENCES items (id))"
    )
    target.insert("parts", [(10, 1)])
    copy(source, target, "goods", "items")
    assert target.goods("items") == expected(target)
    assert target.rows("SELECT id, item FROM parts") == [(10, 1)]


def test_a_row_that_is_gone_at_the_source_and_still_referenced_is_a_clear_error(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(TABLE.format(table="items"))
    target.insert("items", [(7, "gone", None)])
    target.run(
        "CREATE TABLE parts (id integer PRIMARY KEY, item integer NOT NULL, FOREIGN KEY (item) REFERENCES items (id))"
    )
    target.insert("parts", [(10, 7)])
    with pytest.raises(StepFailed, match="no longer in the source are still referenced by .*parts"):
        copy(source, target, "goods", "items")
    assert target.goods("items") == [(7, "gone", None)]


def test_views_and_defaults_survive_an_overwrite(pair):
    source, target = filled(pair[0]), pair[1]
    target.run(
        "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), price numeric(10,2), mark varchar(5) DEFAULT 'new')"
    )
    target.run("CREATE VIEW cheap AS SELECT id, mark FROM items WHERE price < 2")
    target.insert("items", [(9, "old", "0.01", "x")])
    copy(source, target, "goods", "items")
    assert sorted(target.rows("SELECT id, mark FROM cheap")) == [(1, "new"), (3, "new")]


def test_progress_is_told_for_every_batch_with_the_total(pair, caplog):
    source, target = filled(pair[0]), pair[1]
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "goods", "items", batch_size=2)
    assert any(message.startswith("copied 3 of 3 rows (100 %), ") for message in caplog.messages)


def _shrunk(pair, left, **config):
    source, target = pair
    source.run("CREATE TABLE goods (id integer PRIMARY KEY)")
    source.insert("goods", [(n,) for n in range(left)])
    target.run("CREATE TABLE items (id integer PRIMARY KEY)")
    target.insert("items", [(n,) for n in range(100)])
    return copy(source, target, "goods", "items", **config), target


def test_a_source_that_lost_more_than_the_guard_allows_changes_nothing(pair):
    with pytest.raises(StepFailed, match=r"items has 100 rows and the source 70, 30.0 % fewer; at most 20 % may go"):
        _shrunk(pair, 70, shrink_guard_percent=20)
    assert pair[1].rows("SELECT count(*) FROM items") == [(100,)]


@pytest.mark.parametrize("config", [{}, {"shrink_guard_percent": 30}, {"shrink_guard_percent": 100}])
def test_what_the_guard_allows_is_published(pair, config):
    assert _shrunk(pair, 70, **config)[0].output["target_rows"] == 70


def test_an_empty_source_empties_a_table_only_where_no_guard_says_no(pair):
    with pytest.raises(StepFailed, match=r"100.0 % fewer"):
        _shrunk(pair, 0, shrink_guard_percent=99)


def test_a_guard_is_for_overwriting_alone():
    fields = {"source": {"connector": "a", "table": "t"}, "target": {"connector": "b", "table": "t"}}
    with pytest.raises(ConfigError, match="makes a table smaller"):
        SqlCopyForm.check({**fields, "mode": "append", "shrink_guard_percent": 10}, tokens=False)


def test_a_trigger_that_drops_rows_is_noticed(request, tmp_path):
    source, target = (place(request, "sqlite", tmp_path, side) for side in "st")
    source.run("CREATE TABLE goods (id integer PRIMARY KEY)")
    source.insert("goods", [(1,), (2,)])
    target.run("CREATE TABLE items (id integer PRIMARY KEY)")
    target.run("CREATE TRIGGER picky BEFORE INSERT ON items WHEN new.id = 2 BEGIN SELECT raise(IGNORE); END")
    with pytest.raises(StepFailed, match=r"items should have 2 rows now and has 1, so nothing was changed"):
        copy(source, target, "goods", "items")
    assert target.rows("SELECT * FROM items") == []
