"""`manage.py cancelrun`: cancel runs from the shell."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.control import request_cancel
from runs.models import Run


class Command(BaseCommand):
    """Ask for the end of runs."""

    help = "Cancel runs by id. Exit code: 0 asked, 1 a run was over already, 2 unknown run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The runs."""
        parser.add_argument("run_id", nargs="+")

    def handle(self, *args: Any, run_id: list[str], **options: Any) -> None:
        """Ask for each."""
        code = 0
        for name in run_id:
            run = Run.objects.filter(run_id=name).first()
            if run is None:
                self.stderr.write(f"There is no run {name!r}. `manage.py runs` lists the newest.")
                code = 2
            elif request_cancel(run, by=f"user:{getpass.getuser()}"):
                self.stdout.write(f"{name}: cancel requested")
            else:
                self.stdout.write(f"{name}: it was over already ({run.state})")
                code = max(code, 1)
        if code:
            raise SystemExit(code)
