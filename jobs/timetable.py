"""When a schedule really fires: its cron expression, bent by calendars. Pure: no clock, no query.

A calendar's days are days of the schedule's zone, by the reading that the expression names: a time that the clock jumped over
belongs to the day it was meant for. An expression names the same times on each of its days; moving relies on that.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from jobs.cron import BadCron, Cron, Stretch
from jobs.days import FARTHEST, Days, days_of

if TYPE_CHECKING:
    from jobs.models import Scheduled

UTC = datetime.UTC
SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1)
# A schedule without a fire for so long counts as one that never fires.
HORIZON = 5 * 366 * DAY


@dataclass(frozen=True)
class Moment:
    """A moment of a schedule, in UTC. `excluded` says why a calendar leaves it out, and where it was moved; '' when it fires."""

    at: datetime.datetime
    excluded: str = ""


class Timetable:
    """A cron expression with the calendars it keeps to. `move`: excluded moments go to the next business day."""

    def __init__(
        self, cron: Cron, include: Days | None = None, exclude: Days | None = None, move: bool = False
    ) -> None:
        self.cron = cron
        self.include = include
        self.exclude = exclude
        self.move = move and exclude is not None
        self._plain = include is None and exclude is None

    def moments(self, start: datetime.datetime, end: datetime.datetime, limit: int) -> list[Moment]:
        """The moments after `start` up to and including `end`, oldest first, at most `limit`; excluded ones among them.

        Days outside the included calendar have none.
        """
        if self._plain:
            return [Moment(at) for at in self.cron.between(start, end, limit)]
        return list(islice(_without_doubles(self._all(start, end)), limit))

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """The first moment later than `after` that really fires; None when calendars leave none for five years."""
        if self._plain:
            return _next(self.cron, after)
        end = min(after, datetime.datetime.max.replace(tzinfo=UTC) - HORIZON - 2 * DAY) + HORIZON
        own = next((moment.at for moment in self._own(after, end, firing=True)), None)
        return next(self._moved(after, own or end), own)

    def stretches(self, start: datetime.datetime, end: datetime.datetime) -> list[Stretch]:
        """The moments that fire after `start` up to and including `end`, dense ones folded as `Cron.stretches` folds them."""
        if self._plain:
            return self.cron.stretches(start, end)
        found = [stretch for first, last in self._open(start, end) for stretch in self.cron.stretches(first, last)]
        if self.move:
            found += self._moved_stretches(start, end)
        return sorted(found, key=attrgetter("first"))

    def _all(self, start: datetime.datetime, end: datetime.datetime) -> Iterator[Moment]:
        for own in self._own(start, end):
            # From one to the next, so that whoever wants a few moments doesn't pay for a search up to the end.
            yield from map(Moment, self._moved(start, own.at))
            yield own
            start = own.at
        yield from map(Moment, self._moved(start, end))

    # The expression's own moments

    def _own(self, start: datetime.datetime, end: datetime.datetime, firing: bool = False) -> Iterator[Moment]:
        """Those of included days; `firing`: without the excluded ones."""
        at = _next(self.cron, start)
        while at is not None and at <= end:
            wall = self._wall(at)
            day = wall.date()
            reason = self._reason(day)
            if (self.include and self.include.label(day) is None) or (firing and reason):
                at = self._last_of(day)
            else:
                yield Moment(at, reason and f"{reason}{self._whither(wall)}")
            at = _next(self.cron, at)

    def _reason(self, day: datetime.date) -> str:
        """Why the day is excluded; '' when it isn't."""
        label = self.exclude.label(day) if self.exclude else None
        return f"{self.exclude.name}: {label}" if self.exclude and label else ""

    def _whither(self, wall: datetime.datetime) -> str:
        """The end of the reason: where a moment of an excluded day goes."""
        if not self.move or self.exclude is None:
            return ""
        target = self.exclude.next_business_day(wall.date())
        if target is None:
            return f"; no business day within {FARTHEST} days"
        new = _reading(self._moment(datetime.datetime.combine(target, wall.time())), self.cron.zone)
        return f"; moved to {new:%Y-%m-%d %H:%M:%S}".removesuffix(":00")

    def _open(
        self, start: datetime.datetime, end: datetime.datetime
    ) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
        """(after, up to) of every run of days on which the expression's own moments fire."""
        since = None
        for day in _days(self._wall(start + SECOND).date(), self._wall(end).date()):
            if self._fires_on(day) == (since is not None):
                continue
            edge = self._last_of(day - DAY)
            if since is None:
                since = edge
            else:
                yield max(since, start), min(edge, end)
                since = None
        if since is not None:
            yield max(since, start), end

    def _fires_on(self, day: datetime.date) -> bool:
        return not (self.include and self.include.label(day) is None) and not self._reason(day)

    # Moved moments: found from the day they're moved to, so that nothing is lost wherever one begins to look

    def _moved(self, start: datetime.datetime, end: datetime.datetime) -> Iterator[datetime.datetime]:
        """The moments that land after `start` up to `end`, in order."""
        for origin, target in self._moves(start, end):
            for wall in self._times(origin, self._reading_after(target, start) - (target - origin)):
                at = self._moment(wall + (target - origin))
                if at > end:
                    break
                if at > start:
                    yield at

    def _moves(self, start: datetime.datetime, end: datetime.datetime) -> Iterator[tuple[datetime.date, datetime.date]]:
        """(a day moved from, the day moved to): one for each day that gets moments it hasn't of its own."""
        if not self.move:
            return
        first, last = (_reading(at, self.cron.zone).date() for at in (start, end))
        # A day to either side: a time that the clock jumps over may be due only on the day after.
        for target in _days(first - DAY, last + DAY):
            origin = self._origin(target)
            if origin and not (self._named(target) and self._fires_on(target) and not self._changes(target)):
                yield origin, target

    def _origin(self, target: datetime.date) -> datetime.date | None:
        """The nearest day whose moments are moved to this one."""
        exclude = self.exclude
        if exclude is None or not exclude.is_business_day(target):
            return None
        for back in range(1, FARTHEST + 1):
            day = target - back * DAY
            if exclude.is_business_day(day):
                return None
            included = self.include is None or self.include.label(day) is not None
            if included and exclude.label(day) is not None and self._named(day):
                return day
        return None

    def _moved_stretches(self, start: datetime.datetime, end: datetime.datetime) -> Iterator[Stretch]:
        for origin, target in self._moves(start, end):
            if self._changes(origin) or self._changes(target):
                yield from self._listed(at for at in self._moved_to(origin, target) if start < at <= end)
                continue
            # Both days have 24 hours: what holds of one holds of the other, so many hours later.
            shift = self._last_of(target) - self._last_of(origin)
            first = max(self._last_of(target - DAY), start) - shift
            last = min(self._last_of(target), end) - shift
            if first < last:
                for found in self.cron.stretches(first, last):
                    yield Stretch(found.first + shift, found.last + shift, found.count)

    def _listed(self, moved: Iterator[datetime.datetime]) -> Iterator[Stretch]:
        """Moved moments as one stretch, without those that the expression names itself."""
        moments = list(moved)
        if moments:
            own = {moment.at for moment in self._own(moments[0] - SECOND, moments[-1], firing=True)}
            moments = [at for at in moments if at not in own]
        if moments:
            yield Stretch(moments[0], moments[-1], len(moments))

    def _moved_to(self, origin: datetime.date, target: datetime.date) -> Iterator[datetime.datetime]:
        previous = None
        for wall in self._times(origin, _midnight(origin)):
            at = self._moment(wall + (target - origin))
            if at != previous:
                yield at
            previous = at

    # Readings and moments

    def _times(self, day: datetime.date, start: datetime.datetime) -> Iterator[datetime.datetime]:
        """The readings from `start` on that the expression names on the day."""
        return map(_datetime, self.cron.fields.readings(_number(start), _number(_midnight(day + DAY))))

    def _named(self, day: datetime.date) -> bool:
        number = (day - EPOCH.date()).days
        return any(True for _ in self.cron.fields.matching_days(number, number))

    def _reading_after(self, day: datetime.date, start: datetime.datetime) -> datetime.datetime:
        """The day's first reading that may be shown after `start`."""
        midnight = _midnight(day)
        return midnight if self._changes(day) else max(midnight, _reading(start, self.cron.zone))

    def _wall(self, at: datetime.datetime) -> datetime.datetime:
        """The reading by which the expression names the moment: after a gap, the first one that was jumped over."""
        wall = _reading(at, self.cron.zone)
        expected = _reading(at - SECOND, self.cron.zone) + SECOND
        if expected < wall and not self.cron.fields.elapsed:
            return next(map(_datetime, self.cron.fields.readings(_number(expected), _number(wall))), wall)
        return wall

    def _moment(self, wall: datetime.datetime) -> datetime.datetime:
        """When the clock first shows the reading; the end of the gap when it never does."""
        zone = self.cron.zone
        late = wall.replace(tzinfo=zone).astimezone(UTC)
        if _reading(late, zone) == wall:
            return late
        early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        # The clock is changed after `early`, up to `late`: halve the time between them until it's found.
        while late - early > SECOND:
            middle = (early + (late - early) / 2).replace(microsecond=0)
            early, late = (early, middle) if _reading(middle, zone) > wall else (middle, late)
        return late

    def _last_of(self, day: datetime.date) -> datetime.datetime:
        """The last second that belongs to the day: that right after a gap over midnight, where a time in the gap is named."""
        after = self._moment(_midnight(day + DAY))
        return after if self._wall(after).date() <= day else after - SECOND

    def _changes(self, day: datetime.date) -> bool:
        """Whether the clock is changed on that day."""
        zone = self.cron.zone
        return _midnight(day).replace(tzinfo=zone).utcoffset() != _midnight(day + DAY).replace(tzinfo=zone).utcoffset()


