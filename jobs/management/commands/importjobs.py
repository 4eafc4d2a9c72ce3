"""`manage.py importjobs`: bring the catalogue to what a TOML file says."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.sections import BadFile, Change
from jobs.tomlfile import LARGEST_FILE, import_file
from jobs.validation import InvalidJob
from nomaflow_site.lib.sealing import CannotDecrypt


class Command(BaseCommand):
    """Import jobs and connectors; exit 2 with every fault named and nothing changed when the file can't be used."""

    help = (
        "Import jobs and connectors from TOML. Shows what changes; jobs that the file does not name stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file and how."""
        parser.add_argument("file", metavar="FILE", help="the TOML file; - reads standard input")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
        parser.add_argument("--json", action="store_true", help="print changes and faults as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, show, save."""
        try:
            changes = import_file(_read(options["file"]), by="cli", dry_run=options["dry_run"])
        except (BadFile, InvalidJob) as error:
            self._refuse(options["file"], [str(fault) for fault in error.faults], options["json"])
            sys.exit(2)
        except CannotDecrypt as error:
            raise CommandError(f"{error} Nothing was changed.", returncode=2) from error
        if options["json"]:
            answer = {
                "applied": not options["dry_run"],
                "changes": [asdict(change) for change in changes],
                "faults": [],
            }
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            self._show(changes, options["dry_run"])

    def _refuse(self, file: str, faults: Sequence[str], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"applied": False, "changes": [], "faults": faults}, indent=2))
        for fault in faults:
            self.stderr.write(f"{file}: {fault}")
        self.stderr.write(f"{len(faults)} fault(s); nothing was changed.")

    def _show(self, changes: Sequence[Change], dry_run: bool) -> None:
        for change in changes:
            self.stdout.write(f"{change.kind} {change.name}: {change.change}")
            for line in change.diff:
                self.stdout.write(f"  {line}")
        count = sum(1 for change in changes if change.change != "unchanged")
        end = "dry run, nothing was changed" if dry_run else f"{count} changed"
        self.stdout.write(f"{len(changes)} in the file, {count} to change: {end}." if dry_run else f"Done: {end}.")


def _read(file: str) -> bytes:
    """At most one byte more than allowed: a larger file is refused without being taken in."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(LARGEST_FILE + 1)
        with Path(file).open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.", returncode=2) from error
