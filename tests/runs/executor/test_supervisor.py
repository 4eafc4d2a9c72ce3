"""One step's process under watch: real forks, no database."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runs.executor.spawn import ForkServer, step_environment
from runs.executor.supervisor import Ending, How, run_child
from tests.servers import wait_for


class Watcher:
    """Keeps what the step says; `stop` is what the next tick answers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.stop: How | None = None
        self.stop_on = ""
        self.reports: list[tuple[int, int | None]] = []
        self.warnings: list[str] = []
        self.wake, self._writer = os.pipe()

    def line(self, level: str, at: float, text: str) -> None:
        self.lines.append((level, text))
        if self.stop_on and text.startswith(self.stop_on):
            self.stop = How.CANCELLED

    def progress(self, done: int, total: int | None, said: bool) -> None:
        self.reports.append((done, total))

    def guard(self, text: str) -> dict[str, Any]:
        self.warnings.append(text)
        return {"noted": True}

    def connector(self, name: str) -> dict[str, Any]:
        return {"refused": f"no connector {name}"}

    def tick(self) -> How | None:
        return self.stop


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("forks"))
    server.start()
    yield server
    server.stop()


Perform = Callable[..., tuple[Ending, Watcher]]


@pytest.fixture
def perform(forks: ForkServer, tmp_path: Path) -> Perform:
    """Runs a plugin function `f` in a child and returns its ending."""

    def run(
        source: str, timeout: float = 20, level: str = "INFO", stop_on: str = "", kind: str = "python"
    ) -> tuple[Ending, Watcher]:
        if source:
            (tmp_path / "plug.py").write_text(source)
        watcher = Watcher()
        watcher.stop_on = stop_on
        facts = {
            "run_id": "run_test",
            "job_id": "j",
            "step_name": "s",
            "attempt": 1,
            "triggered_by": "cli",
            "session_user": "",
            "log_level": level,
            "scheduled_at": None,
            "started_at": None,
        }
        request = {
            "type": kind,
            "config": {"callable": "plug:f"},
            "params": {},
            "facts": facts,
            "previous": {},
            "plugins": [str(tmp_path)],
        }
        return run_child(forks.spawn(), watcher, request, timeout, lambda pid: None), watcher

    return run


def test_the_result_comes_back(perform: Perform) -> None:
    ending, _ = perform("def f(ctx): return {'n': 1}")
    assert (ending.how, ending.output) == (How.DONE, {"n": 1})


def test_everything_written_arrives_in_order_whichever_way_it_was_written(perform: Perform) -> None:
    source = (
        "import logging, os, sys, warnings\n"
        "def f(ctx):\n"
        "    ctx.log.info('a'); print('b'); logging.getLogger('x').warning('c')\n"
        "    print('d', file=sys.stderr); os.system('echo e; echo f 1>&2'); sys.stdout.write('no newline')\n"
    )
    _, watcher = perform(source)
    assert watcher.lines == [
        ("INFO", "a"),
        ("INFO", "b"),
        ("WARNING", "c"),
        ("WARNING", "d"),
        ("INFO", "e"),
        ("INFO", "f"),
        ("INFO", "no newline"),
    ]


@pytest.mark.parametrize(("level", "seen"), [("INFO", []), ("DEBUG", [("DEBUG", "detail")])])
def test_debug_lines_are_kept_only_at_debug(perform: Perform, level: str, seen: list[tuple[str, str]]) -> None:
    assert perform("def f(ctx): ctx.log.debug('detail')", level=level)[1].lines == seen


def test_an_exception_is_the_error_and_its_traceback_begins_in_the_plugin(perform: Perform) -> None:
    ending, watcher = perform("def g(): raise ValueError('bad')\ndef f(ctx): g()")
    assert (ending.how, ending.error) == (How.FAILED, "ValueError: bad")
    assert "plug.py" in watcher.lines[0][1]
    assert "supervisor" not in watcher.lines[0][1]
    assert "child.py" not in watcher.lines[0][1]


def test_a_timeout_is_an_ending_of_its_own(perform: Perform) -> None:
    ending, _ = perform("import time\ndef f(ctx): time.sleep(60)", timeout=0.3)
    assert (ending.how, ending.error) == (How.TIMED_OUT, "timeout after 0 s")


def test_a_cancel_raises_in_the_step_which_may_clean_up(perform: Perform) -> None:
    source = "import time\ndef f(ctx):\n    try:\n        print('go')\n        time.sleep(60)\n    finally:\n        print('clean')"
    ending, watcher = perform(source, stop_on="go")
    assert ending.how is How.CANCELLED
    assert watcher.lines[-1] == ("INFO", "clean")


