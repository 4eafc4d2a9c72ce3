"""Whom a recipient leads to, by its form: `#channel` and `@user`, an address, or a channel's name.

Which kind of channel takes a form is asked of the transports. Of several channels that could, one that is switched on comes
first, then a default one, then the first by name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from connectors.models import NAME
from notifications.channels import transports
from notifications.models import Channel

FORMS = "#channel, @user, an address or a channel's name"
ADDRESS = re.compile(r"([^@\s]+)@([^@\s]+)")


@dataclass(frozen=True)
class Target:
    """Whom to tell, and through which channel; an empty `recipient` stands for the channel's own."""

    channel: Channel
    recipient: str


def resolve(recipients: Iterable[str], channels: Iterable[Channel]) -> tuple[list[Target], list[tuple[str, str]]]:
    """The targets of `recipients`, each once, and (recipient, reason) for every one that can't be told."""
    known = sorted(channels, key=lambda channel: (not channel.enabled, not channel.is_default, channel.name))
    targets: dict[tuple[str, str], Target] = {}
    faults: dict[str, str] = {}
    for recipient in recipients:
        found = _target(recipient, known)
        if isinstance(found, Target):
            targets.setdefault((found.channel.name, same_form(found.recipient)), found)
        else:
            faults.setdefault(recipient, found)
    return list(targets.values()), list(faults.items())


def recipient_faults(recipients: Iterable[str], channels: Sequence[Channel]) -> list[str]:
    """Why some recipients can't be told, in sentences.

    While there is no channel at all, any well-formed recipient is taken: a fresh installation imports its jobs before
    somebody has set up where alerts go, and says on every page that nobody is told. A malformed one never is.
    """
    if channels:
        return [reason for _, reason in resolve(recipients, channels)[1]]
    return [_malformed(recipient) for recipient in dict.fromkeys(recipients) if not is_well_formed(recipient)]


def is_well_formed(recipient: str) -> bool:
    """Whether it could be a recipient: the form of one that some kind of channel takes, or a channel's name."""
    return bool(_kinds_for(recipient)) or _is_name(recipient)


def same_form(recipient: str) -> str:
    """The recipient as it's compared and kept: of an address the domain is written small."""
    address = ADDRESS.fullmatch(recipient)
    return f"{address[1]}@{address[2].lower()}" if address else recipient


def _target(recipient: str, channels: Sequence[Channel]) -> Target | str:
    """Where it leads, or why nowhere. `channels` in the order in which they are taken."""
    kinds = _kinds_for(recipient)
    if kinds:
        fitting = (Target(channel, recipient) for channel in channels if channel.kind in kinds)
        return next(fitting, None) or _no_channel(recipient, kinds)
    if not _is_name(recipient):
        return _malformed(recipient)
    named = (Target(channel, "") for channel in channels if channel.name == recipient)
    return next(named, None) or _no_such(recipient, sorted(channel.name for channel in channels))


def _kinds_for(recipient: str) -> list[str]:
    return [name for name, transport in transports().items() if transport.takes(recipient)]


def _is_name(recipient: str) -> bool:
    return bool(NAME.regex.match(recipient)) and len(recipient) <= 100  # type: ignore[union-attr]


def _malformed(recipient: str) -> str:
    return f'"{_shown(recipient)}" is no recipient: expected {FORMS}.'


def _no_channel(recipient: str, kinds: Sequence[str]) -> str:
    labels = " or ".join(transports()[kind].label for kind in kinds)
    return f'No channel of type {labels} is set up, so "{_shown(recipient)}" can\'t be told; add one.'


def _no_such(recipient: str, names: Sequence[str]) -> str:
    there = f"there are {', '.join(names)}" if names else "none is set up yet"
    return f'"{recipient}" is no channel; {there}. Name one of them, or write #channel, @user or an address.'


def _shown(recipient: str) -> str:
    return recipient if len(recipient) <= 100 else f"{recipient[:99]}…"


def named_in(recipients: Iterable[str], channels: Sequence[Channel]) -> Iterator[tuple[str, Channel]]:
    """(recipient, channel) for every recipient that leads to one of the channels."""
    for recipient in recipients:
        if isinstance(found := _target(recipient, channels), Target):
            yield recipient, found.channel
