"""What a copy does when the source's columns are others than the target's."""

import pytest

from connectors.definition import ConnectorError
from connectors.kinds.sql import Column, TableName
from jobs.copy_drift import drift_of, settle
from jobs.steptype import StepFailed
from tests.jobs.steps.copying import DATABASES, PAIRS, Place, copy, place
from tests.jobs.steps.test_sql_copy_swap import way

MODES = ("overwrite", "append", "upsert")


@pytest.fixture(params=PAIRS, ids="->".join)
def pair(request, tmp_path) -> list[Place]:
    places = [place(request, name, tmp_path, side) for side, name in zip("st", request.param, strict=True)]
    instant = {"postgresql": "timestamptz", "mariadb": "timestamp(6) NULL", "sqlite": "timestamptz"}
    places[0].run(
        f"CREATE TABLE s (id integer PRIMARY KEY, n integer, fresh varchar(9), seen {instant[places[0].kind]})"
    )
    places[0].insert("s", [(1, 10, "new", None), (2, 20, None, None)])
    places[1].run("CREATE TABLE t (id integer PRIMARY KEY, n integer, gone varchar(9), kept varchar(9) DEFAULT 'x')")
    places[1].insert("t", [(1, 9, "old", "old"), (3, 9, "old", "old")])
    return places


def names(target: Place) -> list[str]:
    return [column[0] for column in target.run("SELECT * FROM t").description]


@pytest.mark.parametrize("mode", MODES)
def test_by_default_every_column_is_named_and_nothing_changes(pair, mode):
    source, target = pair
    with pytest.raises(StepFailed) as failed:
        copy(source, target, "s", "t", mode=mode)
    assert "fresh (" in str(failed.value)
    assert "seen (" in str(failed.value)
    assert "gone (" in str(failed.value)
    assert not any(f" {name} (" in str(failed.value) for name in ("kept", "id", "n"))
    assert (names(target), target.rows("SELECT count(*) FROM t"), target.tables()) == (
        ["id", "n", "gone", "kept"],
        [(2,)],
        {"t"},
    )


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        ("overwrite", [(1, 10, None, "x", "new", None), (2, 20, None, "x", None, None)]),
        (
            "upsert",
            [(1, 10, "old", "old", "new", None), (2, 20, None, "x", None, None), (3, 9, "old", "old", None, None)],
        ),
    ],
)
def test_new_columns_are_added(pair, mode, rows, caplog):
    source, target = pair
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "s", "t", mode=mode, schema_drift="add")
    assert names(target) == ["id", "n", "gone", "kept", "fresh", "seen"]
    assert (target.rows("SELECT * FROM t ORDER BY id"), target.tables()) == (rows, {"t"})
    assert way(caplog) == ("swap" if mode == "overwrite" else "gathered")
    assert "new at the source, added to" in caplog.text
    caplog.clear()
    copy(source, target, "s", "t", mode="upsert", schema_drift="add")
    assert "added to" not in caplog.text


def test_new_columns_are_added_for_rows_that_are_added(pair):
    source, target = pair
    target.run("DELETE FROM t WHERE id = 1")
    copy(source, target, "s", "t", mode="append", schema_drift="add")
    rows = [(1, 10, None, "x", "new", None), (2, 20, None, "x", None, None), (3, 9, "old", "old", None, None)]
    assert target.rows("SELECT * FROM t ORDER BY id") == rows


def test_new_columns_are_added_to_a_table_that_stays_in_its_place(pair):
    source, target = pair
    target.run("CREATE TABLE child (id integer, FOREIGN KEY (id) REFERENCES t (id))")
    target.run("INSERT INTO child VALUES (1)")
    copy(source, target, "s", "t", schema_drift="add", keep_previous=3)
    rows = target.rows("SELECT id, n, fresh FROM t ORDER BY id")
    assert (rows, target.rows("SELECT id FROM child")) == ([(1, 10, "new"), (2, 20, None)], [(1,)])
    previous = next(name for name in target.tables() if name.startswith("_nomaflow_previous_"))
    assert target.rows(f"SELECT id, gone FROM {previous} ORDER BY id") == [(1, "old"), (3, "old")]


