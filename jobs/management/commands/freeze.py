"""`manage.py freeze`: hold schedules back for a while, from the shell."""

import datetime
import getpass
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from jobs.freezing import BadFreeze, draft_freeze, freeze
from jobs.models import FreezeScope, Job
from jobs.upcoming import Affected, Expected, affected_fires

SHOWN = 20
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LENGTH = re.compile(r"([0-9]{1,5})([mhd])")


class Command(BaseCommand):
    """Say what a freeze would hold, and set it."""

    help = "Hold the schedules of every job back, or of a tag, a job or a connector. Runs can still be started by hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose schedules, why, until when."""
        scope = parser.add_mutually_exclusive_group()
        for name in (FreezeScope.TAG, FreezeScope.JOB, FreezeScope.CONNECTOR):
            scope.add_argument(f"--{name}", metavar="NAME", help=f"only {name.label}")
        end = parser.add_mutually_exclusive_group(required=True)
        end.add_argument(
            "--until", metavar="ISO", help="its end, such as 2026-12-01T06:00+01:00; without an offset: UTC"
        )
        end.add_argument("--for", dest="length", metavar="LENGTH", help="how long from its start: 30m, 2h, 3d")
        parser.add_argument("--from", dest="start", metavar="ISO", help="its start (default: now)")
        parser.add_argument("--reason", required=True, help="stands in the banner, and at every fire that is held")
        parser.add_argument("--dry-run", action="store_true", help="show what it would hold, and set nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show and set; exit 2 with the fault named when it can't be."""
        now = timezone.now()
        scope = next((name for name in FreezeScope.values if options.get(name)), FreezeScope.ALL.value)
        start = _moment("--from", options["start"]) if options["start"] else now
        end = _moment("--until", options["until"]) if options["until"] else start + _length(options["length"])
        given = (scope, options.get(scope) or "", options["reason"], start, end)
        by = f"{getpass.getuser()} (shell)"
        try:
            draft, oddities = draft_freeze(*given, by=by, now=now)
            self._show(affected_fires(draft, Job.objects.all(), SHOWN), oddities)
            if options["dry_run"]:
                self.stdout.write("Dry run: nothing is frozen.")
                return
            made = freeze(*given, by=by, now=now)
        except BadFreeze as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"Freeze {made.pk}: {made}. `manage.py unfreeze {made.pk}` ends it.")

    def _show(self, affected: Affected, oddities: list[str]) -> None:
        for fire in affected.fires:
            self.stdout.write(_line(fire))
        listed = sum(fire.count for fire in affected.fires)
        if affected.total > listed:
            self.stdout.write(f"... and {affected.total - listed:,} more")
        self.stdout.write(f"It holds {affected.total:,} fire(s) of {affected.jobs:,} job(s).")
        for oddity in oddities:
            self.stderr.write(oddity)


def _line(fire: Expected) -> str:
    preset = f" ({fire.preset})" if fire.preset else ""
    until = f" to {fire.until:%Y-%m-%d %H:%M:%S}, {fire.count:,} times" if fire.until else ""
    return f"{fire.scheduled_at:%Y-%m-%d %H:%M:%S}{until} UTC  {fire.job_id}{preset}"


def _moment(option: str, text: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"{option} is {text!r}; it takes an ISO time: 2026-12-01T06:00+01:00.", returncode=2
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _length(text: str) -> datetime.timedelta:
    match = LENGTH.fullmatch(text)
    if match is None:
        raise CommandError(f"--for is {text!r}; it takes a number and m, h or d: 30m, 2h, 3d.", returncode=2)
    return datetime.timedelta(**{UNITS[match[2]]: int(match[1])})
