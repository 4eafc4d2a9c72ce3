"""`manage.py runs`: the newest runs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.console import print_json, print_table, run_as_json
from runs.models import Run
from runs.states import RunState


class Command(BaseCommand):
    """List runs, newest first."""

    help = "List the newest runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Filters."""
        parser.add_argument("--job", help="of this job only")
        parser.add_argument("--state", choices=RunState.values, help="in this state only")
        parser.add_argument("--limit", type=int, default=20, help="how many (default 20)")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        runs = Run.objects.prefetch_related("step_runs").order_by("-pk")
        if options["job"]:
            runs = runs.filter(job_id=options["job"])
        if options["state"]:
            runs = runs.filter(state=options["state"])
        newest = list(runs[: max(options["limit"], 0)])
        if options["json"]:
            print_json([run_as_json(run) for run in newest], self.stdout)
            return
        rows = [
            (r.run_id, r.job_id, r.state, r.triggered_by, f"{r.created_at:%Y-%m-%d %H:%M:%S}Z", _took(r))
            for r in newest
        ]
        print_table(["run", "job", "state", "triggered by", "created", "took"], rows, self.stdout)


def _took(run: Run) -> str:
    if not run.started_at or not run.finished_at:
        return "-"
    return f"{(run.finished_at - run.started_at).total_seconds():.2f} s"
