"""`manage.py testchannel NAME`: send a real message and say what the server answered."""

from typing import Any

from django.core.management.base import CommandParser

from connectors.management.trying import TryCommand
from connectors.trial import Outcome
from notifications.catalogue import try_channel
from notifications.models import Channel


class Command(TryCommand):
    """Try a channel."""

    help = "Send a test message through a channel: exit 0 it was taken, 1 it was not, 2 unknown channel."
    model = Channel

    def add_arguments(self, parser: CommandParser) -> None:
        """Also whom to tell."""
        super().add_arguments(parser)
        parser.add_argument("--to", default="", metavar="RECIPIENT", help="instead of the channel's own recipients")

    def attempt(self, name: str, options: dict[str, Any]) -> Outcome:
        """Send."""
        return try_channel(name, options["to"])
