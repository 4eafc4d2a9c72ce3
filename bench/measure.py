"""One installation measured from inside: run by overhead.py with the environment of one mode; prints one JSON object.

All figures are seconds. The worker is warm: what is measured comes after a first run that isn't counted.
"""

import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]
os.environ["DJANGO_SETTINGS_MODULE"] = "nomaflow_site.settings"

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from jobs.models import Job  # noqa: E402
from runs.models import Run, WorkerNode  # noqa: E402
from runs.trigger import trigger_run  # noqa: E402

STEPS = 5
JOB = "noop"
PLUGIN = "def noop(ctx):\n    pass\n"
DEADLINE_SECONDS = 60
RAW_OPTIONS = ["-c", "2", "-Q", "raw", "--without-gossip", "--without-mingle", "-l", "ERROR"]


def main(rounds: int) -> None:
    """Prepare, measure ours and raw Celery in turn, print."""
    home = Path(settings.NOMAFLOW_HOME)
    prepare(home)
    found: dict[str, list[float]] = {"per_step": [], "further_step": [], "raw": []}
    with (
        process([str(ROOT / "manage.py"), "worker"]),
        process(["-W", "ignore", "-m", "celery", "-q", "-A", "rawcelery", "worker", *RAW_OPTIONS]),
    ):
        wait_for(lambda: WorkerNode.objects.filter(role="worker").exists())
        one_run()
        raw_task(home)
        for _ in range(rounds):
            per_step, further = one_run()
            found["per_step"].append(per_step)
            found["further_step"] += further
            found["raw"] += [raw_task(home) for _ in range(STEPS)]
    print(json.dumps({name: statistics.median(values) for name, values in found.items()}))


def prepare(home: Path) -> None:
    """Tables, plugin and job."""
    call_command("migrate", verbosity=0, interactive=False)
    (home / "plugins").mkdir()
    (home / "plugins" / "bench.py").write_text(PLUGIN)
    steps = "".join(f'[[jobs.steps]]\nname = "s{n}"\ntype = "python"\ncallable = "bench:noop"\n' for n in range(STEPS))
    toml = home / "job.toml"
    toml.write_text(f'[[jobs]]\nid = "{JOB}"\n{steps}')
    call_command("importjobs", str(toml), stdout=io.StringIO())


def one_run() -> tuple[float, list[float]]:
    """A run's time from trigger to end divided by its steps, and the times from one step's start to the next one's."""
    run = trigger_run(Job.objects.get(pk=JOB), triggered_by="cli")
    wait_for(lambda: Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists())
    run = Run.objects.get(pk=run.pk)
    if run.state != "SUCCEEDED" or run.finished_at is None:
        raise SystemExit(f"{run} is {run.state}: {run.reason}")
    starts = [step.started_at for step in run.step_runs.order_by("number") if step.started_at]
    further = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(starts)]
    return (run.finished_at - run.created_at).total_seconds() / STEPS, further


def raw_task(home: Path) -> float:
    """From sending a raw task to its execution."""
    from rawcelery import noop

    stamp = home / "stamp"
    stamp.unlink(missing_ok=True)
    sent = time.time_ns()
    noop.delay(str(stamp))
    wait_for(stamp.exists)
    return (int(stamp.read_text()) - sent) / 1e9


@contextmanager
def process(arguments: list[str]) -> Iterator[None]:
    """A Python process for the time of the block."""
    started: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, *arguments], stdout=sys.stderr, cwd=ROOT / "bench", env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_for(condition: Callable[[], object]) -> None:
    """Until it's true; polled finely, since the wait itself is no part of what is measured but of what loads the machine."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited a minute for nothing; what the workers said is above")
        time.sleep(0.005)


if __name__ == "__main__":
    main(int(sys.argv[1]))
