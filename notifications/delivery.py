"""Telling one recipient: send what was taken, write down what came of it.

Who dies while sending leaves it to the next, who can't know whether it arrived: that attempt stands in its history as such, and
the receiver may see the message twice, never not at all.
"""

import datetime
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from connectors.definition import ConnectorError, Definition
from jobs.words import seconds_in_words
from nomaflow_site.lib.faults import faultpoint
from nomaflow_site.lib.redact import Masker
from nomaflow_site.lib.sealing import CannotDecrypt
from notifications import bell
from notifications.backoff import MOST_ATTEMPTS, next_wait
from notifications.catalogue import default_recipients, ready_channel
from notifications.channels import transports
from notifications.events import OPEN, DeliveryState, Event
from notifications.message import Message
from notifications.messages import digest_of, message_of
from notifications.models import Alert, Channel, Delivery
from notifications.taking import LOST
from notifications.transport import Transport, Unsent

log = logging.getLogger(__name__)
# After so many failures of a channel somebody else is told, while it's tried on.
FALL_BACK_AFTER = 3
# A server that wants to be left alone for longer than this is down, too.
LONG_HOLD_SECONDS = 60
# Deliveries of one channel that are handed to its fallback at once.
MOST_FALLBACKS = 500
# Attempts whatever becomes of them: the senders of so many were lost in the middle.
MOST_TAKEN = 50
# A message that leaves so long after its event says so, in seconds.
LATE_SECONDS = 300
LONGEST_ANSWER = 1000


# Sending


@dataclass(frozen=True)
class Attempt:
    """One attempt, ready to be made without the database: what it tells, by whom, with what. Several deliveries are one digest."""

    deliveries: Sequence[Delivery]
    transport: Transport
    definition: Definition
    message: Message

    @property
    def first(self) -> Delivery:
        """The delivery that the message is sent as."""
        return self.deliveries[0]

    def make(self) -> str | Exception:
        """Send it; the server's answer, or what went wrong. Never raises."""
        faultpoint("delivery.before_send")
        try:
            answer: str | Exception = self.transport.send(self.definition, self.first.recipient, self.message)
        except Exception as error:
            answer = error
        faultpoint("delivery.after_send")
        return answer


def prepare(deliveries: Sequence[Delivery], now: datetime.datetime) -> Attempt | Unsent:
    """Everything an attempt needs, or why none can be made. All of `deliveries` go to one recipient of one channel."""
    first = deliveries[0]
    channel = first.channel
    if first.attempts > MOST_TAKEN:
        return Unsent(f"given up after {MOST_TAKEN} attempts: {first.answer or LOST}", permanent=True)
    if channel is None:
        return Unsent(f"the channel {first.channel_name!r} has been deleted", permanent=True)
    if not channel.enabled:
        return Unsent(f"the channel {channel.name!r} is switched off", permanent=True)
    if channel.kind not in transports():
        return Unsent(f"no kind of channel is named {channel.kind!r}; there are {', '.join(transports())}")
    try:
        definition = ready_channel(channel)
    except (ConnectorError, CannotDecrypt) as error:
        return Unsent(str(error))
    message = _message(first, now) if len(deliveries) == 1 else _digest(deliveries)
    return Attempt(deliveries, transports()[channel.kind], definition, message)


def _message(delivery: Delivery, now: datetime.datetime) -> Message:
    note = " ".join(_notes(delivery, now))
    return _said(delivery.alert, delivery=str(delivery.uid), note=note)


def _said(alert: Alert, **values: str) -> Message:
    facts = alert.facts
    base = settings.NOMAFLOW_BASE_URL
    return message_of(Event(alert.event), alert.job_id, facts, base_url=base, incident=facts.get("incident"), **values)


def _digest(deliveries: Sequence[Delivery]) -> Message:
    told = [_said(delivery.alert) for delivery in deliveries]
    return digest_of(told, base_url=settings.NOMAFLOW_BASE_URL, delivery=str(deliveries[0].uid))


def _notes(delivery: Delivery, now: datetime.datetime) -> list[str]:
    notes = []
    if (first := delivery.fallback_of) is not None:
        whom = first.recipient or "its recipient"
        why = first.answer or (first.channel.last_answer if first.channel else "")
        notes.append(f"The channel {first.channel_name} could not tell {whom}: {why}.")
    if delivery.resend_of_id is not None:
        notes.append(f"Sent again for {delivery.requested_by}.")
    elif (late := (now - delivery.alert.created_at).total_seconds()) > LATE_SECONDS:
        notes.append(f"This message is {seconds_in_words(late)} late.")
    return notes


# Recording


def record(
    deliveries: Sequence[Delivery], result: str | Exception, now: datetime.datetime, hidden: Collection[str] = ()
) -> None:
    """Write down how an attempt ended: SENT, RETRYING, or FAILED; how the channel fares; who stands in."""
    with transaction.atomic():
        if isinstance(result, str):
            _record_sent(deliveries, _line(result, hidden), now)
        else:
            _record_unsent(deliveries, _as_unsent(result), hidden, now)
        faultpoint("delivery.before_record")
    faultpoint("delivery.recorded")


