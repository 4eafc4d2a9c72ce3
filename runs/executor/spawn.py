"""The worker's side of the fork server: start it, keep it, ask it for children."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from runs.executor.protocol import close_quietly

START_SECONDS = 60
# Taken out of the environment of everything that runs a step: addresses and keys of the installation itself.
FRAMEWORK_PREFIXES = ("NOMAFLOW_", "DJANGO_", "CELERY_")
FRAMEWORK_NAMES = {"SECRET_KEY", "DATABASE_URL", "BROKER_URL"}


class SpawnFailed(Exception):
    """The fork server couldn't be started or didn't answer."""


@dataclass
class Child:
    """A process that waits for its request: the near ends of its three channels. `close()` when done."""

    output: int
    control: socket.socket
    status: int

    def close(self) -> None:
        """Close the near ends; the process itself isn't touched."""
        close_quietly(self.output)
        close_quietly(self.status)
        self.control.close()


def kill_group(pid: int, signal_number: int) -> None:
    """Signal a step's process and all that it started; a group that's gone is fine."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal_number)


class ForkServer:
    """One fork server of this process. Thread-safe; restarted when it has died."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the working directory of steps."""
        self._folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start it now, so that the first step needn't wait for the imports. Raises SpawnFailed."""
        with self._lock:
            self._ensure()

    def spawn(self) -> Child:
        """A fresh child process. Raises SpawnFailed."""
        output_near, output_far = os.pipe()
        status_near, status_far = os.pipe()
        control_near, control_far = socket.socketpair()
        try:
            self._request([output_far, control_far.fileno(), status_far])
        except BaseException:
            for fd in (output_near, status_near):
                os.close(fd)
            control_near.close()
            raise
        finally:
            os.close(output_far)
            os.close(status_far)
            control_far.close()
        os.set_blocking(output_near, False)
        return Child(output_near, control_near, status_near)

    def stop(self) -> None:
        """Close the socket: the server kills what still runs and exits."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            if self._process is not None:
                try:
                    self._process.wait(5)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
                self._process = None

    def _request(self, fds: list[int]) -> None:
        with self._lock:
            for last_try in (False, True):
                server = self._ensure()
                try:
                    socket.send_fds(server, [b"child"], fds)
                    return
                except OSError as error:
                    self._forget()
                    if last_try:
                        raise SpawnFailed(f"the fork server can't be reached: {error}") from error

    def _ensure(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self._forget()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runs.executor.forkserver", str(far.fileno())],
                pass_fds=[far.fileno()],
                cwd=self._folder,
                env=step_environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        near.settimeout(START_SECONDS)
        try:
            greeting = near.recv(16)
        except TimeoutError:
            greeting = b""
        if greeting != b"ready":
            near.close()
            self._process.kill()
            raise SpawnFailed("the fork server did not start; its own error message is in the worker's output")
        near.settimeout(None)
        self._socket = near
        return near

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def step_environment() -> dict[str, str]:
    """The environment of step processes: this process's, without the framework's own variables."""
    source = Path(__file__).resolve().parent.parent.parent
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(FRAMEWORK_PREFIXES) and name.upper() not in FRAMEWORK_NAMES
    }
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), kept.get("PYTHONPATH", "")]))
    return kept