@pytest.mark.parametrize("mode", MODES)
def test_a_copy_that_fails_leaves_no_new_column(pair, mode):
    source, target = pair
    target.run("CREATE TABLE child (id integer, FOREIGN KEY (id) REFERENCES t (id))")
    target.run("INSERT INTO child VALUES (3)")
    # Found when it's published: a row that is referenced would go, one is there already, one breaks a rule of the table.
    target.run("UPDATE t SET n = 8 WHERE id = 3")
    target.run("CREATE UNIQUE INDEX once ON t (n)")
    source.run("UPDATE s SET n = 20")
    with pytest.raises((StepFailed, ConnectorError)):
        copy(source, target, "s", "t", mode=mode, schema_drift="add")
    assert (names(target), target.rows("SELECT id, n FROM t ORDER BY id")) == (
        ["id", "n", "gone", "kept"],
        [(1, 9), (3, 8)],
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_only_one_side_has_can_be_ignored(pair, mode):
    source, target = pair
    target.run("DELETE FROM t WHERE id = 1")
    copy(source, target, "s", "t", mode=mode, schema_drift="ignore")
    assert names(target) == ["id", "n", "gone", "kept"]
    kept = [] if mode == "overwrite" else [(3, 9, "old", "old")]
    assert target.rows("SELECT * FROM t ORDER BY id") == [(1, 10, None, "x"), (2, 20, None, "x"), *kept]


def test_columns_that_are_picked_are_no_drift(pair):
    source, target = pair
    copy(source, target, "s", "t", columns=["id", "n"])
    assert target.rows("SELECT id, n, gone FROM t ORDER BY id") == [(1, 10, None), (2, 20, None)]
    with pytest.raises(StepFailed, match=r"fresh was asked for by `columns`"):
        copy(source, target, "s", "t", columns=["id", "fresh"], schema_drift="ignore")
    copy(source, target, "s", "t", columns={"id": "id", "fresh": "renamed"}, schema_drift="add")
    assert target.rows("SELECT id, renamed FROM t ORDER BY id") == [(1, "new"), (2, None)]


@pytest.mark.parametrize("kind", DATABASES)
def test_what_the_target_fills_by_itself_is_not_missed(request, tmp_path, kind):
    source, target = place(request, kind, tmp_path, "s"), place(request, kind, tmp_path, "t")
    number = {
        "postgresql": "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "mariadb": "integer AUTO_INCREMENT PRIMARY KEY",
        "sqlite": "INTEGER PRIMARY KEY",
    }[kind]
    source.run("CREATE TABLE s (v integer)")
    source.insert("s", [(5,)])
    target.run(
        f"CREATE TABLE t (id {number}, v integer, at timestamp DEFAULT CURRENT_TIMESTAMP, "
        "twice integer GENERATED ALWAYS AS (v * 2) STORED)"
    )
    copy(source, target, "s", "t")
    assert target.rows("SELECT id, v, twice FROM t WHERE at IS NOT NULL") == [(1, 5, 10)]


def column(name: str, kind: str = "text", dialect: str = "postgresql", **facts) -> Column:
    return Column(name, facts.pop("type", kind), kind, dialect=dialect, **facts)


@pytest.mark.parametrize(
    ("source", "target", "apart"),
    [
        ("text", "int", False),
        ("int", "text", False),
        ("int", "decimal", False),
        ("int", "date", True),
        ("date", "int", True),
        ("date", "instant", False),
        ("instant", "date", False),
        ("instant", "time", True),
        ("bytes", "text", True),
        ("text", "bytes", False),
        ("uuid", "int", True),
        ("json", "text", False),
        ("other", "int", False),
    ],
)
def test_a_column_is_retyped_when_no_value_of_the_one_type_can_be_one_of_the_other(source, target, apart):
    drift = drift_of([column("v", source)], [column("v", target)], picked=False)
    assert (bool(drift.retyped), drift.added, drift.removed) == (apart, [], [])
    assert not drift_of([column("v", source, "sqlite")], [column("v", target)], picked=False).retyped


def test_columns_meet_by_their_names_whatever_the_case():
    drift = drift_of([column("ID"), column("Name")], [column("id"), column("name"), column("NAME")], picked=False)
    assert ([c.name for c in drift.added], [c.name for c in drift.removed]) == (["Name"], ["name", "NAME"])


@pytest.mark.parametrize("policy", ["add", "ignore"])
def test_a_column_that_needs_a_value_is_never_ignored(policy):
    drift = drift_of([column("a")], [column("a"), column("b", nullable=False)], picked=False)
    with pytest.raises(StepFailed, match=r"b \(text\) is NOT NULL and the source has no such column"):
        settle(drift, policy, False, TableName(None, "t"), None)


def test_a_retyped_column_is_named_with_both_types(request, tmp_path):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE s (v datetime)")
    target.run("CREATE TABLE t (v integer)")
    for policy in ("fail", "add"):
        with pytest.raises(StepFailed, match="v is datetime at the source and integer in the target"):
            copy(source, target, "s", "t", schema_drift=policy)
    copy(source, target, "s", "t", schema_drift="ignore")
    source.run("INSERT INTO s VALUES ('2024-02-29')")
    with pytest.raises(StepFailed, match="Row 1, column 'v', value '2024-02-29 00:00:00'"):
        copy(source, target, "s", "t", schema_drift="ignore")


@pytest.mark.parametrize("kind", DATABASES)
@pytest.mark.parametrize(
    ("kinds", "value", "words"),
    [
        (("text", "time"), "2024-02-29 10:00:00", "it has a date"),
        (("text", "datetime"), "2024-02-29 10:00:00+02", "it has a time zone"),
        (("text", "datetime"), "2024-02-29T10:00:00Z", "it has a time zone"),
    ],
)
def test_no_part_of_a_time_is_dropped_in_silence(request, tmp_path, kind, kinds, value, words):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, kind, tmp_path, "t")
    spelled = {"datetime": "timestamp"}.get(kinds[1], kinds[1]) if kind == "postgresql" else kinds[1]
    source.run(f"CREATE TABLE s (v {kinds[0]})")
    source.insert("s", [(value,)])
    target.run(f"CREATE TABLE t (v {spelled})")
    with pytest.raises(StepFailed, match=f"Row 1, column 'v'.*{words}"):
        copy(source, target, "s", "t")


def test_a_query_says_itself_which_columns_are_copied(pair):
    source, target = pair
    copy(source, target, None, "t", query="SELECT id, n FROM s", mode="upsert")
    assert target.rows("SELECT id, n, gone FROM t ORDER BY id") == [(1, 10, "old"), (2, 20, None), (3, 9, "old")]
    with pytest.raises(StepFailed, match="fresh .* is new at the source"):
        copy(source, target, None, "t", query="SELECT id, fresh FROM s", mode="upsert")
