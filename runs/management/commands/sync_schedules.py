"""`manage.py sync_schedules`: put beat's table right."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.schedules import sync_all


class Command(BaseCommand):
    """Compare beat's table with the catalogue."""

    help = "Make beat's table what the catalogue says. Saving does that by itself; this repairs changes made past it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One switch."""
        parser.add_argument("--json", action="store_true", help="print the two numbers as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Repair and tell."""
        schedules, repaired = sync_all()
        if options["json"]:
            self.stdout.write(json.dumps({"schedules": schedules, "repaired": repaired}))
            return
        words = f"{schedules} schedule{'s' * (schedules != 1)}, {repaired} row{'s' * (repaired != 1)}"
        self.stdout.write(f"{words} of beat's table put right.")