def test_except_exception_does_not_swallow_a_cancel(perform: Perform) -> None:
    source = (
        "import time\ndef f(ctx):\n    print('go')\n    while True:\n        try:\n            time.sleep(60)\n"
        "        except Exception:\n            pass\n"
    )
    began = time.monotonic()
    assert perform(source, stop_on="go")[0].how is How.CANCELLED
    assert time.monotonic() - began < 2


def test_an_async_step_is_cancelled_and_cleans_up(perform: Perform) -> None:
    source = (
        "import asyncio\nasync def f(ctx):\n    try:\n        print('go')\n        await asyncio.sleep(60)\n"
        "    finally:\n        print('clean')\n"
    )
    ending, watcher = perform(source, stop_on="go")
    assert ending.how is How.CANCELLED
    assert ("INFO", "clean") in watcher.lines


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os, signal\ndef f(ctx): os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes\ndef f(ctx): ctypes.string_at(0)", "SIGSEGV"),
        ("import os\ndef f(ctx): os._exit(7)", "code 7"),
        ("import sys\ndef f(ctx): sys.exit(3)", "before it had a result"),
    ],
)
def test_a_crash_says_how_the_process_ended(perform: Perform, source: str, words: str) -> None:
    ending, _ = perform(source)
    assert ending.how is How.CRASHED
    assert words in ending.error


def test_what_the_step_started_dies_with_it(perform: Perform) -> None:
    ending, _ = perform("import subprocess\ndef f(ctx): return {'pid': subprocess.Popen(['sleep', '999']).pid}")
    pid = ending.output["pid"]
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", 5, "the grandchild to die")


def test_a_step_type_that_this_worker_does_not_know_is_named(perform: Perform) -> None:
    ending, _ = perform("", kind="teleport")
    assert ending.how is How.FAILED
    assert "no step type 'teleport'" in ending.error


def test_a_refused_connector_is_an_error_of_the_step(perform: Perform) -> None:
    ending, watcher = perform("def f(ctx): ctx.get_connector('x')")
    assert (ending.how, ending.error) == (How.FAILED, "no connector x")
    assert watcher.lines == []


def test_a_large_output_comes_back_whole(perform: Perform) -> None:
    ending, _ = perform("def f(ctx): return {'rows': ['x' * 1000] * 3000}")
    assert len(ending.output["rows"]) == 3000


def test_progress_is_told_at_most_once_a_second_and_at_the_end(perform: Perform) -> None:
    _, watcher = perform("def f(ctx):\n    for n in range(1, 1001): ctx.progress(n, 1000)")
    assert watcher.reports == [(1, 1000), (1000, 1000)]


def test_a_guard_warning_is_noted_before_the_step_goes_on(perform: Perform) -> None:
    source = "def f(ctx):\n    ctx.guard_warning('half is gone')\n    return {'went': 'on'}"
    ending, watcher = perform(source)
    assert (watcher.warnings, ending.output) == (["half is gone"], {"went": "on"})


def test_a_line_of_a_megabyte_arrives_whole(perform: Perform) -> None:
    _, watcher = perform("def f(ctx): print('x' * 1_000_000)")
    assert sum(len(text) for _, text in watcher.lines) == 1_000_000


def test_a_step_sees_none_of_the_installations_own_settings(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMAFLOW_SECRET_KEY", "s")
    assert not [name for name in step_environment() if name.startswith(("NOMAFLOW", "DJANGO"))]
    source = (
        "import os\nfrom django.conf import settings\n"
        "def f(ctx): return {'env': [n for n in os.environ if 'NOMAFLOW' in n], 'databases': bool(settings.DATABASES)}"
    )
    ending, _ = perform(source)
    assert ending.output == {"env": [], "databases": False}


def test_a_fork_server_that_died_is_started_again(tmp_path: Path) -> None:
    server = ForkServer(tmp_path)
    server.start()
    assert server._process
    server._process.kill()
    server._process.wait()
    server.spawn().close()
    server.stop()


def test_many_steps_at_once_all_come_to_their_end(perform: Perform) -> None:
    from concurrent.futures import ThreadPoolExecutor

    perform("def f(ctx): return {'n': 1}")
    with ThreadPoolExecutor(8) as pool:
        endings = list(pool.map(lambda _: perform("")[0].how, range(100)))
    assert endings == [How.DONE] * 100
