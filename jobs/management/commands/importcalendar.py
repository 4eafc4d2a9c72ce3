"""`manage.py importcalendar`: the days of an ICS file into a calendar."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from jobs.calendars import LARGEST_ICS, BadIcsFile, import_ics, save_calendar
from jobs.days import BadDays
from jobs.models import Calendar


class Command(BaseCommand):
    """Import days; exit 2 with the fault named and nothing changed when the file can't be used."""

    help = "Merge the days of an ICS file into a calendar, which is made when there is none of that name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The calendar, the file and how."""
        parser.add_argument("name", metavar="NAME", help="the calendar")
        parser.add_argument("file", metavar="FILE", help="the ICS file; - reads standard input")
        parser.add_argument("--replace", action="store_true", help="drop the days that the file doesn't have")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, show, save."""
        stored = Calendar.objects.filter(name=options["name"]).first() or Calendar(name=options["name"])
        before = _lines(stored)
        try:
            found = import_ics(_read(options["file"]), timezone.localdate())
            with transaction.atomic():
                saved = save_calendar(
                    stored.name,
                    description=stored.description,
                    days=found if options["replace"] else {**stored.days, **found},
                    weekdays=stored.weekdays,
                    month_end=stored.month_end,
                    by="cli",
                )
                if options["dry_run"]:
                    transaction.set_rollback(True)
        except (BadIcsFile, BadDays) as error:
            raise CommandError(f"{options['file']}: {error} Nothing was changed.", returncode=2) from error
        self._show(before, _lines(saved))
        end = "dry run, nothing was changed" if options["dry_run"] else f"it has {len(saved.days)} day(s) now"
        self.stdout.write(f"{len(found)} day(s) in the file for calendar {saved.name}; {end}.")

    def _show(self, before: list[str], after: list[str]) -> None:
        old, new = set(before), set(after)
        changes = [(line, "-") for line in before if line not in new] + [
            (line, "+") for line in after if line not in old
        ]
        for line, sign in sorted(changes):
            self.stdout.write(f"  {sign}{line}")


def _lines(calendar: Calendar) -> list[str]:
    return [f"{day} {label}".rstrip() for day, label in calendar.days.items()]


def _read(file: str) -> bytes:
    """At most one byte more than allowed: a larger file is refused without being taken in."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LARGEST_ICS + 1)
        with Path(file).open("rb") as stream:
            return stream.read(LARGEST_ICS + 1)
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.", returncode=2) from error
