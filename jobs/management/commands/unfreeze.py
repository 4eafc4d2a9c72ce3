"""`manage.py unfreeze`: end freezes before their time, from the shell."""

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from jobs.freezing import BadFreeze, end_freeze, state, why
from jobs.models import Freeze
from jobs.tables import print_table


class Command(BaseCommand):
    """List the freezes that hold something now or will, or end some."""

    help = "End freezes by number (exit 2 for one that can't be ended); without a number: list those that are active or planned."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which."""
        parser.add_argument("freeze", nargs="*", type=int, metavar="N")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """End each, or list."""
        if not options["freeze"]:
            self._list(options["json"])
            return
        code = 0
        for number in options["freeze"]:
            found = Freeze.objects.filter(pk=number).first()
            try:
                if found is None:
                    raise BadFreeze({"": "There is no such freeze."})
                end_freeze(found, by=f"{getpass.getuser()} (shell)")
                self.stdout.write(f"Freeze {number} has ended.")
            except BadFreeze as error:
                self.stderr.write(f"Freeze {number}: {error}")
                code = 2
        if code:
            raise SystemExit(code)

    def _list(self, as_json: bool) -> None:
        now = timezone.now()
        freezes = Freeze.objects.filter(ends_at__gt=now)
        if as_json:
            keys = ("id", "scope", "target", "reason", "owner", "starts_at", "ends_at")
            rows = [{"state": state(item, now), **{key: getattr(item, key) for key in keys}} for item in freezes]
            self.stdout.write(json.dumps(rows, indent=2, default=lambda moment: moment.isoformat()))
            return
        table = [[str(item.pk), state(item, now), item.get_scope_display(), item.target, why(item)] for item in freezes]
        print_table(self.stdout, ["freeze", "state", "holds", "name", "why"], table)