def _as_unsent(error: Exception) -> Unsent:
    if isinstance(error, Unsent):
        return error
    if not isinstance(error, ConnectorError):
        log.error("a message could not be sent", exc_info=error)
    return Unsent(str(error) or type(error).__name__)


def _line(answer: str, hidden: Collection[str]) -> str:
    """One line without secrets: the transport has masked its own, and this doesn't rely on it."""
    clean = answer.replace("\0", "").encode(errors="replace").decode()
    return Masker(hidden).text(" ".join(clean.split()))[:LONGEST_ANSWER]


def _record_sent(deliveries: Sequence[Delivery], answer: str, now: datetime.datetime) -> None:
    together = f"{answer} (one message about {len(deliveries)} alerts)" if len(deliveries) > 1 else answer
    for delivery in deliveries:
        _end_attempt(delivery, together, now, state=DeliveryState.SENT, ended_at=now)
    Channel.objects.filter(deliveries=deliveries[0]).update(
        failing_since=None, failures=0, hold_until=None, last_sent_at=now, last_answer=answer
    )


def _record_unsent(
    deliveries: Sequence[Delivery], unsent: Unsent, hidden: Collection[str], now: datetime.datetime
) -> None:
    first, answer = deliveries[0], _line(unsent.answer, hidden)
    wait = None if unsent.permanent else next_wait(first.attempts, unsent.retry_after)
    again = None if wait is None else now + datetime.timedelta(seconds=wait)
    channel = Channel.objects.filter(deliveries=first)
    channel.update(failing_since=Coalesce("failing_since", now), failures=F("failures") + 1, last_answer=answer)
    if unsent.retry_after and again:
        channel.update(hold_until=again)
    for delivery in deliveries:
        _end_or_retry(delivery, answer, again, now)
    if _is_down(first, now):
        # Also those that wait behind this one: at a server that hangs, each would take its time to fail.
        waiting = Delivery.objects.filter(channel=first.channel_id, state__in=OPEN, fell_back=False).order_by("pk")
        for each in waiting[:MOST_FALLBACKS]:
            _fall_back(each, now)


def _end_or_retry(delivery: Delivery, answer: str, again: datetime.datetime | None, now: datetime.datetime) -> None:
    if again is None or delivery.attempts >= MOST_ATTEMPTS:
        _end_attempt(delivery, answer, now, state=DeliveryState.FAILED, ended_at=now)
        log.error("%s was not delivered: %s", delivery, answer)
        _fall_back(delivery, now)
        return
    _end_attempt(delivery, answer, now, state=DeliveryState.RETRYING, due_at=again)
    if delivery.attempts >= FALL_BACK_AFTER:
        _fall_back(delivery, now)


def _is_down(delivery: Delivery, now: datetime.datetime) -> bool:
    """Whether the channel has failed again and again, or wants to be left alone for long."""
    long_hold = now + datetime.timedelta(seconds=LONG_HOLD_SECONDS)
    down = Q(failures__gte=FALL_BACK_AFTER) | Q(hold_until__gt=long_hold)
    return Channel.objects.filter(down, pk=delivery.channel_id or 0).exists()


def _end_attempt(delivery: Delivery, answer: str, now: datetime.datetime, **changes: Any) -> None:
    history = [*delivery.history, {"at": now.isoformat(), "answer": answer}]
    mine = Delivery.objects.filter(pk=delivery.pk, token=delivery.token, state__in=OPEN)
    if not mine.update(answer=answer, history=history, token="", lease_until=None, **changes):
        log.warning("%s was taken over by another sender; it may have arrived twice", delivery)


def _fall_back(delivery: Delivery, now: datetime.datetime) -> None:
    """Let the channel's fallback tell its own recipients, once, and none of them twice."""
    fallback = Channel.objects.filter(stands_in_for=delivery.channel_id).first()
    if fallback is None or not Delivery.objects.filter(pk=delivery.pk, fell_back=False).update(fell_back=True):
        return
    told = set(Delivery.objects.filter(alert=delivery.alert_id, channel=fallback).values_list("recipient", flat=True))
    Delivery.objects.bulk_create(
        Delivery(
            alert_id=delivery.alert_id,
            channel=fallback,
            channel_name=fallback.name,
            recipient=recipient,
            created_at=now,
            due_at=now,
            fallback_of=delivery,
        )
        for recipient in default_recipients(fallback)
        if recipient not in told
    )


# What people ask for


def resend(delivery: Delivery, *, by: str) -> Delivery:
    """Send it once more, as a delivery of its own; the old one stays as it ended."""
    now = timezone.now()
    again = Delivery.objects.create(
        alert_id=delivery.alert_id,
        channel_id=delivery.channel_id,
        channel_name=delivery.channel_name,
        recipient=delivery.recipient,
        created_at=now,
        due_at=now,
        resend_of=delivery,
        requested_by=by[:160],
    )
    transaction.on_commit(bell.ring)
    return again
