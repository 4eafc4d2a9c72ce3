"""resume_by: an append whose parts stay, and that goes on where it broke off."""

import pytest

from connectors.definition import ConnectorError
from jobs.steps.sql_copy import SqlCopyForm
from jobs.steptype import StepFailed
from nomaflow_site.lib.config import ConfigError
from tests.jobs.steps.copying import PAIRS, Place, copy, place, routes


@pytest.fixture(params=PAIRS, ids="->".join)
def pair(request, tmp_path) -> list[Place]:
    places = [place(request, name, tmp_path, side) for side, name in zip("st", request.param, strict=True)]
    places[0].run("CREATE TABLE s (n integer, v varchar(9))")
    places[0].insert("s", [(n // 2, f"v{n}") for n in reversed(range(40))])
    return places


def rows(base: Place, table: str) -> list[tuple]:
    return base.rows(f"SELECT n, v FROM {table} ORDER BY n, v")


def test_rows_are_added_in_parts_that_never_part_equal_values(pair, caplog):
    source, target = pair
    with caplog.at_level("INFO", "nomaflow.step"):
        result = copy(source, target, "s", "t", mode="append", resume_by="n", batch_size=5)
    assert (rows(target, "t"), result.output["source_rows"], result.output["target_rows"]) == (
        rows(source, "s"),
        40,
        40,
    )
    arrived = [int(record.args[0]) for record in caplog.records if record.msg.startswith("copied")]
    # Of each two rows with one number, the fifth takes the sixth along.
    assert [done for done in arrived if done % 6 == 0 or done == 40] == [6, 12, 18, 24, 30, 36, 40]
    assert len(routes(caplog)) == 1


def test_the_next_run_goes_on_after_the_last_part(pair, caplog):
    source, target = pair
    # A row in the middle that the target doesn't take.
    target.run("CREATE TABLE t (n integer, v varchar(9) CHECK (v <> 'much'))")
    source.run("UPDATE s SET v = 'much' WHERE v = 'v21'")
    with pytest.raises((StepFailed, ConnectorError), match="(?i)constraint"):
        copy(source, target, "s", "t", mode="append", resume_by="n", batch_size=4)
    assert rows(target, "t") == [row for row in rows(source, "s") if row[0] < 10]
    source.run("UPDATE s SET v = 'v21' WHERE v = 'much'")
    caplog.clear()
    with caplog.at_level("INFO", "nomaflow.step"):
        result = copy(source, target, "s", "t", mode="append", resume_by="N", batch_size=4)
    assert (rows(target, "t"), result.output["source_rows"]) == (rows(source, "s"), 20)
    assert "going on after n = 9" in caplog.text
    assert "copied 4 of 20 rows" in caplog.text
    assert copy(source, target, "s", "t", mode="append", resume_by="n").output["source_rows"] == 0
    source.insert("s", [(100, "new")])
    assert copy(source, target, "s", "t", mode="append", resume_by="n").output["source_rows"] == 1
    assert rows(target, "t") == rows(source, "s")


def test_conditions_and_other_names_go_along(pair):
    source, target = pair
    asked = {
        "mode": "append",
        "resume_by": "n",
        "where": "v <> 'v0' -- odd",
        "columns": {"n": "number", "v": "v"},
        "batch_size": 3,
    }
    copy(source, target, "s", "t", **asked)
    source.insert("s", [(70, "x")])
    copy(source, target, "s", "t", **asked)
    expected = [row for row in rows(source, "s") if row[1] != "v0"]
    assert target.rows("SELECT number, v FROM t ORDER BY number, v") == expected
    copy(source, target, None, "q", query="SELECT n, v FROM s WHERE n < 5", mode="append", resume_by="n", batch_size=3)
    assert rows(target, "q") == [row for row in rows(source, "s") if row[0] < 5]


@pytest.mark.parametrize(
    ("spelled", "values"),
    [
        ("date", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("timestamp(6)", ["2024-02-29 10:00:00.123456", "2024-02-29 10:00:00.123457", "2024-03-01 00:00:00"]),
        ("decimal(20,3)", ["0.001", "12345678901234567.123", "12345678901234567.124"]),
    ],
)
@pytest.mark.parametrize("names", [pair for pair in PAIRS if "sqlite" not in pair], ids="->".join)
def test_times_and_decimals_can_be_resumed_by(request, tmp_path, names, spelled, values):
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    if spelled.startswith("timestamp"):
        spelled = {"postgresql": "timestamptz(6)", "mariadb": "timestamp(6) NULL"}[source.kind]
    for base in (source, target):
        base.run(f"SET {'TimeZone' if base.kind == 'postgresql' else 'time_zone'} = '+00:00'")
    source.run(f"CREATE TABLE s (v {spelled})")
    for value in values[:2]:
        source.insert("s", [(value,)])
    copy(source, target, "s", "t", mode="append", resume_by="v", batch_size=1)
    source.insert("s", [(values[2],)])
    assert copy(source, target, "s", "t", mode="append", resume_by="v", batch_size=1).output["source_rows"] == 1
    assert target.rows("SELECT count(*), count(DISTINCT v) FROM t") == [(3, 3)]


def test_an_empty_value_is_refused(pair):
    source, target = pair
    source.insert("s", [(None, "x")])
    with pytest.raises(StepFailed, match="n is NULL in 1 rows of the source"):
        copy(source, target, "s", "t", mode="append", resume_by="n")
    source.run("DELETE FROM s WHERE n IS NULL")
    target.run("INSERT INTO t VALUES (NULL, 'x')")
    with pytest.raises(StepFailed, match="n is NULL in 1 rows of .*t;"):
        copy(source, target, "s", "t", mode="append", resume_by="n")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"resume_by": "v"}, "both databases order alike: v is "),
        ({"resume_by": "x"}, "no column 'x'"),
        ({"resume_by": "n", "columns": ["v"]}, "not among the copied columns"),
    ],
)
def test_what_can_not_be_resumed_by_is_named(pair, asked, words):
    source, target = pair
    with pytest.raises(StepFailed, match=words):
        copy(source, target, "s", "t", mode="append", **asked)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"mode": "overwrite"}, "Only mode"),
        ({}, "Only mode"),
        ({"mode": "append", "verify": "checksum"}, "before they could"),
    ],
)
def test_only_rows_that_are_added_can_be_resumed(more, words):
    asked = {"source": {"connector": "a", "table": "s"}, "target": {"connector": "b", "table": "t"}, "resume_by": "n"}
    with pytest.raises(ConfigError, match=words):
        SqlCopyForm.check({**asked, **more}, tokens=False)


def test_two_at_once_do_not_add_twice(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE s (n integer)")
    source.insert("s", [(n,) for n in range(30)])
    refused = []

    def again(done: int) -> None:
        with pytest.raises(StepFailed, match="Another copy into"):
            copy(source, target, "s", "t", mode="append", resume_by="n")
        refused.append(done)

    copy(source, target, "s", "t", mode="append", resume_by="n", batch_size=10, on_progress=again)
    assert (refused, target.rows("SELECT count(*) FROM t")) == ([10, 20, 30], [(30,)])
