"""Taking what is due: by one conditional update each, held by a lease, so that nobody else sends it meanwhile."""

import datetime
import secrets
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from nomaflow_site.lib.faults import faultpoint
from notifications.channels import transports
from notifications.events import OPEN
from notifications.models import Delivery

# Messages of one channel that a process sends at the same time. One: a server that hangs doesn't take all the places, and a
# sender that is killed leaves one message of which nobody knows whether it arrived.
PER_CHANNEL = 1
# So many alerts that wait for one recipient are told in one message, where people read it: a night's outage is one mail.
DIGEST_FROM = 10
MOST_IN_DIGEST = 500
LOST = "the sender was lost in the middle of this attempt; it may have arrived"


def take_due(now: datetime.datetime, most: int, in_flight: Counter[int | None]) -> list[Delivery]:
    """At most `most` deliveries that are due, each held by this process from now on. `in_flight`: by channel."""
    # Asked every second, nearly always for nothing: the cheapest question first.
    if not Delivery.objects.filter(state__in=OPEN, due_at__lte=now).exists():
        return []
    busy = [channel for channel, count in in_flight.items() if count >= PER_CHANNEL]
    due = _due(now).exclude(channel__in=busy).exclude(channel__hold_until__gt=now).order_by("due_at", "pk")
    taken: list[Delivery] = []
    counts = Counter(in_flight)
    for delivery in due[:most]:
        if counts[delivery.channel_id] < PER_CHANNEL and _take(delivery, now):
            faultpoint("delivery.taken")
            taken.append(delivery)
            counts[delivery.channel_id] += 1
    return taken


def take_beside(delivery: Delivery, now: datetime.datetime) -> list[Delivery]:
    """What waits for the same recipient and can go in the same message, held by this process from now on; mostly nothing."""
    transport = transports().get(delivery.channel.kind) if delivery.channel else None
    if transport is None or not transport.digests or delivery.resend_of_id is not None:
        return []
    others = _due(now).filter(channel=delivery.channel, recipient=delivery.recipient, resend_of=None).order_by("pk")
    waiting = list(others[:MOST_IN_DIGEST])
    return [other for other in waiting if _take(other, now)] if len(waiting) + 1 >= DIGEST_FROM else []


def _due(now: datetime.datetime) -> QuerySet[Delivery]:
    due = Delivery.objects.filter(_free(), state__in=OPEN, due_at__lte=now)
    # Secrets are opened for each when it's sent: one lost key must not keep the others from being sent.
    heavy = ("channel__secrets", "fallback_of__channel__secrets")
    return due.select_related("alert", "channel", "fallback_of__channel").defer(*heavy)


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=Now())


def lease() -> Any:
    """The database's time until which a sender that says nothing keeps what it sends."""
    return Now() + datetime.timedelta(seconds=settings.NOMAFLOW_LEASE_SECONDS)


def _take(delivery: Delivery, now: datetime.datetime) -> bool:
    if len(delivery.history) < delivery.attempts:
        tried_at = delivery.tried_at or now
        delivery.history = [*delivery.history, {"at": tried_at.isoformat(), "answer": LOST}]
    delivery.token = secrets.token_hex(16)
    still = Delivery.objects.filter(_free(), pk=delivery.pk, state__in=OPEN, attempts=delivery.attempts)
    delivery.attempts += 1
    changes = {"attempts": delivery.attempts, "history": delivery.history, "token": delivery.token, "tried_at": now}
    return bool(still.update(lease_until=lease(), **changes))


def keep(deliveries: Iterable[Delivery]) -> None:
    """Renew the leases of what is being sent."""
    Delivery.objects.filter(token__in=[delivery.token for delivery in deliveries]).update(lease_until=lease())
