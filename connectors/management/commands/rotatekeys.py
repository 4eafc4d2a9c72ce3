"""`manage.py rotatekeys`: put every stored secret under the first key of NOMAFLOW_FIELD_KEYS."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from connectors.rotation import rotate


class Command(BaseCommand):
    """Safe to interrupt and to repeat. Exits 1 when some secrets can't be opened with any key."""

    help = (
        "Re-encrypt every stored secret under the first key of NOMAFLOW_FIELD_KEYS (new key first, old ones after it)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--batch."""
        parser.add_argument("--batch", type=int, default=500, help="rows in one transaction (default 500)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, count, and say what to do next."""
        lost = False
        for count in rotate(max(options["batch"], 1)):
            self.stdout.write(f"{count.place}: {count.seen:,} with secrets, {count.changed:,} re-encrypted")
            if count.lost:
                lost = True
                some = ", ".join(map(str, count.lost[:10])) + (", ..." if len(count.lost) > 10 else "")
                self.stderr.write(f"{count.place}: {len(count.lost):,} can't be opened with any key: {some}")
        old = len(settings.NOMAFLOW_FIELD_KEYS) - 1
        if lost:
            self.stderr.write("Keep every key. Add the one that is missing, or enter those secrets again, and repeat.")
            sys.exit(1)
        if old:
            self.stdout.write(
                f"Everything is under the first key. Once every process runs with this ring, the {old} key(s) after it can go."
            )
        else:
            self.stdout.write("The ring holds one key, and everything is under it.")
