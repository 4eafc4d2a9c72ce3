"""Scheduled moments: each ends as exactly one Fire row, and mostly a run.

A look takes the rows of the schedules that are due, decides about every moment since the last look, and stores fires, runs and
how far it has come in one transaction. Killed anywhere, it leaves nothing or everything; any number of beats may look at once,
because each locks the rows that it takes and passes over those that another one holds. The unique (job, preset, moment) stands
behind it all.
"""

import datetime
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Max
from django_celery_beat.models import PeriodicTask

from jobs.freezing import Frozen, freezes_between, frozen_by, why
from jobs.models import Job
from jobs.timetable import Moment
from nomaflow_site.lib.faults import faultpoint
from runs.models import Fire, Run
from runs.punctuality import Policy, Verdict, in_words, judge
from runs.signals import fires_skipped
from runs.states import Cause, Outcome
from runs.timers import Timer, cursor_of
from runs.trigger import InvalidTrigger, RunInFlight, draft_run, store_runs

log = logging.getLogger(__name__)
# Moments of one schedule that get a row each after an outage; the older ones share one.
MOST_MOMENTS = 1000


@dataclass
class Look:
    """What one look finds of one schedule: its moments that have no row yet, and the older ones that are only counted."""

    timer: Timer
    moments: Sequence[Moment]
    older: Sequence[tuple[datetime.datetime, datetime.datetime, int]] = ()

    @property
    def first(self) -> datetime.datetime:
        """The first moment that gets a row of its own."""
        return self.moments[0].at if self.moments else self.last

    @property
    def last(self) -> datetime.datetime:
        """The last moment: how far the schedule has been recorded."""
        return self.moments[-1].at if self.moments else self.older[-1][1]


def record_due(timers: Sequence[Timer], now: datetime.datetime) -> None:
    """Record every moment of these schedules up to `now` and start their runs; each timer's cursor moves on.

    A timer whose row somebody else holds or has changed stays where it is. Raises DatabaseError with nothing stored.
    """
    try:
        _record(timers, now)
    except IntegrityError:
        # Another beat stored one of the moments between our look and our insert. Alone, each finds that out by itself.
        for timer in timers:
            try:
                _record([timer], now)
            except IntegrityError as error:
                log.warning("%s is being recorded by somebody else: %s", timer.job_id, error)


def settle(timer: Timer, now: datetime.datetime, *, ended: bool) -> None:
    """Record what an old schedule still owes before it's changed, or `ended`. Inside the transaction that changes it."""
    _record([timer], now, ended=ended, wait=True)


def _record(timers: Sequence[Timer], now: datetime.datetime, *, ended: bool = False, wait: bool = False) -> None:
    with transaction.atomic():
        cursors = _take(timers, now, wait)
        looks = [_look(timer, cursors[timer.pk], now) for timer in timers if timer.pk in cursors]
        news = [look for look in looks if look.moments or look.older]
        fires: list[Fire] = []
        if news:
            fires = _decide(news, now, ended)
            faultpoint("firing.before_insert")
            Fire.objects.bulk_create(fires)
            faultpoint("firing.before_cursor")
            _move_on(news)
            tell(fires)
        faultpoint("firing.before_commit")
    for look in looks:
        look.timer.cursor = look.last if look.moments or look.older else cursors[look.timer.pk]
    faultpoint("firing.after_commit")


def _take(timers: Sequence[Timer], now: datetime.datetime, wait: bool) -> dict[int, datetime.datetime]:
    """The rows' cursors, locked; without those that somebody else holds, or that don't say any more what the timer says."""
    headers = {timer.pk: timer.headers for timer in timers}
    skip = connection.features.has_select_for_update_skip_locked and not wait
    rows = PeriodicTask.objects.select_for_update(skip_locked=skip).filter(pk__in=list(headers)).order_by("pk")
    return {row.pk: cursor_of(row, now) for row in rows if row.headers == headers[row.pk]}


def _look(timer: Timer, cursor: datetime.datetime, now: datetime.datetime) -> Look:
    moments = timer.timetable.moments(cursor, now, MOST_MOMENTS + 1)
    if len(moments) <= MOST_MOMENTS:
        return Look(timer, moments)
    cut, cron = now + datetime.timedelta(microseconds=1), timer.timetable.cron
    for _ in range(MOST_MOMENTS):
        cut = cron.previous(cut)
    cut -= datetime.timedelta(seconds=1)
    older = [(s.first, s.last, s.count) for s in timer.timetable.stretches(_recorded(timer, cursor, cut), cut)]
    folded = [(older[0][0], older[-1][1], sum(count for _, _, count in older))] if older else []
    return Look(timer, timer.timetable.moments(cut, now, MOST_MOMENTS), folded)


def _recorded(timer: Timer, cursor: datetime.datetime, cut: datetime.datetime) -> datetime.datetime:
    """Where the older ones begin: behind rows that are there from before the clock was set back and forth."""
    there = Fire.objects.filter(job=timer.job_id, preset=timer.preset, scheduled_at__gt=cursor, scheduled_at__lte=cut)
    latest: datetime.datetime | None = there.aggregate(latest=Max("scheduled_at"))["latest"]
    return latest or cursor


def _move_on(looks: Sequence[Look]) -> None:
    # Schedules that fire together have come equally far: mostly it's one statement.
    for last, group in groupby(sorted(looks, key=attrgetter("last")), key=attrgetter("last")):
        PeriodicTask.objects.filter(pk__in=[look.timer.pk for look in group]).update(last_run_at=last)


# Deciding


