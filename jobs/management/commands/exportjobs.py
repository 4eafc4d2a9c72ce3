"""`manage.py exportjobs`: the catalogue as a TOML file, secrets as placeholders."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.models import Connector
from jobs.management.selection import named_jobs
from jobs.tomlfile import connectors_of, export_file


class Command(BaseCommand):
    """Export jobs as TOML."""

    help = "Export jobs as TOML; secrets become ${env:...} placeholders. Without a job: the whole catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Jobs and where to."""
        parser.add_argument("jobs", nargs="*", metavar="JOB", help="jobs to export; everything when none is named")
        parser.add_argument("--connectors", action="store_true", help="with the connectors that the named jobs use")
        parser.add_argument("--output", metavar="FILE", help="write to this file instead of standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the text."""
        jobs = named_jobs(options["jobs"])
        connectors: list[Connector] = []
        if not options["jobs"]:
            connectors = list(Connector.objects.prefetch_related("queries"))
        elif options["connectors"]:
            connectors = connectors_of(jobs)
        text = export_file(jobs, connectors, sections=not options["jobs"])
        if not options["output"]:
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["output"]).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['output']} can't be written: {error.strerror}.", returncode=2) from error
        self.stderr.write(f"{len(jobs)} job(s) and {len(connectors)} connector(s) written to {options['output']}")
