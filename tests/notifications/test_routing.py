"""Whom an alert is told to."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from notifications import routing
from notifications.models import Alert, Channel, Delivery, RoutingRule
from notifications.routing import settle, settle_some
from runs.states import RunState
from tests import cast
from tests.notifications.conftest import EndRun, MakeChannel
from tests.notifications.test_incidents import settle_all

Alerting = Callable[..., Job]
NOW = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)
pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str]]:
    settle_all()
    return sorted(Delivery.objects.values_list("channel_name", "recipient"))


@pytest.fixture
def channels(channel: MakeChannel) -> dict[str, Channel]:
    """One of each kind; e-mail is the default one."""
    return {kind: channel(kind, is_default=kind == "email") for kind in ("slack", "email", "webhook")}


def test_recipients_find_their_channel_by_their_form(channels: Any, alerting: Alerting, end: EndRun) -> None:
    end(alerting(recipients=["#data", "@olga", "a@example.org", "webhook"]))
    assert told() == [("email", "a@example.org"), ("slack", "#data"), ("slack", "@olga"), ("webhook", "")]


def test_a_job_without_recipients_tells_the_own_ones_of_every_default_channel(
    channels: Any, channel: MakeChannel, alerting: Alerting, end: EndRun
) -> None:
    channel("email", "second", {"recipients": ["b@example.org", "c@example.org"]})
    end(alerting())
    assert told() == [("email", "ops@example.org"), ("second", "b@example.org"), ("second", "c@example.org")]


def test_recipients_take_the_place_of_the_default(channels: Any, alerting: Alerting, end: EndRun) -> None:
    end(alerting(recipients=["#data"]))
    assert told() == [("slack", "#data")]


def test_rules_add_recipients_for_the_tags_of_a_job(channels: Any, alerting: Alerting, end: EndRun) -> None:
    RoutingRule.objects.create(tag="etl", channel=channels["slack"], recipient="#etl")
    RoutingRule.objects.create(tag="etl", channel=channels["webhook"])
    RoutingRule.objects.create(tag="other", channel=channels["slack"], recipient="#other")
    end(alerting(tags=("etl",), recipients=["a@example.org"]))
    assert told() == [("email", "a@example.org"), ("slack", "#etl"), ("webhook", "")]


def test_one_recipient_gets_one_message(channels: Any, alerting: Alerting, end: EndRun) -> None:
    RoutingRule.objects.create(tag="etl", channel=channels["slack"], recipient="#data")
    RoutingRule.objects.create(tag="nightly", channel=channels["email"])
    end(alerting(tags=("etl", "nightly"), recipients=["#data", "ops@EXAMPLE.org", "email"]))
    assert [name for name, _ in told()] == ["email", "slack"]


def test_an_address_is_one_recipient_whichever_channel_leads_to_it_a_slack_channel_is_not(
    channels: Any, channel: MakeChannel, alerting: Alerting, end: EndRun
) -> None:
    RoutingRule.objects.create(tag="etl", channel=channel("email", "second"), recipient="a@example.org")
    RoutingRule.objects.create(tag="etl", channel=channel("slack", "team2", is_default=False), recipient="#data")
    end(alerting(tags=("etl",), recipients=["a@example.org", "#data"]))
    assert told() == [("email", "a@example.org"), ("slack", "#data"), ("team2", "#data")]


def test_a_job_told_by_a_rule_alone_does_not_tell_the_default_channels(channels: Any, end: EndRun) -> None:
    RoutingRule.objects.create(tag="etl", channel=channels["slack"], recipient="#etl")
    end(cast.job(tags=["etl"]))
    assert told() == [("slack", "#etl")]


def test_a_recipient_that_leads_nowhere_any_more_is_a_failed_delivery_that_says_why(
    channels: Any, alerting: Alerting, end: EndRun
) -> None:
    end(alerting(recipients=["pager", "#data"]))
    settle_all()
    failed = Delivery.objects.get(state="FAILED")
    assert (failed.recipient, failed.ended_at is not None) == ("pager", True)
    assert '"pager" is no channel' in failed.answer
    assert Alert.objects.get().outcome == "to 1 recipient, 1 can't be told"


def test_without_any_channel_an_alert_fails_visibly(alerting: Alerting, end: EndRun) -> None:
    end(alerting())
    settle_all()
    assert "no channel that is switched on is a default one" in Delivery.objects.get(state="FAILED").answer


def test_an_alert_is_settled_once(channels: Any, alerting: Alerting, end: EndRun) -> None:
    end(alerting())
    pk = Alert.objects.get().pk
    assert [settle(pk, NOW), settle(pk, NOW)] == [True, False]
    assert Delivery.objects.count() == 1


def test_of_one_job_the_oldest_is_settled_first(channels: Any, alerting: Alerting, end: EndRun) -> None:
    job, other = alerting(on_success=True), alerting("other")
    for state in (RunState.FAILED, RunState.SUCCEEDED):
        end(job, state)
    end(other)
    assert [settle_some(NOW), settle_some(NOW), settle_some(NOW)] == [2, 1, 0]


def test_a_defect_in_one_alert_is_seen_and_does_not_hold_up_the_next(
    channels: Any, alerting: Alerting, end: EndRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> str:
        raise ZeroDivisionError

    end(alerting())
    monkeypatch.setattr(routing, "_judge_failure", broken)
    settle_all()
    monkeypatch.undo()
    end(Job.objects.get())
    settle_all()
    first, second = Alert.objects.order_by("pk")
    assert first.outcome == "internal error: ZeroDivisionError; the sender's log has the details"
    assert (first.deliveries.get().state, second.outcome) == ("FAILED", "to 1 recipient")


def test_a_recovery_is_told_where_it_is_wanted_and_the_failure_was_told(
    channels: Any, alerting: Alerting, end: EndRun
) -> None:
    for name, alerts in {"wants": {"on_recovery": True}, "plain": {}}.items():
        job = alerting(name, **alerts)
        end(job)
        end(job, RunState.SUCCEEDED)
    settle_all()
    outcomes = [(alert.job_id, alert.event, alert.outcome.split()[0]) for alert in Alert.objects.order_by("pk")]
    assert outcomes == [
        ("wants", "failed", "to"),
        ("wants", "recovered", "to"),
        ("plain", "failed", "to"),
        ("plain", "succeeded", "closed"),
    ]


def test_a_failure_that_nobody_heard_of_needs_no_recovery(channels: Any, alerting: Alerting, end: EndRun) -> None:
    job = alerting(after_failures=2, on_recovery=True)
    end(job)
    end(job, RunState.SUCCEEDED)
    settle_all()
    assert not Delivery.objects.exists()


def test_a_success_that_is_told_anyway_and_recovers_is_one_message(
    channels: Any, alerting: Alerting, end: EndRun
) -> None:
    job = alerting(on_recovery=True, on_success=True)
    end(job)
    end(job, RunState.SUCCEEDED)
    settle_all()
    assert list(Delivery.objects.order_by("pk").values_list("alert__event", flat=True)) == ["failed", "recovered"]


def test_folded_failures_say_into_what(channels: Any, alerting: Alerting, end: EndRun) -> None:
    job = alerting()
    end(job)
    end(job)
    settle_all()
    last = Alert.objects.latest("pk")
    assert last.outcome == f"folded into incident {last.incident_id}, told less than 60 min ago"
    assert Delivery.objects.count() == 1
