"""Step type `http`: call an HTTP endpoint."""

import codecs
import json
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.guard import TIMEOUT_SECONDS, explain
from connectors.kinds.http import HttpClient, header_faults, url_fault
from jobs.context import Context
from jobs.steptype import Result, StepFailed, StepType
from nomaflow_site.lib.config import ConfigForm, ConnectorField, ListField, TableField, ValueField
from nomaflow_site.lib.sealing import MASK, is_secret_name

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# Bytes of the answer that are kept; the rest is not even read.
BODY_LIMIT = 64 * 1024
ERROR_CHARACTERS = 500
HEADER_CHARACTERS = 4096
# A session handed out by the server is a credential; it has no place in a run's history.
DROPPED_HEADERS = frozenset({"set-cookie", "set-cookie2"})
SECRET_QUERY = frozenset({"key", "sig", "signature", "code", "auth", "jwt", "session", "sid"})
WAIT_STATUS = frozenset({429, 503})


class HttpStepForm(ConfigForm):
    """Fields of an `http` step."""

    connector = ConnectorField(kind="http", required=False, help_text="Base URL, credentials and common headers.")
    url = forms.CharField(required=False, label="URL", help_text="With a connector: a path below its base URL.")
    method = forms.ChoiceField(choices=[(m, m) for m in METHODS], initial="GET")
    headers = TableField(required=False, help_text='One a line: Accept = "application/json"')
    body = ValueField(required=False, help_text="A JSON object or list is sent as JSON, anything else as text.")
    expect_status = ListField(
        numbers=True, required=False, help_text="Status codes that count as success; empty: any 2xx."
    )
    verify_tls = forms.BooleanField(
        required=False,
        initial=True,
        label="Check the server's certificate",
        help_text="Off: anybody in between can read along.",
    )
    ca_file = forms.CharField(
        required=False, label="CA file", help_text="PEM file on the workers, when there is no connector."
    )
    request_timeout_seconds = forms.FloatField(
        required=False,
        validators=[MinValueValidator(0.1), MaxValueValidator(86400)],
        help_text="For the whole request; empty: the connector's, or 30.",
    )

    def clean_url(self) -> str:
        """An absolute URL is one that can be called."""
        url = str(self.cleaned_data["url"])
        if not (self.tokens and "${" in url) and ("://" in url or not self._has_connector()):
            fault = url_fault(url) if url else None
            if fault:
                raise ValidationError(fault)
        return url

    def _has_connector(self) -> bool:
        return bool(self.data.get(self.add_prefix("connector")))

    def clean_headers(self) -> dict[str, Any]:
        """Headers without line breaks."""
        headers: dict[str, Any] = self.cleaned_data["headers"]
        if faults := header_faults(headers):
            raise ValidationError(faults)
        return headers

    def clean_expect_status(self) -> Any:
        """Codes from 100 to 599."""
        codes = self.cleaned_data["expect_status"]
        odd = (
            [code for code in codes if isinstance(code, int) and not 100 <= code <= 599]
            if isinstance(codes, list)
            else []
        )
        if odd:
            raise ValidationError(f"A status code is between 100 and 599, found {', '.join(map(str, odd))}.")
        return codes

    def clean(self) -> dict[str, Any]:
        """There has to be something to call."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not data.get("url") and not data.get("connector") and "url" not in self.errors:
            self.add_error("url", "Give the URL to call, or a connector.")
        return data


class HttpStep(StepType):
    """Calls an HTTP endpoint with optional headers and body."""

    name = "http"
    label = "HTTP request"
    form = HttpStepForm

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Send the request. Output: status, elapsed_ms, headers, body, truncated."""
        url, send = _sender(ctx, config)
        shown = f"{config['method']} {shown_url(url)}"
        ctx.log.debug("request: %s", shown)
        started = time.monotonic()
        try:
            with send() as response:
                data, truncated = _read(response)
        except requests.RequestException as error:
            raise StepFailed(f"{shown}: {explain(error)}.") from error
        elapsed_ms = round((time.monotonic() - started) * 1000)
        body = _body(response, data, truncated)
        ctx.log.info("%s answered %s in %s ms", shown, _status(response), f"{elapsed_ms:,}")
        if not _expected(response.status_code, config["expect_status"]):
            raise _failure(shown, response, body)
        return Result(
            output={
                "status": response.status_code,
                "elapsed_ms": elapsed_ms,
                "headers": _headers(response),
                "body": body,
                "truncated": truncated,
            }
        )


