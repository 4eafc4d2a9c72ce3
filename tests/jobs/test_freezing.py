"""Freezes: which moments they hold, who may set which, how they end."""

import datetime
from datetime import UTC, timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.catalogue import save_job
from jobs.freezing import (
    BadFreeze,
    active_freezes,
    change_end,
    draft_freeze,
    end_freeze,
    freeze,
    freezes_between,
    frozen_by,
    holds,
    state,
    why,
)
from jobs.models import Freeze, Job
from tests import cast

NOW = datetime.datetime(2026, 11, 25, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def planned(scope="all", target="", start=NOW, end=NOW + DAY, owner="alice"):
    """One that is not stored."""
    return Freeze(scope=scope, target=target, starts_at=start, ends_at=end, owner=owner, reason="year-end\nclose")


def set_one(scope="all", target="", start=None, end=NOW + DAY, reason="close"):
    return freeze(scope, target, reason, start, end, by="alice", now=NOW)


# The decision


@pytest.mark.parametrize(
    ("scope", "target", "held"),
    [
        ("all", "", True),
        ("tag", "etl", True),
        ("tag", "nightly", False),
        ("job", "load", True),
        ("job", "etl", False),
        ("connector", "reporting", True),
        ("connector", "load", False),
    ],
)
def test_a_freeze_holds_the_jobs_that_it_is_about(scope, target, held):
    found = holds([planned(scope, target)], "load", ["etl", "daily"], {"reporting"}, NOW)
    assert (found is not None) is held


def test_a_freeze_holds_from_its_start_up_to_its_end():
    moments = [NOW - HOUR / 3600, NOW, NOW + DAY - HOUR / 3600, NOW + DAY]
    assert [holds([planned()], "j", [], [], at) is not None for at in moments] == [False, True, True, False]


def test_of_two_freezes_the_longer_one_is_named():
    short, long = planned(end=NOW + HOUR), planned(end=NOW + DAY)
    assert holds([short, long, planned(end=NOW + 2 * HOUR)], "j", [], [], NOW) is long


def test_the_reason_says_who_until_when_and_why():
    assert why(planned()) == "frozen by alice until 2026-11-26 09:00 UTC: year-end close"


@pytest.mark.parametrize(
    ("start", "end", "word"),
    [
        (NOW, NOW + HOUR, "active"),
        (NOW + HOUR, NOW + DAY, "planned"),
        (NOW - DAY, NOW, "over"),
        (NOW + HOUR, NOW + HOUR, "cancelled"),
    ],
)
def test_a_freeze_is_in_one_of_four_states(start, end, word):
    assert state(planned(start=start, end=end), NOW) == word


# What's stored


@pytest.mark.django_db
def test_freezes_are_found_by_the_time_that_they_hold():
    first = set_one(end=NOW + HOUR)
    second = set_one(start=NOW + 2 * HOUR, end=NOW + 3 * HOUR)
    assert freezes_between(NOW + HOUR, NOW + 2 * HOUR) == [second]
    assert active_freezes(NOW) == [first]
    assert freezes_between(NOW, NOW) == [first]


@pytest.mark.django_db
def test_a_freeze_of_a_connector_holds_the_jobs_whose_steps_name_it(definition_of_a_copy):
    save_job(definition_of_a_copy, by="olga")
    cast.job("other", steps=())
    frozen = frozen_by([planned("connector", "reporting")])
    assert (frozen.holding("copy", NOW) is not None, frozen.holding("other", NOW)) == (True, None)


@pytest.fixture
def definition_of_a_copy(reporting):
    """A job that names its connector in `step_defaults` only."""
    step = {"name": "load", "type": "sql_query", "query": "select 1"}
    return {"id": "copy", "step_defaults": {"connector": "reporting"}, "steps": [step]}


@pytest.mark.django_db
def test_many_jobs_are_asked_about_in_a_few_queries():
    Job.objects.bulk_create(Job(id=f"j{n}", tags=["etl"]) for n in range(50))
    frozen = frozen_by([planned("tag", "etl"), planned("connector", "x"), planned()])
    with CaptureQueriesContext(connection) as queries:
        assert all(frozen.holding(f"j{n}", NOW) for n in range(50))
    assert len(queries) == 0


# The verbs


@pytest.mark.django_db
def test_a_freeze_begins_now_where_nothing_else_is_said():
    made = set_one(reason=" close ")
    assert (made.starts_at, made.owner, made.reason) == (NOW, "alice", "close")


@pytest.mark.django_db
def test_a_freeze_cannot_hold_what_has_passed():
    assert set_one(start=NOW - DAY).starts_at == NOW


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"reason": "  "}, "reason", "Say why"),
        ({"reason": "x" * 1001}, "reason", "1,000 is the limit"),
        ({"reason": "a\0"}, "reason", "NUL"),
        ({"scope": "world"}, "scope", "Found 'world', expected one of all, tag, job, connector."),
        ({"target": "x"}, "target", "expected nothing"),
        ({"scope": "tag"}, "target", "Expected the name of the tag."),
        ({"scope": "tag", "target": "a\0"}, "target", "NUL"),
        ({"scope": "job", "target": "nope"}, "target", "There is no job 'nope'."),
        ({"scope": "connector", "target": "nope"}, "target", "There is no connector 'nope'."),
        ({"end": NOW}, "ends_at", "in the future"),
        ({"start": NOW + DAY, "end": NOW + DAY}, "ends_at", "after the start"),
        ({"end": NOW + 367 * DAY}, "ends_at", "366 days at most"),
    ],
)
def test_a_freeze_that_cannot_be_is_refused_at_its_field(values, field, message):
    with pytest.raises(BadFreeze) as caught:
        set_one(**values)
    assert (list(caught.value.errors), message in caught.value.errors[field]) == ([field], True)


