"""What every page tells about alerts: channels that fail, and alerts that reached nobody."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.urls import reverse

from jobs.permissions import visible_jobs
from notifications.events import OPEN, DeliveryState
from notifications.models import Alert, Channel, Delivery
from runs import nodes
from runs.notices import Notice
from runs.visibility import sees_all_runs

TOLD_FOR = datetime.timedelta(hours=24)
# Senders look every second, and one that died is replaced within its lease.
OVERDUE = datetime.timedelta(minutes=3)
# The newest failures that are looked at; more of them are the same news.
MOST = 200


def failing_channels(user: Any, now: datetime.datetime) -> Iterator[Notice]:
    """A notice for each enabled channel that fails, for whoever sees a job."""
    failing = list(Channel.objects.filter(enabled=True).exclude(failing_since=None).defer("config", "secrets"))
    if failing and visible_jobs(user).exists():
        page = reverse("notifications:overview")
        for channel in failing:
            title = f"Channel {channel.name} is failing"
            yield Notice("failing", title, channel.last_answer, f"{page}#channels", "channels", channel.failing_since)


def lost_alerts(user: Any, now: datetime.datetime) -> Iterator[Notice]:
    """How many alerts of the jobs that the person sees reached somebody by no way in the last day."""
    failed = Delivery.objects.filter(state=DeliveryState.FAILED).order_by("-pk")
    rows = list(failed.values_list("alert_id", "alert__job_id", "ended_at")[:MOST])
    recent = {alert: job for alert, job, ended in rows if ended and ended > now - TOLD_FOR}
    if recent and not sees_all_runs(user):
        seen = set(visible_jobs(user).filter(pk__in=set(recent.values())).values_list("pk", flat=True))
        recent = {alert: job for alert, job in recent.items() if job in seen}
    lost = _lost(recent) if recent else 0
    if lost:
        count = f"{lost} alert{'s' * (lost != 1)}{' or more' * (len(rows) == MOST)}"
        page = f"{reverse('notifications:overview')}?state={DeliveryState.FAILED}#deliveries"
        yield Notice("lost", f"{count} could not be delivered", "", page, "deliveries")


def waiting_alerts(user: Any, now: datetime.datetime) -> Iterator[Notice]:
    """That alerts wait although they're due, where no process is there that would send them."""
    overdue = now - OVERDUE
    jobs = set(Alert.objects.filter(settled_at=None, created_at__lt=overdue).values_list("job_id", flat=True)[:MOST])
    unsent = Delivery.objects.filter(state__in=OPEN, due_at__lt=overdue)
    jobs |= set(unsent.values_list("alert__job_id", flat=True)[:MOST])
    if not jobs or nodes.anybody_alive(nodes.WORKER) or nodes.anybody_alive(nodes.BEAT):
        return
    if sees_all_runs(user) or visible_jobs(user).filter(pk__in=jobs).exists():
        page = f"{reverse('notifications:overview')}#deliveries"
        yield Notice("lost", "Alerts wait, and nobody sends them", "Start a worker or beat.", page, "deliveries")


def _lost(alerts: Iterable[int]) -> int:
    """How many of the alerts have a delivery that failed, and that nothing stands in for."""
    names = ("alert_id", "pk", "state", "fallback_of_id", "resend_of_id")
    rows = list(Delivery.objects.filter(alert__in=list(alerts)).values_list(*names))
    after: dict[int, list[int]] = defaultdict(list)
    for _, pk, _, *before in rows:
        for other in filter(None, before):
            after[other].append(pk)
    states = {pk: state for _, pk, state, *_ in rows}

    def hopeful(pk: int) -> bool:
        return states.get(pk) != DeliveryState.FAILED or any(hopeful(later) for later in after[pk])

    return len({alert for alert, pk, *_ in rows if not hopeful(pk)})
