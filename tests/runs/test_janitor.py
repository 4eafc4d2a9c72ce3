"""Recovery of runs whose worker died, and of lost wake-ups."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from runs import janitor
from runs.hold import Hold
from runs.models import Run, StepRun
from runs.signals import run_is_long
from runs.states import RunState
from tests.runs.conftest import MakeJob
from tests.runs.test_hold import held

MakeRun = Callable[..., Run]


def expire(**changes: object) -> None:
    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1), **changes)


def begun(run: Run) -> Hold:
    hold = held(run)
    hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    return hold


def test_a_run_whose_worker_died_in_a_step_fails_and_says_so(make_run: MakeRun) -> None:
    begun(make_run())
    expire()
    assert janitor.reap() == 1
    run = Run.objects.get()
    assert run.state == RunState.FAILED
    assert "lost worker" in run.reason
    assert "unknown" in run.reason
    assert list(StepRun.objects.order_by("number").values_list("state", flat=True)) == ["FAILED", "CANCELED"]


def test_a_run_whose_worker_is_alive_is_left_alone(make_run: MakeRun) -> None:
    begun(make_run())
    assert janitor.reap() == 0
    assert Run.objects.get().state == RunState.RUNNING


def test_a_worker_lost_before_any_step_began_costs_nothing(make_run: MakeRun) -> None:
    held(make_run())
    expire()
    janitor.reap()
    assert Run.objects.get().state == RunState.QUEUED


def test_a_repeatable_step_is_taken_up_again(make_run: MakeRun, make_job: MakeJob) -> None:
    run = make_run(make_job(steps=[("load", {"rerun_if_lost": True})]))
    begun(run)
    expire()
    janitor.reap()
    assert Run.objects.get().state == RunState.QUEUED
    assert [move.attempt for move in [held(run).step_runs[0]]] == [1]


def test_the_third_loss_ends_even_a_repeatable_step(make_run: MakeRun, make_job: MakeJob) -> None:
    begun(make_run(make_job(steps=[("load", {"rerun_if_lost": True})])))
    expire(lost_count=2)
    janitor.reap()
    assert Run.objects.get().state == RunState.FAILED


def test_a_lost_run_that_somebody_wanted_cancelled_is_canceled(make_run: MakeRun) -> None:
    begun(make_run())
    expire(cancel_requested_at=timezone.now(), cancel_requested_by="user:rui")
    janitor.reap()
    assert Run.objects.get().state == RunState.CANCELED


def test_a_due_run_without_a_wake_up_gets_one(make_run: MakeRun, sent: list[int]) -> None:
    run = make_run()
    Run.objects.update(sent_at=None)
    sent.clear()
    assert janitor.resend() == 1
    assert sent == [run.pk]


def test_a_fresh_wake_up_is_not_sent_again(make_run: MakeRun) -> None:
    make_run()
    assert janitor.resend() == 0


def test_a_wake_up_that_nobody_acted_on_is_sent_again(make_run: MakeRun) -> None:
    make_run()
    Run.objects.update(sent_at=timezone.now() - timedelta(seconds=11))
    assert janitor.resend() == 1


def test_a_run_that_waits_for_its_retry_is_not_woken_before_its_time(make_run: MakeRun) -> None:
    make_run()
    Run.objects.update(sent_at=None, due_at=timezone.now() + timedelta(minutes=1))
    assert janitor.resend() == 0


def test_sweeping_stops_at_the_first_wake_up_that_the_broker_does_not_take(
    make_run: Callable[..., Run], make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def wake(pk: int) -> bool:
        tried.append(pk)
        return False

    job = make_job(overlap="allow")
    for _ in range(3):
        make_run(job)
    Run.objects.update(sent_at=None)
    monkeypatch.setattr("runs.dispatch.wake", wake)
    assert janitor.resend() == 0
    assert len(tried) == 1


@pytest.fixture
def long(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The runs that the floors above were told of as long-running."""
    heard: list[str] = []

    def listen(run: Run, **kwargs: object) -> None:
        heard.append(run.run_id)

    run_is_long.connect(listen)
    yield heard
    run_is_long.disconnect(listen)


def watched(make_run: MakeRun, make_job: MakeJob, minutes_ago: float, **alerts: object) -> Run:
    run = make_run(make_job(alerts={"on_long_run_minutes": 30, **alerts}))
    started = timezone.now() - timedelta(minutes=minutes_ago)
    Run.objects.update(created_at=started, started_at=started, state=RunState.RUNNING)
    return run


def test_a_run_in_flight_for_longer_than_its_job_expects_is_told_once(
    make_run: MakeRun, make_job: MakeJob, long: list[str]
) -> None:
    run = watched(make_run, make_job, 31)
    assert [janitor.notice_long(), janitor.notice_long()] == [1, 0]
    assert long == [run.run_id]
    assert Run.objects.get().long_noticed_at is not None


def test_a_run_within_its_time_is_not_told(make_run: MakeRun, make_job: MakeJob, long: list[str]) -> None:
    watched(make_run, make_job, 29)
    assert janitor.notice_long() == 0
    assert long == []


def test_a_run_that_no_worker_takes_is_told_too(make_run: MakeRun, make_job: MakeJob, long: list[str]) -> None:
    run = watched(make_run, make_job, 31)
    Run.objects.update(started_at=None, state=RunState.QUEUED)
    janitor.notice_long()
    assert long == [run.run_id]


def test_a_run_that_ended_is_never_told(make_run: MakeRun, make_job: MakeJob, long: list[str]) -> None:
    watched(make_run, make_job, 300)
    Run.objects.update(state=RunState.SUCCEEDED, finished_at=timezone.now())
    assert janitor.notice_long() == 0


def test_a_job_without_a_limit_has_no_long_runs(make_run: MakeRun, make_job: MakeJob) -> None:
    watched(make_run, make_job, 9000, on_long_run_minutes=None)
    assert janitor.notice_long() == 0
