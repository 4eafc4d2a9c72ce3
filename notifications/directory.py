"""What the floor of jobs may ask about recipients: whether alerts reach them, and which channels there are."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jobs.endpointfile import kinds_in
from jobs.recipients import Directory, Recipients
from notifications.models import Channel
from notifications.recipients import recipient_faults


def checking(document: Mapping[str, Any]) -> Recipients:
    """The check of recipients; channels that the document brings count as if they were there."""

    @cache
    def channels() -> list[Channel]:
        stored = {channel.name: channel for channel in Channel.objects.defer("config", "secrets")}
        brought = {name: Channel(name=name, kind=kind) for name, kind in kinds_in(document.get("channels", [])).items()}
        return list({**brought, **stored}.values())

    def check(recipients: Sequence[str]) -> list[str]:
        return recipient_faults(recipients, channels()) if recipients else []

    return check


def known() -> list[str]:
    """The names of the channels."""
    return list(Channel.objects.order_by("name").values_list("name", flat=True))


DIRECTORY = Directory(checking, known)