@pytest.mark.django_db
def test_a_tag_that_no_job_has_is_odd_and_no_fault():
    cast.job("j", tags=["etl"])
    oddities = [draft_freeze("tag", tag, "x", None, NOW + DAY, by="a", now=NOW)[1] for tag in ("etl", "elt")]
    assert oddities == [[], ["No job has the tag 'elt' now; jobs that get it later are held back."]]


@pytest.mark.django_db
def test_a_connector_that_no_step_uses_is_odd_and_no_fault(reporting):
    _, oddities = draft_freeze("connector", "reporting", "x", None, NOW + DAY, by="a", now=NOW)
    assert oddities == ["No job's steps use the connector 'reporting' now."]


@pytest.mark.django_db
def test_ending_a_freeze_keeps_it_as_history():
    ended = end_freeze(set_one(), by="bob", now=NOW + HOUR)
    assert (ended.ends_at, ended.ended_by, ended.owner) == (NOW + HOUR, "bob", "alice")
    assert active_freezes(NOW + HOUR) == []


@pytest.mark.django_db
def test_a_planned_freeze_that_is_ended_never_holds_anything():
    ended = end_freeze(set_one(start=NOW + HOUR), by="bob", now=NOW)
    assert state(ended, NOW) == "cancelled"
    assert freezes_between(NOW, NOW + DAY) == []


@pytest.mark.django_db
def test_a_freeze_that_is_over_stays_as_it_was():
    made = set_one(end=NOW + HOUR)
    with pytest.raises(BadFreeze, match="is over and stays as it was"):
        end_freeze(made, by="bob", now=NOW + DAY)
    with pytest.raises(BadFreeze, match="is over and stays as it was"):
        change_end(made, NOW + 3 * DAY, by="bob", now=NOW + DAY)


@pytest.mark.django_db
def test_the_end_can_be_changed_within_the_limits():
    made = set_one()
    assert change_end(made, NOW + 2 * DAY, by="bob", now=NOW).ends_at == NOW + 2 * DAY
    with pytest.raises(BadFreeze, match="366 days at most"):
        change_end(made, NOW + 367 * DAY, by="bob", now=NOW + 5 * HOUR)


@pytest.mark.django_db
def test_the_audit_trail_knows_of_freezes():
    end_freeze(set_one(), by="bob", now=NOW + HOUR)
    newest = LogEntry.objects.get_for_model(Freeze).first()
    assert newest.changes_dict.keys() == {"ends_at", "ended_by"}
