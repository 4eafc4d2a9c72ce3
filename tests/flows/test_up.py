"""`manage.py up`: everything as one command."""

import contextlib
import os
import signal
import urllib.request
from typing import Any

import psutil
import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow


def _child(parent: int, name: str) -> psutil.Process | None:
    for process in psutil.Process(parent).children():
        with contextlib.suppress(psutil.Error):  # one that is just dying
            if process.cmdline()[-1:] == [name]:
                return process
    return None


def test_up_starts_everything_restarts_what_dies_and_stops_on_ctrl_c(either: Installation, define: Define) -> None:
    either.import_toml(define("greet", "hello"))
    up = either.start("up")
    wait_for(lambda: "ready at" in either.output("up"), 60, "up to be ready")
    assert urllib.request.urlopen(f"http://127.0.0.1:{either.port}/health").status == 200
    assert either.run_when_over(either.trigger("greet"), 60)["state"] == "SUCCEEDED"

    worker: Any = _child(up.pid, "worker")
    os.kill(worker.pid, signal.SIGKILL)
    again = wait_for(lambda: (p := _child(up.pid, "worker")) and p.pid != worker.pid and p, 20, "a new worker")
    assert either.run_when_over(either.trigger("greet"), 60)["state"] == "SUCCEEDED"

    everybody = psutil.Process(up.pid).children(recursive=True)
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert again not in psutil.wait_procs(everybody, 5)[1]
    assert not [process for process in everybody if process.is_running()]


def test_killing_up_takes_its_children_along(installation: Installation) -> None:
    up = installation.start("up")
    wait_for(lambda: "ready at" in installation.output("up"), 60, "up to be ready")
    everybody = psutil.Process(up.pid).children(recursive=True)
    os.kill(up.pid, signal.SIGKILL)
    assert psutil.wait_procs(everybody, 20)[1] == []
