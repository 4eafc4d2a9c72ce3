"""Several processes as one command: start them, restart the ones that die, stop them together."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from runs.executor.forkserver import die_with_parent

# A child that dies at once is restarted ever more slowly, up to this many seconds.
LONGEST_PAUSE = 30.0
# A child that has lived so long starts with a short pause again.
SETTLED_SECONDS = 30.0
STOP_SECONDS = 20.0


class ManagedProcess:
    """One child: `manage.py NAME`."""

    def __init__(self, name: str, manage_py: Path, say: Callable[[str], None]) -> None:
        self.name = name
        self._command = [sys.executable, str(manage_py), name]
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause = 1.0

    def tend(self) -> None:
        """Start it when it's time, notice when it has died."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        self._pause = 1.0 if now - self._started_at > SETTLED_SECONDS else min(self._pause * 2, LONGEST_PAUSE)
        self._start_at = now + self._pause
        self._say(f"{self.name} ended with code {code}; it is started again in {self._pause:.0f} s")

    def _start(self, now: float) -> None:
        # A session of its own: Ctrl-C reaches only the parent, which stops the children in order.
        self._process = subprocess.Popen(
            self._command, start_new_session=True, preexec_fn=lambda: die_with_parent(signal.SIGTERM)
        )
        self._started_at = now

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._process.pid if self._process else None

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Until it has ended; SIGKILL at the deadline."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._say(f"{self.name} did not stop in time and is killed")
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def run_together(names: list[str], manage_py: Path, say: Callable[[str], None], on_tick: Callable[[], Any]) -> None:
    """Keep `manage.py NAME` running for each name until SIGINT or SIGTERM; then stop all of them and return."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    children = [ManagedProcess(name, manage_py, say) for name in names]
    try:
        while not stopping.is_set():
            for child in children:
                child.tend()
            on_tick()
            stopping.wait(0.2)
    finally:
        say("stopping")
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.wait(deadline)
        for number, handler in before.items():
            signal.signal(number, handler)
