"""`make demo`: the example job end to end, on real data, with a real worker. Embedded mode: no server, no network.

It uses the same folder as `make up` (NOMAFLOW_HOME, or `var`), so the job and its run are on the pages afterwards. Running it
again refreshes everything.
"""

import datetime
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dataset import Figures, NoDataSet, build_operational, data_folder  # noqa: E402

JOB = "nightly-reporting-refresh"
MANAGE = ROOT / "manage.py"
TOML = ROOT / "examples" / "demo" / f"{JOB}.toml"
PLUGIN = ROOT / "examples" / "plugins" / "reports.py"
# What the summary steps write to: in a real reporting database it would be there already.
SUMMARY_TABLES = (
    "CREATE TABLE IF NOT EXISTS daily_departures (day TEXT, carrier TEXT, airline TEXT, departures INTEGER NOT NULL, "
    "PRIMARY KEY (day, carrier))",
    "CREATE TABLE IF NOT EXISTS destination_delays (dest TEXT PRIMARY KEY, name TEXT, arrivals INTEGER NOT NULL, "
    "minutes_late INTEGER NOT NULL)",
)
WORKER_SECONDS = 60
EARLIER_RUN_SECONDS = 90
STOP_SECONDS = 20
STARTED = datetime.datetime.now(datetime.UTC)


class DemoFailed(Exception):
    """The demo can't go on, or found something wrong."""


def say(text: str) -> None:
    """One line of the demo's own."""
    print(f"demo: {text}", flush=True)


def main() -> int:
    """0 when everything ran and every figure is right."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        data_folder()
        home = embedded_home()
        prepare_catalogue(home)
        figures = prepare_data(home)
        outcome = run_with_worker()
        report(outcome)
        verify(outcome, figures)
    except (DemoFailed, NoDataSet) as error:
        say(f"FAILED: {error}")
        return 1
    say(f"every figure agrees with the CSV files; all done in {time.monotonic() - began:.0f} s")
    say(f"`make up` shows the run on the pages ({outcome['run_id']}); the data is in {home}")
    return 0


# Prepare


def embedded_home() -> Path:
    """Set Django up on the embedded mode. Whatever server the shell's settings name is left alone."""
    for name in ("NOMAFLOW_DATABASE_URL", "NOMAFLOW_BROKER_URL"):
        if os.environ.pop(name, None):
            say(f"{name} is ignored: the demo is always embedded")
    # The child processes look for plugins where `make up` does by default.
    os.environ.pop("NOMAFLOW_PLUGINS", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "nomaflow_site.settings"
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise DemoFailed(str(error)) from error
    return Path(settings.NOMAFLOW_HOME)


def prepare_catalogue(home: Path) -> None:
    """Migrate, install the plugin, import connectors and job."""
    from django.core.management import call_command

    say("preparing Nomaflow's own database")
    call_command("migrate", verbosity=0, interactive=False)
    plugins = home / "plugins"
    plugins.mkdir(exist_ok=True)
    shutil.copyfile(PLUGIN, plugins / PLUGIN.name)
    (plugins / PLUGIN.name).chmod(0o644)
    # A TOML text escapes what JSON escapes.
    text = TOML.read_text(encoding="utf-8").replace("{home}", json.dumps(str(home))[1:-1])
    refuse_foreign_connectors(import_jobs(text, "--dry-run"), home)
    for change in import_jobs(text):
        say(f"{change['kind']} {change['name']}: {change['change']}")


def import_jobs(text: str, *options: str) -> list[dict[str, Any]]:
    """`importjobs` of a text; what it says has changed."""
    from django.core.management import call_command

    printed, stdin = io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        call_command("importjobs", "-", "--json", *options, stdout=printed)
    except SystemExit as error:
        raise DemoFailed(f"the example can't be imported:\n{printed.getvalue()}") from error
    finally:
        sys.stdin = stdin
    changes: list[dict[str, Any]] = json.loads(printed.getvalue())["changes"]
    return changes


def refuse_foreign_connectors(changes: list[dict[str, Any]], home: Path) -> None:
    """A connector of the same name with somebody's own settings isn't the demo's to change."""
    from connectors.models import Connector

    folder = str(home / "demo")
    for change in changes:
        if change["kind"] == "connector" and change["change"] == "changed":
            stored = Connector.objects.get(name=change["name"]).config.get("database", "")
            if not str(stored).startswith(folder):
                raise DemoFailed(
                    f"this installation has a connector {change['name']!r} of its own, which the demo would change. "
                    "Run it in a folder of its own: NOMAFLOW_HOME=var-demo make demo"
                )


def prepare_data(home: Path) -> Figures:
    """The operational database with all rows of the data set, and a reporting database to fill."""
    folder = home / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    say("building the operational database from the CSV files")
    figures = build_operational(folder / "operational.sqlite3")
    counts = ", ".join(f"{table} {count:,}" for table, count in figures.rows.items())
    say(f"rows: {counts}")
    with closing(sqlite3.connect(folder / "reporting.sqlite3", timeout=20)) as reporting:
        for statement in SUMMARY_TABLES:
            reporting.execute(statement)
    return figures


# Run


def run_with_worker() -> dict[str, Any]:
    """Start a worker, run the job in it, stop the worker, whatever happens. The outcome as `runjob --json` says it."""
    from runs.executor.forkserver import die_with_parent

    # A session of its own: Ctrl-C cancels the run first, and the worker is stopped after it.
    worker = subprocess.Popen(
        [sys.executable, str(MANAGE), "worker"],
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),
    )
    try:
        say(f"starting a worker (process {worker.pid})")
        wait_for(lambda: has_signed_in(worker), WORKER_SECONDS, "the worker to sign in")
        wait_for(no_run_in_flight, EARLIER_RUN_SECONDS, "an earlier run of the job to end")
        say(f"manage.py runjob {JOB}")
        return run_job()
    finally:
        say("stopping the worker")
        stop(worker)


