"""Taking, sending and recording, against a real HTTP endpoint. Time is passed in."""

import datetime
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import TextField, Value
from django.utils import timezone

from jobs.models import Job
from notifications import backoff
from notifications.delivery import FALL_BACK_AFTER, MOST_TAKEN, Attempt, prepare, record, resend
from notifications.models import Channel, Delivery
from notifications.taking import DIGEST_FROM, LOST, PER_CHANNEL, take_beside, take_due
from notifications.transport import Unsent
from tests.notifications.conftest import EndRun, MakeChannel
from tests.notifications.test_incidents import settle_all
from tests.servers.endpoint import Endpoint
from tests.servers.smtp import MailServer

Alerting = Callable[..., Job]
Fresh = Callable[..., Delivery]
SECOND = datetime.timedelta(seconds=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now() + SECOND


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dice."""
    monkeypatch.setattr(backoff, "JITTER", 0.0)


@pytest.fixture
def hook(channel: MakeChannel, endpoint: Endpoint) -> Channel:
    """A webhook channel that leads to the endpoint."""
    return channel("webhook", "hook", secrets={"url": f"{endpoint.url}/canary-path"})


@pytest.fixture
def fresh(alerting: Alerting, end: EndRun) -> Fresh:
    """A delivery of a failed run to a channel, settled and not sent."""

    def make(channel: Channel, job_id: str = "nightly") -> Delivery:
        end(alerting(job_id, recipients=[channel.name]))
        settle_all()
        return Delivery.objects.get(alert__job=job_id)

    return make


def turn(now: datetime.datetime, most: int = 8) -> list[Delivery]:
    """Take, send and record, one after the other."""
    taken = []
    for first in take_due(now, most, Counter()):
        together = [first, *take_beside(first, now)]
        taken += together
        attempt = prepare(together, now)
        if isinstance(attempt, Attempt):
            record(together, attempt.make(), now, attempt.definition.hidden)
        else:
            record(together, attempt, now)
    return [Delivery.objects.get(pk=delivery.pk) for delivery in taken]


def test_a_message_that_is_taken_is_sent_with_the_servers_answer(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    fresh(hook)
    (sent,) = turn(now)
    assert (sent.state, sent.attempts, sent.ended_at, sent.token) == ("SENT", 1, now, "")
    assert sent.answer.startswith("200")
    assert [request.header("X-Nomaflow-Delivery") for request in endpoint.requests] == [str(sent.uid)]
    hook.refresh_from_db()
    assert (hook.last_sent_at, hook.last_answer, hook.failing_since) == (now, sent.answer, None)


def test_a_server_in_trouble_is_asked_again_later_and_later(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime, steady: None
) -> None:
    endpoint.replies(500, "boiler out")
    fresh(hook)
    waits = []
    for _ in range(3):
        (delivery,) = turn(now)
        waits.append((delivery.due_at - now).total_seconds())
        assert (delivery.state, turn(now)) == ("RETRYING", [])
        now = delivery.due_at
    assert waits == [5, 15, 60]
    assert "500" in delivery.answer
    assert len(delivery.history) == 3


def test_at_last_it_has_failed_and_everybody_can_read_why(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    endpoint.replies(503)
    delivery = fresh(hook)
    for _ in range(backoff.MOST_ATTEMPTS):
        (delivery,) = turn(now)
        now = delivery.due_at
    assert (delivery.state, delivery.attempts) == ("FAILED", backoff.MOST_ATTEMPTS)
    assert turn(now + datetime.timedelta(days=30)) == []


def test_a_server_that_says_no_is_not_asked_again(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    endpoint.replies(404, "no such hook")
    fresh(hook)
    (delivery,) = turn(now)
    assert (delivery.state, delivery.attempts) == ("FAILED", 1)
    assert "404" in delivery.answer


def test_a_server_that_asks_for_patience_gets_it_for_every_message_of_the_channel(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime, steady: None
) -> None:
    endpoint.next_replies(429, Retry_After="90")
    fresh(hook, "first")
    (delivery,) = turn(now)
    assert (delivery.state, delivery.due_at) == ("RETRYING", now + 90 * SECOND)
    fresh(hook, "second")
    assert turn(now + 89 * SECOND) == []
    later = now + 91 * SECOND
    assert [each.state for each in turn(later) + turn(later)] == ["SENT", "SENT"]
    assert Channel.objects.get().hold_until is None


def test_a_channel_that_works_again_is_not_called_failing(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    endpoint.next_replies(500)
    fresh(hook)
    (delivery,) = turn(now)
    hook.refresh_from_db()
    assert (hook.failing_since, hook.failures, "500" in hook.last_answer) == (now, 1, True)
    turn(delivery.due_at)
    hook.refresh_from_db()
    assert (hook.failing_since, hook.failures) == (None, 0)


# Held by one


def test_what_somebody_sends_nobody_else_takes(hook: Channel, fresh: Fresh, now: datetime.datetime) -> None:
    fresh(hook)
    assert len(take_due(now, 8, Counter())) == 1
    assert take_due(now, 8, Counter()) == []


def test_what_a_dead_sender_held_is_sent_by_another_and_says_that_it_may_have_arrived(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    fresh(hook)
    assert take_due(now, 8, Counter())
    Delivery.objects.update(lease_until=timezone.now() - SECOND)
    (sent,) = turn(now)
    assert (sent.state, sent.attempts) == ("SENT", 2)
    assert [each["answer"][:3] for each in sent.history] == [LOST[:3], "200"]


def test_a_sender_that_comes_too_late_changes_nothing(
    hook: Channel, fresh: Fresh, now: datetime.datetime, caplog: pytest.LogCaptureFixture
) -> None:
    fresh(hook)
    (lost,) = take_due(now, 8, Counter())
    Delivery.objects.update(lease_until=timezone.now() - SECOND)
    (sent,) = turn(now)
    record([lost], Unsent("too late"), now)
    lost.refresh_from_db()
    assert (lost.state, lost.answer) == ("SENT", sent.answer)
    assert "taken over by another sender" in caplog.text


def test_one_channel_does_not_take_all_the_places(
    hook: Channel, channel: MakeChannel, fresh: Fresh, now: datetime.datetime
) -> None:
    other = channel("webhook", "other")
    for number in range(PER_CHANNEL + 2):
        fresh(hook, f"job-{number}")
    fresh(other, "last")
    first = take_due(now, 8, Counter())
    assert [delivery.channel_name for delivery in first] == ["hook"] * PER_CHANNEL + ["other"]
    busy: Counter[int | None] = Counter({hook.pk: PER_CHANNEL})
    assert take_due(now, 8, busy) == []


# Many at once


@pytest.fixture
def mailed(channel: MakeChannel, mail_server: MailServer) -> Channel:
    """An e-mail channel that leads to a real server."""
    return channel("email", "mail", mail_server.settings())


def many(channel: Channel, fresh: Fresh, count: int) -> None:
    for number in range(count):
        fresh(channel, f"job-{number:02}")


def test_many_alerts_that_wait_for_one_reader_are_one_message(
    mailed: Channel, fresh: Fresh, mail_server: MailServer, now: datetime.datetime
) -> None:
    many(mailed, fresh, DIGEST_FROM)
    sent = turn(now)
    (mail,) = mail_server.mails
    assert mail.message["Subject"] == f"[Nomaflow] {DIGEST_FROM} alerts: {DIGEST_FROM} failed"
    assert all(f"job-{number:02} failed: step 'load': no route" in mail.body("plain") for number in range(DIGEST_FROM))
    assert {delivery.state for delivery in sent} == {"SENT"}
    assert len(sent) == DIGEST_FROM
    assert f"(one message about {DIGEST_FROM} alerts)" in sent[-1].answer


def test_a_few_alerts_are_a_message_each(
    mailed: Channel, fresh: Fresh, mail_server: MailServer, now: datetime.datetime
) -> None:
    many(mailed, fresh, DIGEST_FROM - 1)
    while turn(now):
        pass
    assert len(mail_server.mails) == DIGEST_FROM - 1


def test_a_program_gets_each_of_many(hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime) -> None:
    many(hook, fresh, DIGEST_FROM)
    while turn(now):
        pass
    assert len(endpoint.requests) == DIGEST_FROM


def test_a_digest_that_is_not_taken_is_tried_again_as_one_and_counts_as_one_failure(
    mailed: Channel, fresh: Fresh, mail_server: MailServer, now: datetime.datetime
) -> None:
    mail_server.refuse["DATA"] = "451 come back later"
    many(mailed, fresh, DIGEST_FROM)
    first = turn(now)
    assert {delivery.state for delivery in first} == {"RETRYING"}
    assert Channel.objects.get().failures == 1
    mail_server.refuse.clear()
    again = turn(first[0].due_at)
    assert (len(again), len(mail_server.mails), again[0].attempts) == (DIGEST_FROM, 1, 2)


def test_what_somebody_asked_to_send_again_is_a_message_of_its_own(
    mailed: Channel, fresh: Fresh, mail_server: MailServer, now: datetime.datetime
) -> None:
    many(mailed, fresh, DIGEST_FROM - 1)
    resend(Delivery.objects.earliest("pk"), by="user:rui")
    while turn(timezone.now() + SECOND):
        pass
    assert len(mail_server.mails) == DIGEST_FROM


# Somebody else is told


def test_after_a_refusal_the_fallback_tells_its_own_recipients_once(
    hook: Channel, channel: MakeChannel, make_endpoint: Any, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    second = make_endpoint()
    Channel.objects.update(fallback=channel("webhook", "second", secrets={"url": second.url}))
    Channel.objects.filter(name="second").update(fallback=None)
    endpoint.replies(410)
    fresh(hook)
    turn(now)
    (stand_in,) = turn(now)
    assert (stand_in.channel_name, stand_in.state) == ("second", "SENT")
    assert stand_in.fallback_of is not None
    assert "The channel hook could not tell its recipient: 410" in second.requests[0].json["note"]


def test_a_channel_that_keeps_failing_is_tried_on_while_the_fallback_tells(
    hook: Channel, channel: MakeChannel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    Channel.objects.filter(pk=hook.pk).update(fallback=channel("webhook", "second"))
    endpoint.replies(500)
    fresh(hook)
    told = []
    for _ in range(4):
        turn(now)
        told.append(Delivery.objects.filter(channel__name="second").count())
        now = Delivery.objects.get(channel=hook).due_at
    assert told == [0, 0, 1, 1]
    assert Delivery.objects.get(channel=hook).state == "RETRYING"


def test_what_waits_behind_a_channel_that_is_down_is_told_by_the_fallback_too(
    hook: Channel, channel: MakeChannel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    Channel.objects.filter(pk=hook.pk).update(fallback=channel("webhook", "second"), failures=FALL_BACK_AFTER)
    endpoint.replies(500)
    for number in range(3):
        fresh(hook, f"job-{number}")
    turn(now)
    stand_ins = Delivery.objects.filter(channel__name="second").order_by("alert__job")
    assert list(stand_ins.values_list("alert__job", flat=True)) == ["job-0", "job-1", "job-2"]


def test_a_server_that_wants_to_be_left_alone_for_long_is_down(
    hook: Channel, channel: MakeChannel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    Channel.objects.filter(pk=hook.pk).update(fallback=channel("webhook", "second"))
    for seconds, stand_ins in (("30", 0), ("600", 1)):
        endpoint.next_replies(429, Retry_After=seconds)
        fresh(hook, f"job-{seconds}")
        turn(now)
        assert Delivery.objects.filter(channel__name="second").count() == stand_ins
        Channel.objects.update(hold_until=None, failures=0)
        Delivery.objects.update(state="SENT")


def test_who_is_told_anyway_is_not_told_again_by_the_fallback(
    hook: Channel, channel: MakeChannel, alerting: Alerting, end: EndRun, endpoint: Endpoint, now: datetime.datetime
) -> None:
    Channel.objects.filter(pk=hook.pk).update(fallback=channel("webhook", "second"))
    endpoint.replies(410)
    end(alerting(recipients=["hook", "second"]))
    settle_all()
    turn(now)
    assert Delivery.objects.filter(channel__name="second").count() == 1


# What can't even be tried


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"enabled": False}, "FAILED", "the channel 'hook' is switched off"),
        ({"kind": "pigeon"}, "RETRYING", "no kind of channel is named 'pigeon'; there are email, slack, webhook"),
        ({"secrets": {}}, "RETRYING", "Channel 'hook' can't be used"),
    ],
)
def test_a_channel_that_can_not_send_says_why(
    hook: Channel, fresh: Fresh, now: datetime.datetime, changes: dict[str, Any], state: str, words: str
) -> None:
    fresh(hook)
    Channel.objects.update(**changes)
    (delivery,) = turn(now)
    assert delivery.state == state
    assert words in delivery.answer


def test_a_channel_whose_key_is_lost_fails_alone(
    hook: Channel, channel: MakeChannel, fresh: Fresh, now: datetime.datetime
) -> None:
    locked = channel("webhook", "locked")
    fresh(locked, "first")
    Channel.objects.filter(pk=locked.pk).update(secrets=Value("not a token", output_field=TextField()))
    fresh(hook, "second")
    found = {delivery.channel_name: delivery for delivery in turn(now)}
    assert (found["locked"].state, found["hook"].state) == ("RETRYING", "SENT")
    assert "Channel 'locked': A stored secret can't be decrypted" in found["locked"].answer


def test_a_channel_that_was_deleted_says_so(hook: Channel, fresh: Fresh, now: datetime.datetime) -> None:
    fresh(hook)
    Channel.objects.all().delete()
    (delivery,) = turn(now)
    assert (delivery.state, delivery.answer) == ("FAILED", "the channel 'hook' has been deleted")


def test_a_message_that_comes_late_says_so(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    fresh(hook)
    turn(now + datetime.timedelta(hours=2))
    assert "This message is 2 h 00 min late." in endpoint.requests[0].json["note"]


def test_an_answer_holds_no_secret_of_the_channel(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    endpoint.replies(400, f"no hook at {endpoint.url}/canary-path\n\nsorry")
    fresh(hook)
    (delivery,) = turn(now)
    assert "canary-path" not in str(vars(delivery))
    assert "\n" not in delivery.answer


def test_a_message_whose_senders_are_lost_for_ever_fails_at_last(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    fresh(hook)
    Delivery.objects.update(attempts=MOST_TAKEN)
    (delivery,) = turn(now)
    assert (delivery.state, endpoint.requests) == ("FAILED", [])
    assert "given up after 50 attempts: the sender was lost" in delivery.answer


# By hand


def test_resending_is_a_delivery_of_its_own(
    hook: Channel, fresh: Fresh, endpoint: Endpoint, now: datetime.datetime
) -> None:
    first = fresh(hook)
    turn(now)
    again = resend(first, by="user:rui")
    (sent,) = turn(timezone.now() + SECOND)
    assert (sent.pk, sent.state, sent.resend_of) == (again.pk, "SENT", first)
    assert "Sent again for user:rui." in endpoint.requests[1].json["note"]
    assert endpoint.requests[0].header("Idempotency-Key") != endpoint.requests[1].header("Idempotency-Key")
