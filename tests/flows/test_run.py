"""A run from its trigger to its end, by real workers."""

import itertools
import json
import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow


def test_a_run_goes_through_its_steps_and_keeps_log_and_output(either: Installation, define: Define) -> None:
    either.import_toml(define("greet", "hello", "noop", head='params = { name = "Olga" }'))
    either.start_worker()
    run = either.run_when_over(either.trigger("greet"))
    assert [(s["name"], s["state"], s["output"]) for s in run["steps"]] == [
        ("s0", "SUCCEEDED", {"greeted": "Olga"}),
        ("s1", "SUCCEEDED", {}),
    ]
    texts = [line["text"] for line in either.log(run["run_id"])]
    assert texts.index("hello Olga") < texts.index("printed") < texts.index("step 's1' (python) started")


def test_runjob_follows_the_run_and_exits_with_its_outcome(shared: Installation, define: Define) -> None:
    shared.import_toml(define("good", "hello") + define("bad", "boom", "noop"))
    good, bad = shared.try_manage("runjob", "good"), shared.try_manage("runjob", "bad")
    assert (good.returncode, bad.returncode) == (0, 1)
    assert "hello world" in good.stdout
    assert "the tank is empty" in bad.stdout
    assert "No worker is alive" not in good.stdout


def test_the_steps_after_a_failed_one_are_recorded_as_not_run(shared: Installation, define: Define) -> None:
    shared.import_toml(define("breaks", "noop", "boom", "noop"))
    run = shared.run_when_over(shared.trigger("breaks"))
    assert [s["state"] for s in run["steps"]] == ["SUCCEEDED", "FAILED", "CANCELED"]
    assert run["steps"][1]["error"] == "RuntimeError: the tank is empty"
    assert "not run" in run["steps"][2]["reason"]


def test_without_a_worker_runjob_executes_the_run_itself_and_says_so(
    installation: Installation, define: Define
) -> None:
    installation.import_toml(
        define("alone", "hello", "fails_first", head="[jobs.retry]\nattempts = 2\nbase_seconds = 0")
    )
    done = installation.try_manage("runjob", "alone")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No worker is alive" in done.stdout


def test_a_disabled_step_is_recorded_as_skipped_and_the_run_goes_on(shared: Installation, define: Define) -> None:
    shared.import_toml(define("partly", "boom", "noop"))
    run = shared.run_when_over(shared.trigger("partly", "--skip", "s0"))
    assert run["state"] == "SUCCEEDED"
    assert [(s["state"], s["reason"]) for s in run["steps"]] == [("CANCELED", "skipped: disabled"), ("SUCCEEDED", "")]


def test_a_failed_attempt_is_retried_after_its_wait_and_both_attempts_are_kept(
    shared: Installation, define: Define
) -> None:
    shared.import_toml(define("again", "fails_first", head="[jobs.retry]\nattempts = 2\nbase_seconds = 1"))
    run = shared.run_when_over(shared.trigger("again"))
    assert [(s["attempt"], s["state"]) for s in run["steps"]] == [(1, "FAILED"), (2, "SUCCEEDED")]
    assert run["state"] == "SUCCEEDED"


def test_waiting_for_a_retry_holds_no_slot(installation: Installation, define: Define) -> None:
    head = "[jobs.retry]\nattempts = 2\nbase_seconds = 600"
    waiting = "".join(define(f"waits-{n}", "boom", head=head) for n in range(5))
    installation.import_toml(waiting + define("quick", "noop"))
    installation.start_worker()
    for n in range(5):
        installation.trigger(f"waits-{n}")
    code = "print(json.dumps(Run.objects.filter(reason__startswith='waiting').count()))"
    wait_for(lambda: installation.python(code) == 5, 30, "all five to wait")
    assert installation.run_when_over(installation.trigger("quick"))["state"] == "SUCCEEDED"


def test_a_changed_plugin_is_picked_up_by_the_next_run(shared: Installation, define: Define) -> None:
    shared.plugin("changing", "def f(ctx):\n    return {'version': 1}\n")
    shared.import_toml(define("reload", "f").replace("p:f", "changing:f"))
    first = shared.run_when_over(shared.trigger("reload"))
    shared.plugin("changing", "def f(ctx):\n    return {'version': 2}\n")
    second = shared.run_when_over(shared.trigger("reload"))
    assert [run["steps"][0]["output"]["version"] for run in (first, second)] == [1, 2]


def test_twenty_thousand_lines_arrive_in_order_and_hardly_slow_the_step(either: Installation, define: Define) -> None:
    either.import_toml(define("chatty", "lines"))
    either.start_worker()
    run = either.run_when_over(either.trigger("chatty"), 60)
    texts = [line["text"] for line in either.log(run["run_id"]) if line["text"].startswith("line ")]
    assert texts == [f"line {n}" for n in range(20000)]
    # The same loop into a closed pipe's worth of nothing takes some 0.3 s; a write for each line would take a minute.
    assert run["steps"][0]["output"]["seconds"] < 10


