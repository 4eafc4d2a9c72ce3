"""A whole installation of its own for a test: home, database, broker, real workers, beats and web servers as processes."""

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.servers import free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = str(ROOT / "manage.py")
FAST = {"NOMAFLOW_LEASE_SECONDS": "3", "NOMAFLOW_HEARTBEAT_SECONDS": "0.5", "NOMAFLOW_SWEEP_SECONDS": "0.5"}
KEYS = {
    "NOMAFLOW_SECRET_KEY": "a-key-for-tests-only-that-is-long-enough-to-be-taken",
    "NOMAFLOW_FIELD_KEYS": "VGhpcyBpcyBvbmx5IGEgdGVzdCBrZXkgMzIgYnl0ZXM=",
}


class Installation:
    """Processes that share one home. Everything is stopped at the end of `with`."""

    def __init__(self, home: Path, database_url: str = "", broker_url: str = "", fast: bool = False) -> None:
        self.home = home
        self.port = free_port()
        self.plugins = home / "plugins"
        self.plugins.mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("NOMAFLOW_", "DJANGO_", "PYTEST_"))}
        self.env = {
            **clean,
            "NOMAFLOW_HOME": str(home),
            "NOMAFLOW_PORT": str(self.port),
            "NOMAFLOW_DATABASE_URL": database_url,
            "NOMAFLOW_BROKER_URL": broker_url,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **(KEYS if database_url else {}),
            **(FAST if fast else {}),
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._driver: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Installation":
        if self.env["NOMAFLOW_DATABASE_URL"]:
            self.manage("migrate", "-v0")
        else:
            _migrated(self.home)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self._driver is not None:
            self._driver.kill()
            self._driver.communicate()

    # Commands

    def manage(self, *args: str, stdin: str | None = None) -> str:
        """The standard output of `manage.py ...`; AssertionError with its errors when it fails."""
        answer = self._ask({"manage": list(args), "stdin": stdin})
        assert not answer["code"], (
            f"manage.py {' '.join(args)} exited {answer['code']}:\n{answer['out']}{answer['err']}"
        )
        return str(answer["out"])

    def try_manage(
        self, *args: str, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`manage.py ...` as a process of its own to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, MANAGE, *args],
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
        )

    def python(self, code: str) -> Any:
        """What `code` prints as JSON, run with Django set up against this installation's database."""
        answer = self._ask({"python": code})
        assert not answer["code"], answer["err"]
        return json.loads(answer["out"]) if answer["out"].strip() else None

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One long-lived process answers all questions of a test: starting Django for each would take most of its time."""
        if self._driver is None:
            self._driver = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("driver.py"))],
                env={**self.env, "DJANGO_SETTINGS_MODULE": "nomaflow_site.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(question) + "\n")
        self._driver.stdin.flush()
        line = self._driver.stdout.readline()
        assert line, "the driver died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    # Processes

    def start(self, *args: str, name: str = "", env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A `manage.py ...` that goes on; its output is in home/NAME.log."""
        log = (self.home / f"{name or args[0]}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, MANAGE, *args],
            env={**self.env, **(env or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=ROOT,
        )
        log.close()
        self._processes.append(process)
        return process

    def start_worker(self, name: str = "worker") -> subprocess.Popen[bytes]:
        """A worker that is ready for its first run."""
        process = self.start("worker", name=name)
        known = "print(json.dumps(list(WorkerNode.objects.filter(role='worker').values_list('pid', flat=True))))"
        wait_for(lambda: process.pid in self.python(known), 30, f"worker {name} to sign in")
        return process

    def output(self, name: str) -> str:
        """What a started process has written so far."""
        return (self.home / f"{name}.log").read_text()

    # The catalogue and its runs

    def plugin(self, name: str, source: str) -> None:
        """Write a plugin."""
        (self.plugins / f"{name}.py").write_text(source)

    def import_toml(self, text: str) -> str:
        """`importjobs` of a text."""
        return self.manage("importjobs", "-", stdin=text)

    def trigger(self, job: str, *options: str) -> str:
        """The id of a new run of `job`, not waited for."""
        return self.manage("runjob", job, "--detach", *options).strip()

    def run(self, run_id: str) -> dict[str, Any]:
        """A run with its steps as `runs --json` prints it."""
        listed = json.loads(self.manage("runs", "--json", "--limit", "100000"))
        return next(run for run in listed if run["run_id"] == run_id)

    def state(self, run_id: str) -> str:
        """The state of a run now."""
        return str(
            self.python(f"print(json.dumps(Run.objects.values_list('state', flat=True).get(run_id={run_id!r})))")
        )

    def run_when(self, run_id: str, states: set[str], seconds: float = 30) -> dict[str, Any]:
        """The run as soon as it's in one of `states`."""
        wait_for(lambda: self.state(run_id) in states, seconds, f"{run_id} to be {' or '.join(sorted(states))}")
        return self.run(run_id)

    def run_when_over(self, run_id: str, seconds: float = 30) -> dict[str, Any]:
        """The run as soon as it has ended."""
        return self.run_when(run_id, {"SUCCEEDED", "FAILED", "CANCELED"}, seconds)

    def log(self, run_id: str) -> list[dict[str, Any]]:
        """Every line of a run's log."""
        code = (
            f"print(json.dumps(list(LogLine.objects.filter(run__run_id={run_id!r}).order_by('seq')"
            ".values('seq', 'level', 'step', 'attempt', 'text'))))"
        )
        return list(self.python(code))


@cache
def _template() -> Path:
    """A home with a migrated SQLite database, made once per test process."""
    home = Path(tempfile.mkdtemp(prefix="nomaflow-template-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NOMAFLOW_", "DJANGO_", "PYTEST_"))}
    subprocess.run(
        [sys.executable, MANAGE, "migrate", "-v0"], env={**clean, "NOMAFLOW_HOME": str(home)}, check=True, cwd=ROOT
    )
    return home


def _migrated(home: Path) -> None:
    """Copy the template's database and keys into `home`."""
    for file in _template().iterdir():
        if file.is_file():
            shutil.copy2(file, home / file.name)
