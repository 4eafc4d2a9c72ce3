"""Copying between every pair of databases, in every mode."""

from decimal import Decimal

import pytest

from connectors.definition import ConnectorError
from jobs.steptype import StepFailed
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
        copy(source, target, "goods", "items", mode="upsert")


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
    assert "copied 3 of 3 rows" in caplog.messages
