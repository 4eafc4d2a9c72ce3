"""Cron schedules and the moments they name, clock changes included. Pure: no clock, no Django.

The rules are those of Debian's cron. A schedule whose minute and hour are fixed follows the wall clock: a time that the
clock jumps over fires once, right after the gap; one that comes twice fires the first time. A schedule whose minute or hour
begins with `*` follows elapsed time. Where day-of-month and day-of-week are both set, either one matches.

Inside, time is cut into periods with one UTC offset each. In a period, readings of the wall clock and moments run in step.
"""

import calendar
import datetime
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from jobs import cronwords
from jobs.cronfields import DAY, BadCron, parse

__all__ = ["BadCron", "Cron", "Stretch", "zone_names", "zone_of"]
UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SECOND = datetime.timedelta(seconds=1)
# A zone's offset is asked for within these, as every zone can show them.
_EARLIEST = (datetime.datetime(1, 1, 3, tzinfo=UTC) - EPOCH) // SECOND
_LATEST = (datetime.datetime(9999, 12, 29, tzinfo=UTC) - EPOCH) // SECOND
_END = (datetime.datetime.max.replace(tzinfo=UTC) - EPOCH) // SECOND


@cache
def zone_names() -> frozenset[str]:
    """Every IANA zone that this machine knows."""
    return frozenset(available_timezones())


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone; BadCron when there is none of that name."""
    if name not in zone_names():
        raise BadCron(f"timezone: found {name!r}, expected an IANA name such as Europe/Paris or UTC.")
    return ZoneInfo(name)


class Stretch(NamedTuple):
    """`count` fires, the first and the last of them at these moments. A single fire is both."""

    first: datetime.datetime
    last: datetime.datetime
    count: int  # type: ignore[assignment]  # in the place of tuple.count


class Cron:
    """An expression in a zone. Moments go in with any zone and come out in UTC, whole seconds."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        """Raises BadCron."""
        self.expression = expression
        self.zone = zone_of(zone)
        self.fields = parse(expression)

    @property
    def words(self) -> str:
        """The schedule in plain English, by the wall clock: `every day at 02:00`. Clock changes aren't spoken of."""
        return cronwords.words(self.fields)

    @property
    def note(self) -> str:
        """How the two day fields go together, where both are set; otherwise empty."""
        return cronwords.note(self.fields)

    def next(self, after: datetime.datetime) -> datetime.datetime:
        """The first fire later than `after`. OverflowError when the calendar ends before it."""
        for fire in self._fires(_second(after) + 1, _END):
            return _moment(fire)
        raise OverflowError("The calendar ends with the year 9999.")

    def previous(self, before: datetime.datetime) -> datetime.datetime:
        """The last fire earlier than `before`. OverflowError when the calendar begins after it."""
        at = -((EPOCH - before) // SECOND) - 1
        for period in _periods_down(self.zone, at):
            low, high = self._readings(period, period.start, at)
            reading = self.fields.last_reading(low, high)
            if reading is not None:
                return _moment(period.moment(reading))
        raise OverflowError("The calendar begins with the year 1.")

    def between(self, start: datetime.datetime, end: datetime.datetime, limit: int) -> list[datetime.datetime]:
        """The fires after `start` up to and including `end`, oldest first, at most `limit`."""
        return [_moment(fire) for fire in islice(self._fires(_second(start) + 1, _second(end)), limit)]

    def stretches(self, start: datetime.datetime, end: datetime.datetime) -> list[Stretch]:
        """The same fires without a limit, folded where they're dense: more than 12 in a row of hours of a day are one.

        Hours that go on past midnight, or past a clock change, without a break are one stretch.
        """
        pieces: list[_Piece] = []
        for piece in self._pieces(_second(start) + 1, _second(end)):
            if piece.dense and pieces and pieces[-1].dense and pieces[-1].end == piece.start:
                piece = pieces.pop().joined(piece)
            pieces.append(piece)
        return [Stretch(_moment(piece.first), _moment(piece.last), piece.fires) for piece in pieces]

    def _fires(self, start: int, end: int) -> Iterator[int]:
        """The fires from `start` to `end`, both included."""
        for period in _periods_up(self.zone, start, end):
            latest = None
            for reading in self.fields.readings(*self._readings(period, start, end)):
                fire = period.moment(reading)
                if fire != latest:
                    yield fire
                latest = fire

    def _readings(self, period: "_Period", start: int, end: int) -> tuple[int, int]:
        """The readings of a period that count, from the first to below the second, for moments from `start` to `end`."""
        # Fixed times leave out what the clock has shown before, and make up for what it has jumped over.
        low = period.start + period.offset if self.fields.elapsed else period.shown
        if start > period.start:
            low = max(low, start + period.offset)
        return low, min(end + 1, period.end) + period.offset

    def _pieces(self, start: int, end: int) -> Iterator["_Piece"]:
        for period in _periods_up(self.zone, start, end):
            low, high = self._readings(period, start, end)
            opening = period.start + period.offset
            if low < opening:
                yield from self._gap(period, low)
                low = opening
            for day in self.fields.matching_days(low // DAY, (high - 1) // DAY):
                yield from self._day(day * DAY, low, high, period.offset)

    def _gap(self, period: "_Period", low: int) -> Iterator["_Piece"]:
        """The one fire for all readings that the clock jumps over, unless it fires at that moment anyway."""
        opening = period.start + period.offset
        reading = self.fields.last_reading(low, opening)
        if reading is not None and self.fields.last_reading(opening, opening + 1) is None:
            dense = any(band.dense for band in self.fields.bands if band.start <= reading % DAY < band.end)
            yield _Piece(period.start, period.start, period.start, period.start, 1, dense)

    def _day(self, midnight: int, low: int, high: int, offset: int) -> Iterator["_Piece"]:
        time, rank, base = self.fields.time, self.fields.rank, midnight - offset
        for band in self.fields.bands:
            start, end = max(low - midnight, band.start), min(high - midnight, band.end)
            numbers = range(rank(start), rank(end))
            if not numbers:
                continue
            if band.dense:
                first, last = base + time(numbers[0]), base + time(numbers[-1])
                yield _Piece(base + start, base + end, first, last, len(numbers), True)
            else:
                fires = (base + time(n) for n in numbers)
                yield from (_Piece(fire, fire, fire, fire, 1, False) for fire in fires)


def _second(moment: datetime.datetime) -> int:
    """The moment in seconds since 1970, fractions dropped."""
    return (moment - EPOCH) // SECOND


def _moment(second: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(seconds=second)


class _Piece(NamedTuple):
    """Fires within one band of one day, and the time that the band covers there. All in seconds since 1970, UTC."""

    start: int
    end: int
    first: int
    last: int
    fires: int
    dense: bool

    def joined(self, later: "_Piece") -> "_Piece":
        return later._replace(start=self.start, first=self.first, fires=self.fires + later.fires)


class _Period(NamedTuple):
    """A time with one UTC offset, at most a year of it: `start` included, `end` not, in seconds since 1970, UTC.

    `shown`: the wall clock has been up to this reading before. It's later than its reading at `start` when the clock has
    been put back, and earlier when it has been put on.
    """

    start: int
    end: int
    offset: int
    shown: int

    def moment(self, reading: int) -> int:
        """When the clock shows it; `start` for what it has jumped over."""
        return max(reading - self.offset, self.start)

    def since(self, start: int) -> "_Period":
        """The part from `start` on."""
        if start <= self.start:
            return self
        return self._replace(start=start, shown=max(self.shown, start + self.offset))


def _periods_up(zone: ZoneInfo, start: int, end: int) -> Iterator[_Period]:
    for year in range(_moment(start).year, 10_000):
        for period in _periods(zone, year):
            if period.start > end:
                return
            if period.end > start:
                yield period


def _periods_down(zone: ZoneInfo, end: int) -> Iterator[_Period]:
    for year in range(_moment(end).year, 0, -1):
        yield from (period for period in reversed(_periods(zone, year)) if period.start <= end)


@lru_cache(maxsize=4096)
def _periods(zone: ZoneInfo, year: int) -> tuple[_Period, ...]:
    """The periods of a year in UTC. New Year ends one, as it's easy to find."""
    opening = (datetime.datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // SECOND
    closing = opening + (366 if calendar.isleap(year) else 365) * DAY
    # A clock that is put back shortly before New Year shows old readings after it.
    start = opening - 2 * DAY
    offset = _offset(zone, start)
    shown, periods = start + offset, []
    for end in [*_changes(zone, start, closing), closing]:
        periods.append(_Period(start, end, offset, shown))
        shown = max(shown, end + offset)
        start, offset = end, _offset(zone, end)
    return tuple(period.since(opening) for period in periods if period.end > opening)


def _changes(zone: ZoneInfo, start: int, end: int) -> Iterator[int]:
    """The first second of each new offset, after `start` and before `end`. Two changes on one day would count as one."""
    for day in range(start, end, DAY):
        later = min(day + DAY, end - 1)
        if _offset(zone, day) != _offset(zone, later):
            yield day + bisect_left(range(day, later), True, key=lambda at: _offset(zone, at) != _offset(zone, day))


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = _moment(min(max(second, _EARLIEST), _LATEST)).astimezone(zone).utcoffset()
    return (offset or datetime.timedelta()) // SECOND