def _decide(looks: Sequence[Look], now: datetime.datetime, ended: bool) -> list[Fire]:
    """The fires of all looks, their runs inserted."""
    jobs = load_jobs(look.timer.job_id for look in looks)
    known = _known(looks)
    frozen = frozen_between(jobs, min(look.first for look in looks), now)
    fires: list[Fire] = []
    drafts: list[tuple[Fire, Run]] = []
    for look in looks:
        job = jobs.get(look.timer.job_id)
        fires += [_folded(look.timer, first, last, count, now) for first, last, count in look.older]
        timer = look.timer
        moments = [moment for moment in look.moments if (timer.job_id, timer.preset, moment.at) not in known]
        off = ended or not is_on(job, timer.preset)
        policy = Policy() if off or job is None else policy_of(job)
        verdicts = judge(moments, now, policy, partial(_held, frozen, look.timer.job_id))
        for moment, verdict in zip(moments, verdicts, strict=True):
            fire = _fire(timer, moment.at, now, verdict)
            fires.append(fire)
            if verdict.outcome in (Outcome.RAN, Outcome.LATE):
                if off:
                    _leave_out(fire, Cause.DISABLED, "the schedule was switched off in between")
                elif (draft := draft_for(fire, job)) is not None:
                    drafts.append((fire, draft))
    attach_runs(drafts)
    return fires


def load_jobs(ids: Iterable[str]) -> dict[str, Job]:
    """The jobs by id with all that a run of theirs needs, in three queries."""
    return Job.objects.prefetch_related("steps", "presets").in_bulk(set(ids))


def _known(looks: Sequence[Look]) -> set[tuple[str, str, datetime.datetime]]:
    """The moments that have a row already: another beat's, or from before the clock was set back."""
    first, last = min(look.first for look in looks), max(look.last for look in looks)
    fires = Fire.objects.filter(job__in={look.timer.job_id for look in looks}, scheduled_at__range=(first, last))
    return set(fires.values_list("job_id", "preset", "scheduled_at"))


def is_on(job: Job | None, preset: str) -> bool:
    """Whether the job's own schedule, or that of one of its presets, is switched on."""
    if job is None:
        return False
    return any(p.enabled for p in job.presets.all() if p.name == preset) if preset else job.enabled


def policy_of(job: Job) -> Policy:
    """The job's misfire policy."""
    return Policy(job.misfire, job.misfire_limit, job.misfire_within_seconds)


def frozen_between(jobs: Iterable[str], start: datetime.datetime, end: datetime.datetime) -> Frozen:
    """The freezes of that time, with what they have to know of these jobs."""
    return frozen_by(freezes_between(start, end), Job.objects.filter(pk__in=list(jobs)))


def _held(frozen: Frozen, job_id: str, moment: datetime.datetime) -> str:
    freeze = frozen.holding(job_id, moment)
    return why(freeze) if freeze else ""


def draft_for(fire: Fire, job: Any) -> Run | None:
    """The run of a moment, not stored yet; None when the job can't run as it is, and the fire says why."""
    try:
        draft = draft_run(job, preset=fire.preset)
    except InvalidTrigger as refusal:
        _leave_out(fire, Cause.INVALID, f"the job can't run as it is: {refusal}")
        return None
    except DatabaseError:
        raise
    except Exception as error:
        # A defect of ours in one job must not keep the others from firing.
        log.exception("%s could not be fired", fire)
        _leave_out(fire, Cause.INVALID, f"the job can't run as it is: {type(error).__name__}: {error}")
        return None
    draft.triggered_by, draft.scheduled_at = "cron", fire.scheduled_at
    return draft


def attach_runs(drafts: Sequence[tuple[Fire, Run]]) -> None:
    """Insert the runs; a fire whose run isn't let in says so."""
    for (fire, _), stored in zip(drafts, store_runs([draft for _, draft in drafts]), strict=True):
        if isinstance(stored, Run):
            fire.run = stored
        else:
            _leave_out(fire, Cause.OVERLAP, _overlap(stored))


def _overlap(refusal: RunInFlight) -> str:
    return str(refusal) if type(refusal) is not RunInFlight else f"{refusal.run.run_id} was still {refusal.run.state}"


def _fire(timer: Timer, at: datetime.datetime, now: datetime.datetime, verdict: Verdict) -> Fire:
    return Fire(
        job_id=timer.job_id,
        preset=timer.preset,
        scheduled_at=at,
        noticed_at=now,
        outcome=verdict.outcome,
        cause=verdict.cause,
        reason=verdict.reason,
    )


def _folded(
    timer: Timer, first: datetime.datetime, last: datetime.datetime, count: int, now: datetime.datetime
) -> Fire:
    late = in_words((now - last).total_seconds())
    words = f"{count:,} moments in one row, the last noticed {late} late: no scheduler was running"
    fire = _fire(timer, first, now, Verdict(Outcome.MISSED, Cause.OUTAGE, words))
    fire.until, fire.count = last, count
    return fire


def _leave_out(fire: Fire, cause: Cause, reason: str) -> None:
    fire.outcome, fire.cause, fire.reason, fire.run = Outcome.SKIPPED, cause, reason, None


def tell(fires: Sequence[Fire]) -> None:
    """The floors above hear of every moment that started nothing, except on days off, which are planned. Inside the transaction."""
    unplanned = [
        fire for fire in fires if fire.outcome in (Outcome.SKIPPED, Outcome.MISSED) and fire.cause != Cause.CALENDAR
    ]
    for fire in unplanned:
        log.warning("%s did not run: %s", fire, fire.reason)
    if unplanned:
        fires_skipped.send_robust(sender=Fire, fires=unplanned)
