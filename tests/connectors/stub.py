"""Small raw servers that misbehave in one way each."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """A server on loopback that handles each connection with `behaviour(socket, stop)`; gives its base URL."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while not stop.is_set():
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(caller,), daemon=True).start()

    def handle(caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            behaviour(caller, stop)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def silent(caller: socket.socket, stop: threading.Event) -> None:
    """Accept and say nothing."""
    stop.wait(30)


def slow_headers(caller: socket.socket, stop: threading.Event) -> None:
    """One byte of a header every 50 ms."""
    caller.recv(4096)
    caller.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not stop.wait(0.05):
        caller.sendall(b"x")


def slow_body(caller: socket.socket, stop: threading.Event) -> None:
    """A body without a length, one byte every 50 ms."""
    caller.recv(4096)
    caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.wait(0.05):
        caller.sendall(b"x")


def endless_body(caller: socket.socket, stop: threading.Event) -> None:
    """As many bytes as are taken."""
    caller.recv(4096)
    caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.is_set():
        caller.sendall(b"x" * 65536)


def endless_redirect_body(caller: socket.socket, stop: threading.Event) -> None:
    """A redirect whose own body never ends."""
    caller.recv(4096)
    caller.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n")
    while not stop.is_set():
        caller.sendall(b"x" * 65536)


def hangs_up(caller: socket.socket, stop: threading.Event) -> None:
    """Close without an answer."""
    caller.recv(4096)
