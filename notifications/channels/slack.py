"""Kind `slack`: a Slack workspace, by an incoming webhook or a bot's token."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError

from connectors.definition import Definition
from connectors.kinds.http import url_fault
from nomaflow_site.lib.config import SecretField
from notifications.channels._blocks import payload
from notifications.channels._form import ChannelForm
from notifications.channels._http import Answer, Way, exchange, place, secret_url_fault
from notifications.channels._text import one_line
from notifications.message import Message
from notifications.transport import Transport, Unsent

API_URL = "https://slack.com/api"
RECIPIENT = re.compile(r"[#@][\w.-]{1,80}")
ONE_WAY = "Give an incoming webhook's URL or a bot's token, not both."
# Errors of the API that pass by themselves; any other says that the call is wrong and stays so.
PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)


class SlackForm(ChannelForm):
    """Fields of a Slack channel."""

    webhook_url = SecretField(
        required=False, label="Webhook URL", help_text="Of an incoming webhook: https://hooks.slack.com/services/..."
    )
    token = SecretField(
        required=False, label="Bot token", help_text="Instead of a webhook: xoxb-..., with the scope chat:write."
    )
    recipient = forms.CharField(
        required=False,
        help_text="#channel or @user that is told when nobody is named. A webhook may leave it to its own channel.",
    )
    api_url = forms.CharField(required=False, initial=API_URL, label="API URL", help_text="For a bot's token.")

    def clean_webhook_url(self) -> str:
        """An http or https address; a fault says nothing of it."""
        url = str(self.cleaned_data["webhook_url"])
        if url and not self.is_token(url) and (fault := secret_url_fault(url)):
            raise ValidationError(fault)
        return url

    def clean_token(self) -> str:
        """A token that a header can carry."""
        token = str(self.cleaned_data["token"])
        if token and not self.is_token(token) and not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValidationError("A token holds no spaces, line breaks or characters beyond ASCII.")
        return token

    def clean_recipient(self) -> str:
        """A channel or a user."""
        recipient = str(self.cleaned_data["recipient"])
        if recipient and not self.is_token(recipient) and not RECIPIENT.fullmatch(recipient):
            raise ValidationError(f"Expected #channel or @user, found {recipient!r}.")
        return recipient

    def clean_api_url(self) -> str:
        """An http or https address that paths go below."""
        url = str(self.cleaned_data["api_url"] or API_URL)
        if not self.is_token(url):
            fault = url_fault(url)
            if not fault and (urlsplit(url).query or urlsplit(url).fragment):
                fault = "Expected an address that ends with a path."
            if fault:
                raise ValidationError(fault)
        return url

    def clean(self) -> dict[str, Any]:
        """One of the two ways."""
        data = super().clean()
        if data.get("webhook_url") and data.get("token"):
            self.add_error("token", ONE_WAY)
        return data


class SlackTransport(Transport):
    """Slack workspaces."""

    name = "slack"
    label = "Slack"
    digests = True
    form = SlackForm
    harmless = Transport.harmless | {"recipient"}
    destinations = frozenset({"webhook_url"})

    def takes(self, recipient: str) -> bool:
        """`#channel` and `@user`."""
        return bool(RECIPIENT.fullmatch(recipient))

    def recipient_fault(self, recipient: str) -> str | None:
        """Slack's own names only."""
        return None if self.takes(recipient) else f"Slack can't reach {recipient!r}: expected #channel or @user."

    def default_recipients(self, settings: Mapping[str, Any]) -> list[str]:
        """The channel of the form, or the one that the webhook was made for."""
        return [str(settings.get("recipient") or "")]

    def where(self, settings: Mapping[str, Any]) -> str:
        """Scheme and host; the rest of a webhook's address is a token."""
        return place(str(settings.get("webhook_url") or settings.get("api_url") or API_URL))

    def faults(self, settings: Mapping[str, Any]) -> dict[str, list[str]]:
        """Exactly one way, and with a token somebody to tell."""
        webhook, token = settings.get("webhook_url"), settings.get("token")
        if webhook and token:
            return {"token": [ONE_WAY]}
        if not webhook and not token:
            return {"webhook_url": ["Enter an incoming webhook's URL, or a bot's token instead."]}
        if token and not settings.get("recipient"):
            return {"recipient": ["Enter the #channel or @user to tell; a bot's token leads to none by itself."]}
        return {}

    def send(self, definition: Definition, recipient: str, message: Message) -> str:
        """Post the message; `ok`, or the channel and number that Slack gave it."""
        settings = self.checked(definition)
        if recipient and (fault := self.recipient_fault(recipient)):
            raise Unsent(fault, permanent=True)
        told = payload(message)
        if recipient:
            told["channel"] = recipient
        body = json.dumps(told).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if settings["webhook_url"]:
            return _taken(exchange("POST", settings["webhook_url"], body, headers, Way(), self.masker(definition)))
        url = f"{settings['api_url'].rstrip('/')}/chat.postMessage"
        headers["Authorization"] = f"Bearer {settings['token']}"
        return _posted(exchange("POST", url, body, headers, Way(), self.masker(definition)))


def _taken(answer: Answer) -> str:
    """What an incoming webhook said: `ok` in plain text. Servers that follow Slack's example say it in JSON, or nothing."""
    if not answer.ok:
        raise answer.unsent()
    said = _json(answer.body)
    if said.get("error"):
        raise _refused(said, answer)
    if answer.body.strip() not in ("", "ok") and not (said.get("ok") or said.get("success")):
        raise Unsent(f"this is not Slack's answer: {answer}")
    return one_line(answer.body) or str(answer)


def _posted(answer: Answer) -> str:
    """What the API said: its outcome is in the body, whatever the status."""
    said = _json(answer.body)
    if said.get("error"):
        raise _refused(said, answer)
    if not answer.ok:
        raise answer.unsent()
    if said.get("ok") is not True:
        raise Unsent(f"this is not Slack's answer: {answer}")
    where = f" in {said['channel']}" if said.get("channel") else ""
    return one_line(f"ok, message {said.get('ts')}{where}")


def _refused(said: Mapping[str, Any], answer: Answer) -> Unsent:
    error = one_line(str(said["error"]))
    passing = error in PASSING or answer.status == 429 or answer.status >= 500
    needed = f" (needs {one_line(str(said['needed']))})" if said.get("needed") else ""
    return Unsent(f"{error}{needed}", permanent=not passing, retry_after=answer.retry_after if passing else None)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
