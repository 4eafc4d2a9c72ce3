"""`manage.py listjobs`: the catalogue at a glance."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count

from jobs.models import Job
from jobs.tables import print_table


class Command(BaseCommand):
    """List the jobs."""

    help = "List the jobs: id, enabled, schedule, timezone, number of steps, tags."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One switch."""
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them by id."""
        jobs = [
            {
                "id": job.id,
                "enabled": job.enabled,
                "schedule": job.schedule,
                "timezone": job.timezone,
                "steps": job.step_count,
                "tags": job.tags,
            }
            for job in Job.objects.annotate(step_count=Count("steps"))
        ]
        if options["json"]:
            self.stdout.write(json.dumps(jobs, indent=2))
            return
        rows = [
            [
                str(job["id"]),
                "yes" if job["enabled"] else "no",
                str(job["schedule"]) or "manual",
                str(job["timezone"]),
                str(job["steps"]),
                ", ".join(job["tags"]),
            ]
            for job in jobs
        ]
        print_table(self.stdout, ["id", "enabled", "schedule", "timezone", "steps", "tags"], rows)
