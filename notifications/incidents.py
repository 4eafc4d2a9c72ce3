"""Incidents: a job's failures in a row as one thing, told once and then from time to time until somebody takes it on.

A failure opens one or folds into the open one. Acknowledged, it's silent until the job succeeds; snoozed, until that time.
"""

import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from notifications.models import Incident
from notifications.wanted import Wanted
from runs.models import Run
from runs.states import RunState


def fold(job_id: str, run: Run | None, reason: str, at: datetime.datetime) -> Incident:
    """The job's open incident with one more failure, `at` that time; a new one where none is open."""
    changes = {"failures": F("failures") + 1, "last_failed_at": at, "last_run": run, "reason": reason}
    while not _open(job_id).update(**changes):
        try:
            with transaction.atomic():
                Incident.objects.create(job_id=job_id, opened_at=at, last_failed_at=at)
        except IntegrityError:
            continue  # somebody opened one in the same moment: fold into that
    return _open(job_id).get()


def _open(job_id: str) -> QuerySet[Incident]:
    return Incident.objects.filter(job_id=job_id, closed_at=None)


def why_quiet(incident: Incident, wanted: Wanted, now: datetime.datetime) -> str:
    """Why a failure that has just been folded is not told; empty when it is."""
    here = f"folded into incident {incident.pk}"
    if incident.acknowledged_at:
        return f"{here}, acknowledged by {incident.acknowledged_by}"
    if incident.snoozed_until and incident.snoozed_until > now:
        return f"{here}, snoozed by {incident.snoozed_by} until {incident.snoozed_until:%Y-%m-%d %H:%M}Z"
    if incident.failures < wanted.after_failures:
        return f"failure {incident.failures} in a row; told from {wanted.after_failures} on"
    pause = datetime.timedelta(minutes=wanted.repeat_minutes)
    if incident.told_at and now - incident.told_at < pause:
        return f"{here}, told less than {wanted.repeat_minutes} min ago"
    return ""


def close_recovered(job_id: str, run: Run) -> Incident | None:
    """Close the job's open incident because this run succeeded; None where none was open."""
    incident: Incident | None = _open(job_id).first()
    by = f"{run.run_id}, which succeeded"
    return incident if incident and _close(incident, by, run.finished_at or timezone.now()) else None


def success_since(job_id: str, at: datetime.datetime) -> Run | None:
    """A run of the job that succeeded after that time: news of it may have been settled before that of an older failure."""
    ended = Run.objects.filter(job_id=job_id, state=RunState.SUCCEEDED, finished_at__isnull=False).order_by("-pk")
    last = ended.only("run_id", "finished_at").first()
    return last if last and last.finished_at and last.finished_at > at else None


def acknowledge(incident: Incident, *, by: str) -> bool:
    """Take it on: its repeats are told to nobody any more, until the job succeeds. False when it's closed already."""
    changes = {"acknowledged_at": timezone.now(), "acknowledged_by": by[:160]}
    return bool(_still_open(incident).update(**changes))


def snooze(incident: Incident, *, until: datetime.datetime, by: str) -> bool:
    """Be silent about it until then. False when it's closed already."""
    return bool(_still_open(incident).update(snoozed_until=until, snoozed_by=by[:160]))


def close(incident: Incident, *, by: str) -> bool:
    """Say that it's over: the next failure opens another. False when it's closed already."""
    return _close(incident, by, timezone.now())


def _close(incident: Incident, by: str, at: datetime.datetime) -> bool:
    return bool(_still_open(incident).update(closed_at=at, closed_by=by[:160]))


def _still_open(incident: Incident) -> QuerySet[Incident]:
    return Incident.objects.filter(pk=incident.pk, closed_at=None)
