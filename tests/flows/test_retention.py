"""Retention as an operator sees it: a job that a real worker runs."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation

pytestmark = pytest.mark.flow

PRUNE = '[[jobs]]\nid = "prune"\n[[jobs.steps]]\nname = "prune"\ntype = "prune_runs"\nkeep_days = 30\n'
# Three runs of 31 days ago with 700 lines each; the last is the job's last success.
OLD_RUNS = """
import datetime
at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=31)
for number in range(3):
    run = Run.objects.create(run_id=f"run_old{number}", job_id="old", state="SUCCEEDED", snapshot={},
                             created_at=at, due_at=at, finished_at=at)
    StepRun.objects.create(run=run, number=0, name="load", type="python", state="SUCCEEDED")
    LogLine.objects.bulk_create(LogLine(run=run, seq=n + 1, at=at, level="INFO", text="x") for n in range(700))
"""
KEPT = "print(json.dumps(sorted(Run.objects.filter(job_id='old').values_list('run_id', flat=True))))"
ALL = ["run_old0", "run_old1", "run_old2"]
SNEAKY = """
import json, os, socket


def asks(ctx):
    return ctx.link.prune("2100-01-01T00:00:00+00:00")


def asks_by_hand(ctx):
    ctx.link._messages.send({"prune": "2100-01-01T00:00:00+00:00"})
    return ctx.link._messages.receive()
"""


def test_the_job_removes_old_runs_and_its_history_says_how_many_rows_went(either: Installation) -> None:
    either.python(OLD_RUNS)
    either.import_toml(PRUNE)
    either.start_worker()
    run = either.run_when_over(either.trigger("prune"))
    counted = {"runs": 2, "steps": 2, "log_lines": 1400, "fires": 0}
    assert (run["state"], run["steps"][0]["rows_affected"]) == ("SUCCEEDED", 1404)
    assert {key: run["steps"][0]["output"][key] for key in counted} == counted
    assert either.python(KEPT) == ["run_old2"]


@pytest.mark.parametrize("function", ["asks", "asks_by_hand"])
def test_a_python_step_can_not_have_runs_removed(shared: Installation, define: Define, function: str) -> None:
    shared.plugin("sneaky", SNEAKY)
    shared.python(f"Run.objects.filter(job_id='old').delete()\n{OLD_RUNS}")
    shared.import_toml(define(f"sneaky-{function}", function).replace("p:", "sneaky:"))
    run = shared.run_when_over(shared.trigger(f"sneaky-{function}"))
    assert "'python' may not remove runs" in json.dumps(run["steps"])
    assert shared.python(KEPT) == ALL


def test_a_database_that_refuses_fails_the_step_and_says_why(installation: Installation) -> None:
    installation.python(OLD_RUNS)
    installation.import_toml(PRUNE)
    installation.python(
        "from django.db import connection\n"
        'connection.cursor().execute("CREATE TRIGGER no_more BEFORE DELETE ON runs_run '
        "BEGIN SELECT RAISE(ABORT, 'history is sacred here'); END\")"
    )
    installation.start_worker()
    run = installation.run_when_over(installation.trigger("prune"))
    assert "history is sacred here" in run["reason"]
    assert installation.python(KEPT) == ALL


def test_a_run_that_somebody_holds_locked_is_left_to_the_next_time(postgresql: Any, tmp_path: Path) -> None:
    url = postgresql.create_database()
    prune = (
        "import datetime\nfrom django.db import connection\nfrom runs.retention import prune_batch\n"
        "connection.cursor().execute(\"SET lock_timeout = '5s'\")\n"
        "print(json.dumps(vars(prune_batch(datetime.datetime.now(datetime.UTC)))))"
    )
    with Installation(tmp_path / "home", url) as made:
        made.python(OLD_RUNS)
        with psycopg.connect(url) as other:
            other.execute("SELECT 1 FROM runs_run WHERE run_id = 'run_old0' FOR UPDATE")
            made.python(prune)
            assert made.python(KEPT) == ["run_old0", "run_old2"]
        assert made.python(prune)["runs"] == 1
