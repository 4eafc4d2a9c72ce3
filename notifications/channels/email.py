"""Kind `email`: mail by SMTP."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.definition import Definition
from nomaflow_site.lib.config import ListField, SecretField
from notifications.channels._form import ChannelForm, allow_private_field, ca_file_field, verify_of, verify_tls_field
from notifications.channels._mail import ascii_address, mail, parse_sender, wire
from notifications.channels._smtp import NONE, PORTS, STARTTLS, TLS, Server, deliver
from notifications.message import Message
from notifications.transport import Transport, Unsent

HOST = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
MOST_RECIPIENTS = 100


class EmailForm(ChannelForm):
    """Fields of an e-mail channel."""

    host = forms.CharField(help_text="smtp.example.com")
    security = forms.ChoiceField(
        choices=[
            (STARTTLS, "starttls: turns to TLS before anything is told"),
            (TLS, "tls: TLS from the first byte"),
            (NONE, "none: clear text, password included"),
        ],
        initial=STARTTLS,
    )
    port = forms.IntegerField(
        required=False,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="Empty: 587 for starttls, 465 for tls, 25 for none.",
    )
    username = forms.CharField(required=False, label="User name", help_text="Empty: don't sign in.")
    password = SecretField(required=False)
    sender = forms.CharField(help_text="Nomaflow &lt;nomaflow@example.com&gt;, or the address alone.")
    recipients = ListField(
        help_text="Who is told when nobody is named: one address a line. Each gets a mail of their own."
    )
    verify_tls = verify_tls_field()
    ca_file = ca_file_field()
    allow_private = allow_private_field()

    def clean_host(self) -> str:
        """A host name or an address."""
        host = str(self.cleaned_data["host"])
        if not self.is_token(host) and not HOST.fullmatch(host):
            raise ValidationError("Expected a host name such as smtp.example.com; the port has a field of its own.")
        return host

    def clean_sender(self) -> str:
        """An address, perhaps with a name."""
        sender = str(self.cleaned_data["sender"])
        if not self.is_token(sender) and parse_sender(sender) is None:
            raise ValidationError(f"Expected NAME <ADDRESS> or an address, found {sender!r}.")
        return sender

    def clean_recipients(self) -> list[str]:
        """Addresses."""
        recipients: list[Any] = self.cleaned_data["recipients"]
        faults = [
            f"{item!r} is not an address."
            for item in recipients
            if not self.is_token(item) and not (isinstance(item, str) and ascii_address(item))
        ]
        if len(recipients) > MOST_RECIPIENTS:
            faults.append(
                f"Found {len(recipients)} addresses; {MOST_RECIPIENTS} is the limit. Give the team one address."
            )
        if faults:
            raise ValidationError(faults)
        return list(dict.fromkeys(recipients))


class EmailTransport(Transport):
    """Mail servers."""

    name = "email"
    label = "E-mail"
    same_everywhere = True
    digests = True
    form = EmailForm
    harmless = Transport.harmless | {"sender", "recipients"}

    def takes(self, recipient: str) -> bool:
        """Addresses."""
        return ascii_address(recipient) is not None

    def recipient_fault(self, recipient: str) -> str | None:
        """Addresses only."""
        return None if self.takes(recipient) else f"E-mail can't reach {recipient!r}: expected an address."

    def default_recipients(self, settings: Mapping[str, Any]) -> list[str]:
        """The addresses of the form."""
        return [str(address) for address in settings.get("recipients") or []]

    def where(self, settings: Mapping[str, Any]) -> str:
        """Host and port."""
        host, port = settings.get("host"), settings.get("port") or PORTS.get(str(settings.get("security") or STARTTLS))
        return f"{f'[{host}]' if ':' in str(host) else host}:{port}" if host else ""

    def faults(self, settings: Mapping[str, Any]) -> dict[str, list[str]]:
        """Both halves of signing in, or none."""
        username, password = settings.get("username"), settings.get("password")
        if username and not password:
            return {
                "password": [
                    "There is a user name and no password. Enter it, or empty both to send without signing in."
                ]
            }
        if password and not username:
            return {"username": ["There is a password and no user name. Enter it, or forget the password."]}
        return {}

    def send(self, definition: Definition, recipient: str, message: Message) -> str:
        """Send one mail to one address; the server's answer to the whole message."""
        settings = self.checked(definition)
        address, sender = ascii_address(recipient), parse_sender(settings["sender"])
        if address is None or sender is None:
            raise Unsent(str(self.recipient_fault(recipient)), permanent=True)
        server = Server(
            host=settings["host"],
            port=settings["port"] or PORTS[settings["security"]],
            security=settings["security"],
            username=settings["username"],
            password=settings["password"],
            verify=verify_of(definition.name, settings),
            allow_private=settings["allow_private"],
        )
        data = wire(mail(sender, address, message))
        return deliver(server, sender.addr_spec, address, data, self.masker(definition))
