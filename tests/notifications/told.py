"""Alerts, deliveries and incidents as the sender would have left them, for tests of what shows them."""

import datetime
import itertools
from typing import Any

from django.utils import timezone

from jobs.models import Job
from notifications.events import DeliveryState, Event
from notifications.models import Alert, Channel, Delivery, Incident
from runs.models import Run

_keys = itertools.count(1)
REFUSED = "535 5.7.8 authentication failed"


def channel(name: str = "ops", kind: str = "webhook", **values: Any) -> Channel:
    """A channel to nowhere."""
    config = values.pop("config", {"url": "http://127.0.0.1:1/hook"})
    return Channel.objects.create(name=name, kind=kind, config=config, **values)


def alert(job: Job, event: Event = Event.FAILED, **values: Any) -> Alert:
    """Something that happened, and that has been settled."""
    now = timezone.now()
    given = {"created_at": now, "settled_at": now, "outcome": "to 1 recipient", **values}
    return Alert.objects.create(key=f"told:{next(_keys)}", event=event, job=job, **given)


def delivery(
    of: Alert | Job, state: DeliveryState = DeliveryState.SENT, through: Channel | None = None, **values: Any
) -> Delivery:
    """A message for one recipient, tried once unless it's pending."""
    now = timezone.now()
    told = alert(of) if isinstance(of, Job) else of
    through = through or Channel.objects.filter(name="ops").first() or channel()
    answer = values.pop("answer", {"SENT": "200 OK", "PENDING": ""}.get(state, REFUSED))
    tried = {"attempts": 1, "history": [{"at": now.isoformat(), "answer": answer}], "tried_at": now}
    given = {
        "created_at": now,
        "due_at": now,
        "recipient": "#ops",
        "answer": answer,
        "ended_at": now if state in (DeliveryState.SENT, DeliveryState.FAILED) else None,
        **({} if state == DeliveryState.PENDING else tried),
        **values,
    }
    return Delivery.objects.create(alert=told, state=state, channel=through, channel_name=through.name, **given)


def incident(job: Job, failures: int = 1, last_run: Run | None = None, **values: Any) -> Incident:
    """A job that fails."""
    now = timezone.now()
    hour = datetime.timedelta(hours=1)
    given = {"opened_at": now - hour, "last_failed_at": now, "reason": "step 'pull' failed: no such table", **values}
    return Incident.objects.create(job=job, failures=failures, last_run=last_run, **given)
