"""Failures in a row as one thing."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from notifications import incidents
from notifications.models import Alert, Incident
from notifications.routing import settle_some
from notifications.wanted import Wanted
from runs.states import RunState
from tests.notifications.conftest import EndRun, MakeChannel

Alerting = Callable[..., Job]
NOW = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
pytestmark = pytest.mark.django_db


def incident(**values: Any) -> Incident:
    given = {"pk": 7, "job_id": "nightly", "opened_at": NOW, "last_failed_at": NOW, "failures": 1, **values}
    return Incident(**given)


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        ({}, {}, ""),
        ({"told_at": NOW - 59 * MINUTE}, {}, "told less than 60 min ago"),
        ({"told_at": NOW - 60 * MINUTE}, {}, ""),
        ({"told_at": NOW}, {"repeat_minutes": 0}, ""),
        ({"failures": 2}, {"after_failures": 3}, "failure 2 in a row; told from 3 on"),
        ({"failures": 3}, {"after_failures": 3}, ""),
        ({"acknowledged_at": NOW, "acknowledged_by": "rui"}, {"repeat_minutes": 0}, "acknowledged by rui"),
        ({"snoozed_until": NOW + MINUTE, "snoozed_by": "rui"}, {}, "snoozed by rui until 2026-07-01 12:01Z"),
        ({"snoozed_until": NOW, "snoozed_by": "rui"}, {}, ""),
    ],
)
def test_which_failures_are_told(values: dict[str, Any], wanted: dict[str, Any], words: str) -> None:
    said = incidents.why_quiet(incident(**values), Wanted(**wanted), NOW)
    assert words in said
    assert bool(said) is bool(words)


def test_repeats_fold_into_the_open_incident(alerting: Alerting, end: EndRun, channel: MakeChannel) -> None:
    channel()
    job = alerting()
    runs = [end(job) for _ in range(3)]
    settle_all()
    found = Incident.objects.get()
    assert (found.failures, found.last_run, found.told) == (3, runs[-1], 1)


def test_a_success_closes_it_and_the_next_failure_opens_another(
    alerting: Alerting, end: EndRun, channel: MakeChannel
) -> None:
    channel()
    job = alerting()
    end(job)
    success = end(job, RunState.SUCCEEDED)
    end(job)
    settle_all()
    first, second = Incident.objects.order_by("pk")
    assert (first.closed_by, first.closed_at) == (f"{success.run_id}, which succeeded", success.finished_at)
    assert (second.closed_at, second.told) == (None, 1)


def test_a_cancelled_run_neither_counts_nor_closes(alerting: Alerting, end: EndRun) -> None:
    job = alerting(on_cancel=True)
    end(job)
    end(job, RunState.CANCELED)
    settle_all()
    assert Incident.objects.get().failures == 1


def test_news_of_a_failure_that_comes_after_that_of_a_later_success_leaves_nothing_open(
    alerting: Alerting, end: EndRun
) -> None:
    job = alerting()
    end(job)
    late = Alert.objects.get()
    Alert.objects.all().delete()
    end(job, RunState.SUCCEEDED)
    late.save(force_insert=True)
    settle_all()
    assert Incident.objects.get().closed_at is not None


def test_who_acknowledges_snoozes_or_closes_is_kept_and_a_closed_one_stays(alerting: Alerting, end: EndRun) -> None:
    end(alerting())
    settle_all()
    found = Incident.objects.get()
    assert incidents.acknowledge(found, by="user:rui")
    assert incidents.snooze(found, until=NOW, by="user:olga")
    assert incidents.close(found, by="user:vera")
    assert not incidents.acknowledge(found, by="user:late")
    found.refresh_from_db()
    assert (found.acknowledged_by, found.snoozed_by, found.closed_by) == ("user:rui", "user:olga", "user:vera")


def settle_all() -> None:
    while settle_some(NOW):
        pass
