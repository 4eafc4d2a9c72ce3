"""The fields of a cron expression and the readings of a wall clock that match them. Pure: no zone, no clock.

croniter isn't used: it wraps reversed ranges around without a word, accepts `R`, `?` and 31 February, and fires fixed times
twice in the autumn night, so that guarding it took more code than reading six fields does.
"""

import calendar
import datetime
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
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
# 29 February on one certain weekday comes back within forty years, also around 2100, which is no leap year.
LONGEST_GAP_YEARS = 45


class BadCron(ValueError):
    """An expression or zone that can't be used; the message names the field, what was found and what is expected."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, tuple(MONTHS)),
    _Field("day of week", 0, 7, tuple(WEEKDAYS)),
    _Field("second", 0, 59),
)
_TERM = re.compile(r"^(?:(\*)|([0-9]{1,9}|[A-Z]{3})(?:-([0-9]{1,9}|[A-Z]{3}))?)(?:/([0-9]{1,9}))?$")


def _parse_field(text: str, field: _Field) -> frozenset[int]:
    """The values that one field of an expression names."""
    values: set[int] = set()
    for term in text.split(","):
        match = _TERM.match(term)
        if match is None:
            raise BadCron(f"{field.name}: found {term!r}, expected *, {field.expected}, a range, a list or a step.")
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
    if field.high == 7 and end == 0 < start:
        end = 7  # FRI-SUN
    if end < start:
        raise BadCron(f"{field.name}: found the range {first}-{last}, expected the smaller value first.")
    return range(start, end + 1, step)


def _number(text: str, field: _Field) -> int:
    if text in field.names:
        return field.names.index(text) + (1 if field.low else 0)
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise BadCron(f"{field.name}: found {text}, expected {field.expected}.")
    return int(text)


@dataclass(frozen=True)
class Fields:
    """The values of an expression. `weekdays` count from 0 = Sunday; `either_day`: one of the two day fields suffices."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    elapsed: bool

    def up_from(self, wall: datetime.datetime) -> Iterator[datetime.datetime]:
        """Every matching reading from `wall` on, without a zone; ends when none is left within a lifetime of leap years."""
        start = wall.replace(microsecond=0) + (SECOND if wall.microsecond else SECOND * 0)
        yield from self._times_up(start)
        for day in self._days_up(start.date() + DAY):
            yield from self._times_up(datetime.datetime.combine(day, datetime.time()), day_matches=True)

    def down_from(self, wall: datetime.datetime) -> Iterator[datetime.datetime]:
        """Every matching reading from `wall` downwards."""
        yield from self._times_down(wall.replace(microsecond=0))
        for day in self._days_down(wall.date() - DAY):
            yield from self._times_down(datetime.datetime.combine(day, datetime.time(23, 59, 59)), day_matches=True)

    def _times_up(self, start: datetime.datetime, day_matches: bool = False) -> Iterator[datetime.datetime]:
        if not (day_matches or self._day_matches(start.date())):
            return
        for hour in self.hours[bisect_left(self.hours, start.hour) :]:
            first_minute = start.minute if hour == start.hour else 0
            for minute in self.minutes[bisect_left(self.minutes, first_minute) :]:
                first_second = start.second if (hour, minute) == (start.hour, start.minute) else 0
                for second in self.seconds[bisect_left(self.seconds, first_second) :]:
                    yield start.replace(hour=hour, minute=minute, second=second)

    def _times_down(self, start: datetime.datetime, day_matches: bool = False) -> Iterator[datetime.datetime]:
        if not (day_matches or self._day_matches(start.date())):
            return
        for hour in reversed(self.hours[: bisect_right(self.hours, start.hour)]):
            last_minute = start.minute if hour == start.hour else 59
            for minute in reversed(self.minutes[: bisect_right(self.minutes, last_minute)]):
                last_second = start.second if (hour, minute) == (start.hour, start.minute) else 59
                for second in reversed(self.seconds[: bisect_right(self.seconds, last_second)]):
                    yield start.replace(hour=hour, minute=minute, second=second)

    def _days_up(self, day: datetime.date) -> Iterator[datetime.date]:
        end = day.replace(day=1, year=min(day.year + LONGEST_GAP_YEARS, 9999))
        while day < end:
            if day.month not in self.months:
                day = (day.replace(day=1) + 31 * DAY).replace(day=1)
                continue
            if self._day_matches(day):
                yield day
            day += DAY

    def _days_down(self, day: datetime.date) -> Iterator[datetime.date]:
        end = day.replace(day=1, year=max(day.year - LONGEST_GAP_YEARS, 1))
        while day > end:
            if day.month not in self.months:
                day = day.replace(day=1) - DAY
                continue
            if self._day_matches(day):
                yield day
            day -= DAY

    def _day_matches(self, day: datetime.date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


def parse(expression: str) -> Fields:
    """Read five fields, or six with the seconds at the end, or an alias such as @hourly. Raises BadCron."""
    if len(expression) > LONGEST_EXPRESSION:
        raise BadCron(f"The expression has {len(expression)} characters; {LONGEST_EXPRESSION} is the limit.")
    text = expression.strip()
    if text.startswith("@") and text.lower() not in ALIASES:
        raise BadCron(f"Found {text!r}; the aliases are {', '.join(ALIASES)}.")
    parts = ALIASES.get(text.lower(), text).upper().split()
    if len(parts) not in (5, 6):
        raise BadCron(
            f"Found {len(parts)} fields, expected 5 (minute hour day-of-month month day-of-week) or 6 (seconds at the end)."
        )
    sets = [_parse_field(part, field) for part, field in zip([*parts, "0"][:6], FIELDS, strict=True)]
    minutes, hours, days, months, weekdays, seconds = sets
    # As in Debian's cron, a field that begins with a star doesn't count as set.
    either_day = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not either_day and min(days) > max(_longest(month) for month in months):
        raise BadCron(f"day of month: found {parts[2]} with month {parts[3]}, a date that never comes.")
    return Fields(
        seconds=tuple(sorted(seconds)),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=either_day,
        elapsed=parts[0].startswith("*") or parts[1].startswith("*"),
    )


def _longest(month: int) -> int:
    return 29 if month == 2 else calendar.monthrange(2001, month)[1]
