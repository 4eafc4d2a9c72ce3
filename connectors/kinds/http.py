"""Kind `http`: an HTTP API. One place for its address, credentials and common headers."""

import re
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.definition import ConnectorError, Definition
from connectors.guard import explain, guarded_session, origin
from connectors.kind import Kind
from connectors.kinds._checked import checked
from nomaflow_site.lib.config import ConfigForm, SecretField, TableField

__all__ = ["HttpClient", "HttpForm", "HttpKind", "guarded_session", "header_faults", "url_fault"]

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# These frame the message or choose the site behind the address: they follow from the URL and the body.
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
TEST_SECONDS = 10.0


def url_fault(url: str) -> str | None:
    """Why an absolute URL can't be called, None when it may be."""
    if CONTROL.search(url) or " " in url:
        return "A URL holds no spaces, line breaks or control characters."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
    except ValueError as error:
        return f"This is not a URL: {error}."
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        return f"Expected http://HOST/... or https://HOST/..., found {parts.scheme or 'no scheme'!r}."
    if "@" in parts.netloc:
        return "Leave user name and password out of the URL; a connector of kind http keeps them sealed."
    return None


def header_faults(headers: Mapping[str, Any]) -> list[str]:
    """What is wrong with a table of request headers."""
    faults = []
    for name, value in headers.items():
        if not HEADER_NAME.match(name):
            faults.append(f"{name!r} is not a header name.")
        elif name.lower() in OWN_HEADERS:
            faults.append(f"{name} follows from the URL and the body; leave it out.")
        elif isinstance(value, Mapping | list):
            # A sealed value is a table to whoever looks at it before it's opened.
            faults += [] if isinstance(value, Mapping) and set(value) == {"$sealed"} else [f"{name} takes one text."]
        elif CONTROL.search(str(value).replace("\t", " ")):
            faults.append(f"The value of {name} holds a line break or control character.")
    return faults


class HttpForm(ConfigForm):
    """Fields of an `http` connector."""

    base_url = forms.CharField(label="Base URL", help_text="Steps give paths below it: https://api.example.com/v1")
    auth = forms.ChoiceField(
        choices=[
            ("none", "none"),
            ("basic", "basic: user name and password"),
            ("bearer", "bearer: token"),
            ("header", "header: token in a header of its own"),
        ],
        initial="none",
        label="Authentication",
    )
    username = forms.CharField(required=False, label="User name", help_text="For basic.")
    password = SecretField(required=False, help_text="For basic.")
    token = SecretField(required=False, help_text="For bearer and header.")
    header_name = forms.CharField(required=False, initial="X-API-Key", help_text="For header: the header's name.")
    headers = TableField(required=False, help_text='Sent with every request: Accept = "application/json"')
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
        initial=30.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(86400)],
        help_text="For one whole request, from connecting to the last byte.",
    )
    allow_private = forms.BooleanField(
        required=False,
        initial=True,
        help_text="Off: loopback and private networks are refused. Metadata services always are.",
    )

    def clean_base_url(self) -> str:
        """An http or https address without credentials, query or fragment."""
        url = str(self.cleaned_data["base_url"])
        if self.tokens and "${" in url:
            return url
        fault = url_fault(url)
        if not fault and (urlsplit(url).query or urlsplit(url).fragment):
            fault = "A base URL ends with a path; put the query into the step."
        if fault:
            raise ValidationError(fault)
        return url

    def clean_header_name(self) -> str:
        """A header's name."""
        name = str(self.cleaned_data["header_name"])
        if name and "${" not in name and header_faults({name: ""}):
            raise ValidationError(header_faults({name: ""}))
        return name

    def clean_headers(self) -> dict[str, Any]:
        """Headers without line breaks."""
        headers: dict[str, Any] = self.cleaned_data["headers"]
        if faults := header_faults(headers):
            raise ValidationError(faults)
        return headers


