"""A schedule in plain English. Pure.

The words are made from the values, not from the spelling: `0,15,30,45` and `*/15` read alike, and a step that doesn't divide
the hour isn't called "every 7 minutes". Where no idiom is exactly true, the values are spelled out, field by field.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise, product

from jobs.cronfields import DAY, HOUR, LAST, MINUTE, MONTH_LENGTHS, Days, Fields

MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST: "last"}
UNITS = ((HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
# As many times of a day are listed; more of them need a rule.
MOST_TIMES = 6


@lru_cache(maxsize=4096)
def words(fields: Fields) -> str:
    """What the schedule does, beginning with a small letter and without a full stop."""
    times = [h * HOUR + m * MINUTE + s for h, m, s in product(fields.hours, fields.minutes, fields.seconds)]
    days = _days(fields)
    if len(times) <= MOST_TIMES:
        return f"{days or 'every day'} at {_list(map(_clock, times))}"
    rule = _rule(fields, times)
    if not days:
        return rule
    return f"{rule} {'on ' if days.startswith('every') else ''}{days.rstrip(',')}"


def note(fields: Fields) -> str:
    """How the two day fields go together, where both are set; otherwise empty."""
    if fields.days.either:
        return "Both day fields are set: it fires on days that match either one."
    if fields.days.every_date or fields.days.every_weekday:
        return ""
    date, weekday = fields.parts[2], fields.parts[4]
    star = f"day of month ({date})" if date.startswith("*") else f"day of week ({weekday})"
    return f"Both day fields are set; {star} begins with a star, so both must match."


# The times of a day


def _rule(fields: Fields, times: list[int]) -> str:
    first, last, step = times[0], times[-1], times[1] - times[0]
    if times != list(range(first, last + 1, step)):
        return _spelled(fields)
    # Only elapsed time goes on like that through the nights in which the clock is changed.
    if fields.elapsed and len(times) * step == DAY:
        if step == HOUR:
            return f"every hour at minute {first // MINUTE}" + (f", second {first % MINUTE}" if first % MINUTE else "")
        if step == MINUTE and first:
            return f"every minute at second {first}"
        if step < HOUR and not first:
            return f"every {_length(step)}"
    return f"every {_length(step)} from {_clock(first)} to {_clock(last)}"


def _spelled(fields: Fields) -> str:
    every_hour = fields.elapsed and len(fields.hours) == 24
    in_hours = "of every hour" if every_hour else _numbers("in the hour", fields.hours)
    step = _step(fields.minutes)
    if fields.seconds != (0,):
        minutes = "of every minute" if step == 1 else _numbers("of minute", fields.minutes)
        return f"{_seconds(fields.seconds)} {minutes}" + ("" if step == 1 and every_hour else f" {in_hours}")
    if step:
        return f"every {_length(step * MINUTE)} {in_hours}"
    if every_hour:
        return f"every hour {_numbers('at minute', fields.minutes)}"
    return f"{_numbers('at minute', fields.minutes)} {in_hours}"


def _seconds(seconds: tuple[int, ...]) -> str:
    step = _step(seconds)
    return f"every {_length(step)}" if step else _numbers("at second", seconds)


def _step(values: tuple[int, ...]) -> int:
    """The step with which several values go around the clock from 0 on without a break; 0 when they don't."""
    step, rest = divmod(60, len(values))
    return step if rest == 0 and step < 60 and values == tuple(range(0, 60, step)) else 0


