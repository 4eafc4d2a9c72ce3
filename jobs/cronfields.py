"""The fields of a cron expression and the readings of a wall clock that match them. Pure: no zone, no clock.

croniter isn't used: it wraps reversed ranges around without a word, accepts `R`, `?` and 31 February, and fires fixed times
twice in the autumn night, so that guarding it took more code than reading six fields does.

A reading is what a wall clock shows, in seconds since 1970-01-01 00:00 on that clock; a day is a number of days since then.
"""

import calendar
import datetime
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3600, 86400
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST_EXPRESSION = 200
# As the ordinal of the week in a month: 1 to 5 count from its beginning, this one is its last.
LAST = -1
# Hours in a row are a band when more fires than this fall into them.
SPARSE = 12
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = 1 - _EPOCH, datetime.date.max.toordinal() - _EPOCH


class BadCron(ValueError):
    """An expression or zone that can't be used; the message names the field, what was found and what is expected."""


class Days(NamedTuple):
    """What the two day fields say. `weekdays` count from 0 = Sunday, `weeks` are (weekday, 1-5 or LAST)."""

    dates: frozenset[int]
    last_date: bool
    weekdays: frozenset[int]
    weeks: frozenset[tuple[int, int]]
    either: bool

    @property
    def every_date(self) -> bool:
        """Whether day-of-month restricts nothing."""
        return len(self.dates) == 31

    @property
    def every_weekday(self) -> bool:
        """Whether day-of-week restricts nothing."""
        return len(self.weekdays) == 7


class Band(NamedTuple):
    """A part of the day, in seconds from its beginning: hours in a row that are `dense` with fires, or all between."""

    start: int
    end: int
    dense: bool


