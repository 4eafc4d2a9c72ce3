"""What is written down when something happens, and what isn't."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from jobs.catalogue import delete_job, switch_job
from jobs.models import Job
from notifications import outbox
from notifications.models import Alert, Delivery, Incident, RoutingRule
from runs import janitor
from runs.control import request_cancel
from runs.models import Fire, Run
from runs.signals import fires_skipped
from runs.states import RunState
from tests import cast
from tests.notifications.conftest import EndRun, MakeChannel, begun

Alerting = Callable[..., Job]
pytestmark = pytest.mark.django_db


def events() -> list[str]:
    return list(Alert.objects.order_by("pk").values_list("event", flat=True))


def test_a_failed_run_of_a_job_with_an_alerts_block_is_written_down(alerting: Alerting, end: EndRun) -> None:
    run = end(alerting(recipients=["#ops"]))
    alert = Alert.objects.get()
    assert (alert.event, alert.run, alert.settled_at) == ("failed", run, None)
    assert alert.facts["error"] == "step 'load': no route"
    assert (alert.facts["step"], alert.facts["attempt"], alert.facts["state"]) == ("load", 1, "FAILED")


@pytest.mark.parametrize(
    ("alerts", "state", "told"),
    [
        ({}, RunState.FAILED, True),
        ({"on_failure": False}, RunState.FAILED, False),
        ({}, RunState.SUCCEEDED, False),
        ({"on_success": True}, RunState.SUCCEEDED, True),
        ({}, RunState.CANCELED, False),
        ({"on_cancel": True}, RunState.CANCELED, True),
    ],
)
def test_the_alerts_block_chooses(
    alerting: Alerting, end: EndRun, alerts: dict[str, Any], state: RunState, told: bool
) -> None:
    end(alerting(**alerts), state)
    assert Alert.objects.exists() is told


def test_a_job_without_an_alerts_block_tells_nobody(end: EndRun, db: None) -> None:
    end(cast.job())
    assert not Alert.objects.exists()


def test_a_rule_for_one_of_its_tags_makes_a_job_without_a_block_tell_its_failures(
    end: EndRun, channel: MakeChannel
) -> None:
    RoutingRule.objects.create(tag="etl", channel=channel())
    end(cast.job("tagged", tags=["etl", "nightly"]))
    end(cast.job("other", tags=["nightly"]))
    assert list(Alert.objects.values_list("job", "event")) == [("tagged", "failed")]


def test_the_block_that_counts_is_the_one_the_run_was_started_with(alerting: Alerting) -> None:
    hold = begun(alerting())
    Job.objects.update(alerts=None)
    hold.finish(RunState.FAILED, "no")
    assert events() == ["failed"]


def test_the_alert_is_gone_with_the_transaction_that_it_belongs_to(alerting: Alerting) -> None:
    hold = begun(alerting())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        hold.finish(RunState.FAILED, "no")
        raise ZeroDivisionError
    assert not Alert.objects.exists()
    assert Run.objects.get().state == RunState.RUNNING


def test_a_defect_in_writing_an_alert_does_not_cost_the_run_its_end(
    alerting: Alerting, end: EndRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "_facts", lambda run: {}[0])
    run = end(alerting())
    assert Run.objects.get(pk=run.pk).state == RunState.FAILED
    assert "an alert could not be written down" in caplog.text
    failed = Delivery.objects.get(alert__run=run)
    assert (failed.state, "could not be written down" in failed.answer) == ("FAILED", True)


def test_a_lost_worker_is_a_failure(alerting: Alerting) -> None:
    begun(alerting())
    Run.objects.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))
    janitor.reap()
    assert events() == ["failed"]
    assert "lost worker" in Alert.objects.get().facts["error"]


def test_a_cancelled_run_that_was_waiting_is_told_too(alerting: Alerting) -> None:
    job = alerting(on_cancel=True)
    hold = begun(job)
    hold.put_back(60, "waiting")
    request_cancel(hold.run, by="user:rui")
    assert events() == ["canceled"]


def test_a_long_run_is_told_once_and_its_end_besides(alerting: Alerting) -> None:
    hold = begun(alerting(on_long_run_minutes=5))
    Run.objects.update(started_at=timezone.now() - datetime.timedelta(minutes=6))
    janitor.notice_long()
    janitor.notice_long()
    hold.finish(RunState.FAILED, "no")
    assert events() == ["long_running", "failed"]
    assert Alert.objects.get(event="long_running").facts["minutes"] == 5


def test_the_same_guard_warning_is_told_once_a_run_another_besides(alerting: Alerting) -> None:
    hold = begun(alerting())
    for text in ("half is gone", "half is gone", "all is gone"):
        hold.warn(text, "load", 1)
    assert [alert.facts["error"] for alert in Alert.objects.order_by("pk")] == ["half is gone", "all is gone"]


def test_a_text_that_no_database_keeps_is_told_without_what_is_in_the_way(alerting: Alerting) -> None:
    outbox.note_guard(begun(alerting()).run, "load", "half\0 of \ud800 it")
    assert Alert.objects.get().facts["error"] == "half of ? it"


def test_a_loop_of_warnings_does_not_fill_the_table(alerting: Alerting) -> None:
    hold = begun(alerting())
    for number in range(outbox.MOST_WARNINGS + 5):
        hold.warn(f"row {number}", "load", 1)
    assert Alert.objects.count() == outbox.MOST_WARNINGS


# Moments that started nothing


NOON = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)


def skipped(job: Job, cause: str, outcome: str = "skipped", moments: int = 1, **values: Any) -> None:
    fires = [
        Fire(
            job=job,
            scheduled_at=NOON + n * datetime.timedelta(minutes=1),
            noticed_at=NOON,
            outcome=outcome,
            cause=cause,
        )
        for n in range(moments)
    ]
    for fire in fires:
        fire.reason = "why"
        vars(fire).update(values)
    Fire.objects.bulk_create(fires)
    fires_skipped.send(sender=Fire, fires=fires)


@pytest.mark.parametrize(
    ("cause", "outcome", "alerts", "told"),
    [
        ("outage", "missed", {}, ["missed"]),
        ("outage", "missed", {"on_missed": False}, []),
        ("too_late", "skipped", {}, ["missed"]),
        ("overlap", "skipped", {}, []),
        ("overlap", "skipped", {"on_skipped": True}, ["skipped"]),
        ("disabled", "skipped", {"on_skipped": True}, ["skipped"]),
        ("frozen", "skipped", {"on_skipped": True}, []),
        ("folded", "skipped", {"on_skipped": True}, []),
        ("invalid", "skipped", {}, ["failed"]),
        ("invalid", "skipped", {"on_failure": False}, []),
    ],
)
def test_moments_that_started_nothing(
    alerting: Alerting, cause: str, outcome: str, alerts: dict[str, Any], told: list[str]
) -> None:
    skipped(alerting(**alerts), cause, outcome)
    assert events() == told


def test_an_outage_of_a_minutely_job_is_one_alert_with_its_count(alerting: Alerting) -> None:
    skipped(alerting(), "outage", "missed", moments=300)
    facts = Alert.objects.get().facts
    assert (facts["fires"], facts["scheduled_at"], facts["last_scheduled_at"]) == (
        300,
        "2026-07-01T12:00:00+00:00",
        "2026-07-01T16:59:00+00:00",
    )


def test_a_moment_that_stands_for_many_counts_them(alerting: Alerting) -> None:
    skipped(alerting(), "outage", "missed", count=1200, until=NOON + datetime.timedelta(days=1))
    facts = Alert.objects.get().facts
    assert (facts["fires"], facts["last_scheduled_at"]) == (1200, "2026-07-02T12:00:00+00:00")


# Switches


def test_a_job_switched_off_and_on_is_told_where_it_is_wanted(alerting: Alerting) -> None:
    job, quiet = alerting(on_switch=True), alerting("quiet")
    for each in (job, quiet):
        switch_job(switch_job(each, False, by="rui"), True, by="olga")
    told = [(alert.job_id, alert.event, alert.facts["by"]) for alert in Alert.objects.order_by("pk")]
    assert told == [("nightly", "switched_off", "rui"), ("nightly", "switched_on", "olga")]


def test_a_deleted_job_was_switched_off_and_its_incident_is_closed(alerting: Alerting) -> None:
    job = alerting(on_switch=True)
    Incident.objects.create(job=job, opened_at=NOON, last_failed_at=NOON)
    delete_job(job, by="olga")
    assert (events(), Alert.objects.get().facts["deleted"]) == (["switched_off"], True)
    assert Incident.objects.get().closed_by == "olga, who deleted the job"
