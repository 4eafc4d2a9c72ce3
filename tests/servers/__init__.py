"""Private servers for the tests: each is started once per test session, on a free port, in a temporary folder.

A missing server skips its tests with a line that says what to install; with NOMAFLOW_TEST_SERVERS=required (CI) it fails them.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def missing(what: str, package: str) -> None:
    """Skip the test, or fail it where every server is required."""
    message = f"{what} was not found; to run these tests: apt install {package}"
    if os.environ.get("NOMAFLOW_TEST_SERVERS") == "required":
        pytest.fail(message)
    pytest.skip(message)


def find_program(name: str, *folders: str) -> str | None:
    """The path of a program on PATH or in one of `folders` (patterns allowed), None when there is none."""
    found = shutil.which(name)
    if found:
        return found
    for pattern in folders:
        for path in sorted(Path("/").glob(f"{pattern.lstrip('/')}/{name}"), reverse=True):
            if os.access(path, os.X_OK):
                return str(path)
    return None


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> object:
    """The first true value of `condition`, asked again until the deadline; AssertionError naming `what` after it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