@dataclass(frozen=True)
class Fields:
    """The values of an expression. `parts` are its six texts; `elapsed`: it follows elapsed time, not the wall clock."""

    parts: tuple[str, ...]
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: frozenset[int]
    elapsed: bool

    def readings(self, low: int, high: int) -> Iterator[int]:
        """The matching readings from `low` to below `high`, upwards."""
        for day in self.matching_days(low // DAY, (high - 1) // DAY):
            midnight = day * DAY
            for n in range(self.rank(low - midnight), self.rank(high - midnight)):
                yield midnight + self.time(n)

    def last_reading(self, low: int, high: int) -> int | None:
        """The last matching reading from `low` to below `high`."""
        for day in self.matching_days(low // DAY, (high - 1) // DAY, down=True):
            n = self.rank(high - day * DAY) - 1
            if n >= 0:
                reading = day * DAY + self.time(n)
                return reading if reading >= low else None
        return None

    def matching_days(self, first: int, last: int, down: bool = False) -> Iterator[int]:
        """The matching days from `first` to `last`, both included; downwards from `last` if so wanted."""
        first, last = max(first, _FIRST_DAY), min(last, _LAST_DAY)
        at = last if down else first
        while first <= at <= last:
            date = datetime.date.fromordinal(at + _EPOCH)
            before = at - date.day
            length = 28 if date.month == 2 and not calendar.isleap(date.year) else MONTH_LENGTHS[date.month - 1]
            if date.month in self.months:
                # 1970-01-01 was a Thursday.
                dates = dates_of_month(self.days, (before + 5) % 7, length)
                for number in reversed(dates) if down else dates:
                    if first <= before + number <= last:
                        yield before + number
            at = before if down else before + length + 1

    # The times of a day are hours x minutes x seconds in order, so each has a number that needs no listing to be found.

    def rank(self, second: int) -> int:
        """How many times of a day come before this second of it; it may lie outside of the day."""
        if not 0 <= second < DAY:
            return 0 if second < 0 else len(self.hours) * len(self.minutes) * len(self.seconds)
        hour, minute, second = second // HOUR, second // MINUTE % 60, second % 60
        h = bisect_left(self.hours, hour)
        if h == len(self.hours) or self.hours[h] != hour:
            return h * len(self.minutes) * len(self.seconds)
        m = bisect_left(self.minutes, minute)
        if m == len(self.minutes) or self.minutes[m] != minute:
            return (h * len(self.minutes) + m) * len(self.seconds)
        return (h * len(self.minutes) + m) * len(self.seconds) + bisect_left(self.seconds, second)

    def time(self, n: int) -> int:
        """The second of the day at which its `n`th time is, counted from 0."""
        n, second = divmod(n, len(self.seconds))
        hour, minute = divmod(n, len(self.minutes))
        return self.hours[hour] * HOUR + self.minutes[minute] * MINUTE + self.seconds[second]

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The day cut into bands; hours that aren't dense share one."""
        bands: list[Band] = []
        for first, end in _runs(self.hours):
            dense = (end - first) * len(self.minutes) * len(self.seconds) > SPARSE
            if bands and not dense and not bands[-1].dense:
                first = bands.pop().start // HOUR
            bands.append(Band(first * HOUR, end * HOUR, dense))
        return tuple(bands)


def _runs(hours: tuple[int, ...]) -> list[tuple[int, int]]:
    """Hours in a row, as (first, the one after the last)."""
    runs: list[tuple[int, int]] = []
    for hour in hours:
        first = runs.pop()[0] if runs and runs[-1][1] == hour else hour
        runs.append((first, hour + 1))
    return runs


@lru_cache(maxsize=4096)
def dates_of_month(days: Days, first_weekday: int, length: int) -> tuple[int, ...]:
    """The dates that match in a month that begins on that weekday (0 = Sunday). There are but 28 kinds of months."""
    return tuple(date for date in range(1, length + 1) if _matches(days, date, (first_weekday + date - 1) % 7, length))


def _matches(days: Days, date: int, weekday: int, length: int) -> bool:
    by_date = date in days.dates or (days.last_date and date == length)
    by_weekday = (
        weekday in days.weekdays
        or (weekday, (date + 6) // 7) in days.weeks
        or (date + 7 > length and (weekday, LAST) in days.weeks)
    )
    return by_date or by_weekday if days.either else by_date and by_weekday


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = ""

    @property
    def expected(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


DATE = _Field("day of month", 1, 31, special=", L for the last day")
WEEKDAY = _Field("day of week", 0, 7, tuple(WEEKDAYS), special=", FRI#3 for the third Friday, FRIL for the last")
FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    DATE,
    _Field("month", 1, 12, tuple(MONTHS)),
    WEEKDAY,
    _Field("second", 0, 59),
)
_TERM = re.compile(r"^(?:(\*)|([0-9]{1,9}|[A-Z]{3})(?:-([0-9]{1,9}|[A-Z]{3}))?)(?:/([0-9]{1,9}))?$")
_WEEK = re.compile(r"^([0-9]|[A-Z]{3})(?:#([1-5])|L)$")
# What people bring along from Quartz, Jenkins and croniter: a pattern, the fields where it's met, and the next move.
_FOREIGN = (
    (r"R.*", FIELDS, "R (random) isn't supported: a schedule has to be predictable. Write a number."),
    (r"H.*", FIELDS, "H (hashed) isn't supported: a schedule has to be predictable. Write a number."),
    (r".*\?.*", FIELDS, "? isn't supported. Write * for a field that restricts nothing, and seconds at the end."),
    (r"(L|[0-9]*)W", (DATE,), "W (the nearest working day) isn't supported. Write a date, or L for the last day."),
    (r"L-.*", (DATE,), "Days before the last can't be counted. Write a date, or L for the last day."),
    (r"L", (WEEKDAY,), "L alone is read in two ways. Write SAT for every Saturday, FRIL for the month's last Friday."),
    (r".*#(L|-1)|L[0-7]", (WEEKDAY,), "The last one of a month is written FRIL or 5L."),
    (r"[^#-]*#[0-9]+", (WEEKDAY,), "Behind # stands 1 to 5, as no month has more weeks. FRIL is the last Friday."),
    (
        r".*[-/].*[#L].*|.*[#L].*[-/].*",
        (DATE, WEEKDAY),
        "L and # take no range and no step. Write a list: MON#1,TUE#1.",
    ),
    (r".*#.*", FIELDS, "# belongs into day of week, behind one day."),
    (r"L|.*[0-9]L", FIELDS, "L belongs into day of month, or behind one day of the week."),
)


def _refusal(term: str, field: _Field) -> BadCron:
    hints = (hint for pattern, fields, hint in _FOREIGN if field in fields and re.fullmatch(pattern, term))
    expected = f"expected *, {field.expected}{field.special}, a range, a list or a step."
    return BadCron(" ".join([f"{field.name}: found {term!r}, {expected}", *list(hints)[:1]]))


def _parse_field(text: str, field: _Field) -> frozenset[int]:
    """The values that one field of an expression names."""
    values: set[int] = set()
    for term in text.split(","):
        match = _TERM.match(term)
        if match is None:
            raise _refusal(term, field)
        values.update(_parse_term(match, field))
    return frozenset(values)


def _parse_term(match: re.Match[str], field: _Field) -> range:
    star, first, last, step_text = match.groups()
    step = int(step_text) if step_text else 1
    if not 1 <= step <= field.high:
        raise BadCron(f"{field.name}: found step {step}, expected a step from 1 to {field.high}.")
    if star:
        return range(field.low, field.high + 1, step)
    start = _number(first, field)
    if last is None:
        return range(start, (field.high if step_text else start) + 1, step)
    end = _number(last, field)
    if field is WEEKDAY and end == 0 < start:
        end = 7  # FRI-SUN
    if end < start:
        raise BadCron(
            f"{field.name}: found the range {first}-{last}, expected the smaller value first. "
            f"Write two ranges: {first}-{field.high},{field.low}-{last}."
        )
    return range(start, end + 1, step)


def _number(text: str, field: _Field) -> int:
    if text in field.names:
        return field.names.index(text) + (1 if field.low else 0)
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise BadCron(f"{field.name}: found {text}, expected {field.expected}.")
    return int(text)


def _parse_days(date_text: str, weekday_text: str) -> Days:
    dates = [term for term in date_text.split(",") if term != "L"]
    weeks = [match for term in weekday_text.split(",") if (match := _WEEK.match(term))]
    weekdays = [term for term in weekday_text.split(",") if not _WEEK.match(term)]
    return Days(
        dates=_parse_field(",".join(dates), DATE) if dates else frozenset(),
        last_date=len(dates) <= date_text.count(","),
        weekdays=frozenset(day % 7 for day in _parse_field(",".join(weekdays), WEEKDAY)) if weekdays else frozenset(),
        weeks=frozenset((_number(week[1], WEEKDAY) % 7, int(week[2] or LAST)) for week in weeks),
        # As in Debian's cron, a field that begins with a star doesn't count as set.
        either=not date_text.startswith("*") and not weekday_text.startswith("*"),
    )


def _split(expression: str) -> list[str]:
    if len(expression) > LONGEST_EXPRESSION:
        raise BadCron(f"The expression has {len(expression)} characters; {LONGEST_EXPRESSION} is the limit.")
    text = expression.strip()
    if text.startswith("@") and text.lower() not in ALIASES:
        hint = " A restart isn't a time that can be foreseen." if text.lower() == "@reboot" else ""
        raise BadCron(f"Found {text!r}, expected five fields or an alias; the aliases are {', '.join(ALIASES)}.{hint}")
    parts = ALIASES.get(text.lower(), text).upper().split()
    if len(parts) not in (5, 6):
        hint = " A year can't be given: leave it out." if len(parts) == 7 else ""
        expected = "5 (minute hour day-of-month month day-of-week) or 6 (seconds at the end)"
        raise BadCron(f"Found {len(parts)} fields, expected {expected}.{hint}")
    return [*parts, "0"][:6]


@lru_cache(maxsize=4096)
def parse(expression: str) -> Fields:
    """Read five fields, or six with the seconds at the end, or an alias such as @hourly. Raises BadCron."""
    parts = _split(expression)
    minutes, hours, months, seconds = (_parse_field(parts[n], FIELDS[n]) for n in (0, 1, 3, 5))
    days = _parse_days(parts[2], parts[4])
    _refuse_what_never_comes(days, months, parts)
    return Fields(
        parts=tuple(parts),
        seconds=tuple(sorted(seconds)),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        elapsed=parts[0].startswith("*") or parts[1].startswith("*"),
    )


def _refuse_what_never_comes(days: Days, months: frozenset[int], parts: list[str]) -> None:
    # Each month begins on each weekday in one year or another, also February in leap years: trying all kinds is exact.
    lengths = {MONTH_LENGTHS[month - 1] for month in months} | ({28} if 2 in months else set())
    if any(dates_of_month(days, weekday, length) for length in lengths for weekday in range(7)):
        return
    if not days.last_date and min(days.dates) > max(lengths):
        raise BadCron(
            f"day of month: found {parts[2]} with month {parts[3]}, a date that never comes: "
            f"expected at most {max(lengths)}. L is the last day of any month."
        )
    raise BadCron(
        f"day of month: found {parts[2]} with day of week {parts[4]} and month {parts[3]}, days that never meet. As one "
        "field begins with a star, both must match: change one of them, or write it without the star if either suffices."
    )
