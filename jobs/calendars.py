"""Calendars: read for schedules, written through one door, filled from ICS files."""

import datetime
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django_celery_beat.models import PeriodicTasks

from jobs.days import BadDays, Days, days_of, read_days
from jobs.models import NAME, Calendar, Job, Preset
from jobs.plainvalues import value_faults

log = logging.getLogger(__name__)
LONGEST_NAME = 100
LARGEST_ICS = 5_000_000
ICS_SECONDS = 20
# A program of its own, so that a hostile file costs some seconds and no more; it gets nothing but the file.
READ_ICS = "import sys; sys.path.insert(0, sys.argv.pop(1)); from jobs.icsfile import main; main()"
ROOT = Path(__file__).resolve().parent.parent


class BadIcsFile(ValueError):
    """A file that can't be imported; the message is a line for people."""


class CalendarInUse(Exception):
    """A calendar that schedules name; the message says whose."""


def load_days() -> dict[str, Days]:
    """All calendars by name, in one query. One that can't be read is left out, and its schedules don't fire."""
    found = {}
    for calendar in Calendar.objects.all():
        try:
            found[calendar.name] = days_of(calendar)
        except BadDays as error:
            log.error("calendar %s can't be used: %s", calendar.name, error)
    return found


def calendar_faults(name: Any, description: Any, days: Any, weekdays: Any, month_end: Any) -> Iterator[tuple[str, str]]:
    """(field, message) for everything that's wrong with a calendar's values."""
    if problem := _name_fault(name):
        yield "name", problem
    if not isinstance(description, str):
        yield "description", f"Expected a text, found {description!r}."
    else:
        yield from (("description", message) for _, message in value_faults(description))
    try:
        read_days(days, weekdays, month_end)
    except BadDays as error:
        yield from ((field, message) for field, messages in error.errors.items() for message in messages)


def _name_fault(name: Any) -> str | None:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        return f"Expected a text of 1 to {LONGEST_NAME} characters, found {name!r}."
    try:
        NAME(name)
    except ValidationError as error:
        return f"{error.messages[0]} Found {name!r}."
    return None


def save_calendar(
    name: str,
    *,
    description: str = "",
    days: Mapping[str, str],
    weekdays: Sequence[str] = (),
    month_end: int = 0,
    by: str,
) -> Calendar:
    """Create or update the calendar of that name. Raises BadDays. Nothing is written when it's so already."""
    errors: dict[str, list[str]] = {}
    for field, message in calendar_faults(name, description, days, weekdays, month_end):
        errors.setdefault(field, []).append(message)
    if errors:
        raise BadDays(errors)
    wanted = {"description": description, **read_days(days, weekdays, month_end)}
    with transaction.atomic():
        stored = Calendar.objects.select_for_update().filter(name=name).first()
        if stored and all(getattr(stored, key) == value for key, value in wanted.items()):
            return stored
        calendar = stored or Calendar(name=name)
        for key, value in wanted.items():
            setattr(calendar, key, value)
        calendar.save()
    log.info("calendar %s saved by %s: %d days", name, by, len(calendar.days))
    return calendar


def import_ics(data: bytes, today: datetime.date) -> dict[str, str]:
    """The days of an ICS file with their names, recurrences included, from a year back to ten years ahead. BadIcsFile."""
    if len(data) > LARGEST_ICS:
        raise BadIcsFile(f"The file has more than {LARGEST_ICS:,} bytes.")
    command = [sys.executable, "-I", "-c", READ_ICS, str(ROOT), str(today)]
    try:
        ended = subprocess.run(command, input=data, capture_output=True, env={}, timeout=ICS_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadIcsFile("The file takes too long to read; its recurrences may have no end.") from error
    try:
        answer = json.loads(ended.stdout)
    except ValueError as error:
        log.warning("reading an ICS file ended with %d: %s", ended.returncode, ended.stderr[-2000:])
        raise BadIcsFile("The file takes too long or too much memory to read.") from error
    if "error" in answer:
        raise BadIcsFile(answer["error"])
    days: dict[str, str] = answer["days"]
    return days


def delete_calendar(calendar: Calendar, *, by: str) -> None:
    """Delete it. Raises CalendarInUse while a schedule names it."""
    with transaction.atomic():
        Calendar.objects.select_for_update().get(pk=calendar.pk)
        if users := used_by(calendar.name):
            raise CalendarInUse(f"Calendar {calendar.name!r} is used by {in_words(users)}; take it out there first.")
        calendar.delete()
    log.info("calendar %s deleted by %s", calendar.name, by)


def used_by(name: str) -> list[str]:
    """The jobs and presets whose schedules name the calendar."""
    return users_of_all().get(name, [])


def users_of_all() -> dict[str, list[str]]:
    """By calendar who names it, in two queries."""
    users: dict[str, list[str]] = {}
    fields = ("include_calendar_id", "exclude_calendar_id")
    rows = [(f"job {job}", names) for job, *names in Job.objects.order_by("pk").values_list("pk", *fields)]
    presets = Preset.objects.order_by("job_id", "name").values_list("job_id", "name", *fields)
    rows += [(f"preset {preset} of {job}", names) for job, preset, *names in presets]
    for user, names in rows:
        for name in {name for name in names if name}:
            users.setdefault(name, []).append(user)
    return users


def in_words(users: Sequence[str], most: int = 5) -> str:
    """Some names, and how many more there are."""
    more = len(users) - most
    return ", ".join(users[:most]) + (f" and {more} more" if more > 0 else "")


def on_calendar_changed(sender: Any, raw: bool = False, **kwargs: Any) -> None:
    """Beat holds the calendars in memory, and hears of changes through this."""
    if not raw:
        PeriodicTasks.update_changed()
