"""Processes that die: what a run says then, and how soon."""

import os
import signal
import time

import psutil
import pytest

from tests.flows.conftest import PLUGIN, Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow


def _step_pid(installation: Installation, run_id: str) -> int:
    code = (
        f"print(json.dumps(list(StepRun.objects.filter(run__run_id={run_id!r}, state='RUNNING')"
        ".values_list('pid', flat=True))))"
    )
    pids = wait_for(lambda: installation.python(code), 20, "the step to run")
    return int(next(iter(pids)))  # type: ignore[call-overload]


def test_a_killed_step_ends_its_run_within_five_seconds(either: Installation, define: Define) -> None:
    either.import_toml(define("victim", "sleep", "noop"))
    either.start_worker()
    run_id = either.trigger("victim")
    pid = _step_pid(either, run_id)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: either.state(run_id) == "FAILED", 10, "the run to end")
    assert time.monotonic() - began < 5
    assert "SIGKILL" in either.run(run_id)["reason"]


def test_a_killed_worker_leaves_no_process_and_its_run_is_ended_by_another(
    either: Installation, define: Define
) -> None:
    either.import_toml(define("orphan", "parent", "noop"))
    worker = either.start_worker("one")
    run_id = either.trigger("orphan")
    pid = _step_pid(either, run_id)
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(pid), 2, "the step's process to be gone")
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "7654"]]
    either.start_worker("two")
    run = either.run_when_over(run_id, 15)
    assert (run["state"], [s["state"] for s in run["steps"]]) == ("FAILED", ["FAILED", "CANCELED"])
    assert "lost worker" in run["reason"]


def test_with_the_shipped_timings_a_killed_workers_run_is_ended_within_35_seconds(tmp_path, define: Define) -> None:  # type: ignore[no-untyped-def]
    with Installation(tmp_path / "home") as installation:
        installation.plugin("p", PLUGIN)
        installation.import_toml(define("orphan", "sleep"))
        one = installation.start_worker("one")
        run_id = installation.trigger("orphan")
        _step_pid(installation, run_id)
        os.kill(one.pid, signal.SIGKILL)
        began = time.monotonic()
        installation.start_worker("two")
        assert installation.run_when_over(run_id, 60)["state"] == "FAILED"
        assert time.monotonic() - began < 35


def test_a_step_that_may_be_repeated_is_resumed_after_its_worker_died(
    installation: Installation, define: Define
) -> None:
    head = "params = { seconds = 2 }"
    installation.import_toml(define("resume", "noop", "sleep", "noop", head=head, step="rerun_if_lost = true"))
    one = installation.start_worker("one")
    run_id = installation.trigger("resume")
    wait_for(lambda: any("sleeping" in line["text"] for line in installation.log(run_id)), 20, "the second step to run")
    os.kill(one.pid, signal.SIGKILL)
    installation.start_worker("two")
    run = installation.run_when_over(run_id, 20)
    assert run["state"] == "SUCCEEDED"
    assert [(s["name"], s["attempt"], s["state"]) for s in run["steps"]] == [
        ("s0", 1, "SUCCEEDED"),
        ("s1", 1, "FAILED"),
        ("s1", 2, "SUCCEEDED"),
        ("s2", 1, "SUCCEEDED"),
    ]


def test_a_step_that_kills_its_process_each_time_fails_after_three(installation: Installation, define: Define) -> None:
    installation.import_toml(define("poison", "die", step="rerun_if_lost = true"))
    installation.start_worker()
    run = installation.run_when_over(installation.trigger("poison"), 30)
    assert run["state"] == "FAILED"
    assert len(run["steps"]) == 3


def test_a_stopped_worker_lets_a_short_step_end_and_hands_the_rest_on(
    installation: Installation, define: Define
) -> None:
    installation.import_toml(define("deploy", "sleep", "noop", head="params = { seconds = 2 }"))
    one = installation.start_worker("one")
    run_id = installation.trigger("deploy")
    _step_pid(installation, run_id)
    one.terminate()
    assert one.wait(15) == 0
    installation.start_worker("two")
    assert installation.run_when_over(run_id, 20)["state"] == "SUCCEEDED"


def test_a_lost_wake_up_only_delays_the_run(installation: Installation, define: Define) -> None:
    installation.import_toml(define("quiet", "noop"))
    run_id = installation.trigger("quiet")
    for message in (installation.home / "queue").rglob("*.msg"):
        message.unlink()
    installation.start_worker()
    assert installation.run_when_over(run_id, 30)["state"] == "SUCCEEDED"


def test_a_trigger_is_answered_and_kept_while_the_broker_is_down(tmp_path, define: Define) -> None:  # type: ignore[no-untyped-def]
    with Installation(tmp_path / "home", broker_url="redis://127.0.0.1:1/0", fast=True) as installation:
        installation.plugin("p", PLUGIN)
        installation.import_toml(define("kept", "noop"))
        run_id = installation.trigger("kept")
        installation.env["NOMAFLOW_BROKER_URL"] = ""
        installation.start_worker()
        assert installation.run_when_over(run_id, 30)["state"] == "SUCCEEDED"
