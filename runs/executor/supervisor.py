"""Watch one step's process from its request to its end: output, questions, cancel, timeout, crash."""

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from runs.executor.protocol import EXIT_CANCELLED, LineBuffer, encode, parse_record
from runs.executor.spawn import Child, kill_group

GRACE_SECONDS = 2.0
# After the exit, output that grandchildren still hold open is waited for this long.
DRAIN_SECONDS = 0.5
CHUNK = 1 << 16
# A printed line without an end is cut here, so that memory stays bounded; the rest follows as further lines.
LONGEST_LINE = 1 << 20
START_SECONDS = 30.0


class How(Enum):
    """How a step's process ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Ending:
    """The outcome of one attempt, before anybody judges it."""

    how: How
    output: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None
    child_job: dict[str, Any] | None = None
    error: str = ""
    retry_after: float | None = None


class Watcher(Protocol):
    """Who watches: told of everything the step says, asked whether it may go on."""

    def line(self, level: str, at: float, text: str) -> None:
        """A line of the step's log. `at`: seconds since the epoch."""

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """How far the step is; `said`: its own log tells it."""

    def connector(self, name: str) -> dict[str, Any]:
        """The answer to a step that asks for a connector."""

    def guard(self, text: str) -> dict[str, Any]:
        """The answer to a step whose guard warns, once the warning is recorded."""

    def prune(self, before: str) -> dict[str, Any]:
        """The answer to a step that asks for a batch of old runs to be removed. Short: nothing else is watched meanwhile."""

    def tick(self) -> How | None:
        """Called a few times a second: CANCELLED or INTERRUPTED when the step has to stop, None to go on."""

    @property
    def wake(self) -> int:
        """A descriptor that becomes readable when `tick` has news."""