def test_a_second_trigger_is_refused_while_the_run_is_in_flight(shared: Installation, define: Define) -> None:
    shared.import_toml(define("single", "sleep"))
    first = shared.trigger("single")
    second = shared.try_manage("runjob", "single", "--detach")
    shared.manage("cancelrun", first)
    assert second.returncode == 2
    assert first in second.stderr


def test_queued_runs_of_a_job_never_overlap_and_go_in_order(installation: Installation, define: Define) -> None:
    installation.import_toml(define("queue", "sleep", head='overlap = "queue"\nparams = { seconds = 0.2 }'))
    installation.start_worker("one")
    installation.start_worker("two")
    ids = [installation.trigger("queue") for _ in range(4)]
    runs = [installation.run_when_over(run_id, 60) for run_id in ids]
    times = [(run["started_at"], run["finished_at"]) for run in runs]
    assert all(run["state"] == "SUCCEEDED" for run in runs)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))


def test_a_chained_job_runs_as_a_child_and_its_state_decides_the_step(
    installation: Installation, define: Define
) -> None:
    call = '[[jobs]]\nid = "{0}"\nparams = {{ name = "Rui" }}\n[[jobs.steps]]\nname = "call"\ntype = "call_job"\njob = "{1}"\n'
    chain = (
        define("greet", "hello")
        + define("breaks", "boom")
        + call.format("outer", "greet")
        + call.format("fails", "breaks")
    )
    installation.import_toml(chain)
    installation.start("worker", "--slots", "1")
    outer = installation.run_when_over(installation.trigger("outer"))
    fails = installation.run_when_over(installation.trigger("fails"))
    child = installation.run(outer["steps"][0]["output"]["run_id"])
    assert (outer["state"], child["state"], child["steps"][0]["output"]) == (
        "SUCCEEDED",
        "SUCCEEDED",
        {"greeted": "Rui"},
    )
    assert fails["state"] == "FAILED"
    assert "the tank is empty" in fails["steps"][0]["error"]


def test_jobs_that_call_each_other_fail_with_the_chain_printed(shared: Installation) -> None:
    call = '[[jobs]]\nid = "{0}"\n[[jobs.steps]]\nname = "call"\ntype = "call_job"\njob = "{1}"\n'
    shared.import_toml(call.format("hen", "egg") + call.format("egg", "hen"))
    run = shared.run_when_over(shared.trigger("hen"))
    assert run["state"] == "FAILED"
    assert "hen -> egg -> hen" in run["reason"]


def test_editing_a_job_leaves_a_run_in_flight_alone(shared: Installation, define: Define) -> None:
    shared.import_toml(define("edited", "sleep", "hello", head="params = { seconds = 1.5, name = 'old' }"))
    run_id = shared.trigger("edited")
    shared.run_when(run_id, {"RUNNING"})
    shared.import_toml(define("edited", "sleep", "hello", head="params = { seconds = 1.5, name = 'new' }"))
    assert shared.run_when_over(run_id)["steps"][1]["output"] == {"greeted": "old"}


def test_ctrl_c_in_the_shell_cancels_the_run(shared: Installation, define: Define) -> None:
    shared.import_toml(define("long", "sleep"))
    shell = shared.start("runjob", "long", name="shell")
    wait_for(lambda: "sleeping" in shared.output("shell"), 30, "the step to begin")
    threading.Timer(0, shell.terminate).start()
    assert shell.wait(20) == 3


def test_runjob_json_prints_one_document(shared: Installation, define: Define) -> None:
    shared.import_toml(define("asjson", "hello"))
    printed = json.loads(shared.manage("runjob", "asjson", "--json", "--param", "name=Vera"))
    assert printed["parameters"]["s0"] == {"name": "Vera"}
    assert printed["steps"][0]["output"] == {"greeted": "Vera"}


def test_a_replaced_table_is_put_back_by_a_run(shared: Installation, tmp_path: Any) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE s (n); INSERT INTO s VALUES (1); CREATE TABLE t (n); INSERT INTO t VALUES (7)"
        )
    shared.import_toml(
        f"""
        [[connectors]]
        name = "files"
        type = "sql"
        url = "sqlite:///{path}"

        [[jobs]]
        id = "mirror"
        description = "Mirror"

        [[jobs.steps]]
        name = "load"
        type = "sql_copy"
        source = {{ connector = "files", table = "s" }}
        target = {{ connector = "files", table = "t" }}
        keep_previous = 1
        """
    )
    first = shared.run_when_over(shared.trigger("mirror"))
    back = shared.python(
        "from django.utils import timezone; from jobs.models import Job; from runs.models import Run; "
        "from runs.restore import restoring; from runs.trigger import trigger_run; "
        f"run = Run.objects.get(run_id={first['run_id']!r}); definition, given = restoring(run, 'load', timezone.now()); "
        "back = trigger_run(run.job, triggered_by='cli', definition=definition, overrides=given, replay_of=run); "
        "print(json.dumps(back.run_id))"
    )
    assert shared.run_when_over(back)["state"] == "SUCCEEDED"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT n FROM t").fetchall() == [(7,)]
