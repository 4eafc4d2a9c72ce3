"""Retention of alerts: one that belongs to a run goes with it; the others by their age. A live alert is never removed."""

import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifications.events import OPEN
from notifications.models import Alert, Delivery, Incident


def live() -> Q:
    """As a condition on alerts: nobody has looked yet whom to tell, or somebody still has to be told."""
    open_delivery = Delivery.objects.filter(alert=OuterRef("pk"), state__in=OPEN)
    return Q(settled_at=None) | Q(Exists(open_delivery))


def keeps_run() -> Q:
    """As a condition on runs: one of its alerts is live."""
    return Q(Exists(Alert.objects.filter(live(), run=OuterRef("pk"))))


def prune(before: datetime.datetime, most: int) -> int:
    """Remove at most `most` old alerts without a run and old closed incidents without alerts; how many rows."""
    old = Alert.objects.filter(~live(), run=None, created_at__lt=before).order_by("created_at")
    removed = _delete(old, most)
    closed = Incident.objects.filter(~Exists(Alert.objects.filter(incident=OuterRef("pk"))), closed_at__lt=before)
    return removed + (_delete(closed, most - removed) if removed < most else 0)


def _delete(rows: QuerySet[Alert] | QuerySet[Incident], most: int) -> int:
    locked = rows.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
    return int(rows.model._default_manager.filter(pk__in=list(locked[:most])).delete()[0])
