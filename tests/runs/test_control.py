"""Cancelling runs that nobody executes."""

from collections.abc import Callable

from runs.control import request_cancel
from runs.hold import claim
from runs.models import LogLine, Run, StepRun
from runs.states import RunState

MakeRun = Callable[..., Run]


def test_a_run_that_has_not_begun_ends_at_once_with_a_row_for_every_step(make_run: MakeRun) -> None:
    run = make_run()
    assert request_cancel(run, by="user:rui")
    assert (run.state, run.reason) == (RunState.CANCELED, "cancelled by user:rui")
    assert list(StepRun.objects.values_list("state", flat=True)) == ["CANCELED", "CANCELED"]
    assert "cancelled by user:rui" in LogLine.objects.get().text


def test_the_job_can_run_again_after_a_cancel(make_run: MakeRun) -> None:
    first = make_run()
    request_cancel(first, by="user:rui")
    assert make_run(first.job).pk != first.pk


def test_a_run_in_execution_is_asked_and_its_worker_ends_it(make_run: MakeRun) -> None:
    run = make_run()
    claim(run.pk, "worker")
    assert request_cancel(run, by="user:rui")
    assert (run.state, run.cancel_requested_by) == (RunState.RUNNING, "user:rui")


def test_the_first_request_is_the_one_that_counts(make_run: MakeRun) -> None:
    run = make_run()
    claim(run.pk, "worker")
    request_cancel(run, by="user:rui")
    request_cancel(run, by="user:olga")
    assert Run.objects.get().cancel_requested_by == "user:rui"


def test_a_run_that_is_over_can_not_be_cancelled(make_run: MakeRun) -> None:
    run = make_run()
    request_cancel(run, by="user:rui")
    assert not request_cancel(run, by="user:olga")
    assert Run.objects.get().reason == "cancelled by user:rui"


def test_children_are_cancelled_with_their_parent(make_run: MakeRun, make_job: Callable) -> None:
    parent = make_run()
    child = make_run(make_job("inner"), parent=parent)
    request_cancel(parent, by="user:rui")
    child.refresh_from_db()
    assert (child.state, child.reason) == (RunState.CANCELED, f"cancelled by its parent {parent.run_id}")