class HttpClient:
    """An HTTP API inside a step: `request(method, path)` with the connector's address, credentials and headers."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        """Raises ConnectorError when the credentials that `auth` needs are missing."""
        self.name = name
        self.base_url = str(settings["base_url"])
        self.timeout_seconds = float(settings["timeout_seconds"])
        self.verify: bool | str = (settings["ca_file"] or True) if settings["verify_tls"] else False
        self._headers = {str(key): str(value) for key, value in settings["headers"].items()} | _credentials(
            name, settings
        )
        self._session = guarded_session(
            timeout_seconds=self.timeout_seconds, allow_private=settings["allow_private"], verify=self.verify
        )

    def url(self, path: str) -> str:
        """The address of a path below the base URL, or of an absolute URL at the same scheme, host and port.

        Raises ConnectorError for any other host: the credentials are for this one.
        """
        if not ABSOLUTE.match(path):
            return (
                f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"
                if path and path[0] not in "?#"
                else self.base_url + path
            )
        if url_fault(path) or origin(path) != origin(self.base_url):
            raise ConnectorError(
                f"The URL points to {urlsplit(path).scheme}://{urlsplit(path).hostname}, but connector {self.name!r} is for "
                f"{origin(self.base_url)} and its credentials are sent nowhere else. Give a path, or leave the connector out."
            )
        return path

    def request(
        self, method: str, url: str = "", *, headers: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send one request; the arguments are those of `requests` (`json`, `data`, `params`, `timeout`, `stream`, ...).

        Headers given here win over the connector's. The answer may have any status; redirects are not followed. Raises
        ConnectorError when the URL belongs to another host or there is no answer.
        """
        address = self.url(url)
        mine = {str(key): str(value) for key, value in (headers or {}).items()}
        if faults := header_faults(mine):
            raise ConnectorError(" ".join(faults))
        given = {name.lower() for name in mine}
        sent = {name: value for name, value in self._headers.items() if name.lower() not in given} | mine
        kwargs["allow_redirects"] = False
        try:
            return self._session.request(method, address, headers={k: v.encode() for k, v in sent.items()}, **kwargs)
        except requests.RequestException as error:
            raise ConnectorError(f"{method} {origin(address)}: {explain(error)}.") from error

    def close(self) -> None:
        """Close kept connections."""
        self._session.close()


def _credentials(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The header that authenticates every request."""
    auth = settings["auth"]
    needed = {"basic": "password", "bearer": "token", "header": "token"}.get(auth)
    if needed and not settings[needed]:
        raise ConnectorError(
            f"Connector {name!r} has auth = {auth!r} but no {needed}; enter it, or set auth to 'none'."
        )
    if auth == "basic":
        if not settings["username"]:
            raise ConnectorError(f"Connector {name!r} has auth = 'basic' but no username.")
        return {"Authorization": _basic(settings["username"], settings["password"])}
    if needed and CONTROL.search(settings["token"]):
        raise ConnectorError(
            f"The token of connector {name!r} holds a line break or control character; enter it again."
        )
    if auth == "bearer":
        return {"Authorization": f"Bearer {settings['token']}"}
    return {settings["header_name"]: settings["token"]} if auth == "header" else {}


def _basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


class HttpKind(Kind):
    """HTTP APIs."""

    name = "http"
    label = "HTTP API"
    form = HttpForm
    # A header can't choose another server, and Host can't be set.
    harmless = Kind.harmless | {"headers", "auth", "header_name"}

    def open(self, definition: Definition, application: str) -> HttpClient:
        """A client; it connects with the first request."""
        return HttpClient(definition.name, checked(definition, HttpForm))

    def test(self, definition: Definition) -> str:
        """GET the base URL. Any answer counts but 401, 407 and server errors."""
        client = self.open(definition, "nomaflow:test")
        started = time.monotonic()
        try:
            with client.request("GET", stream=True, timeout=min(client.timeout_seconds, TEST_SECONDS)) as answer:
                elapsed = round((time.monotonic() - started) * 1000)
                said = f"{answer.status_code} {answer.reason}".strip()
                server = answer.headers.get("Server", "")[:60]
        finally:
            client.close()
        if answer.status_code in {401, 407} or answer.status_code >= 500:
            raise ConnectorError(f"GET {client.base_url} answered {said} after {elapsed} ms.")
        return f"GET {client.base_url} answered {said} in {elapsed} ms{f', server {server}' if server else ''}."