def timetable_of(scheduled: "Scheduled", calendars: Mapping[str, Days] | None = None) -> Timetable:
    """The timetable of a job or preset. Raises BadCron.

    `calendars` are all of them by name, see `jobs.calendars.load_days`; without them the row's own are fetched.
    """
    cron = Cron(scheduled.schedule, scheduled.timezone)
    names = scheduled.include_calendar_id, scheduled.exclude_calendar_id
    if not any(names):
        return Timetable(cron)
    if calendars is None:
        stored = filter(None, (scheduled.include_calendar, scheduled.exclude_calendar))
        calendars = {calendar.name: days_of(calendar) for calendar in stored}
    include, exclude = (_calendar(calendars, name) for name in names)
    return Timetable(cron, include, exclude, scheduled.on_excluded == "next_business_day")


def _calendar(calendars: Mapping[str, Days], name: str | None) -> Days | None:
    if name and name not in calendars:
        raise BadCron(f"There is no calendar {name!r} that can be used.")
    return calendars[name] if name else None


def _next(cron: Cron, after: datetime.datetime) -> datetime.datetime | None:
    try:
        return cron.next(after)
    except OverflowError:
        return None  # the years end with 9999


def _without_doubles(moments: Iterator[Moment]) -> Iterator[Moment]:
    """One for each time: the one that fires where there are two."""
    held = None
    for moment in moments:
        if held is not None and held.at == moment.at:
            held = held if not held.excluded else moment
            continue
        if held is not None:
            yield held
        held = moment
    if held is not None:
        yield held


def _reading(at: datetime.datetime, zone: datetime.tzinfo) -> datetime.datetime:
    """What a clock in the zone shows, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _number(reading: datetime.datetime) -> int:
    """The reading as `jobs.cronfields` counts it: in seconds since 1970."""
    return (reading - EPOCH) // SECOND


def _datetime(number: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(seconds=number)


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time())


def _days(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    return (first + n * DAY for n in range((last - first).days + 1))
