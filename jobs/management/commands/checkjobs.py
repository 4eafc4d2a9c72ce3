"""`manage.py checkjobs`: is every stored job still fit to run?"""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from jobs.catalogue import surroundings
from jobs.definition import definition_of
from jobs.management.selection import named_jobs
from jobs.validation import check_job


class Command(BaseCommand):
    """Check stored jobs; exit 1 when one has a fault, 2 for an unknown job."""

    help = "Check stored jobs against what is installed now: step types, connectors, schedules, tokens, recipients of alerts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Jobs and a switch."""
        parser.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to check; all of them when none is named")
        parser.add_argument("--json", action="store_true", help="print the faults as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every fault."""
        jobs = named_jobs(options["jobs"])
        known = surroundings()
        faults = [fault for job in jobs for fault in check_job(definition_of(job), **known)]
        if options["json"]:
            self.stdout.write(
                json.dumps({"checked": len(jobs), "faults": [asdict(fault) for fault in faults]}, indent=2)
            )
        else:
            for fault in faults:
                self.stdout.write(str(fault))
            self.stdout.write(f"{len(jobs)} job(s) checked, {len(faults) or 'no'} fault(s).")
        if faults:
            sys.exit(1)