def has_signed_in(worker: subprocess.Popen[bytes]) -> bool:
    """Whether the worker is on the list of those that take runs; DemoFailed when its process has ended."""
    from runs.models import WorkerNode

    if worker.poll() is not None:
        raise DemoFailed(f"the worker ended with code {worker.returncode}; what it said is above")
    return WorkerNode.objects.filter(pid=worker.pid, started_at__gte=STARTED).exists()


def stop(worker: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for one that doesn't listen."""
    worker.terminate()
    try:
        worker.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def no_run_in_flight() -> bool:
    """Whether the job has no run that is queued or running."""
    from runs.models import Run
    from runs.states import ACTIVE

    return not Run.objects.filter(job_id=JOB, state__in=ACTIVE).exists()


def run_job() -> dict[str, Any]:
    """`manage.py runjob`, its log on the screen. Ctrl-C is for it: it cancels the run and says so."""
    from runs.executor.forkserver import die_with_parent

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        command = [sys.executable, str(MANAGE), "runjob", JOB, "--json"]
        # The log comes on standard error; sent to our own output it stays in order with the rest. It only looks on: without
        # us there is no worker, and it would wait for ever.
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=sys.stdout, text=True, check=False, preexec_fn=die_with_parent
        )
    finally:
        signal.signal(signal.SIGINT, before)
    if not done.stdout.strip():
        raise DemoFailed(f"runjob exited {done.returncode} without an outcome")
    outcome: dict[str, Any] = json.loads(done.stdout)
    if done.returncode:
        report(outcome)
        raise DemoFailed(f"{outcome['run_id']} is {outcome['state']}: {outcome['reason']}")
    return outcome


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Until `condition` is true; DemoFailed naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {seconds:g} s for {what}")
        time.sleep(0.1)


# Look


def report(outcome: dict[str, Any]) -> None:
    """The steps with duration and rows."""
    print(f"\n{outcome['run_id']} of {outcome['job_id']}: {outcome['state']}, triggered by {outcome['triggered_by']}\n")
    for step in outcome["steps"]:
        began, ended = (
            datetime.datetime.fromisoformat(step[key]) if step[key] else None for key in ("started_at", "finished_at")
        )
        took = f"{(ended - began).total_seconds():8.2f} s" if began and ended else " " * 10
        rows = f"{step['rows_affected']:>9,} rows" if step["rows_affected"] is not None else " " * 14
        print(f"  {step['state']:<10} {step['name']:<20} {took} {rows}  {step['error']}".rstrip())
    print(flush=True)


def verify(outcome: dict[str, Any], figures: Figures) -> None:
    """Compare row counts and summary with what was counted straight from the CSV files. DemoFailed naming every difference."""
    steps = {step["name"]: step for step in outcome["steps"]}
    found = {f"rows of {t}": steps[f"copy-{t}"]["output"].get("target_rows") for t in figures.rows}
    expected: dict[str, Any] = {f"rows of {table}": count for table, count in figures.rows.items()}
    found |= steps["send-summary"]["output"]
    expected |= figures.summary()
    for name, value in figures.summary().items():
        print(f"  {name.replace('_', ' '):<32} {found.get(name)!s:>22}   CSV: {value}")
    print(flush=True)
    wrong = [f"{k}: found {found.get(k)!r}, expected {v!r}" for k, v in expected.items() if found.get(k) != v]
    if wrong:
        raise DemoFailed("the reporting database differs from the CSV files: " + "; ".join(wrong))


if __name__ == "__main__":
    sys.exit(main())
