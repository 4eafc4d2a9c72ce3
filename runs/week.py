"""The days of a week on the clocks of a zone, 23 and 25 hours long ones among them. Pure: no clock, no query.

Moments are seconds since 1970. A reading is what the zone's clocks show, in seconds since the day's midnight.
"""

import datetime
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

DAYS = 7
DAY = 24 * 3600
ONE_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """One day: `start` included, `end` not. `opening` is its first reading; at `jump_at` the clock is put on by `jump`."""

    zone: ZoneInfo
    date: datetime.date
    start: float
    end: float
    opening: float = 0
    jump_at: float | None = None
    jump: float = 0

    def reading(self, at: float) -> float:
        """What the clock shows then; the day's end is 24:00."""
        jumped = self.jump if self.jump_at is not None and at >= self.jump_at else 0
        return self.opening + at - self.start + jumped

    def span(self, start: float, end: float) -> tuple[float, float] | None:
        """From which reading to which a time covers the day; None when it doesn't. Of an hour that comes twice all counts."""
        start, end = max(start, self.start), min(end, self.end)
        if start > end or start >= self.end:
            return None
        low, high = self.reading(start), self.reading(end)
        if self.jump < 0 and self.jump_at is not None and start < self.jump_at <= end:
            high = max(high, self.opening + self.jump_at - self.start)
        return low, max(low, high)

    @property
    def changed(self) -> tuple[float, float] | None:
        """The readings that never come, or that come twice, on a day on which the clock is changed."""
        if self.jump_at is None:
            return None
        before = self.opening + self.jump_at - self.start
        return min(before, before + self.jump), max(before, before + self.jump)

    @property
    def change(self) -> str:
        """The change in words: `clocks go back at 03:00`; empty on other days."""
        if self.jump_at is None:
            return ""
        before = self.opening + self.jump_at - self.start
        return f"clocks go {'forward' if self.jump > 0 else 'back'} at {clock(before)}"


def clock(reading: float) -> str:
    """A reading as a clock shows it, with seconds where there are any."""
    minutes, seconds = divmod(int(reading), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def days_from(first: datetime.date, zone: ZoneInfo, count: int = DAYS) -> list[Day]:
    """So many days from this one."""
    midnights = [_midnight(first + n * ONE_DAY, zone) for n in range(count + 1)]
    return [_day(first + n * ONE_DAY, midnights[n], midnights[n + 1], zone) for n in range(count)]


def place_of(days: Sequence[Day], at: float) -> int | None:
    """The number of the day that the moment falls on."""
    place = int((at - days[0].start) // DAY)
    # A day of 23 or 25 hours puts the guess out by one at most.
    for near in (place, place - 1, place + 1):
        if 0 <= near < len(days) and days[near].start <= at < days[near].end:
            return near
    return None


def days_in_words(places: Sequence[int], days: Sequence[Day]) -> str:
    """Some of the days, by their numbers: `every day`, `Mon–Wed, Fri`."""
    if len(places) == len(days) > 1:
        return "every day"
    ranges: list[list[int]] = []
    for place in sorted(places):
        if ranges and ranges[-1][-1] == place - 1:
            ranges[-1].append(place)
        else:
            ranges.append([place])
    return ", ".join(
        "–".join(f"{days[place].date:%a}" for place in dict.fromkeys((found[0], found[-1]))) for found in ranges
    )


def _midnight(date: datetime.date, zone: ZoneInfo) -> float:
    """When the day begins: at the end of the gap where the clock jumps over midnight."""
    return datetime.datetime.combine(date, datetime.time(), zone).timestamp()


def _day(date: datetime.date, start: float, end: float, zone: ZoneInfo) -> Day:
    midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp()
    opening = start + _offset(zone, start) - midnight
    jump = _offset(zone, end - 1) - _offset(zone, start) if end > start else 0
    if not jump:
        return Day(zone, date, start, end, opening)
    seconds = range(int(start), int(end))
    after = bisect_left(seconds, True, key=lambda at: _offset(zone, at) != _offset(zone, start))
    return Day(zone, date, start, end, opening, seconds[after], jump)


def _offset(zone: ZoneInfo, at: float) -> float:
    offset = datetime.datetime.fromtimestamp(at, zone).utcoffset()
    return (offset or datetime.timedelta()).total_seconds()
