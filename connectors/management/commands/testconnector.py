"""`manage.py testconnector NAME`: connect for real and say what answered."""

import os
from typing import Any

from django.conf import settings

from connectors.management.trying import TryCommand
from connectors.models import Connector
from connectors.trial import Outcome, try_connector


class Command(TryCommand):
    """Try a connector."""

    help = "Test a connector: exit 0 works, 1 does not, 2 unknown."
    model = Connector

    def attempt(self, name: str, options: dict[str, Any]) -> Outcome:
        """Connect."""
        return try_connector(name, os.environ, settings.NOMAFLOW_JOB_ENV, settings.NOMAFLOW_HOME)
