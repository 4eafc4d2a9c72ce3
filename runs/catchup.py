"""Catching up after an outage: missed moments are run or dismissed, and what waits to be run starts a few at a time."""

import datetime
from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from jobs.models import Job, Overlap
from runs.firing import attach_runs, draft_for, frozen_between, is_on, load_jobs, tell
from runs.models import Fire, Run
from runs.states import ACTIVE, Cause, Outcome

# Catch-ups under way at the same time: the regular fires need room, too.
MOST_AT_ONCE = 4
# Jobs, and moments of one job, that a look takes in at most.
LOOKED_AT = 500


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
    while some := _start_some(now):
        started += some
    return started


def _start_some(now: datetime.datetime) -> int:
    """At most one of each job, so that none hides the others; a constant number of queries for those that go on waiting."""
    jobs_waiting = _jobs_waiting()
    if not jobs_waiting:
        return 0
    with transaction.atomic():
        room = MOST_AT_ONCE - Run.objects.filter(state__in=ACTIVE, fires__outcome=Outcome.CAUGHT_UP).count()
        if room <= 0:
            return 0
        jobs = load_jobs(jobs_waiting)
        frozen = frozen_between(jobs_waiting, now, now)
        busy = _busy(jobs_waiting)
        started = 0
        for job_id in jobs_waiting:
            if started >= room:
                break
            if job_id not in busy and not frozen.holding(job_id, now):
                started += _start_oldest(job_id, jobs.get(job_id))
        return started


def _jobs_waiting() -> list[str]:
    """The jobs that have moments waiting; first who has waited longest."""
    waiting = Fire.objects.filter(outcome=Outcome.WAITING).order_by()
    oldest = waiting.values("job").annotate(oldest=Min("scheduled_at")).order_by("oldest", "job")
    return list(oldest.values_list("job", flat=True)[:LOOKED_AT])


def _busy(job_ids: Sequence[str]) -> set[str]:
    """Those whose run in flight has to end first; where runs may overlap, nothing has to."""
    active = Run.objects.filter(job__in=job_ids, state__in=ACTIVE)
    return set(active.exclude(overlap=Overlap.ALLOW).values_list("job_id", flat=True))


def _start_oldest(job_id: str, job: Job | None) -> bool:
    """Start the run of the job's oldest moment that nobody else has at hand; what can't be run any more is dropped."""
    skip = connection.features.has_select_for_update_skip_locked
    waiting = Fire.objects.select_for_update(skip_locked=skip).filter(outcome=Outcome.WAITING, job=job_id)
    for fire in waiting.order_by("scheduled_at", "pk")[:LOOKED_AT]:
        if job is None:
            _drop(fire, "the job has been deleted")
        elif not fire.settled_by and not is_on(job, fire.preset):
            _drop(fire, "the schedule was switched off before it could be caught up")
        else:
            return _start(fire, job)
    return False


def _start(fire: Fire, job: Job) -> bool:
    fire.outcome = Outcome.CAUGHT_UP
    draft = draft_for(fire, job)
    if draft is not None:
        draft.requested_by = fire.settled_by.removeprefix("user:")
        attach_runs([(fire, draft)])
    if fire.cause == Cause.OVERLAP:
        return False  # somebody was quicker: it waits on, unsaved
    _save(fire)
    return fire.run is not None


def _drop(fire: Fire, reason: str) -> None:
    fire.outcome, fire.cause, fire.reason = Outcome.SKIPPED, Cause.DISABLED, reason
    _save(fire)


def _save(fire: Fire) -> None:
    fire.save(update_fields=["outcome", "cause", "reason", "run"])
    tell([fire])
