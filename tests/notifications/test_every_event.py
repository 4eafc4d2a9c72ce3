"""Every event through every kind of channel, to real receivers: each arrives once, and says which job and what."""

import datetime
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from jobs.catalogue import switch_job
from jobs.models import Job
from notifications.channels import transports
from notifications.events import Event
from notifications.models import Delivery
from runs import janitor
from runs.models import Run
from runs.states import RunState
from tests.notifications.conftest import EndRun, MakeChannel, begun
from tests.notifications.test_delivery import turn
from tests.notifications.test_incidents import settle_all
from tests.notifications.test_outbox import skipped
from tests.servers.endpoint import Endpoint
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db
ALERTS = {
    "on_success": True,
    "on_cancel": True,
    "on_long_run_minutes": 5,
    "on_skipped": True,
    "on_switch": True,
    "on_recovery": True,
    "recipients": ["#data", "olga@example.com", "hook"],
}
ERROR = "step 'load': <!channel> & <b>no</b> route"


@dataclass
class Receivers:
    """What arrived where, as one text per message."""

    slack: Endpoint
    mail: MailServer
    hook: Endpoint

    def texts(self) -> dict[str, list[str]]:
        mails = [f"{each.message['Subject']}\n{each.body('plain')}\n{each.body('html')}" for each in self.mail.mails]
        return {
            "slack": [json.dumps(each.json, ensure_ascii=False) for each in self.slack.requests],
            "email": mails,
            "webhook": [json.dumps(each.json, ensure_ascii=False) for each in self.hook.requests],
        }


@pytest.fixture
def receivers(make_endpoint: Callable[..., Endpoint], mail_server: MailServer, channel: MakeChannel) -> Receivers:
    found = Receivers(make_endpoint(), mail_server, make_endpoint())
    found.slack.replies(200, '{"ok": true, "ts": "1.2", "channel": "C1"}')
    channel("slack", "team", {"api_url": found.slack.url}, {"token": "xoxb-canary-slack"})
    channel("email", "mail", mail_server.settings())
    channel("webhook", "hook", secrets={"url": found.hook.url})
    return found


def failed(job: Job, end: EndRun) -> None:
    end(job, RunState.FAILED, ERROR)


def recovered(job: Job, end: EndRun) -> None:
    end(job)
    settle_all()
    end(job, RunState.SUCCEEDED)
    settle_all()
    Delivery.objects.filter(alert__event=Event.FAILED).delete()


def long_running(job: Job, end: EndRun) -> None:
    begun(job)
    Run.objects.update(started_at=timezone.now() - datetime.timedelta(minutes=6))
    janitor.notice_long()


HAPPENINGS: dict[Event, tuple[Callable[[Job, EndRun], object], str]] = {
    Event.FAILED: (failed, "nightly failed"),
    Event.LONG_RUNNING: (long_running, "nightly is still in flight after 5 min"),
    Event.SUCCEEDED: (lambda job, end: end(job, RunState.SUCCEEDED), "nightly succeeded"),
    Event.CANCELED: (lambda job, end: end(job, RunState.CANCELED, "cancelled by rui"), "nightly was cancelled"),
    Event.GUARD: (lambda job, end: begun(job).warn("half of it is gone", "load", 1), "nightly warns"),
    Event.MISSED: (lambda job, end: skipped(job, "outage", "missed", moments=3), "nightly missed 3 fires"),
    Event.SKIPPED: (lambda job, end: skipped(job, "overlap"), "nightly skipped a fire"),
    Event.SWITCHED_OFF: (lambda job, end: switch_job(job, False, by="rui"), "nightly was switched off by rui"),
    Event.SWITCHED_ON: (lambda job, end: switch_job(job, True, by="rui"), "nightly was switched on by rui"),
    Event.RECOVERED: (recovered, "nightly recovered after 1 failure"),
}


def test_no_event_and_no_channel_is_left_out() -> None:
    assert set(HAPPENINGS) == set(Event) - {Event.TEST}
    assert set(transports()) == {"slack", "email", "webhook"}


@pytest.mark.parametrize("event", HAPPENINGS)
def test_every_event_arrives_once_through_every_channel(
    event: Event, receivers: Receivers, alerting: Callable[..., Job], end: EndRun
) -> None:
    job = alerting(**ALERTS)
    Job.objects.update(enabled=event is not Event.SWITCHED_ON)
    happen, words = HAPPENINGS[event]
    happen(Job.objects.get(), end)
    settle_all()
    while turn(timezone.now()):
        pass
    assert set(Delivery.objects.values_list("alert__event", "state")) == {(event.value, "SENT")}
    for kind, texts in receivers.texts().items():
        assert len(texts) == 1, kind
        assert words in texts[0], kind
        assert job.pk in texts[0], kind


def test_a_failure_names_step_reason_and_link_and_harms_nobody(
    receivers: Receivers, alerting: Callable[..., Job], end: EndRun
) -> None:
    job = alerting(**ALERTS)
    failed(job, end)
    settle_all()
    turn(timezone.now())
    run = Run.objects.get()
    texts = receivers.texts()
    for text in (texts["slack"][0], texts["email"][0], texts["webhook"][0]):
        assert f"/runs/{run.run_id}/" in text
        assert "load" in text
    assert "<!channel>" not in texts["slack"][0]
    assert "<b>no</b>" not in receivers.mail.mails[0].body("html")
    assert html.escape("<b>no</b>") in receivers.mail.mails[0].body("html")
    assert receivers.hook.requests[0].json["error"] == ERROR


def test_nothing_that_is_sent_or_stored_holds_a_secret_of_a_channel(
    receivers: Receivers, alerting: Callable[..., Job], end: EndRun
) -> None:
    receivers.slack.replies(200, '{"ok": false, "error": "invalid_auth", "token": "xoxb-canary-slack"}')
    failed(alerting(**ALERTS), end)
    settle_all()
    turn(timezone.now())
    rows: list[Any] = list(Delivery.objects.values())
    assert "xoxb-canary-slack" not in str(rows)
    assert all("xoxb-canary-slack" not in text for texts in receivers.texts().values() for text in texts)