def _length(seconds: int) -> str:
    number, unit = next((seconds // size, unit) for size, unit in UNITS if seconds % size == 0)
    return unit if number == 1 else f"{number} {unit}s"


def _clock(second: int) -> str:
    text = f"{second // HOUR:02}:{second // MINUTE % 60:02}"
    return f"{text}:{second % 60:02}" if second % 60 else text


# Days. A phrase that goes on after a comma ends with one, too.


def _days(fields: Fields) -> str:
    """On which days; empty for every day of the year."""
    days = fields.days
    inside = f" in {_months(fields.months)}" if len(fields.months) < 12 else ""
    whole = any if days.either else all
    if whole((days.every_date, days.every_weekday)):
        return f"every day{inside}" if inside else ""
    if days.every_weekday:
        return _dates(days, fields.months)
    if days.every_date and not days.weeks:
        return _weekdays(days.weekdays) + inside
    if days.every_date and not days.weekdays:
        return _weeks(days.weeks, fields.months)
    return f"on every day{inside} {_clauses(days)}"


def _dates(days: Days, months: frozenset[int]) -> str:
    shortest = 28 if 2 in months else min(MONTH_LENGTHS[month - 1] for month in months)
    longest = max(MONTH_LENGTHS[month - 1] for month in months)
    dates, of_months = [date for date in sorted(days.dates) if date <= longest], f"of {_months(months)}"
    step = 0 if days.last_date else _progression(dates)
    if step:
        length = "day" if step == 1 else f"{step} days"
        return f"every {length} from the {_ordinal(dates[0])} to the {_ordinal(dates[-1])} {of_months}"
    items = _items(dates, lambda date: f"the {_ordinal(date)}") + ["the last day"] * days.last_date
    exists = _exists(len(dates), max(dates, default=0) > shortest)
    return f"on {_list(items)} {of_months}{exists}"


def _weekdays(weekdays: frozenset[int]) -> str:
    ordered = sorted(map(_from_monday, weekdays))
    names = [WEEKDAY_NAMES[day] for day in ordered]
    return f"every day from {names[0]} to {names[-1]}" if _progression(ordered, 3) == 1 else f"every {_list(names)}"


def _weeks(weeks: frozenset[tuple[int, int]], months: frozenset[int]) -> str:
    fifths = sum(week == 5 for _, week in weeks)
    return f"on {_list(_week_names(weeks))} of {_months(months)}{_exists(len(weeks), fifths > 0)}"


def _exists(number: int, doubtful: bool) -> str:
    return "" if not doubtful else ", where it exists," if number == 1 else ", where they exist,"


def _clauses(days: Days) -> str:
    """Days that need more than one sort of test, as relative clauses, so that `and` and `or` can't be mistaken."""
    numbers = _items(sorted(days.dates), str) + ["the month's last"] * days.last_date
    names = [f"a {WEEKDAY_NAMES[day]}" for day in sorted(map(_from_monday, days.weekdays))]
    weeks = [f"{name} of the month" for name in _week_names(days.weeks)]
    by_weekday = f"that is {_list(names + weeks, 'or')}"
    if days.every_date:
        return by_weekday
    return f"whose date is {_list(numbers, 'or')}, {'or' if days.either else 'and'} {by_weekday},"


def _week_names(weeks: frozenset[tuple[int, int]]) -> list[str]:
    ordered = sorted(weeks, key=lambda week: (list(WEEKS).index(week[1]), _from_monday(week[0])))
    return [f"the {WEEKS[week]} {WEEKDAY_NAMES[_from_monday(day)]}" for day, week in ordered]


def _months(months: frozenset[int]) -> str:
    ordered = sorted(months)
    names = [MONTH_NAMES[month - 1] for month in ordered]
    if len(ordered) == 12:
        return "every month"
    return f"every month from {names[0]} to {names[-1]}" if _progression(ordered, 3) == 1 else _list(names)


def _from_monday(weekday: int) -> int:
    return (weekday - 1) % 7


def _ordinal(number: int) -> str:
    ending = "th" if 11 <= number <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


# Lists


def _numbers(name: str, values: Sequence[int]) -> str:
    return f"{name}{'s' * (len(values) > 1)} {_list(_items(values, str))}"


def _items(values: Sequence[int], text: Callable[[int], str]) -> list[str]:
    """The values one by one, with three or more in a row as `8 to 17` and a long row of even steps as such."""
    step = _progression(values, 7)
    if step > 1:
        return [f"{text(values[0])} to {text(values[-1])} in steps of {step}"]
    items: list[str] = []
    rows: list[list[int]] = []
    for value in values:
        if rows and rows[-1][-1] + 1 == value:
            rows[-1].append(value)
        else:
            rows.append([value])
    for row in rows:
        items += [f"{text(row[0])} to {text(row[-1])}"] if len(row) > 2 else map(text, row)
    return items


def _progression(values: Sequence[int], least: int = 4) -> int:
    """The step, if the values have one and there are at least so many; otherwise 0."""
    if len(values) < least:
        return 0
    steps = {later - earlier for earlier, later in pairwise(values)}
    return steps.pop() if len(steps) == 1 else 0


def _list(items: Iterable[str], word: str = "and") -> str:
    *others, last = items
    return f"{', '.join(others)} {word} {last}" if others else last
