"""`python bench/schedules.py`: how late a thousand schedules fire, spread over a minute and all in the same second.

Late is from the scheduled moment until the fire and its run are committed and another process sees them. One beat, no worker.
Reference of the same run: a thousand inserts of one row, each with a commit of its own, which is the least that a thousand
separate fires could cost. Embedded always; PostgreSQL and Redis where they're installed. Ratios are what to compare.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from overhead import mode_environment
from servers import postgresql, redis_server

ROOT = Path(__file__).resolve().parent.parent
BEHIND_SECONDS = 90


def main() -> None:
    """Measure each mode in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--storms", type=int, default=5, help="times that all of them fire in one second")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options.schedules, options.storms)))
        return
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name:
        folder = Path(name)
        report("SQLite + file broker", run_inside(mode_environment(folder / "embedded"), options))
        with postgresql(folder) as database, redis_server(folder) as broker:
            if database and broker:
                mode = mode_environment(folder / "servers", database, broker)
                report("PostgreSQL + Redis", run_inside(mode, options))
            else:
                print("PostgreSQL + Redis: not measured; install postgresql and redis-server", file=sys.stderr)


def run_inside(environment: dict[str, str], options: argparse.Namespace) -> dict[str, float]:
    """This script again, with one mode's settings."""
    sizes = ["--schedules", str(options.schedules), "--storms", str(options.storms)]
    command = [sys.executable, __file__, "--inside", *sizes]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"measuring failed with code {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report(mode: str, found: dict[str, float]) -> None:
    """One mode's figures."""
    print(
        f"{mode}: spread over a minute: p50 {found['p50'] * 1000:.0f} ms, p95 {found['p95'] * 1000:.0f} ms late; "
        f"all in one second: the last {found['last']:.2f} s late (worst of the storms {found['worst']:.2f} s); "
        f"as many single inserts {found['raw']:.2f} s; last / inserts {found['last'] / found['raw']:.2f}"
    )


def measure(schedules: int, storms: int) -> dict[str, float]:
    """With the environment of one mode: seconds."""
    sys.path[:0] = [str(ROOT)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "nomaflow_site.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from measure import process

    call_command("migrate", verbosity=0, interactive=False)
    steps = '[[jobs.steps]]\nname = "s"\ntype = "python"\ncallable = "p:f"\n'
    jobs = [
        f'[[jobs]]\nid = "job-{n}"\nschedule = "* * * * * {n % 60}"\noverlap = "allow"\n{steps}'
        for n in range(schedules)
    ]
    toml = Path(tempfile.mkdtemp()) / "jobs.toml"
    toml.write_text("".join(jobs))
    call_command("importjobs", str(toml), stdout=io.StringIO())
    with process([str(ROOT / "manage.py"), "beat"]):
        wait_for_beat()
        spread = lateness(schedules)
        everything_every_ten_seconds()
        lasts = [max(lateness(schedules)) for _ in range(storms)]
    spread.sort()
    return {
        "p50": statistics.median(spread),
        "p95": spread[int(len(spread) * 0.95)],
        "last": statistics.median(lasts),
        "worst": max(lasts),
        "raw": single_inserts(schedules),
    }


def wait_for_beat() -> None:
    """Until it has caught up with what came due while it started, and fires on time."""
    from runs.models import Fire

    deadline = time.monotonic() + BEHIND_SECONDS
    while not any(
        fire.noticed_at.timestamp() - fire.scheduled_at.timestamp() < 0.5 for fire in Fire.objects.order_by("-pk")[:1]
    ):
        if time.monotonic() > deadline:
            raise SystemExit("beat doesn't fire; what it said is above")
        time.sleep(0.05)


def lateness(count: int) -> list[float]:
    """Seconds from moment to sight of the next `count` fires."""
    from runs.models import Fire

    last = Fire.objects.order_by("-pk").values_list("pk", flat=True)[0]
    found: list[float] = []
    deadline = time.monotonic() + BEHIND_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        rows = list(Fire.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "scheduled_at"))
        seen = time.time()
        found += [seen - at.timestamp() for _, at in rows]
        last = rows[-1][0] if rows else last
        time.sleep(0.01)
    if len(found) < count:
        raise SystemExit(f"{len(found)} of {count} fires in {BEHIND_SECONDS} s")
    return found


def everything_every_ten_seconds() -> None:
    """All schedules at once from now on."""
    from jobs.models import Job
    from runs.models import Fire
    from runs.schedules import sync_all

    Job.objects.exclude(id__startswith="_").update(schedule="* * * * * */10")
    sync_all()
    # The first storm may find beat still reading; it isn't counted.
    before = Fire.objects.count()
    deadline = time.monotonic() + BEHIND_SECONDS
    while Fire.objects.count() < before + Job.objects.count() * 0.99 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)


def single_inserts(count: int) -> float:
    """So many rows, a commit each."""
    from django.utils import timezone

    from runs.models import Fire

    began = time.perf_counter()
    now = timezone.now()
    for number in range(count):
        Fire.objects.create(job_id=f"raw-{number}", scheduled_at=now, noticed_at=now, outcome="ran")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
