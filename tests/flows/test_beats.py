"""Beats are killed at every line that matters, stopped and let go again: every moment ends as one row, and never as two runs.

The moments that must be there come from the clock alone: every second between the first and the last. NOMAFLOW_BEAT_KILLS and
NOMAFLOW_BEAT_SECONDS set the size (the promise: 30 kills a place, 500 slots).
"""

import datetime
import os
import random
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = [pytest.mark.flow, pytest.mark.reliability]
KILLS = int(os.environ.get("NOMAFLOW_BEAT_KILLS", "2"))
SECONDS = int(os.environ.get("NOMAFLOW_BEAT_SECONDS", "12"))
SEED = int(os.environ.get("NOMAFLOW_SEED", "7"))
JOBS = 10
PLACES = ["firing.before_insert", "firing.before_cursor", "firing.before_commit", "firing.after_commit"]
EVERY_SECOND = 'schedule = "* * * * * *"\ntimezone = "Europe/Paris"\noverlap = "allow"'
LEDGER = """
fires = Fire.objects.exclude(job="_internal-prune-runs").select_related("run")
print(json.dumps([
    [f.job_id, int(f.scheduled_at.timestamp()), f.outcome, f.run is not None and f.run.scheduled_at == f.scheduled_at,
     (f.noticed_at - f.scheduled_at).total_seconds()] for f in fires
]))
"""
RUNS = """
runs = Run.objects.exclude(scheduled_at=None).values_list("job_id", "scheduled_at")
print(json.dumps([[job, int(at.timestamp())] for job, at in runs]))
"""


def check(installation: Installation) -> dict[str, Any]:
    """Compare the ledger with the clock. Set arithmetic only."""
    fires = installation.python(LEDGER)
    last: dict[str, int] = {}
    for job, slot, *_ in fires:
        last[job] = max(slot, last.get(job, slot))
    # The beats go on: a slot that fired between the two questions has its run here and its row not yet.
    runs = [(job, slot) for job, slot, *_ in installation.python(RUNS) if job in last and slot <= last[job]]
    faults = [f"{slot} has {count} runs" for slot, count in Counter(runs).items() if count > 1]
    for job in sorted({fire[0] for fire in fires}):
        slots = Counter(fire[1] for fire in fires if fire[0] == job)
        faults += [f"{job} at {slot}: {count} rows" for slot, count in slots.items() if count > 1]
        faults += [f"{job} at {slot}: no row" for slot in range(min(slots), max(slots)) if slot not in slots]
    started = {(job, slot) for job, slot, outcome, _, _ in fires if outcome in ("ran", "late")}
    faults += [f"{slot} ran without its run" for slot in started - set(runs)]
    faults += [f"{slot} has a run and no such row" for slot in set(runs) - started]
    faults += [f"{job} at {slot}: {outcome}" for job, slot, outcome, right, _ in fires if not right]
    return {"slots": len(fires), "faults": faults, "latest": max((fire[4] for fire in fires), default=0)}


def count(installation: Installation) -> int:
    return int(installation.python("print(Fire.objects.count())"))


@pytest.mark.parametrize("place", PLACES)
def test_a_beat_killed_at_any_line_leaves_every_moment_once(
    installation: Installation, define: Define, place: str
) -> None:
    installation.import_toml(define("tick", "noop", head=EVERY_SECOND))
    for number in range(KILLS):
        beat = installation.start("beat", name=f"beat-{number}", env={"FAULT_PLAN": f"{place}={number % 3 + 1}"})
        assert beat.wait(30) == -signal.SIGKILL
    before = count(installation)
    installation.start("beat", name="beat-last")
    wait_for(lambda: count(installation) >= before + 3, 30, "three more fires")
    assert check(installation)["faults"] == []


class Troublemaker:
    """Kills, stops and continues two beats by a seeded plan."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.dice = random.Random(SEED)
        self.beats = [installation.start("beat", name=f"beat-{n}") for n in range(2)]
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """One act; the other beat goes on meanwhile."""
        n = self.dice.randrange(2)
        if self.dice.random() < 0.5:
            self._kill(n)
        else:
            self._stop(self.beats[n])

    def _kill(self, n: int) -> None:
        self.beats[n].kill()
        self.beats[n].wait()
        self.beats[n] = self.installation.start("beat", name=f"beat-{n}")
        self.done["killed"] += 1
        time.sleep(self.dice.uniform(0.5, 3))

    def _stop(self, beat: "subprocess.Popen[bytes]") -> None:
        os.kill(beat.pid, signal.SIGSTOP)
        time.sleep(self.dice.uniform(1, 4))
        os.kill(beat.pid, signal.SIGCONT)
        self.done["stopped"] += 1


def test_two_beats_killed_and_stopped_at_random_fire_every_slot_once(either: Installation, define: Define) -> None:
    either.import_toml("".join(define(f"tick-{n}", "noop", head=EVERY_SECOND) for n in range(JOBS)))
    trouble = Troublemaker(either)
    wait_for(lambda: count(either), 40, "the first fire")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        trouble.act()
    before = count(either)
    wait_for(lambda: count(either) >= before + 3 * JOBS, 30, "the survivors to fire")
    found = check(either)
    print(f"seed {SEED}: {dict(trouble.done)}, {found['slots']} slots, the latest {found['latest']:.1f} s late")
    assert found["faults"] == []
    assert found["latest"] < 15


def test_a_beat_stopped_in_the_middle_of_recording_does_not_lock_out_the_other(
    postgresql: Any, redis_server: Any, tmp_path: Any, define: Define
) -> None:
    urls = (postgresql.create_database(), redis_server.database(0))
    with Installation(tmp_path / "home", *urls, fast=True) as installation:
        installation.import_toml(define("tick", "noop", head=EVERY_SECOND))
        stopped = installation.start("beat", name="beat-stopped", env={"FAULT_PLAN": "firing.before_commit=2:stop"})
        wait_for(lambda: _is_stopped(stopped.pid), 30, "the first beat to stop in its transaction")
        installation.start("beat", name="beat-other")
        before = count(installation)
        began = datetime.datetime.now()
        wait_for(lambda: count(installation) >= before + 5, 25, "the other beat to fire")
        assert (datetime.datetime.now() - began).total_seconds() < 20
        os.kill(stopped.pid, signal.SIGCONT)
        before = count(installation)
        wait_for(lambda: count(installation) >= before + 5, 25, "both to go on")
        assert check(installation)["faults"] == []


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"
