"""What will fire: the moments of all enabled schedules in order, calendars and freezes taken into account."""

import datetime
import heapq
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from django.db.models import QuerySet

from jobs.calendars import load_days
from jobs.cron import BadCron, Stretch
from jobs.cronfields import SPARSE
from jobs.freezing import freezes_between, frozen_by, latest, why
from jobs.models import Freeze, Job, Preset, Scheduled
from jobs.timetable import Moment, Timetable, timetable_of

log = logging.getLogger(__name__)
# A moment is on one side of an instant or the other: schedules name whole seconds.
TICK = datetime.timedelta(microseconds=1)
LISTED = datetime.timedelta(days=30)


@dataclass(frozen=True, order=True)
class Expected:
    """One fire to come, or `count` of a dense schedule up to `until`. `preset` is empty for the job's own schedule.

    `frozen` says which freeze holds it; empty where none does. `off`: its schedule is switched off, so it won't fire.
    """

    scheduled_at: datetime.datetime
    job_id: str
    preset: str
    count: int = 1
    until: datetime.datetime | None = None
    frozen: str = ""
    off: bool = False


@dataclass(frozen=True)
class Affected:
    """What a freeze would hold: the first of it, in order, and how much it is in all."""

    fires: list[Expected]
    total: int
    jobs: int


@dataclass(frozen=True)
class _Source:
    job_id: str
    preset: str
    timetable: "_Shared"
    off: bool = False


def expected_fires(
    jobs: QuerySet[Job],
    start: datetime.datetime,
    end: datetime.datetime,
    limit: int,
    *,
    off: bool = False,
    cuts: Collection[datetime.datetime] = (),
) -> list[Expected]:
    """The fires of `jobs` and their presets after `start` up to `end`, earliest first, at most `limit`.

    Frozen ones are among them, those that a calendar excludes are not. A schedule that can't be read has none.
    `off`: those of schedules that are switched off too. `cuts`: no stretch of a dense schedule goes on past one of these.
    """
    frozen = frozen_by(freezes_between(start, end), jobs)
    found = (
        fire
        for source in _sources(jobs, off)
        for fire in _fires(source, frozen.of(source.job_id), start, end, cuts if source.timetable.is_dense else ())
    )
    return heapq.nsmallest(limit, found, key=_place)


def affected_fires(freeze: Freeze, jobs: QuerySet[Job], limit: int) -> Affected:
    """What a freeze, stored or not, holds of these jobs; listed for its first thirty days, counted up to its end."""
    frozen = frozen_by([freeze], jobs)
    after, last = freeze.starts_at - TICK, freeze.ends_at - TICK
    listed: list[Expected] = []
    total, held = 0, set()
    for source in _sources(jobs):
        if not frozen.of(source.job_id):
            continue
        listed += _expected(source, after, min(last, after + LISTED), "")
        if count := sum(stretch.count for stretch in source.timetable.stretches(after, last)):
            total += count
            held.add(source.job_id)
    return Affected(heapq.nsmallest(limit, listed, key=_place), total, len(held))


def _place(fire: Expected) -> tuple[datetime.datetime, str, str]:
    return fire.scheduled_at, fire.job_id, fire.preset


def _sources(jobs: QuerySet[Job], off: bool = False) -> Iterator[_Source]:
    timetables = _Timetables()
    presets = Preset.objects.filter(job__in=jobs.order_by().values("pk"))
    if not off:
        jobs, presets = jobs.filter(enabled=True), presets.filter(enabled=True)
    fields = ("schedule", "timezone", "include_calendar_id", "exclude_calendar_id", "on_excluded", "enabled")
    rows: Iterable[tuple[Scheduled, str, str]] = [
        *((job, job.id, "") for job in jobs.exclude(schedule="").only("id", *fields)),
        *(
            (preset, preset.job_id, preset.name)
            for preset in presets.exclude(schedule="").only("job_id", "name", *fields)
        ),
    ]
    for row, job_id, preset in rows:
        try:
            yield _Source(job_id, preset, timetables.of(row), not row.enabled)
        except BadCron as error:
            log.warning("the schedule of %s can't be used: %s", " / ".join(filter(None, (job_id, preset))), error)


class _Shared:
    """A timetable that many schedules may have, and what has been asked of it already."""

    def __init__(self, timetable: Timetable) -> None:
        self._timetable = timetable
        self._stretches: dict[tuple[datetime.datetime, datetime.datetime], list[Stretch]] = {}
        self.moments = timetable.moments
        self.is_dense = any(band.dense for band in timetable.cron.fields.bands)

    def stretches(self, after: datetime.datetime, last: datetime.datetime) -> list[Stretch]:
        """As the timetable's own."""
        found = self._stretches.get((after, last))
        if found is None:
            found = self._stretches[after, last] = self._timetable.stretches(after, last)
        return found


class _Timetables:
    """The timetables of many schedules: two o'clock every night is worked out once, however many jobs fire then."""

    def __init__(self) -> None:
        self._calendars = load_days()
        self._known: dict[tuple[object, ...], _Shared] = {}

    def of(self, row: Scheduled) -> _Shared:
        """That of a job or preset. Raises BadCron."""
        key = (row.schedule, row.timezone, row.include_calendar_id, row.exclude_calendar_id, row.on_excluded)
        if key not in self._known:
            self._known[key] = _Shared(timetable_of(row, self._calendars))
        return self._known[key]


def _fires(
    source: _Source,
    freezes: list[Freeze],
    start: datetime.datetime,
    end: datetime.datetime,
    wanted_cuts: Collection[datetime.datetime] = (),
) -> Iterator[Expected]:
    """The source's fires, stretches cut where a freeze begins or ends, and where else it's wanted."""
    moments = [moment for freeze in freezes for moment in (freeze.starts_at, freeze.ends_at)]
    edges = {moment - TICK for moment in (*moments, *wanted_cuts)}
    cuts = [start, *sorted(edge for edge in edges if start < edge < end), end]
    for after, last in pairwise(cuts):
        freeze = latest(freezes, after + TICK)
        yield from _expected(source, after, last, why(freeze) if freeze else "")


def _expected(source: _Source, after: datetime.datetime, last: datetime.datetime, frozen: str) -> Iterator[Expected]:
    for first, until, count in source.timetable.stretches(after, last):
        if count > SPARSE:
            yield Expected(first, source.job_id, source.preset, count, until, frozen, source.off)
            continue
        # A dense schedule may have but a few fires in a short time: those are worth a line each.
        moments = source.timetable.moments(first - TICK, until, count) if count > 1 else [Moment(first)]
        for at in (moment.at for moment in moments if not moment.excluded):
            yield Expected(at, source.job_id, source.preset, frozen=frozen, off=source.off)
