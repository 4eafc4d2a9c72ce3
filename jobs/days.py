"""The days of a calendar: which they are and why. Pure: no clock, no database."""

import calendar
import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.plainvalues import value_faults

if TYPE_CHECKING:
    from jobs.models import Calendar

DAY = datetime.timedelta(days=1)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
WEEKEND = frozenset({6, 7})
MOST_DAYS = 5000
LONGEST_LABEL = 200
LONGEST_MONTH_END = 28
# A calendar that leaves no business day for longer than this has none: whoever waits for one gives up.
FARTHEST = 400
# Of many wrong days so many are named; the rest is counted.
NAMED_FAULTS = 5
_KEY = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")
_LEAP_YEAR = 2024


class BadDays(ValueError):
    """Values that make no calendar; `errors` are messages by field: days, weekdays, month_end."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = dict(errors)
        super().__init__(" ".join(f"{name}: {message}" for name, found in self.errors.items() for message in found))


@dataclass(frozen=True)
class Days:
    """A calendar's days: single dates, days of every year by (month, day), ISO weekdays, and the last N of every month."""

    name: str
    dates: Mapping[datetime.date, str] = field(default_factory=dict)
    yearly: Mapping[tuple[int, int], str] = field(default_factory=dict)
    weekdays: frozenset[int] = frozenset()
    month_end: int = 0

    def label(self, day: datetime.date) -> str | None:
        """Why the day is in the calendar, such as "Christmas Day" or "Saturday"; None when it isn't."""
        label = self.dates.get(day)
        if label is None:
            label = self.yearly.get((day.month, day.day))
        if label is not None:
            return label or f"{day}"
        if day.isoweekday() in self.weekdays:
            return f"{day:%A}"
        if self.month_end and day.day > calendar.monthrange(day.year, day.month)[1] - self.month_end:
            return "end of the month"
        return None

    def is_business_day(self, day: datetime.date) -> bool:
        """Neither in the calendar nor at a weekend: Saturday and Sunday where the calendar names no weekdays."""
        return day.isoweekday() not in (self.weekdays or WEEKEND) and self.label(day) is None

    def next_business_day(self, day: datetime.date) -> datetime.date | None:
        """The first business day after `day`; None when there's none for more than a year."""
        following = (day + n * DAY for n in range(1, min(FARTHEST, (datetime.date.max - day).days) + 1))
        return next(filter(self.is_business_day, following), None)

    def next_day(self, start: datetime.date) -> datetime.date | None:
        """The first of its days from `start` on, within ten years; None when there's none."""
        following = (start + n * DAY for n in range(min(3653, (datetime.date.max - start).days) + 1))
        return next((day for day in following if self.label(day) is not None), None)


def days_of(stored: "Calendar") -> Days:
    """The days of a stored calendar. Raises BadDays for what no door would have let in."""
    read = read_days(stored.days, stored.weekdays, stored.month_end)
    dates, yearly = {}, {}
    for key, label in read["days"].items():
        if len(key) == len("MM-DD"):
            yearly[int(key[:2]), int(key[3:])] = label
        else:
            dates[datetime.date.fromisoformat(key)] = label
    weekdays = frozenset(WEEKDAYS.index(name) + 1 for name in read["weekdays"])
    return Days(stored.name, dates, yearly, weekdays, read["month_end"])


def read_days(days: Any, weekdays: Any, month_end: Any) -> dict[str, Any]:
    """The three values as they're stored: days in order, weekdays in the week's order. Raises BadDays."""
    errors = {
        "days": list(_day_faults(days)),
        "weekdays": list(_weekday_faults(weekdays)),
        "month_end": list(_month_end_faults(month_end)),
    }
    if faulty := {name: found for name, found in errors.items() if found}:
        raise BadDays(faulty)
    chosen = {name.upper() for name in weekdays}
    return {
        "days": {key: " ".join(days[key].split()) for key in sorted(days)},
        "weekdays": [name for name in WEEKDAYS if name in chosen],
        "month_end": month_end,
    }


def _day_faults(days: Any) -> Iterator[str]:
    if not isinstance(days, Mapping):
        yield f"Expected a table of days and their names, found {days!r}."
        return
    if len(days) > MOST_DAYS:
        yield f"Found {len(days):,} days; {MOST_DAYS:,} is the limit."
        return
    faults = [fault for key, label in days.items() if (fault := _day_fault(key, label))]
    yield from faults[:NAMED_FAULTS]
    if len(faults) > NAMED_FAULTS:
        yield f"And {len(faults) - NAMED_FAULTS:,} more of the kind."


def _day_fault(key: Any, label: Any) -> str | None:
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    if match is None:
        return f"Found {key!r}, expected YYYY-MM-DD, or MM-DD for every year."
    year, month, day = match.groups()
    try:
        datetime.date(int(year or _LEAP_YEAR), int(month), int(day))
    except ValueError:
        return f"Found {key!r}, a date that doesn't exist."
    if not isinstance(label, str):
        return f"{key}: expected a text, found {label!r}."
    if len(label) > LONGEST_LABEL:
        return f"{key}: the text has {len(label):,} characters; {LONGEST_LABEL} is the limit."
    return next((f"{key}: {message}" for _, message in value_faults(label)), None)


def _weekday_faults(weekdays: Any) -> Iterator[str]:
    if not isinstance(weekdays, list | tuple):
        yield f"Expected a list such as ['SAT', 'SUN'], found {weekdays!r}."
        return
    for name in weekdays[: len(WEEKDAYS) + 1]:
        if not isinstance(name, str) or name.upper() not in WEEKDAYS:
            yield f"Found {name!r}, expected some of {', '.join(WEEKDAYS)}."


def _month_end_faults(month_end: Any) -> Iterator[str]:
    if isinstance(month_end, bool) or not isinstance(month_end, int) or not 0 <= month_end <= LONGEST_MONTH_END:
        yield f"Found {month_end!r}, expected a number of days from 0 to {LONGEST_MONTH_END}."
