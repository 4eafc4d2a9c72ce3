"""The fork server: a small single-threaded process with every step type imported, which forks one child per step.

Run as `python -m runs.executor.forkserver FD`; FD is a SEQPACKET socket. Each packet asks for one child and carries three
descriptors: its output pipe, its control socket and its status pipe. When the socket closes, the worker is gone: the server
kills every child and exits, so that kill -9 of a worker leaves nothing running.

It's started with the framework's own variables taken out of its environment, and with bare Django settings: code in a step
can't read the keys or the database address of the installation, because they're not in its process.
"""

import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
import sys

from runs.executor import child
from runs.executor.protocol import close_quietly

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel for a signal when the parent dies. Linux only; elsewhere the closed socket has to do."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal_number)


def serve(requests: socket.socket) -> None:
    """Fork on request until the other side closes the socket."""
    child.preload()
    gc.collect()
    gc.freeze()
    wake_reader, wake_writer = _child_exit_pipe()
    statuses: dict[int, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(wake_reader, selectors.EVENT_READ)
    requests.send(b"ready")
    while True:
        for key, _ in selector.select():
            if key.fileobj is requests:
                packet, fds, _, _ = socket.recv_fds(requests, 64, 3)
                if not packet:
                    _kill_all(statuses)
                    os._exit(0)
                _fork_child(requests, (wake_reader, wake_writer), fds, statuses)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_reader, 4096)
        _report_exits(statuses)


def _child_exit_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C in the terminal reaches the whole foreground group: the worker decides what happens to steps.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return reader, writer


def _fork_child(requests: socket.socket, wake: tuple[int, int], fds: list[int], statuses: dict[int, int]) -> None:
    output, control, status = fds
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            die_with_parent()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            for fd in (*wake, status, *statuses.values()):
                close_quietly(fd)
            child.main(output, control)
        finally:
            os._exit(70)
    os.close(output)
    os.close(control)
    statuses[pid] = status
    _tell(status, f"pid {pid}\n")


def _report_exits(statuses: dict[int, int]) -> None:
    while statuses:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        fd = statuses.pop(pid, None)
        if fd is not None:
            _tell(fd, f"exit {os.waitstatus_to_exitcode(status)}\n")
            os.close(fd)


def _tell(fd: int, text: str) -> None:
    # The supervising side may have stopped listening, for example after it lost its lease.
    with contextlib.suppress(OSError):
        os.write(fd, text.encode())


def _kill_all(statuses: dict[int, int]) -> None:
    for pid in statuses:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
