"""`manage.py nextfires`: when would this cron expression fire?"""

import datetime
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.cron import BadCron, Cron

MOST = 10_000
# Beyond this the search could leave the calendar.
LAST_YEAR = 9000


class Command(BaseCommand):
    """Print the next fires of a cron expression, one ISO time with offset per line."""

    help = "Print the next fires of a cron expression, one ISO time with offset per line."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The expression, its zone, from when and how many."""
        parser.add_argument("cron", metavar="CRON", help='five fields, or six with seconds at the end: "0 2 * * *"')
        parser.add_argument(
            "--tz", default="UTC", metavar="ZONE", help="IANA zone, such as Europe/Paris (default: UTC)"
        )
        parser.add_argument("--after", metavar="ISO", help="fires after this time (default: now); no offset: in ZONE")
        parser.add_argument("--count", type=int, default=3, metavar="N", help="how many (default: 3)")
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        if not 1 <= options["count"] <= MOST:
            raise CommandError(f"--count is {options['count']}; it takes a number from 1 to {MOST}.", returncode=2)
        try:
            cron = Cron(options["cron"], options["tz"])
        except BadCron as error:
            raise CommandError(str(error), returncode=2) from error
        fire, fires = _after(options["after"], cron), []
        for _ in range(options["count"]):
            fire = cron.next(fire)
            fires.append(fire.astimezone(cron.zone).isoformat())
        self.stdout.write(json.dumps(fires) if options["json"] else "\n".join(fires))


def _after(text: str | None, cron: Cron) -> datetime.datetime:
    if text is None:
        return datetime.datetime.now(datetime.UTC)
    try:
        after = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"--after is {text!r}; it takes an ISO time: 2026-03-28T12:00:00+01:00.", returncode=2
        ) from error
    if not 1900 <= after.year <= LAST_YEAR:
        raise CommandError(f"--after is in the year {after.year}; it takes 1900 to {LAST_YEAR}.", returncode=2)
    return after if after.tzinfo else after.replace(tzinfo=cron.zone)
