"""What a run does next, and what an ending means."""

from typing import Any

import pytest

from jobs.plan import Plan, plan_of
from jobs.retry import next_wait
from runs import flow
from runs.executor.supervisor import Ending, How
from runs.flow import Attempt
from runs.states import RunState


def plan(*steps: dict[str, Any], **fields: Any) -> Plan:
    full = [{"name": f"s{n}", "type": "python", "callable": "p:f", **step} for n, step in enumerate(steps)]
    return plan_of({"id": "job", "steps": full, **fields})


def test_a_fresh_run_begins_with_the_first_step() -> None:
    move = flow.next_move(plan({}, {}), {}, [])
    assert isinstance(move, flow.Perform)
    assert (move.step.name, move.attempt) == ("s0", 1)


def test_after_a_success_the_next_step_comes() -> None:
    move = flow.next_move(plan({}, {}), {}, [Attempt(0, 1, RunState.SUCCEEDED)])
    assert isinstance(move, flow.Perform)
    assert move.step.name == "s1"


def test_after_a_failed_attempt_the_same_step_comes_again() -> None:
    move = flow.next_move(plan({}), {}, [Attempt(0, 1, RunState.FAILED)])
    assert isinstance(move, flow.Perform)
    assert move.attempt == 2


def test_a_step_switched_off_for_this_fire_is_skipped() -> None:
    move = flow.next_move(plan({}), {"s0": False}, [])
    assert isinstance(move, flow.Skip)
    assert move.reason == "skipped: disabled"


def test_a_disabled_step_can_be_switched_on_for_one_fire() -> None:
    assert isinstance(flow.next_move(plan({"enabled": False}), {"s0": True}, []), flow.Perform)


def test_a_run_whose_steps_have_all_succeeded_has_succeeded_even_when_a_cancel_came_too_late() -> None:
    move = flow.next_move(plan({}), {}, [Attempt(0, 1, RunState.SUCCEEDED)], cancelled_by="user:rui")
    assert move == flow.Finish(RunState.SUCCEEDED, "")


def test_a_cancel_ends_the_run_before_the_next_step() -> None:
    move = flow.next_move(plan({}, {}), {}, [Attempt(0, 1, RunState.SUCCEEDED)], cancelled_by="user:rui")
    assert move == flow.Finish(RunState.CANCELED, "cancelled by user:rui")


def test_the_jobs_deadline_ends_the_run_before_the_next_step() -> None:
    move = flow.next_move(plan({}, timeout_seconds=7), {}, [], past_deadline=True)
    assert move == flow.Finish(RunState.FAILED, "timeout: the job's 7 s were over")


def test_a_step_that_waits_for_its_child_is_judged_by_it() -> None:
    assert isinstance(flow.next_move(plan({}), {}, [Attempt(0, 1, RunState.RUNNING)]), flow.JudgeChild)


RETRY = {"attempts": 3, "backoff": "exponential", "base_seconds": 10}


@pytest.mark.parametrize(("attempt", "wait"), [(1, 10), (2, 20)])
def test_a_failure_with_attempts_left_waits_and_tries_again(attempt: int, wait: int) -> None:
    (step,) = plan({}, retry=RETRY).steps
    assert flow.judge(step, attempt, Ending(How.FAILED, error="no"), next_wait) == flow.Retry("no", wait)


def test_the_last_failure_ends_the_run() -> None:
    (step,) = plan({}, retry=RETRY).steps
    assert flow.judge(step, 3, Ending(How.FAILED, error="no"), next_wait) == flow.End(RunState.FAILED, "no")


def test_a_steps_own_retry_goes_over_the_jobs() -> None:
    (step,) = plan({"retry": {"attempts": 1}}, retry=RETRY).steps
    assert isinstance(flow.judge(step, 1, Ending(How.FAILED), next_wait), flow.End)


def test_no_attempt_begins_after_the_jobs_deadline() -> None:
    (step,) = plan({}, retry=RETRY).steps
    verdict = flow.judge(step, 1, Ending(How.FAILED, error="no"), next_wait, seconds_left=5)
    assert isinstance(verdict, flow.End)


def test_the_other_sides_retry_after_lengthens_the_wait() -> None:
    (step,) = plan({}, retry=RETRY).steps
    verdict = flow.judge(step, 1, Ending(How.FAILED, error="busy", retry_after=90), next_wait)
    assert verdict == flow.Retry("busy", 90)


def test_a_crash_ends_the_run_because_nobody_knows_how_far_the_step_came() -> None:
    (step,) = plan({}, retry=RETRY).steps
    verdict = flow.judge(step, 1, Ending(How.CRASHED, error="killed"), next_wait)
    assert verdict == flow.End(RunState.FAILED, "killed; how far it came is unknown")


def test_a_crash_of_a_repeatable_step_repeats_it_three_times_at_most() -> None:
    (step,) = plan({"rerun_if_lost": True}).steps
    verdicts = [flow.judge(step, n + 1, Ending(How.CRASHED), next_wait, losses=n) for n in range(3)]
    assert [type(verdict) for verdict in verdicts] == [flow.Repeat, flow.Repeat, flow.End]


def test_step_defaults_lie_under_every_step_that_knows_the_key() -> None:
    steps = plan({}, {"timeout_seconds": 5}, step_defaults={"timeout_seconds": 9, "connector": "not for python"}).steps
    assert [step.timeout_seconds for step in steps] == [9, 5]
    assert "connector" not in steps[0].config
