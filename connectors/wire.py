"""The wire under the guarded session: connections to checked addresses, one deadline, a limit on what comes back."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError, ContentDecodingError, RequestException, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager

from connectors.addresses import Refused, check, resolve

CHUNK = 64 * 1024
# The deadline of the exchange that this thread is in the middle of.
_current = threading.local()


class AddressRefused(ConnectionError):
    """The address, or what it resolves to, is one that Nomaflow does not call."""


class TooLong(Timeout):
    """The whole exchange took longer than its deadline."""


class TooLarge(RequestException):
    """The decoded answer is larger than the limit."""


class Deadline:
    """A moment after which every connection that took part is cut, so that even one byte every ten seconds ends."""

    def __init__(self, seconds: float, allow_private: bool) -> None:
        self.seconds = seconds
        self.allow_private = allow_private
        self.passed = False
        # Set when the body is left to the caller: then reading it to its end is what ends the exchange.
        self.ends_with_body = False
        self._at = time.monotonic() + seconds
        self._connections: list[HTTPConnection] = []
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left(self) -> float:
        """Seconds left, never quite nothing: 0 would mean "do not wait" to a socket."""
        return max(self._at - time.monotonic(), 0.001)

    def watch(self, connection: HTTPConnection) -> None:
        """Cut `connection` too when the time has come."""
        self._connections.append(connection)

    def hold(self, sock: socket.socket | None) -> None:
        """Cut `sock` too: a connection lets go of its socket when the answer reads to the end of it."""
        if sock is not None:
            self._sockets.append(sock)

    def _cut(self) -> None:
        self.passed = True
        for sock in [*self._sockets, *(connection.sock for connection in self._connections)]:
            if sock is not None:
                try:
                    # Not SSLSocket's own shutdown: that would pull TLS from under the thread that is reading.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    pass

    def end(self) -> None:
        """The exchange is over in time."""
        self._timer.cancel()

    def error(self) -> TooLong:
        """What to raise when the time has passed."""
        return TooLong(f"took longer than {self.seconds:g} s in total")


def dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A socket to one of the addresses of `host`, all of them checked. The name is resolved once: a second answer could be another.

    Raises Refused, socket.gaierror, TimeoutError when `deadline` leaves no time for it, OSError when nobody answers.
    """
    answers = resolve(host, port, allow_private=deadline.allow_private, seconds=deadline.left)
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in answers:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            check(host, sock.getpeername()[0], allow_private=deadline.allow_private)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    if isinstance(failure, TimeoutError):
        raise TimeoutError(f"no connection within {deadline.seconds:g} s") from failure
    raise failure


def _connect(connection: HTTPConnection) -> socket.socket:
    """`dial` with the errors that urllib3 knows."""
    host, port = connection.host, int(connection.port or 0)
    try:
        return dial(host, port, _current.deadline)
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, str(error)) from error
    except OSError as error:
        raise NewConnectionError(connection, f"{error.strerror or error}") from error


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.deadline.watch(self)
        super().request(*args, **kwargs)
        _current.deadline.hold(self.sock)


class _SecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def connect(self) -> None:
        _current.deadline.watch(self)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.deadline.watch(self)
        super().request(*args, **kwargs)
        _current.deadline.hold(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class GuardedAdapter(HTTPAdapter):
    """Connects through `_connect`, and hands out answers whose size and time are watched while they're read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """The pools that connect by our rules."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One exchange. Raises AddressRefused, TooLong and what requests raises."""
        deadline: Deadline = _current.deadline
        try:
            response = super().send(request, *args, **kwargs)
        except Refused as error:
            raise AddressRefused(str(error), request=request) from None
        except Exception as error:
            if deadline.passed or isinstance(error, Timeout):
                raise deadline.error() from error
            raise
        # A head that was cut in the middle looks complete.
        if deadline.passed:
            response.close()
            raise deadline.error()
        _watch_body(response, deadline, self._max_bytes)
        return response


def _watch_body(response: requests.Response, deadline: Deadline, max_bytes: int) -> None:
    """Make everything that reads the body (`content`, `text`, `json`, `iter_lines`) count bytes and mind the time."""
    read = response.iter_content

    def iter_content(chunk_size: int | None = CHUNK, decode_unicode: bool = False) -> Iterator[Any]:
        size = 0
        try:
            # A chunk size of None would decode whatever has arrived in one go, gzip bomb or not.
            for chunk in read(min(chunk_size or CHUNK, CHUNK), decode_unicode):
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge(f"the answer is larger than {max_bytes:,} bytes", response=response)
                yield chunk
        except TooLarge:
            raise
        except (OSError, ContentDecodingError) as error:
            if deadline.passed:
                raise deadline.error() from error
            raise
        finally:
            if deadline.ends_with_body:
                deadline.end()
            response.close()
        # A body without a length looks complete when its connection is cut.
        if deadline.passed:
            raise deadline.error()

    response.iter_content = iter_content  # type: ignore[method-assign]


def current_deadline() -> Deadline | None:
    """The deadline that this thread's exchange runs under; redirects share that of the first request."""
    return getattr(_current, "deadline", None)


def set_deadline(deadline: Deadline | None) -> None:
    """Run what follows in this thread under `deadline`."""
    _current.deadline = deadline