def _sender(ctx: Context, config: Mapping[str, Any]) -> tuple[str, Any]:
    """The full URL and a function that sends the request."""
    arguments: dict[str, Any] = {**_payload(config["body"]), "stream": True}
    if config["connector"]:
        client = ctx.get_connector(config["connector"])
        if not isinstance(client, HttpClient):
            raise StepFailed(f"Connector {config['connector']!r} is not of kind http.")
        arguments["timeout"] = config["request_timeout_seconds"] or client.timeout_seconds
        if not config["verify_tls"]:
            arguments["verify"] = False
        url = config["url"] or ""
        headers = _own_headers(config)
        return client.url(url), lambda: client.request(config["method"], url, headers=headers, **arguments)
    arguments["timeout"] = config["request_timeout_seconds"] or TIMEOUT_SECONDS
    arguments["verify"] = (config["ca_file"] or True) if config["verify_tls"] else False
    arguments["headers"] = {name: value.encode() for name, value in _own_headers(config).items()}
    return config["url"], lambda: ctx.http.request(config["method"], config["url"], **arguments)


def _own_headers(config: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in config["headers"].items()}


def _payload(body: Any) -> dict[str, Any]:
    """The body as an argument of requests: texts as UTF-8, everything else as JSON."""
    if body is None or body == "":
        return {}
    return {"data": body.encode()} if isinstance(body, str) else {"json": body}


def _read(response: requests.Response) -> tuple[bytes, bool]:
    """The first 64 KiB of the decoded body, and whether there was more."""
    data = b""
    chunks = response.iter_content(8192)
    for chunk in chunks:
        data += chunk
        if len(data) > BODY_LIMIT:
            chunks.close()  # type: ignore[attr-defined]
            return data[:BODY_LIMIT], True
    return data, False


def _body(response: requests.Response, data: bytes, truncated: bool) -> Any:
    """Decoded JSON, else text. JSON that was cut is text."""
    text = _text(response, data)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if truncated or not text.strip() or not (kind.endswith(("/json", "+json")) or text.lstrip()[:1] in {"{", "["}):
        return text
    try:
        return _storable(json.loads(text, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError):
        return text


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is beyond a float")
    return number


def _storable(value: Any) -> Any:
    """`value` without NUL and lone surrogates in its texts: no database keeps them in JSON."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _text(response: requests.Response, data: bytes) -> str:
    """The body as text: the declared charset, else UTF-8. A character cut in half at the end is left out."""
    _, _, charset = response.headers.get("Content-Type", "").lower().partition("charset=")
    for name in (charset.split(";")[0].strip(" \"'"), "utf-8"):
        try:
            " ".encode(name)  # knows text encodings only; codecs also has zlib and the like
            return _clean(codecs.getincrementaldecoder(name)("replace").decode(data.removeprefix(codecs.BOM_UTF8)))
        except (LookupError, UnicodeError):
            continue
    raise AssertionError("UTF-8 is always known")


def _headers(response: requests.Response) -> dict[str, str]:
    return {
        name: _clean(value[:HEADER_CHARACTERS])
        for name, value in response.headers.items()
        if name.lower() not in DROPPED_HEADERS
    }


def _expected(status: int, expected: list[int]) -> bool:
    return status in expected if expected else 200 <= status < 300


def _status(response: requests.Response) -> str:
    return f"{response.status_code} {response.reason or ''}".strip()


def _failure(shown: str, response: requests.Response, body: Any) -> StepFailed:
    """The failure of an answer that nobody expected, with how long the server asked to wait."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    said = " ".join(text[:ERROR_CHARACTERS].split())
    hint = ""
    if response.is_redirect:
        target = shown_url(response.headers["Location"])
        hint = f" It redirects to {target}; redirects are not followed: use that address, or list the status in expect_status."
    wait = (
        retry_after(response.headers.get("Retry-After"), time.time()) if response.status_code in WAIT_STATUS else None
    )
    if wait is not None:
        hint += f" The server asks to wait {wait:.0f} s."
    answer = f": {said}" if said else "."
    return StepFailed(f"{shown} answered {_status(response)}{answer}{hint}", retry_after=wait)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from a Retry-After header, a number or an HTTP date; None when there is none. `now`: Unix time."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def shown_url(url: str) -> str:
    """A URL fit for a log: no user name, no password, no query values under secret-looking names."""
    parts = urlsplit(url)
    query = [
        (name, MASK if is_secret_name(name) or name.lower() in SECRET_QUERY else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(query, safe="*/:,"), ""))
