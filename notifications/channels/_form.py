"""What the forms of channels share."""

import os
from collections.abc import Mapping
from typing import Any

from django import forms

from connectors.definition import ConnectorError
from connectors.kinds.http import CONTROL
from nomaflow_site.lib.config import ConfigForm


class ChannelForm(ConfigForm):
    """A form whose texts are one line each: they end up in headers, addresses and subjects."""

    def is_token(self, value: object) -> bool:
        """Whether a text still waits for its `${env:...}` to be filled in."""
        return self.tokens and isinstance(value, str) and "${" in value

    def clean(self) -> dict[str, Any]:
        """No line breaks, no control characters."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            value = data.get(name)
            if isinstance(field, forms.CharField) and isinstance(value, str) and CONTROL.search(value):
                self.add_error(name, "This takes one line, without control characters.")
        return data


def verify_tls_field() -> forms.BooleanField:
    """Whether the certificate is checked."""
    return forms.BooleanField(
        required=False,
        initial=True,
        label="Check the server's certificate",
        help_text="Off: anybody in between can read along.",
    )


def ca_file_field() -> forms.CharField:
    """Whom to trust beside the system's authorities."""
    return forms.CharField(
        required=False,
        label="CA file",
        help_text="PEM file on the workers; needed for certificates of an internal authority.",
    )


def allow_private_field() -> forms.BooleanField:
    """Whether the inner network may be called."""
    return forms.BooleanField(
        required=False,
        initial=True,
        help_text="Off: loopback and private networks are refused. Metadata services always are.",
    )


def verify_of(channel: str, settings: Mapping[str, Any]) -> bool | str:
    """How the certificate is checked, as in requests: a CA file, True or False. ConnectorError when the file can't be read."""
    if not settings["verify_tls"]:
        return False
    path = settings["ca_file"]
    if path and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise ConnectorError(f"Channel {channel!r}: the CA file {path} can't be read on this host.")
    return path or True
