"""A `requests` session that is safe to point at an address somebody typed.

Every connection goes to an address that was checked after resolution (`connectors.addresses`) and to no other. One deadline
covers everything from the first packet to the last byte. No proxies, netrc or other surprises from the environment; redirects
are not followed unless asked for, and then every hop is checked again and leaves its credentials behind at another origin.
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,
    ContentDecodingError,
    InvalidHeader,
    InvalidSchema,
    InvalidURL,
    TooManyRedirects,
)

from connectors.addresses import Refused
from connectors.wire import AddressRefused, Deadline, GuardedAdapter, TooLarge, TooLong, current_deadline, set_deadline

__all__ = ["AddressRefused", "GuardedSession", "TooLarge", "TooLong", "explain", "guarded_session", "origin"]

MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
# All that another origin gets to see of the request that was redirected there.
HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "user-agent", "connection"})

# Errors of requests whose own text quotes the URL or a header.
_WORDS: list[tuple[type[Exception], str]] = [
    (InvalidHeader, "a header's value holds a line break or starts with a space"),
    (InvalidURL, "the address is not a valid URL"),
    (TooManyRedirects, "the server redirects in circles or too often"),
    (ContentDecodingError, "the answer's compressed body can't be decoded"),
    (ChunkedEncodingError, "the answer broke off in the middle"),
    (ConnectionError, "the server closed the connection before it had answered"),
]


class GuardedSession(requests.Session):
    """See the module. Use it like any `requests` session; `timeout` means seconds for the whole exchange."""

    def __init__(self, timeout_seconds: float, max_bytes: int, allow_private: bool) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = MAX_REDIRECTS
        self.timeout_seconds = timeout_seconds
        self.allow_private = allow_private
        self.headers["User-Agent"] = "nomaflow"
        self.adapters.clear()
        adapter = GuardedAdapter(min(max_bytes, MAX_BYTES))
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """As in requests, except that redirects are not followed unless `allow_redirects` is given."""
        kwargs["allow_redirects"] = bool(kwargs.get("allow_redirects", False))
        return super().request(method, url, *args, **kwargs)

    def get(self, url: Any, **kwargs: Any) -> requests.Response:
        """GET."""
        return self.request("GET", url, **kwargs)

    def options(self, url: Any, **kwargs: Any) -> requests.Response:
        """OPTIONS."""
        return self.request("OPTIONS", url, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request under one deadline. Raises AddressRefused, TooLong, TooLarge and what requests raises."""
        if kwargs.get("proxies"):
            raise AddressRefused("proxies are not supported: the address behind one can't be checked", request=request)
        _refuse_odd_url(str(request.url))
        outer = current_deadline()  # set while a redirect is followed: all hops share one deadline
        seconds = _seconds(kwargs.get("timeout"), self.timeout_seconds)
        deadline = outer or Deadline(seconds, self.allow_private)
        set_deadline(deadline)
        stream = kwargs.pop("stream", False)
        kwargs["timeout"] = deadline.left
        try:
            response = super().send(request, stream=True, **kwargs)
            if stream and outer is None:
                deadline.ends_with_body = True
            elif not stream:
                _ = response.content
            return response
        finally:
            set_deadline(outer)
            if outer is None and not deadline.ends_with_body:
                deadline.end()

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Any:
        """Follow when asked; requests would otherwise read the body of every redirect to prepare `response.next`."""
        return iter(()) if kwargs.get("yield_requests") else super().resolve_redirects(*args, **kwargs)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """At another origin: no credentials, no cookies, no headers of ours, and never a body."""
        if origin(str(response.request.url)) == origin(str(prepared_request.url)):
            return
        if prepared_request.body:
            raise AddressRefused(
                f"the server redirects to {origin(str(prepared_request.url))}; the body is not sent to another origin",
                request=prepared_request,
            )
        for name in list(prepared_request.headers):
            if name.lower() not in HARMLESS_HEADERS:
                del prepared_request.headers[name]


def _seconds(timeout: Any, default: float) -> float:
    if isinstance(timeout, tuple):
        timeout = sum(part or 0 for part in timeout) or None
    return float(timeout) if timeout else default


def _refuse_odd_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise InvalidSchema(f"only http and https addresses can be called, found {parts.scheme!r}")
    if "@" in parts.netloc:
        raise AddressRefused("the address holds a user name or password; give credentials as credentials")


def origin(url: str) -> str:
    """Scheme, host and port of a URL: `https://api.example.com:443`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}"


def guarded_session(
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
    allow_private: bool = True,
    verify: bool | str = True,
) -> GuardedSession:
    """A new session. `max_bytes` counts decoded bytes (at most 10 MiB); `verify` is False or a CA file as in requests."""
    session = GuardedSession(timeout_seconds, max_bytes, allow_private)
    session.verify = verify
    return session


def explain(error: Exception) -> str:
    """Why an exchange failed, in a few words for an operator: no URL, no headers, no traceback."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate can't be trusted: {cause.verify_message or cause.reason}"
        if isinstance(cause, socket.gaierror):
            return f"the host name can't be resolved ({cause.strerror or cause})"
    for cause in chain:
        if isinstance(cause, AddressRefused | TooLong | TooLarge | Refused | InvalidSchema):
            return str(cause)
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause.strerror or 'the server does not speak TLS here'}"
    for cause in reversed(chain):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), None)
    # The text of any other error of requests may quote the URL or a header, and with it a secret.
    return words or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
