"""The command that tries a stored endpoint: `testconnector`, `testchannel`."""

import json
import sys
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandParser

from connectors.definition import ConnectorError
from connectors.endpoints import find
from connectors.models import Endpoint
from connectors.trial import Outcome


class TryCommand(BaseCommand):
    """Exits 0 when the endpoint works, 1 when it doesn't, 2 when there is none of that name."""

    model: ClassVar[type[Endpoint]]

    def add_arguments(self, parser: CommandParser) -> None:
        """NAME and --json."""
        parser.add_argument("name", help=f"name of the {self.model.noun()}")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def attempt(self, name: str, options: dict[str, Any]) -> Outcome:
        """Use the stored one for real."""
        # Abstract: testconnector connects, testchannel sends a message; both commands say it.
        raise NotImplementedError(f"{type(self).__name__} does not say how one is tried")

    def handle(self, *args: Any, **options: Any) -> None:
        """Test it."""
        name = options["name"]
        if not self.model._default_manager.filter(name=name).exists():
            self._unknown(name, options["json"])
        outcome = self.attempt(name, options)
        if options["json"]:
            self._print(name, outcome)
        else:
            (self.stdout if outcome.ok else self.stderr).write(outcome.message)
        if not outcome.ok:
            sys.exit(1)

    def _unknown(self, name: str, as_json: bool) -> None:
        try:
            find(self.model, name)
        except ConnectorError as error:
            if as_json:
                self._print(name, Outcome(False, str(error), 0))
            else:
                self.stderr.write(str(error))
            sys.exit(2)

    def _print(self, name: str, outcome: Outcome) -> None:
        said = {"ok": outcome.ok, "message": outcome.message, "elapsed_ms": outcome.elapsed_ms}
        self.stdout.write(json.dumps({self.model.noun(): name, **said}))
