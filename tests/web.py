"""A real web server for the tests that need one: uvicorn, a database with runs in it, and a hand that writes their logs."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.flows.installation import ROOT, Installation
from tests.servers import wait_for

CAST = """
from django.contrib.auth import get_user_model
from tests import cast
job, hidden = cast.job("nightly"), cast.job("hidden")
rui, nobody = cast.rui(job), cast.user("nobody")
runs = {name: cast.run(job, state, lines=lines) for name, state, lines in
        [("live", "RUNNING", 3), ("over", "SUCCEEDED", 3), ("long", "RUNNING", 3000), ("flood", "RUNNING", 0)]}
print(json.dumps({
    "tokens": {user.username: cast.token(user)["HTTP_AUTHORIZATION"] for user in (rui, nobody)},
    "runs": {name: [run.pk, run.run_id] for name, run in runs.items()},
}))
"""


class Web:
    """A uvicorn of its own, the runs in its database, and the hand that writes their logs."""

    def __init__(self, installation: Installation) -> None:
        self.url = f"http://127.0.0.1:{installation.port}"
        self.cast = installation.python(CAST)
        self.database = sqlite3.connect(installation.home / "nomaflow.sqlite3", timeout=20, isolation_level=None)
        self.log = installation.home / "web.log"
        self._installation = installation
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        port = str(self._installation.port)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "nomaflow_site.asgi:application", "--port", port],
                env=self._installation.env,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers, 30, "the web server to answer")

    def python(self, code: str) -> Any:
        """What `code` prints as JSON, run against the server's database."""
        return self._installation.python(code)

    def kill(self) -> None:
        """End the server at once."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health", timeout=5).ok
        return False

    def last(self, run: str) -> int:
        """The number of a run's last line. Tests of one server share its runs, in whatever order they are run."""
        sql = "select coalesce(max(seq), 0) from runs_logline where run_id = ?"
        return int(self.database.execute(sql, [self.cast["runs"][run][0]]).fetchone()[0])

    def write(self, run: str, *texts: str, level: str = "INFO", step: str = "load") -> None:
        """Append lines to a run's log, as its worker would."""
        pk, last = self.cast["runs"][run][0], self.last(run)
        self.database.execute("begin")
        self.database.executemany(
            "insert into runs_logline (run_id, seq, at, level, step, attempt, text) "
            "values (?, ?, '2026-01-02 03:04:05.678', ?, ?, 1, ?)",
            [(pk, last + number, level, step, text) for number, text in enumerate(texts, 1)],
        )
        self.database.execute("commit")

    def set_state(self, run: str, state: str) -> None:
        """Move a run on."""
        self.database.execute("update runs_run set state = ? where id = ?", [state, self.cast["runs"][run][0]])

    def set_progress(self, run: str, done: int, total: int) -> None:
        """Have the run's first step say how far it is, half a minute after it began."""
        pk = self.cast["runs"][run][0]
        self.database.execute(
            "insert into runs_steprun (run_id, number, attempt, name, type, state, reason, host, started_at, progress_at, done, "
            "total, output, error) values (?, 0, 1, 'load', 'sql_copy', 'RUNNING', '', '', '2026-01-02 03:04:00', "
            "'2026-01-02 03:04:30', ?, ?, '{}', '') on conflict (run_id, number, attempt) do update set done = excluded.done",
            [pk, done, total],
        )

    def path(self, run: str) -> str:
        """Where a run's stream is."""
        return f"/runs/{self.cast['runs'][run][1]}/log/stream"

    def open(self, run: str, user: str = "rui", query: str = "", **headers: str) -> Any:
        """The open answer."""
        headers = {"Authorization": self.cast["tokens"][user], **headers}
        return requests.get(f"{self.url}{self.path(run)}{query}", headers=headers, stream=True, timeout=20)

    @contextlib.contextmanager
    def events(self, run: str, **options: Any) -> Iterator[Iterator[tuple[str, str, Any]]]:
        """The stream's (event, id, data), one by one."""
        with self.open(run, **options) as answer:
            assert answer.status_code == 200, answer.text
            yield _events(answer)

    def files(self) -> list[str]:
        """What the server process holds open."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        return [os.readlink(file) for file in folder.iterdir() if file.is_symlink()]


def _events(answer: Any) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=None, decode_unicode=True):
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            assert name not in fields, f"{name} twice in one event"
            fields[name] = value
        elif not line:
            if "data" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
