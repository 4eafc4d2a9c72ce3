"""`make bench`: what a step costs beside the step's own work, next to what it is made of, measured in the same run.

Five-step jobs of Python steps that do nothing, a warm worker. Embedded (SQLite and the file broker) always; PostgreSQL and
Redis where they're installed. References: a raw Celery task through the same broker, and starting a bare `python -c pass`.
Absolute figures drift with the machine; the ratios are what to compare.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path

from servers import postgresql, redis_server

MEASURE = Path(__file__).with_name("measure.py")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="runs of five steps per mode (default 20)")
    rounds: int = parser.parse_args().rounds
    exec_seconds = bare_exec(rounds)
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name:
        folder = Path(name)
        results = {"SQLite + file broker": measure(folder / "embedded", rounds)}
        with postgresql(folder) as database, redis_server(folder) as broker:
            if database and broker:
                results["PostgreSQL + Redis"] = measure(folder / "servers", rounds, database, broker)
            else:
                print("PostgreSQL + Redis: not measured; install postgresql and redis-server for it", file=sys.stderr)
    print_table(results, exec_seconds)


def bare_exec(rounds: int) -> float:
    """Seconds to start and end an interpreter that does nothing: what a process per step costs without a fork server."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(home: Path, rounds: int, database: str = "", broker: str = "") -> dict[str, float]:
    """The medians of one mode, in seconds."""
    environment = mode_environment(home, database, broker)
    done = subprocess.run(
        [sys.executable, str(MEASURE), str(rounds)], env=environment, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"measuring failed with code {done.returncode}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def mode_environment(home: Path, database: str = "", broker: str = "") -> dict[str, str]:
    """The environment of one mode: nothing of this shell's own settings, fresh keys."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NOMAFLOW_", "DJANGO_"))}
    return {
        **clean,
        "NOMAFLOW_HOME": str(home),
        "NOMAFLOW_DATABASE_URL": database,
        "NOMAFLOW_BROKER_URL": broker,
        "NOMAFLOW_SECRET_KEY": secrets.token_urlsafe(64),
        "NOMAFLOW_FIELD_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def print_table(results: dict[str, dict[str, float]], exec_seconds: float) -> None:
    """Milliseconds, and ratios to the references of the same run."""
    columns = [
        "",
        "per step",
        "further step",
        "raw task",
        "python -c pass",
        "step / raw",
        "step / exec",
        "further / exec",
    ]
    print("  ".join(f"{name:>14}" if name else f"{name:<22}" for name in columns))
    for mode, found in results.items():
        step, further, raw = found["per_step"], found["further_step"], found["raw"]
        times = [f"{seconds * 1000:11.1f} ms" for seconds in (step, further, raw, exec_seconds)]
        ratios = [f"{ratio:14.2f}" for ratio in (step / raw, step / exec_seconds, further / exec_seconds)]
        print("  ".join([f"{mode:<22}", *times, *ratios]))
    print(
        "\nper step: (end of a 5-step run - its trigger) / 5; further step: from one step's start to the next one's; medians"
    )


if __name__ == "__main__":
    main()
