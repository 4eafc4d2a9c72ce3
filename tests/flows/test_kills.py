"""Kill workers and steps with -9 under load, double and lose wake-ups; afterwards every run has ended, once and truthfully.

The evidence is independent of the product: each step appends its begin and end to a file of its own, synced to disk. The plan
of kills comes from a seed; a failure prints it. NOMAFLOW_KILLS and NOMAFLOW_KILL_RUNS set the size (the promise: 100 and 1,000).
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.flows.installation import ROOT, Installation
from tests.servers import wait_for

pytestmark = [pytest.mark.flow, pytest.mark.reliability]
KILLS = int(os.environ.get("NOMAFLOW_KILLS", "8"))
RUNS = int(os.environ.get("NOMAFLOW_KILL_RUNS", "80"))
SEED = int(os.environ.get("NOMAFLOW_SEED", "7"))
STEPS = ("one", "two")
PLUGIN = """
import os
import time


def work(ctx, *, path, **_):
    def note(word):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{ctx.run_id} {ctx.step_name} {ctx.attempt} {word} {time.time()}\\n".encode())
        os.fsync(fd)
        os.close(fd)

    note("begin")
    time.sleep(0.05)
    note("end")
"""
TRIGGER = """
import sys, time, django
django.setup()
from jobs.models import Job
from runs import dispatch
from runs.trigger import trigger_run
jobs = list(Job.objects.order_by("id"))
for n in range(int(sys.argv[1])):
    run = trigger_run(jobs[n % len(jobs)], triggered_by="api")
    print(run.run_id, flush=True)
    for _ in range(n % 3):  # a wake-up may come twice
        dispatch.wake(run.pk)
    time.sleep(float(sys.argv[2]))
"""


def _toml(path: Path) -> str:
    jobs = []
    for job_id, repeat in (("once", "false"), ("repeatable", "true")):
        steps = "".join(
            f'[[jobs.steps]]\nname = "{name}"\ntype = "python"\ncallable = "w:work"\nrerun_if_lost = {repeat}\n'
            for name in STEPS
        )
        jobs.append(f'[[jobs]]\nid = "{job_id}"\noverlap = "allow"\nparams = {{ path = "{path}" }}\n{steps}')
    return "".join(jobs)


class Killer(threading.Thread):
    """Kills by a seeded plan: a worker (and starts a new one), a step, or all wake-ups that wait in the queue."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.installation = installation
        self.dice = random.Random(SEED)
        self.done: Counter[str] = Counter()
        self.workers = [installation.start("worker", name=f"worker-{n}") for n in range(2)]

    def run(self) -> None:
        while sum(self.done.values()) < KILLS:
            time.sleep(self.dice.uniform(0.3, 0.9))
            kind = self.dice.choices(["worker", "step", "wake-ups"], [6, 3, 1])[0]
            if getattr(self, "_" + kind.replace("-", "_"))():
                self.done[kind] += 1

    def _worker(self) -> bool:
        n = self.dice.randrange(2)
        if not self._steps_of(self.workers[n].pid):
            return False  # a worker that hasn't come up yet would make a dull kill
        os.kill(self.workers[n].pid, signal.SIGKILL)
        self.workers[n].wait()
        self.workers[n] = self.installation.start("worker", name=f"worker-{n}")
        return True

    def _step(self) -> bool:
        steps = [step for worker in self.workers for step in self._steps_of(worker.pid)]
        if not steps:
            return False
        try:
            os.kill(self.dice.choice(steps), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _wake_ups(self) -> bool:
        for message in (self.installation.home / "queue").rglob("*.msg"):
            message.unlink(missing_ok=True)
        return True

    @staticmethod
    def _steps_of(worker: int) -> list[int]:
        try:
            return [c.pid for server in psutil.Process(worker).children() for c in server.children()]
        except psutil.Error:
            return []


def test_after_many_kills_every_run_has_ended_once_and_truthfully(installation: Installation, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    installation.plugin("w", PLUGIN)
    installation.import_toml(_toml(effects))
    killer = Killer(installation)
    client = subprocess.Popen(
        [sys.executable, "-c", TRIGGER, str(RUNS), str(KILLS * 0.9 / RUNS)],
        env={**installation.env, "DJANGO_SETTINGS_MODULE": "nomaflow_site.settings"},
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    killer.start()
    triggered = client.communicate(timeout=1200)[0].split()
    killer.join(600)
    alive = "print(json.dumps(Run.objects.filter(state__in=['QUEUED', 'RUNNING']).count()))"
    wait_for(lambda: installation.python(alive) == 0, 90, "every run to end")

    runs = {run["run_id"]: run for run in json.loads(installation.manage("runs", "--json", "--limit", "1000000"))}
    report = check(runs, triggered, effects)
    print(f"seed {SEED}: {dict(killer.done)} kills, {len(runs)} runs, {report}")
    assert report["faults"] == []
    assert sum(killer.done.values()) == KILLS


def check(runs: dict[str, Any], triggered: list[str], effects: Path) -> dict[str, Any]:
    """Compare what the ledger says with what the steps did. Set arithmetic only."""
    notes: dict[tuple[str, str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in effects.read_text().splitlines():
        run_id, step, attempt, word, at = line.split()
        notes[run_id, step, int(attempt)][word].append(float(at))
    faults = []
    if len(triggered) != RUNS or set(triggered) != set(runs):
        faults.append(f"{RUNS} triggered, {len(set(triggered))} answered, {len(runs)} in the ledger")
    faults += [f"{key} began {len(note['begin'])} times" for key, note in notes.items() if len(note["begin"]) > 1]
    for run in runs.values():
        faults += _faults_of(run, notes)
    states = Counter(run["state"] for run in runs.values())
    return {"states": dict(states), "faults": faults}


def _faults_of(run: dict[str, Any], notes: Any) -> list[str]:
    faults = []
    attempts = [(step["name"], step["attempt"], step["state"]) for step in run["steps"] if step["attempt"]]
    for name, attempt, state in attempts:
        note = notes.get((run["run_id"], name, attempt), {})
        if state == "SUCCEEDED" and "end" not in note:
            faults.append(f"{run['run_id']} {name} #{attempt} SUCCEEDED without an end")
    begun = Counter(name for run_id, name, _ in notes if run_id == run["run_id"])
    if run["job_id"] == "once":
        faults += [
            f"{run['run_id']} {name} began {n} times but may not be repeated" for name, n in begun.items() if n > 1
        ]
    if run["state"] == "SUCCEEDED" and {name for name, _, state in attempts if state == "SUCCEEDED"} != set(STEPS):
        faults.append(f"{run['run_id']} SUCCEEDED without all its steps")
    if run["state"] == "FAILED" and not any(word in run["reason"] for word in ("lost worker", "SIGKILL")):
        faults.append(f"{run['run_id']} FAILED for no reason of ours: {run['reason']}")
    return faults + _overlaps(run, notes)


def _overlaps(run: dict[str, Any], notes: Any) -> list[str]:
    """An attempt may begin only after the one before it has ended (or has been killed: then it has no end)."""
    faults = []
    for (run_id, name, attempt), note in notes.items():
        following = notes.get((run_id, name, attempt + 1))
        if run_id == run["run_id"] and following and "end" in note and following["begin"][0] < note["end"][0]:
            faults.append(f"{run_id} {name}: attempt {attempt + 1} overlapped the one before")
    return faults
