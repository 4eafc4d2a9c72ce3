"""Kind `webhook`: an HTTP request to one address of somebody's own."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.definition import Definition
from connectors.kinds.http import header_faults
from nomaflow_site.lib.config import SecretField, TableField, ValueField
from notifications.channels._form import ChannelForm, allow_private_field, ca_file_field, verify_of, verify_tls_field
from notifications.channels._http import Way, exchange, place, secret_url_fault
from notifications.channels._template import TooLong, body_of, content_type_of, template_faults
from notifications.channels._text import one_line
from notifications.message import Message
from notifications.transport import SEND_SECONDS, Transport, Unsent

# Every request has these of its own; a table of headers can't take their place.
OWN_HEADERS = frozenset({"content-type", "idempotency-key"})
OWN_PREFIX = "x-nomaflow-"
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[\x20-\x7e]*)?", re.ASCII)
CONTENT_TYPE_HINT = {"content-type": " The content type is a field of its own."}


class WebhookForm(ChannelForm):
    """Fields of a webhook channel."""

    url = SecretField(
        required=False,
        label="URL",
        help_text="Where alerts are sent. Kept sealed, because such addresses often carry a token.",
    )
    method = forms.ChoiceField(choices=[("POST", "POST"), ("PUT", "PUT")], initial="POST")
    headers = TableField(required=False, help_text='Sent with every request: Authorization = "Bearer ..."')
    content_type = forms.CharField(
        required=False,
        label="Content type",
        help_text="Empty: application/json, or text/plain where the body isn't JSON.",
    )
    body = ValueField(
        required=False,
        help_text="A template with ${job_id}, ${run_id}, ${state}, ${error}, ${url}, ... Empty: a JSON object with everything.",
    )
    secret = SecretField(required=False, label="Signing secret", help_text="Signs every request (HMAC-SHA256).")
    verify_tls = verify_tls_field()
    ca_file = ca_file_field()
    timeout_seconds = forms.FloatField(
        initial=10.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(SEND_SECONDS)],
        help_text="For one whole request, from connecting to the last byte.",
    )
    allow_private = allow_private_field()

    def clean_url(self) -> str:
        """An http or https address; a fault says nothing of it."""
        url = str(self.cleaned_data["url"])
        if url and not self.is_token(url) and (fault := secret_url_fault(url)):
            raise ValidationError(fault)
        return url

    def clean_headers(self) -> dict[str, Any]:
        """Headers that can be sent and aren't ours."""
        headers: dict[str, Any] = self.cleaned_data["headers"]
        faults = header_faults(headers)
        for name in headers:
            if name.lower() in OWN_HEADERS or name.lower().startswith(OWN_PREFIX):
                faults.append(f"{name} is set by Nomaflow; leave it out." + CONTENT_TYPE_HINT.get(name.lower(), ""))
        if faults:
            raise ValidationError(faults)
        return headers

    def clean_content_type(self) -> str:
        """One line, TYPE/SUBTYPE."""
        given = str(self.cleaned_data["content_type"])
        if given and not self.is_token(given) and not CONTENT_TYPE.fullmatch(given):
            raise ValidationError("Expected TYPE/SUBTYPE, such as application/json.")
        return given

    def clean(self) -> dict[str, Any]:
        """The body names variables that exist, and is JSON where it's sent as JSON."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        body, content_type = data.get("body") or "", str(data.get("content_type") or "")
        if not isinstance(body, str | dict | list):
            self.add_error("body", f"Expected a text or a JSON object, found {body!r}.")
        elif faults := template_faults(body, content_type, tokens=self.tokens):
            self.add_error("body", faults)
        return data


class WebhookTransport(Transport):
    """Webhooks."""

    name = "webhook"
    label = "Webhook"
    form = WebhookForm
    # A header can't choose another server, and a body is only read there.
    harmless = Transport.harmless | {"headers", "method", "content_type", "body"}
    destinations = frozenset({"url"})

    def recipient_fault(self, recipient: str) -> str | None:
        """A webhook leads to one address."""
        return f"A webhook leads to one address and can't reach {recipient!r}; name the channel itself."

    def default_recipients(self, settings: Mapping[str, Any]) -> list[str]:
        """Whoever listens at the address."""
        return [""]

    def where(self, settings: Mapping[str, Any]) -> str:
        """Scheme and host; the rest of the address may hold a token."""
        return place(str(settings.get("url") or ""))

    def faults(self, settings: Mapping[str, Any]) -> dict[str, list[str]]:
        """There has to be an address."""
        return {} if settings.get("url") else {"url": ["Enter the URL that alerts are sent to."]}

    def send(self, definition: Definition, recipient: str, message: Message) -> str:
        """Send the request; any 2xx is a success."""
        settings = self.checked(definition)
        template = settings["body"] or ""
        content_type = content_type_of(template, settings["content_type"])
        try:
            body = body_of(template, content_type, message)
        except TooLong as error:
            raise Unsent(str(error), permanent=True) from error
        headers = {str(name): str(value) for name, value in settings["headers"].items()}
        headers |= {"Content-Type": content_type, **_own_headers(message, settings["secret"], body, int(time.time()))}
        way = Way(verify_of(definition.name, settings), settings["allow_private"], settings["timeout_seconds"])
        answer = exchange(settings["method"], settings["url"], body, headers, way, self.masker(definition))
        if not answer.ok:
            raise answer.unsent()
        return str(answer)


def _own_headers(message: Message, secret: str, body: bytes, now: int) -> dict[str, str]:
    """What a receiver needs to trust the request and to tell a repeat. `now`: Unix time."""
    delivery = one_line(message.delivery)
    headers = {
        "X-Nomaflow-Event": one_line(message.event),
        "X-Nomaflow-Delivery": delivery,
        "Idempotency-Key": delivery,
    }
    if secret:
        headers |= {"X-Nomaflow-Timestamp": str(now), "X-Nomaflow-Signature": signature(secret, now, body)}
    return headers


def signature(secret: str, now: int, body: bytes) -> str:
    """`sha256=` and the HMAC of timestamp, a dot and the body as it's sent."""
    return "sha256=" + hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
