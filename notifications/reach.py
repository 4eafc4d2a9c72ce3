"""A channel as who sends needs it: its definition with secrets opened, and whom it tells by itself."""

import os

from django.conf import settings

from connectors.definition import ConnectorError, Definition
from connectors.endpoints import resolved
from nomaflow_site.lib.sealing import CannotDecrypt
from notifications.channels import transports
from notifications.models import Channel


def ready_channel(channel: Channel) -> Definition:
    """The channel's definition, secrets opened and `${env:...}` filled. Raises ConnectorError, CannotDecrypt."""
    try:
        return resolved(Channel, channel.definition(), os.environ, settings.NOMAFLOW_JOB_ENV)
    except CannotDecrypt as error:
        raise CannotDecrypt(f"Channel {channel.name!r}: {error}") from error


def default_recipients(channel: Channel) -> list[str]:
    """Whom the channel tells when nobody is named; [""] where it leads to one place, or where nobody can say at the moment.

    The attempt to send there says what is wrong, and is seen.
    """
    try:
        transport = transports()[channel.kind]
        return transport.default_recipients(transport.checked(ready_channel(channel)))
    except (KeyError, ConnectorError, CannotDecrypt):
        return [""]
