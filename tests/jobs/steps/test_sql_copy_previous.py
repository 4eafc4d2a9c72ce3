"""The table that an overwrite replaces is kept for some days, and can be copied back."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.copy_previous import ENDING, PREFIX, expires
from jobs.steps.sql_copy import SqlCopyForm
from nomaflow_site.lib.config import ConfigError
from tests.jobs.steps.copying import DATABASES, Place, copy, place

# What keeps a table in its place, so that its rows have to be copied aside.
HELD = "CREATE TABLE child (id int, FOREIGN KEY (id) REFERENCES t (id))"


@pytest.fixture(params=DATABASES)
def pair(request, tmp_path) -> tuple[Place, Place]:
    source, target = place(request, request.param, tmp_path, "s"), place(request, request.param, tmp_path, "t")
    source.run("CREATE TABLE s (id int, name varchar(20))")
    source.insert("s", [(1, "new"), (2, "new")])
    target.run("CREATE TABLE t (id int PRIMARY KEY, name varchar(20), twice int GENERATED ALWAYS AS (id * 2) STORED)")
    target.insert("t (id, name)", [(1, "old"), (3, None)])
    return source, target


@pytest.fixture(params=["free", "held"])
def held(request, pair) -> None:
    if request.param == "held":
        pair[1].run(HELD)


def previous(target: Place) -> list[str]:
    return sorted(name for name in target.tables() if name.startswith(PREFIX))


def test_what_was_replaced_is_kept_and_can_be_copied_back(pair, held):
    source, target = pair
    output = copy(source, target, "s", "t", keep_previous=3).output
    assert previous(target) == [output["previous"]]
    assert target.rows(f"SELECT id, name, twice FROM {output['previous']} ORDER BY id") == [(1, "old", 2), (3, None, 6)]
    left = datetime.fromisoformat(output["previous_until"]) - datetime.now(UTC)
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)
    copy(target, target, output["previous"], "t", keep_previous=3)
    assert target.rows("SELECT id, name, twice FROM t ORDER BY id") == [(1, "old", 2), (3, None, 6)]
    assert len(previous(target)) == 2


def test_it_is_dropped_by_the_first_copy_after_its_days(pair, held, monkeypatch):
    source, target = pair
    first = copy(source, target, "s", "t", keep_previous=3).output["previous"]
    second = copy(source, target, "s", "t", keep_previous=5).output["previous"]
    stamp, _ = ENDING.search(first).groups()

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return expires(stamp, 3) + timedelta(seconds=1)

    monkeypatch.setattr("jobs.copy_work.datetime", Later)
    assert "previous" not in copy(source, target, "s", "t").output
    assert previous(target) == [second]


def test_a_copy_that_fails_keeps_nothing(pair, held):
    source, target = pair
    source.insert("s", [(1, "twice")])
    with pytest.raises(Exception, match=r".*"):
        copy(source, target, "s", "t", keep_previous=3)
    assert previous(target) == []
    assert target.rows("SELECT id, name FROM t ORDER BY id") == [(1, "old"), (3, None)]


def test_only_an_overwrite_keeps():
    asked = {"source": {"connector": "a", "table": "s"}, "target": {"connector": "b", "table": "t"}, "mode": "append"}
    with pytest.raises(ConfigError, match='Only mode = "overwrite" replaces a table'):
        SqlCopyForm.check({**asked, "keep_previous": 3}, tokens=False)
