"""The days in an ICS file. Runs as a program of its own, see `jobs.calendars.import_ics`: a file may be broken or hostile.

Standard input is the file, standard output one line of JSON: {"days": {day: label}} or {"error": message}.
"""

import datetime
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

import icalendar
import recurring_ical_events

DAY = datetime.timedelta(days=1)
YEARS_BACK, YEARS_AHEAD = 1, 10
MOST_DAYS = 5000
MOST_EVENTS = 5000
LONGEST_LABEL = 200
DEEPEST = 8
SECONDS = 10
MEMORY = 2**30
# How often a day may recur. What recurs more often is no day, and what narrows it down by the clock isn't one either.
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
CLOCK_PARTS = ("BYHOUR", "BYMINUTE", "BYSECOND")


class BadIcs(ValueError):
    """A file that can't be imported; the message says what was found and expected."""


def days_in(data: bytes, today: datetime.date) -> dict[str, str]:
    """Day -> label, from a year back to ten years ahead: each day of an all-day event, each day that a timed one touches."""
    calendars = _parse(data)
    start, end = _years(today, -YEARS_BACK), _years(today, YEARS_AHEAD)
    labels: dict[datetime.date, list[str]] = {}
    for event in _occurrences(calendars, start, end):
        label = _label(event)
        for day in _days(event, start, end):
            if label not in labels.setdefault(day, []):
                labels[day].append(label)
        if len(labels) > MOST_DAYS:
            raise BadIcs(f"The file has more than {MOST_DAYS:,} days between {start} and {end}.")
    if not labels:
        raise BadIcs(f"The file has no event between {start} and {end}.")
    return {str(day): ", ".join(filter(None, labels[day]))[:LONGEST_LABEL] for day in sorted(labels)}


def _years(day: datetime.date, years: int) -> datetime.date:
    return (day.replace(day=1) if (day.month, day.day) == (2, 29) else day).replace(year=day.year + years)


def _parse(data: bytes) -> list[icalendar.Calendar]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadIcs(f"Not UTF-8 text: {error}.") from error
    _refuse_depth(text)
    try:
        calendars = icalendar.Calendar.from_ical(text, multiple=True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise BadIcs(f"Not an iCalendar file: {error}.") from error
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise BadIcs("Not an iCalendar file: expected BEGIN:VCALENDAR and END:VCALENDAR.")
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    if len(events) > MOST_EVENTS:
        raise BadIcs(f"The file has {len(events):,} events; {MOST_EVENTS:,} is the limit.")
    for event in events:
        _refuse(event)
    return list(calendars)


def _refuse_depth(text: str) -> None:
    depth = 0
    for line in text.splitlines():
        word = line[:6].upper()
        depth += word == "BEGIN:"
        depth -= word.startswith("END:")
        if depth > DEEPEST:
            raise BadIcs(f"Components are nested more than {DEEPEST} deep.")
    if depth > 0:
        raise BadIcs("Not an iCalendar file: the end is missing.")


def _refuse(event: icalendar.Component) -> None:
    """BadIcs for what names no days."""
    if event.errors:
        name, message = event.errors[0]
        raise BadIcs(f"{_name(event)}: {name}: {message}.")
    if not isinstance(getattr(event.get("DTSTART"), "dt", None), datetime.date):
        raise BadIcs(f"{_name(event)}: DTSTART is missing; an event needs its first day.")
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        found = {str(key).upper(): [str(value).upper() for value in values] for key, values in rule.items()}
        frequency = (found.get("FREQ") or ["nothing"])[0]
        if frequency not in FREQUENCIES:
            raise BadIcs(f"{_name(event)}: RRULE: found FREQ={frequency}, expected one of {', '.join(FREQUENCIES)}.")
        if clock := [part for part in CLOCK_PARTS if part in found]:
            raise BadIcs(f"{_name(event)}: RRULE: found {clock[0]}, expected whole days.")


def _name(event: icalendar.Component) -> str:
    return f"event {_label(event)!r}"


def _label(event: icalendar.Component) -> str:
    summary: Any = event.get("SUMMARY", "")
    text = str(summary[0] if isinstance(summary, list) else summary)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_LABEL]


def _occurrences(
    calendars: list[icalendar.Calendar], start: datetime.date, end: datetime.date
) -> Iterator[icalendar.Event]:
    for calendar in calendars:
        try:
            events = recurring_ical_events.of(calendar, components=["VEVENT"]).between(start, end + DAY)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise BadIcs(f"Its recurrences can't be followed: {error}.") from error
        yield from (event for event in events if str(event.get("STATUS", "")).upper() != "CANCELLED")


def _days(event: icalendar.Event, start: datetime.date, end: datetime.date) -> Iterator[datetime.date]:
    first, after = event.start, event.end
    if isinstance(after, datetime.datetime):
        # What ends at midnight doesn't touch the day that begins then.
        last = (after - datetime.timedelta(microseconds=1)).date() if after > first else after.date()
    else:
        last = after - DAY
    day = first.date() if isinstance(first, datetime.datetime) else first
    last = max(day, last)
    for number in range(max(day, start).toordinal(), min(last, end).toordinal() + 1):
        yield datetime.date.fromordinal(number)


def main() -> None:
    """Read, answer; whatever goes wrong is one line of text."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        answer: dict[str, Any] = {"days": days_in(sys.stdin.buffer.read(), datetime.date.fromisoformat(sys.argv[1]))}
    except BadIcs as error:
        answer = {"error": str(error)}
    except Exception as error:
        # The libraries' own defects: the file is what brought them out, and the message all that helps.
        answer = {"error": f"The file can't be read: {type(error).__name__}: {error}."}
    print(json.dumps(answer))
