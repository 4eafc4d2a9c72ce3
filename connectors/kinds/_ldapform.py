"""The fields of an `ldap` connector."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from nomaflow_site.lib.config import ConfigForm, SecretField


def parse_server(server: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS comes first, of `ldap://host`, `ldaps://host:636`, `host` or `host:port`. ValueError."""
    parts = urlsplit(server if "://" in server else f"ldap://{server}")
    if (
        parts.scheme not in {"ldap", "ldaps"}
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or "@" in server
    ):
        raise ValueError(f"Expected ldap://HOST:PORT or ldaps://HOST:PORT, found {server!r}.")
    secure = parts.scheme == "ldaps"
    return parts.hostname, parts.port or (636 if secure else 389), secure


class LdapForm(ConfigForm):
    """Fields of an `ldap` connector."""

    server = forms.CharField(help_text="ldap://dc1.example.com:389 or ldaps://dc1.example.com")
    bind_dn = forms.CharField(required=False, label="Bind DN", help_text="Empty, with the password: bind anonymously.")
    bind_password = SecretField(required=False)
    start_tls = forms.BooleanField(
        required=False,
        initial=False,
        label="StartTLS",
        help_text="Turn to TLS before the password is sent; for ldap://.",
    )
    verify_tls = forms.BooleanField(
        required=False,
        initial=True,
        label="Check the server's certificate",
        help_text="Off: anybody in between can read along.",
    )
    ca_file = forms.CharField(
        required=False,
        label="CA file",
        help_text="PEM file on the workers; needed for certificates of an internal authority.",
    )
    timeout_seconds = forms.FloatField(
        initial=10.0,
        validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text="For connecting, and for each silence of the server after it.",
    )

    def clean_server(self) -> str:
        """An address that can be parsed."""
        server = str(self.cleaned_data["server"])
        if not (self.tokens and "${" in server):
            try:
                parse_server(server)
            except ValueError as error:
                raise ValidationError(str(error)) from error
        return server

    def clean(self) -> dict[str, Any]:
        """StartTLS is for connections that begin in clear text."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("start_tls") is True and str(data.get("server")).lower().startswith("ldaps://"):
            self.add_error(
                "start_tls", "ldaps:// is TLS from the first byte; use ldap:// with StartTLS, or ldaps:// without."
            )
        return data
