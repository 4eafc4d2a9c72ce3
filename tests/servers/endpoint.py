"""A real HTTP endpoint that keeps what it is sent and answers as it is told."""

import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.servers import wait_for as _wait_for


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """The one value of a header; KeyError when there is none, or several."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) != 1:
            raise KeyError(f"{name}: {values}")
        return values[0]

    def is_signed_with(self, secret: str) -> bool:
        """As docs/notifications.md tells receivers to check."""
        signed = self.header("X-Nomaflow-Timestamp").encode() + b"." + self.body
        expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.header("X-Nomaflow-Signature"))


@dataclass
class _Reply:
    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    # "never": no answer at all; "drip": a status line without an end, a byte at a time; "drip-body": the same in the body.
    way: str = ""


class Endpoint:
    """`requests` holds what came. `replies(...)` says what is answered from now on, `next_replies` what is answered once first."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self._always, self._once = _Reply(), list[_Reply]()
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def replies(self, status: int = 200, body: str = "ok", way: str = "", **headers: str) -> None:
        """Answer so from now on; `Retry_After="5"` becomes a header."""
        self._always = _reply(status, body, way, headers)

    def next_replies(self, status: int = 200, body: str = "ok", way: str = "", **headers: str) -> None:
        """Answer so once, before everything that was said later."""
        self._once.append(_reply(status, body, way, headers))

    def wait_for_requests(self, count: int, seconds: float = 10) -> list[Received]:
        """The requests, as soon as there are so many."""
        _wait_for(lambda: len(self.requests) >= count, seconds, f"{count} requests")
        return list(self.requests)

    def stop(self) -> None:
        """Hang up on everybody."""
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

            def do_POST(self) -> None:
                """Keep, and answer."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                endpoint.requests.append(Received(self.requestline, self.headers.items(), body))
                reply = endpoint._once.pop(0) if endpoint._once else endpoint._always
                with contextlib.suppress(OSError):
                    endpoint._answer(self, reply)

            do_GET = do_PUT = do_POST

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, reply: _Reply) -> None:
        if reply.way == "never":
            self._stop.wait(60)
        elif reply.way == "drip":
            self._drip(handler, b"HTTP/1.1 200 ")
        elif reply.way == "drip-body":
            self._drip(handler, b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(reply.body.encode())))
            handler.end_headers()
            handler.wfile.write(reply.body.encode())

    def _drip(self, handler: BaseHTTPRequestHandler, beginning: bytes) -> None:
        handler.wfile.write(beginning)
        while not self._stop.wait(0.05):
            handler.wfile.write(b"x")


def _reply(status: int, body: str, way: str, headers: dict[str, str]) -> _Reply:
    return _Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()}, way)


@pytest.fixture
def make_endpoint() -> Iterator[Callable[..., Endpoint]]:
    """Makes endpoints; each takes a server's TLS context where it should speak https. All of them end with the test."""
    made: list[Endpoint] = []

    def make(context: ssl.SSLContext | None = None) -> Endpoint:
        made.append(Endpoint(context))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.stop()


@pytest.fixture
def endpoint(make_endpoint: Callable[..., Endpoint]) -> Endpoint:
    """An endpoint in clear text that answers 200 ok."""
    return make_endpoint()
