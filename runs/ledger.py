"""Schedules and their ledger in words: when a schedule fires, how many moments a time had, and what became of them."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet, Sum

from jobs.cron import BadCron, Cron, zone_of
from jobs.models import Job, OnExcluded, Preset
from runs.models import Fire
from runs.states import STARTED, Cause, Outcome


@dataclass(frozen=True)
class Balance:
    """The moments of a time: `expected` = `ran` + `waiting` + all of `others`, which are (what, cause in words, how many)."""

    expected: int
    ran: int
    waiting: int
    others: tuple[tuple[str, str, int], ...]

    def __str__(self) -> str:
        """`214 expected, 212 ran, 1 skipped (a run was in flight), 1 missed (no scheduler was running)`."""
        parts = [f"{self.expected:,} expected", f"{self.ran:,} ran"]
        parts += [f"{self.waiting:,} waiting to be caught up"] if self.waiting else []
        parts += [f"{count:,} {what} ({why})" for what, why, count in self.others]
        return ", ".join(parts)


def balance(fires: QuerySet[Fire], start: datetime.datetime, end: datetime.datetime) -> Balance:
    """What became of the moments after `start` up to `end`. One query."""
    inside = fires.filter(scheduled_at__gt=start, scheduled_at__lte=end).order_by()
    rows = list(inside.values_list("outcome", "cause").annotate(Count("pk"), moments=Sum("count")))
    return balance_of((Outcome(outcome), Cause(cause), moments) for outcome, cause, _, moments in rows)


def balance_of(counts: Iterable[tuple[Outcome, Cause, int]]) -> Balance:
    found = list(counts)
    ran = sum(count for outcome, _, count in found if outcome in STARTED)
    waiting = sum(count for outcome, _, count in found if outcome is Outcome.WAITING)
    others = sorted(
        (
            (str(outcome.label), str(cause.label) if cause else "no reason recorded", count)
            for outcome, cause, count in found
            if outcome in (Outcome.SKIPPED, Outcome.MISSED)
        ),
        key=lambda item: -item[2],
    )
    return Balance(sum(count for *_, count in found), ran, waiting, tuple(others))


@dataclass(frozen=True)
class Described:
    """A schedule for people: whose it is, its expression and zone, what they mean, and whether it's switched on."""

    name: str
    expression: str
    zone: str
    words: str
    note: str
    enabled: bool


def described_schedules(job: Job) -> list[Described]:
    """The job's own schedule and those of its presets, as far as there are any."""
    own = [_described(job)] if job.schedule else []
    return own + [_described(preset) for preset in job.presets.all() if preset.schedule]


def _described(scheduled: Job | Preset) -> Described:
    """The schedule of a job or preset; one that can't be read says why."""
    name = f"preset {scheduled.name}" if isinstance(scheduled, Preset) else ""
    try:
        cron = Cron(scheduled.schedule, scheduled.timezone)
        words, note = cron.words, cron.note
    except BadCron as error:
        words, note = "", str(error)
    parts = [words, *_calendars(scheduled)]
    return Described(
        name, scheduled.schedule, scheduled.timezone, ", ".join(filter(None, parts)), note, scheduled.enabled
    )


def _calendars(scheduled: Job | Preset) -> Iterator[str]:
    if scheduled.include_calendar_id:
        yield f"only on days of {scheduled.include_calendar_id}"
    if scheduled.exclude_calendar_id:
        moved = ", moved to the next business day" if scheduled.on_excluded != OnExcluded.SKIP else ""
        yield f"not on days of {scheduled.exclude_calendar_id}{moved}"


def zone_or_utc(name: str) -> ZoneInfo:
    """The zone, or UTC for one that this machine doesn't know."""
    try:
        return zone_of(name)
    except BadCron:
        return zone_of("UTC")
