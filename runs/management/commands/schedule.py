"""`manage.py schedule`: what fires in the next days."""

import datetime
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from jobs.cron import BadCron, zone_of
from jobs.management.selection import named_jobs
from jobs.models import Job
from jobs.tables import print_table
from jobs.upcoming import Expected, expected_fires
from runs.console import print_json

MOST_DAYS = 366


class Command(BaseCommand):
    """List the fires to come."""

    help = "List what fires in the next days: when, which job or preset, and which freeze holds it. Dense schedules are one line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How far, in whose zone, of which jobs."""
        parser.add_argument("jobs", nargs="*", metavar="JOB", help="these jobs only")
        parser.add_argument("--days", type=int, default=7, metavar="N", help="how many days ahead (default: 7)")
        parser.add_argument("--tz", default="UTC", metavar="ZONE", help="the zone of the times shown (default: UTC)")
        parser.add_argument("--limit", type=int, default=1000, metavar="N", help="lines at the most (default: 1000)")
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        if not 1 <= options["days"] <= MOST_DAYS:
            raise CommandError(f"--days is {options['days']}; it takes a number from 1 to {MOST_DAYS}.", returncode=2)
        if options["limit"] < 1:
            raise CommandError(f"--limit is {options['limit']}; it takes a number from 1 on.", returncode=2)
        try:
            zone = zone_of(options["tz"])
        except BadCron as error:
            raise CommandError(str(error).replace("timezone:", "--tz:"), returncode=2) from error
        jobs = Job.objects.filter(pk__in=[job.pk for job in named_jobs(options["jobs"])])
        now, limit = timezone.now(), options["limit"]
        fires = expected_fires(jobs, now, now + datetime.timedelta(days=options["days"]), limit + 1)
        shown = fires[:limit]
        if options["json"]:
            print_json([_as_json(fire, zone) for fire in shown], self.stdout)
        else:
            rows = [_row(fire, zone) for fire in shown]
            print_table(self.stdout, ["when", "job", "preset", "times", "until", "note"], rows)
        if len(fires) > limit:
            self.stderr.write(f"There are more than {limit:,}; raise --limit, or name fewer days or jobs.")


def _row(fire: Expected, zone: datetime.tzinfo) -> list[str]:
    until = _shown(fire.until, zone) if fire.until else ""
    return [_shown(fire.scheduled_at, zone), fire.job_id, fire.preset, f"{fire.count:,}", until, fire.frozen]


def _shown(moment: datetime.datetime, zone: datetime.tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z}"


def _as_json(fire: Expected, zone: datetime.tzinfo) -> dict[str, Any]:
    return {
        "scheduled_at": fire.scheduled_at.astimezone(zone).isoformat(),
        "until": fire.until.astimezone(zone).isoformat() if fire.until else None,
        "count": fire.count,
        "job_id": fire.job_id,
        "preset": fire.preset,
        "frozen": fire.frozen,
    }
