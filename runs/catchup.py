"""Catching up after an outage: missed moments are run or dismissed, and what waits to be run starts a few at a time."""

import datetime
import logging
from functools import partial

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs.models import Job, Overlap
from runs.firing import attach_runs, draft_for, is_held, is_on, tell
from runs.models import Fire, Run
from runs.states import ACTIVE, Cause, Outcome

log = logging.getLogger(__name__)
# Catch-ups under way at the same time: the regular fires need room, too.
MOST_AT_ONCE = 4
# A look at so many of those that wait; a job that is busy or frozen doesn't hide those behind it for ever.
LOOKED_AT = 200


def open_misses() -> QuerySet[Fire]:
    """Missed moments that nobody has run or dismissed, oldest first."""
    return Fire.objects.filter(outcome=Outcome.MISSED, settled_at=None).order_by("scheduled_at", "pk")


def run_missed(fires: QuerySet[Fire], *, by: str) -> int:
    """Let missed moments be caught up, as soon as there is room; how many. One that stands for many runs once."""
    asked = _open(fires).update(outcome=Outcome.WAITING, settled_at=timezone.now(), settled_by=by)
    start_waiting(timezone.now())
    return asked


def dismiss(fires: QuerySet[Fire], *, by: str) -> int:
    """Take missed moments off the list; they stay in the ledger as missed. How many."""
    return _open(fires).update(settled_at=timezone.now(), settled_by=by)


def _open(fires: QuerySet[Fire]) -> QuerySet[Fire]:
    # A list that was shown may be old: only what's still open is touched, each exactly once.
    return fires.order_by().filter(outcome=Outcome.MISSED, settled_at=None)


def start_waiting(now: datetime.datetime) -> int:
    """Start catch-ups that wait, oldest first, as far as there is room; how many. Any process may call it at any time."""
    started = 0
    if Fire.objects.filter(outcome=Outcome.WAITING).exists():
        with transaction.atomic():
            room = MOST_AT_ONCE - _under_way()
            for fire in _waiting() if room > 0 else []:
                if started == room:
                    break
                started += _start(fire, now)
    return started


def _under_way() -> int:
    return Run.objects.filter(state__in=ACTIVE, fires__outcome=Outcome.CAUGHT_UP).count()


def _waiting() -> QuerySet[Fire]:
    skip = connection.features.has_select_for_update_skip_locked
    waiting = Fire.objects.select_for_update(skip_locked=skip).filter(outcome=Outcome.WAITING)
    return waiting.order_by("scheduled_at", "pk")[:LOOKED_AT]


def _start(fire: Fire, now: datetime.datetime) -> bool:
    """Start the run of one moment, unless its job is busy or frozen: then it goes on waiting."""
    job = Job.objects.prefetch_related("steps", "presets").filter(pk=fire.job_id).first()
    if job is None:
        return _drop(fire, "the job has been deleted")
    if not fire.settled_by and not is_on(job, fire.preset):
        return _drop(fire, "the schedule was switched off before it could be caught up")
    busy = job.overlap != Overlap.ALLOW and Run.objects.filter(job=job, state__in=ACTIVE).exists()
    if busy or is_held(job, now):
        return False
    fire.outcome = Outcome.CAUGHT_UP
    draft = draft_for(fire, job)
    if draft is not None:
        draft.requested_by = fire.settled_by.removeprefix("user:")
        attach_runs([(fire, draft)])
    if fire.cause == Cause.OVERLAP:
        return False  # somebody was quicker: it waits on, unsaved
    _save(fire)
    return fire.run is not None


def _drop(fire: Fire, reason: str) -> bool:
    fire.outcome, fire.cause, fire.reason = Outcome.SKIPPED, Cause.DISABLED, reason
    _save(fire)
    return False


def _save(fire: Fire) -> None:
    fire.save(update_fields=["outcome", "cause", "reason", "run"])
    transaction.on_commit(partial(tell, [fire]))
