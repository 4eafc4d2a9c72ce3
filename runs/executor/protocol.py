"""What the supervising side and the step's process say to each other.

Three channels a step: the *output* pipe carries everything printed, and log records as framed JSON, in one order; the *control*
socket carries JSON lines both ways (the request, questions, progress, the result); the *status* pipe tells pid and exit code.
"""

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

# ASCII "record separator": starts a framed log record on the output pipe. Anything else there is plain printed text.
RECORD = b"\x1e"
# Exit codes of the step's process.
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_CANCELLED = 143


def frame_record(level: str, at: float, text: str) -> bytes:
    """A log record for the output pipe: one line. `at` is seconds since the epoch."""
    return RECORD + json.dumps([level, at, text], ensure_ascii=True).encode() + b"\n"


def parse_record(line: bytes) -> tuple[str, float, str] | None:
    """(level, at, text) of a framed line, None when it isn't one: then it was printed by somebody else."""
    if not line.startswith(RECORD):
        return None
    try:
        level, at, text = json.loads(line[1:])
        return str(level), float(at), str(text)
    except (ValueError, TypeError):
        return None


class Messages:
    """JSON lines over a socket, for the side that may block."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; OSError when the other side is gone."""
        self._sock.sendall(encode(message))

    def receive(self) -> dict[str, Any]:
        """The next message; EOFError when the other side is gone."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the supervising process is gone")
        message: dict[str, Any] = json.loads(line)
        return message


def encode(message: dict[str, Any]) -> bytes:
    """One message as it travels. NaN and infinity are refused with ValueError: they aren't JSON."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"


class LineBuffer:
    """Puts chunks of bytes together into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Every line completed by `chunk`, without its newline."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        yield from lines

    @property
    def pending(self) -> int:
        """How many bytes wait for their newline."""
        return len(self._rest)

    def take(self) -> bytes:
        """What waits for its newline, taken out: at the end of the stream, or when it has grown too long."""
        rest, self._rest = self._rest, b""
        return rest


def close_quietly(fd: int) -> None:
    """Close a descriptor that may be closed already."""
    try:
        os.close(fd)
    except OSError:
        pass
