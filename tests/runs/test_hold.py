"""Claiming runs, and writing only while they're ours."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Overlap
from jobs.plan import plan_of
from runs.hold import Fenced, Hold, claim
from runs.models import LogLine, Run, StepRun
from runs.signals import guard_warned, run_finished
from runs.states import RunState
from runs.trigger import trigger_run
from tests.runs.conftest import MakeJob

MakeRun = Callable[..., Run]


def held(run: Run) -> Hold:
    claimed = claim(run.pk, "test")
    assert claimed is not None
    return Hold(claimed, plan_of(claimed.snapshot))


def test_a_run_can_be_claimed_once(make_run: MakeRun) -> None:
    run = make_run()
    assert claim(run.pk, "one") is not None
    assert claim(run.pk, "two") is None


def test_a_run_that_is_not_due_can_not_be_claimed(make_run: MakeRun) -> None:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(due_at=timezone.now() + timedelta(hours=1))
    assert claim(run.pk, "one") is None


def test_queued_runs_take_their_turn_in_order(make_job: MakeJob) -> None:
    job = make_job(overlap=Overlap.QUEUE)
    first, second = (trigger_run(job, triggered_by="cli") for _ in range(2))
    assert claim(second.pk, "w") is None
    hold = held(first)
    assert claim(second.pk, "w") is None
    hold.finish(RunState.SUCCEEDED, "")
    assert claim(second.pk, "w") is not None


def test_the_end_of_a_run_wakes_the_next_in_its_queue(make_job: MakeJob, sent: list[int]) -> None:
    job = make_job(overlap=Overlap.QUEUE)
    first, second = (trigger_run(job, triggered_by="cli") for _ in range(2))
    held(first).finish(RunState.SUCCEEDED, "")
    assert second.pk in sent


def test_a_write_after_somebody_else_took_over_is_refused_and_changes_nothing(make_run: MakeRun) -> None:
    hold = held(make_run())
    Run.objects.update(token="another")
    hold.say("INFO", "too late")
    with pytest.raises(Fenced):
        hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    assert not StepRun.objects.exists()
    assert not LogLine.objects.exists()


def test_a_second_end_is_refused(make_run: MakeRun) -> None:
    hold = held(make_run())
    hold.finish(RunState.SUCCEEDED, "")
    with pytest.raises(Fenced):
        hold.finish(RunState.FAILED, "no")
    assert Run.objects.get().state == RunState.SUCCEEDED


def test_the_end_of_a_run_is_announced_once_with_its_state(make_run: MakeRun) -> None:
    heard: list[str] = []

    def listen(run: Run, **kwargs: object) -> None:
        heard.append(run.state)

    run_finished.connect(listen)
    held(make_run()).finish(RunState.FAILED, "broken")
    run_finished.disconnect(listen)
    assert heard == ["FAILED"]


def test_who_hears_of_an_end_writes_into_its_transaction(make_run: MakeRun) -> None:
    hold = held(make_run())
    seen: list[object] = []

    def listen(run: Run, **kwargs: object) -> None:
        steps = list(run.step_runs.values_list("state", flat=True))
        seen.append((connection.in_atomic_block, Run.objects.get(pk=run.pk).state, steps))

    run_finished.connect(listen)
    hold.finish(RunState.FAILED, "broken")
    run_finished.disconnect(listen)
    assert seen == [(True, "FAILED", ["CANCELED", "CANCELED"])]


def test_a_listener_that_fails_costs_the_run_nothing(make_run: MakeRun) -> None:
    def listen(**kwargs: object) -> None:
        raise ZeroDivisionError

    run_finished.connect(listen)
    held(make_run()).finish(RunState.SUCCEEDED, "")
    run_finished.disconnect(listen)
    assert Run.objects.get().state == RunState.SUCCEEDED


def test_a_guard_warning_is_a_line_and_news_both_masked(make_run: MakeRun) -> None:
    hold = held(make_run())
    hold.masker.add("tiger-lily-42")
    heard: list[object] = []

    def listen(run: Run, step: str, text: str, **kwargs: object) -> None:
        heard.append((run.pk, step, text))

    guard_warned.connect(listen)
    hold.warn("half of tiger-lily-42 is gone", "load", 1)
    guard_warned.disconnect(listen)
    hold.finish(RunState.SUCCEEDED, "")
    assert heard == [(hold.run.pk, "load", "half of ******** is gone")]
    assert LogLine.objects.filter(level="WARNING", text="guard: half of ******** is gone").exists()


def test_a_run_put_back_keeps_its_turn_and_its_history(make_run: MakeRun) -> None:
    hold = held(make_run())
    row = hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    hold.end_step(row, RunState.FAILED, error="once")
    hold.put_back(0, "waiting")
    again = held(hold.run)
    assert [(r.attempt, r.state) for r in again.step_runs] == [(1, "FAILED")]
    assert again.run.turn == again.run.job_id


def test_lines_are_numbered_on_after_a_run_was_put_back(make_run: MakeRun) -> None:
    hold = held(make_run())
    hold.say("INFO", "one")
    hold.put_back(0, "waiting")
    again = held(hold.run)
    again.say("INFO", "two")
    again.finish(RunState.SUCCEEDED, "")
    assert list(LogLine.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3]


def test_secrets_are_masked_in_errors_outputs_reasons_and_lines(make_run: MakeRun) -> None:
    hold = held(make_run())
    hold.masker.add("tiger-lily-42")
    row = hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    hold.end_step(row, RunState.FAILED, error="login tiger-lily-42 refused", output={"seen": ["tiger-lily-42"]})
    hold.say("INFO", "with tiger-lily-42")
    hold.finish(RunState.FAILED, "tiger-lily-42 was wrong")
    run, step = Run.objects.get(), StepRun.objects.get(attempt=1)
    everything = [run.reason, step.error, str(step.output), *LogLine.objects.values_list("text", flat=True)]
    everything += list(StepRun.objects.values_list("reason", flat=True))
    assert not [text for text in everything if "tiger-lily-42" in text]


def test_progress_is_written_with_the_log_while_a_step_runs(make_run: MakeRun) -> None:
    hold = held(make_run())
    row = hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    hold.note_progress(5, 20)
    assert hold.is_due
    hold.flush()
    assert not hold.is_due
    assert StepRun.objects.values_list("done", "total").get(pk=row.pk) == (5, 20)
    hold.note_progress(20, None)
    hold.end_step(row, RunState.SUCCEEDED)
    hold.commit()
    assert StepRun.objects.values_list("done", "total").get(pk=row.pk) == (20, None)


@pytest.mark.parametrize("nonsense", [(-1, None), ("5", 20), (2**63, None), (1.5, 3), (1, "x"), (None, None)])
def test_progress_that_is_no_number_is_not_shown(make_run: MakeRun, nonsense: Any) -> None:
    hold = held(make_run())
    row = hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    hold.note_progress(*nonsense)
    hold.flush()
    assert StepRun.objects.values_list("done", "total").get(pk=row.pk) == (None, None)
