"""`make bench-alerts`: what alerts cost the run that they're about, and how soon they arrive.

The same failing one-step job without alerts, with an alert to an endpoint that answers, and with alerts to receivers in trouble
(a mail server that never speaks, endpoints that never answer, answer 500, 404 and 429, one that isn't there), in turn, on a warm
worker. A run's time is from its trigger until another process sees its end committed. Embedded always; PostgreSQL and Redis
where they're installed. Compare the columns of one table: absolute times drift with the machine.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from overhead import mode_environment
from servers import postgresql, redis_server

ROOT = Path(__file__).resolve().parent.parent
JOBS = ("quiet", "told", "troubled")


def main() -> None:
    """Measure each mode in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="runs of each job per mode (default 40)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure_inside(options.rounds)))
        return
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name:
        folder = Path(name)
        results = {"SQLite + file broker": measure(folder / "embedded", options.rounds)}
        with postgresql(folder) as database, redis_server(folder) as broker:
            if database and broker:
                results["PostgreSQL + Redis"] = measure(folder / "servers", options.rounds, database, broker)
            else:
                print("PostgreSQL + Redis: not measured; install postgresql and redis-server for it", file=sys.stderr)
    print_table(results)


def measure(home: Path, rounds: int, database: str = "", broker: str = "") -> dict[str, list[float]]:
    """The times of one mode: of every job's runs, and from a run's end to its message, in seconds."""
    done = subprocess.run(
        [sys.executable, __file__, "--inside", "--rounds", str(rounds)],
        env=mode_environment(home, database, broker),
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"measuring failed with code {done.returncode}")
    result: dict[str, list[float]] = json.loads(done.stdout)
    return result


def print_table(results: dict[str, dict[str, list[float]]]) -> None:
    """Medians and 95th percentiles in milliseconds, and what they are above the quiet job's."""
    print(f"{'':22} {'job':10} {'p50 ms':>8} {'p95 ms':>8} {'p50 - quiet':>12} {'p95 - quiet':>12}")
    for mode, times in results.items():
        quiet = _quantiles(times["quiet"])
        for job in JOBS:
            p50, p95 = _quantiles(times[job])
            print(f"{mode:22} {job:10} {p50:8.0f} {p95:8.0f} {p50 - quiet[0]:12.0f} {p95 - quiet[1]:12.0f}")
        p50, p95 = _quantiles(times["arrival"])
        print(f"{mode:22} {'arrival':10} {p50:8.0f} {p95:8.0f}   from a run's end to its message at the receiver")


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.95)] * 1000


# Inside one installation


class Receiver:
    """An HTTP endpoint: answers a status at once, or never (status 0). `times` is when each run's message came, by run."""

    def __init__(self, status: int) -> None:
        self.times: dict[str, float] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.times.setdefault(body["run_id"], time.time())
                if not status:
                    time.sleep(3600)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"


def measure_inside(rounds: int) -> dict[str, list[float]]:
    """Set up jobs, channels and receivers, and run the jobs in turn."""
    sys.path[:0] = [str(ROOT), str(ROOT / "bench")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "nomaflow_site.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from measure import process, wait_for

    from runs.models import WorkerNode

    told = Receiver(200)
    silent = socket.create_server(("127.0.0.1", 0))
    call_command("migrate", verbosity=0, interactive=False)
    home = Path(settings.NOMAFLOW_HOME)
    (home / "plugins").mkdir()
    (home / "plugins" / "bench.py").write_text("def boom(ctx):\n    raise RuntimeError('no')\n")
    (home / "jobs.toml").write_text(catalogue(told, silent.getsockname()[1]))
    call_command("importjobs", str(home / "jobs.toml"), stdout=sys.stderr)
    with process([str(ROOT / "manage.py"), "worker"]):
        wait_for(lambda: WorkerNode.objects.filter(role="worker").exists())
        times: dict[str, list[float]] = {job: [] for job in JOBS}
        ends: dict[str, float] = {}
        for job in JOBS:
            one_run(job, ends)
        ends.clear()
        for _ in range(rounds):
            for job in JOBS:
                times[job].append(one_run(job, ends))
        wait_for(lambda: len(told.times) >= rounds)
        times["arrival"] = [told.times[run] - end for run, end in ends.items() if run in told.times]
    return times


def catalogue(told: Receiver, silent_port: int) -> str:
    """Channels and jobs as TOML."""
    troubled = {f"answers-{status}": Receiver(status).url for status in (500, 404, 429)}
    troubled |= {"never": Receiver(0).url, "gone": "http://127.0.0.1:9/"}
    hooks = {"told": told.url, **troubled}
    toml = "".join(
        f'[[channels]]\nname = "{name}"\ntype = "webhook"\nurl = "{url}"\ndefault = false\n'
        for name, url in hooks.items()
    )
    toml += (
        f'[[channels]]\nname = "mute"\ntype = "email"\nhost = "127.0.0.1"\nport = {silent_port}\nsecurity = "none"\n'
        'sender = "n@example.com"\nrecipients = ["o@example.com"]\ndefault = false\n'
    )
    recipients: dict[str, list[str]] = {"told": ["told"], "troubled": [*troubled, "mute"]}
    for job in JOBS:
        alerts = (
            f"alerts = {{ recipients = {json.dumps(recipients[job])}, repeat_minutes = 0 }}\n"
            if job in recipients
            else ""
        )
        toml += (
            f'[[jobs]]\nid = "{job}"\n{alerts}[[jobs.steps]]\nname = "s"\ntype = "python"\ncallable = "bench:boom"\n'
        )
    return toml


def one_run(job_id: str, ends: dict[str, float]) -> float:
    """Seconds from a run's trigger until its end is seen."""
    from measure import wait_for

    from jobs.models import Job
    from runs.models import Run
    from runs.trigger import trigger_run

    job: Any = Job.objects.get(pk=job_id)
    began = time.perf_counter()
    run = trigger_run(job, triggered_by="cli")
    wait_for(lambda: Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists())
    ends[run.run_id] = time.time()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
