"""How channels fare, and where they lead, in words for people."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.definition import ConnectorError
from nomaflow_site.lib.sealing import CannotDecrypt
from notifications.catalogue import channel_definition
from notifications.channels import transports
from notifications.models import Channel


@dataclass(frozen=True)
class Health:
    """A word with the state whose colour it has, a sign, and the moment that it's about, if any; `answer` where it's failing."""

    state: str
    icon: str
    word: str
    moment: datetime.datetime | None = None
    answer: str = ""


def health_of(channel: Channel, now: datetime.datetime) -> Health:
    """How the channel fares."""
    if not channel.enabled:
        return Health("canceled", "⊘", "switched off")
    if channel.hold_until and channel.hold_until > now:
        return Health("waiting", "◷", "waits, as the server asked", channel.hold_until, channel.last_answer)
    if channel.failing_since:
        return Health("failed", "✕", "failing", channel.failing_since, channel.last_answer)
    if channel.last_sent_at:
        return Health("succeeded", "✓", "works", channel.last_sent_at)
    return Health("unknown", "·", "nothing sent yet")


@dataclass(frozen=True)
class Place:
    """Where a channel leads: its kind in words, the system, and its own recipients; `fault` where that can't be read."""

    kind: str
    where: str = ""
    recipients: Sequence[str] = ()
    fault: str = ""


def place_of(channel: Channel) -> Place:
    """Where the channel leads, without secrets."""
    transport = transports().get(channel.kind)
    if transport is None:
        return Place(channel.kind, fault=f"no kind of channel has this name; there are {', '.join(transports())}")
    try:
        settings = channel_definition(channel).settings
        own = [recipient for recipient in transport.default_recipients(settings) if recipient]
        return Place(transport.label, transport.where(settings), own)
    except (ConnectorError, CannotDecrypt) as error:
        return Place(transport.label, fault=str(error))