class Supervision:
    """One child, watched in the calling thread."""

    def __init__(self, child: Child, watcher: Watcher, tick_seconds: float = 0.1) -> None:
        self._child = child
        self._watcher = watcher
        self._tick_seconds = tick_seconds
        self._selector = selectors.DefaultSelector()
        self._lines = LineBuffer()
        self._messages = LineBuffer()
        self._status = b""
        self._unsent = b""
        self._output_open = True
        self.pid: int | None = None
        self._exit: int | None = None
        self._said: dict[str, Any] = {}
        self._stopping: How | None = None

    def wait_for_pid(self) -> int:
        """The child's process id, as soon as it's forked. Raises RuntimeError when the fork server died instead."""
        while self.pid is None:
            data = os.read(self._child.status, 256)
            if not data:
                raise RuntimeError("the fork server died before the step began")
            self._take_status(data)
        return self.pid

    def perform(self, request: dict[str, Any], timeout: float) -> Ending:
        """Hand over the request and watch until the process and its output have ended. `timeout` in seconds."""
        pid = self.wait_for_pid()
        self._unsent = encode(request)
        self._child.control.setblocking(False)
        for fd, events in (
            (self._child.output, selectors.EVENT_READ),
            (self._child.status, selectors.EVENT_READ),
            (self._child.control, selectors.EVENT_READ | selectors.EVENT_WRITE),
            (self._watcher.wake, selectors.EVENT_READ),
        ):
            self._selector.register(fd, events)
        try:
            self._watch(pid, time.monotonic() + timeout)
        finally:
            self._selector.close()
            # Whatever the step started dies with it, and nothing survives an error on this side.
            kill_group(pid, signal.SIGKILL)
        self._finish_output()
        self._finish_messages()
        return self._ending(timeout)

    def _watch(self, pid: int, deadline: float) -> None:
        kill_at = float("inf")
        exited_at: float | None = None
        while exited_at is None or (self._output_open and time.monotonic() < exited_at + DRAIN_SECONDS):
            for key, events in self._selector.select(self._tick_seconds):
                self._handle(key.fileobj, events)
            now = time.monotonic()
            if self._exit is not None:
                if exited_at is None:
                    exited_at = now
                    kill_group(pid, signal.SIGKILL)
                continue
            stop = self._watcher.tick()
            if self._stopping is None and (stop or now >= deadline):
                self._stopping = stop or How.TIMED_OUT
                kill_group(pid, signal.SIGTERM)
                kill_at = now + GRACE_SECONDS
            if now >= kill_at:
                kill_group(pid, signal.SIGKILL)
                kill_at = now + GRACE_SECONDS

    def _handle(self, fileobj: Any, events: int) -> None:
        if fileobj == self._child.output:
            self._read_output()
        elif fileobj == self._child.status:
            self._take_status(os.read(self._child.status, 256))
        elif fileobj == self._watcher.wake:
            with contextlib.suppress(OSError):
                os.read(self._watcher.wake, 4096)
        else:
            self._talk(events)

    # Output

    def _read_output(self) -> None:
        try:
            chunk = os.read(self._child.output, CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._output_open = False
            self._selector.unregister(self._child.output)
            return
        for line in self._lines.feed(chunk):
            self._emit(line)
        if self._lines.pending > LONGEST_LINE:
            self._emit(self._lines.take())

    def _finish_output(self) -> None:
        if self._lines.pending:
            self._emit(self._lines.take())

    def _emit(self, line: bytes) -> None:
        record = parse_record(line)
        if record is None:
            record = ("INFO", time.time(), line.decode("utf-8", "backslashreplace").rstrip("\r"))
        self._watcher.line(*record)

    # Status: "pid N" once, "exit CODE" at the end; end of file means that the fork server died, and the child with it.

    def _take_status(self, data: bytes) -> None:
        if not data:
            self._exit = self._exit if self._exit is not None else -int(signal.SIGKILL)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._child.status)
            return
        self._status += data
        *lines, self._status = self._status.split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"pid":
                self.pid = int(number)
            else:
                self._exit = int(number)

    # Control

    def _talk(self, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._listen()
            if self._unsent and events & selectors.EVENT_WRITE:
                self._unsent = self._unsent[self._child.control.send(self._unsent) :]
            if not self._unsent:
                self._selector.modify(self._child.control, selectors.EVENT_READ)
        except BlockingIOError:
            pass
        except (OSError, ValueError, KeyError):
            # The child is gone or has said something unreadable: its exit code tells the rest.
            self._unsent = b""
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._child.control)

    def _listen(self) -> None:
        chunk = self._child.control.recv(CHUNK)
        if not chunk:
            raise ConnectionResetError("the step closed its control socket")
        for line in self._messages.feed(chunk):
            message = json.loads(line)
            if "connector" in message:
                self._answer(self._watcher.connector(str(message["connector"])))
            elif "guard" in message:
                self._answer(self._watcher.guard(str(message["guard"])))
            elif "prune" in message:
                self._answer(self._watcher.prune(str(message["prune"])))
            elif "progress" in message:
                self._watcher.progress(*message["progress"])
            else:
                self._said = message

    def _answer(self, answer: dict[str, Any]) -> None:
        self._unsent += encode(answer)
        self._selector.modify(self._child.control, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _finish_messages(self) -> None:
        """What the child said last may still stand in the socket when its exit is known."""
        with contextlib.suppress(OSError, ValueError):
            while chunk := self._child.control.recv(CHUNK):
                for line in self._messages.feed(chunk):
                    message = json.loads(line)
                    if "result" in message or "error" in message:
                        self._said = message

    # Judgement of the bare facts

    def _ending(self, timeout: float) -> Ending:
        # A result that was said counts even when a cancel or the deadline came in the same moment: the work is done.
        if "result" in self._said:
            result = self._said["result"]
            if "child" in result:
                return Ending(How.DONE, child_job=result["child"])
            return Ending(How.DONE, output=result["output"], rows=result["rows"])
        if self._stopping is How.TIMED_OUT:
            return Ending(How.TIMED_OUT, error=f"timeout after {timeout:.0f} s")
        if self._stopping is not None:
            return Ending(self._stopping)
        if "error" in self._said:
            return Ending(How.FAILED, error=str(self._said["error"]), retry_after=self._said.get("retry_after"))
        return Ending(How.CRASHED, error=_crash(self._exit))


def _crash(code: int | None) -> str:
    if code is None:
        return "the step's process ended without a word"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = " (out of memory, or killed by hand)" if code == -signal.SIGKILL else ""
        return f"the step's process was killed by {name}{hint}"
    if code == EXIT_CANCELLED:
        return "the step's process was told to stop by somebody else than Nomaflow (SIGTERM)"
    return f"the step's process exited with code {code} before it had a result"


def run_child(
    child: Child, watcher: Watcher, request: dict[str, Any], timeout: float, begin: Callable[[int], object]
) -> Ending:
    """Perform one request in `child` and close it. `begin(pid)` runs after the fork and before the request is handed over."""
    try:
        supervision = Supervision(child, watcher)
        try:
            pid = supervision.wait_for_pid()
        except RuntimeError as error:
            return Ending(How.CRASHED, error=str(error))
        try:
            begin(pid)
        except BaseException:
            kill_group(pid, signal.SIGKILL)
            raise
        return supervision.perform(request, timeout)
    finally:
        child.close()
