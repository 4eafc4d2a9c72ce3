"""`manage.py testconnector NAME`: connect for real and say what answered."""

import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from connectors.catalogue import definition_of
from connectors.definition import ConnectorError
from connectors.models import Connector
from connectors.trial import try_connector


class Command(BaseCommand):
    """Exits 0 when the connector works, 1 when it doesn't, 2 when there is none of that name."""

    help = "Test a connector: exit 0 works, 1 does not, 2 unknown."

    def add_arguments(self, parser: CommandParser) -> None:
        """NAME and --json."""
        parser.add_argument("name", help="name of the connector")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Test it."""
        name = options["name"]
        if not Connector.objects.filter(name=name).exists():
            self._unknown(name, options["json"])
        outcome = try_connector(name, os.environ, settings.NOMAFLOW_JOB_ENV, settings.NOMAFLOW_HOME)
        if options["json"]:
            said = {"connector": name, "ok": outcome.ok, "message": outcome.message, "elapsed_ms": outcome.elapsed_ms}
            self.stdout.write(json.dumps(said))
        else:
            (self.stdout if outcome.ok else self.stderr).write(outcome.message)
        if not outcome.ok:
            sys.exit(1)

    def _unknown(self, name: str, as_json: bool) -> None:
        try:
            definition_of(name)
        except ConnectorError as error:
            if as_json:
                self.stdout.write(json.dumps({"connector": name, "ok": False, "message": str(error), "elapsed_ms": 0}))
            else:
                self.stderr.write(str(error))
            sys.exit(2)
