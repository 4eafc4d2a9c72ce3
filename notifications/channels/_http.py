"""One HTTP request of a channel, and what became of it."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL

from connectors.guard import AddressRefused, explain, guarded_session
from connectors.kinds.http import url_fault
from jobs.steps.http import retry_after
from nomaflow_site.lib.redact import Masker
from notifications import transport
from notifications.channels._text import one_line
from notifications.transport import Unsent

# Of an answer only the beginning is told.
MOST_BYTES = 64 * 1024
AGAIN = frozenset({408, 425, 429})
# No second attempt changes what these say: the address or a header is wrong.
HOPELESS = (AddressRefused, InvalidHeader, InvalidURL, InvalidSchema)
# Parts of an address that are shorter are words, not tokens.
SHORTEST_PART = 8


@dataclass(frozen=True)
class Answer:
    """What a server said: the status, the beginning of the body, and the seconds it asks to wait."""

    status: int
    reason: str
    body: str
    retry_after: float | None
    # Where a redirect would lead, without path and query.
    location: str = ""

    @property
    def ok(self) -> bool:
        """A 2xx."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        said = one_line(self.body)
        return f"{self.status} {self.reason}".strip() + (f": {said}" if said else "")

    def unsent(self) -> Unsent:
        """Why it isn't sent, for any status but 2xx."""
        if self.location:
            said = f"{self.status} {self.reason}: it redirects to {self.location}, and redirects are not followed"
            return Unsent(said, permanent=True)
        permanent = not (self.status in AGAIN or self.status >= 500)
        return Unsent(str(self), permanent=permanent, retry_after=None if permanent else self.retry_after)


@dataclass(frozen=True)
class Way:
    """How a channel calls: certificate check as in requests, private addresses or not, at most how many seconds in all."""

    verify: bool | str = True
    allow_private: bool = True
    seconds: float = 3600.0


def exchange(method: str, url: str, body: bytes, headers: Mapping[str, str], way: Way, masker: Masker) -> Answer:
    """Send one request and give the answer, whatever its status. What is told of it is masked. Raises Unsent without one."""
    for secret in secrets_of(url):
        masker.add(secret)
    session = guarded_session(
        timeout_seconds=min(way.seconds, transport.SEND_SECONDS), allow_private=way.allow_private, verify=way.verify
    )
    with session:
        try:
            sent = {name: value.encode() for name, value in headers.items()}
            with session.request(method, url, data=body, headers=sent, stream=True) as response:
                text = _beginning(response)
        except (requests.RequestException, OSError) as error:
            said = one_line(f"{place(url)}: {masker.text(explain(error))}")
            raise Unsent(said, permanent=isinstance(error, HOPELESS)) from None
    wait = retry_after(response.headers.get("Retry-After"), time.time())
    location = place(str(response.headers.get("Location", ""))) if response.is_redirect else ""
    said = masker.text(text)
    return Answer(response.status_code, one_line(masker.text(response.reason or ""), 60), said, wait, location)


def _beginning(response: requests.Response) -> str:
    """The first bytes of the body as text. One that breaks off or never ends changes nothing about the status."""
    found = b""
    # Small pieces: of a body that drips, what has arrived is kept.
    chunks: Any = response.iter_content(512)
    with contextlib.suppress(requests.RequestException, OSError), contextlib.closing(chunks):
        for chunk in chunks:
            found += chunk
            if len(found) >= MOST_BYTES:
                break
    return found[:MOST_BYTES].decode("utf-8", "replace")


def secrets_of(url: str) -> Iterator[str]:
    """What of a URL is as secret as a password: its path and query, whole and in parts; such addresses carry tokens."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    whole = f"{parts.path}?{parts.query}" if parts.query else parts.path
    pieces = [
        piece
        for piece in (*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)))
        if len(piece) >= SHORTEST_PART
    ]
    yield from (text for text in (url, whole, parts.query, parts.path, unquote(whole)) if len(text) >= SHORTEST_PART)
    yield from (unquote(piece) for piece in pieces)


def place(url: str) -> str:
    """Scheme and host of a URL, all of it that may be shown; empty where there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def secret_url_fault(url: str) -> str | None:
    """Why an address that is itself a secret can't be called, without a word of it; None when it may be."""
    if url_fault(url) is None:
        return None
    return "Expected http://HOST/... or https://HOST/... without user name, spaces or line breaks."
