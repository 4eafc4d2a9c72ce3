"""What a second trigger gets while a run of the job is in flight, and that the database enforces it."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from runs.control import cancel_replaced
from runs.engine import advance
from runs.hold import Hold, claim
from runs.models import Run
from runs.states import ACTIVE, RunState
from runs.trigger import MOST_WAITING, QueueFull, RunInFlight, trigger_run
from tests.runs.conftest import MakeJob

# The promise is 200 rounds of 20; an ordinary test run makes fewer.
ROUNDS = int(os.environ.get("NOMAFLOW_OVERLAP_ROUNDS", "8"))
AT_ONCE = 20


def trigger(job: Any) -> Run:
    return trigger_run(job, triggered_by="cli")


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def finish(run: Run) -> None:
    from jobs.plan import plan_of

    held = fresh(run)
    Hold(held, plan_of(held.snapshot)).finish(RunState.SUCCEEDED, "")


def test_a_replacement_cancels_the_run_in_flight_and_waits_for_its_end(
    make_job: MakeJob, django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job(overlap="replace")
    first = trigger(job)
    assert claim(first.pk, "w")
    with django_capture_on_commit_callbacks(execute=True):
        second = trigger(job)
    assert fresh(first).cancel_requested_by == f"its replacement {second.run_id}"
    assert claim(second.pk, "w") is None
    finish(first)
    assert claim(second.pk, "w")


def test_a_replacement_ends_the_ones_that_wait_before_it(
    make_job: MakeJob, django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job(overlap="replace")
    runs = []
    for _ in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            runs.append(trigger(job))
    assert [fresh(run).state for run in runs] == ["CANCELED", "CANCELED", "QUEUED"]
    assert fresh(runs[0]).reason == f"cancelled by its replacement {runs[1].run_id}"


def test_a_replacement_whose_trigger_died_before_asking_asks_when_it_is_woken(make_job: MakeJob) -> None:
    job = make_job(overlap="replace")
    first = trigger(job)
    claim(first.pk, "w")
    second = trigger(job)  # inside the test's transaction nothing is asked after a commit

    class Nobody:
        owner = "w"

    advance(second.pk, Nobody())  # type: ignore[arg-type]
    assert fresh(first).cancel_requested_at


def test_asking_again_changes_nothing(make_job: MakeJob) -> None:
    run = trigger(make_job(overlap="replace"))
    cancel_replaced(run.job_id)
    assert fresh(run).cancel_requested_at is None


def test_a_run_that_ends_wakes_the_one_that_waits_for_it(make_job: MakeJob, sent: list[int]) -> None:
    job = make_job()
    first = trigger(job)
    claim(first.pk, "w")
    job.overlap = "queue"
    job.save()
    second = trigger(job)
    sent.clear()
    finish(first)
    assert sent == [second.pk]


def test_a_queueing_run_also_waits_for_runs_from_when_overlap_was_allowed(make_job: MakeJob) -> None:
    job = make_job(overlap="allow")
    first = trigger(job)
    claim(first.pk, "w")
    job.overlap = "queue"
    job.save()
    assert claim(trigger(job).pk, "w") is None


def test_a_queue_that_is_full_refuses_more(make_job: MakeJob) -> None:
    job = make_job(overlap="queue")
    for _ in range(MOST_WAITING):
        trigger(job)
    with pytest.raises(QueueFull, match=f"has {MOST_WAITING} runs waiting already"):
        trigger(job)


class Crowd:
    """So many threads that begin at the same time, each with a database connection that it keeps."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def all_at_once(self, act: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(AT_ONCE)

        def begin() -> Any:
            barrier.wait(30)
            return act()

        futures: list[Future[Any]] = [self._pool.submit(begin) for _ in range(AT_ONCE)]
        return [future.result(60) for future in futures]

    def leave(self) -> None:
        self.all_at_once(lambda: connection.close())
        self._pool.shutdown()


@pytest.fixture
def crowd(transactional_db: None) -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.leave()


def trigger_and_claim(job: Any) -> tuple[Run | None, Run | None]:
    try:
        run = trigger(job)
    except RunInFlight:
        return None, None
    return run, claim(run.pk, "w")


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_of_twenty_triggers_at_once_never_two_run(crowd: Crowd, make_job: MakeJob, overlap: str) -> None:
    job = make_job(overlap=overlap)
    for _ in range(ROUNDS):
        answers = crowd.all_at_once(lambda: trigger_and_claim(job))
        accepted = [run for run, _ in answers if run]
        assert sum(claimed is not None for _, claimed in answers) <= 1
        assert Run.objects.filter(state=RunState.RUNNING).count() <= 1
        assert len(accepted) == (1 if overlap == "skip" else AT_ONCE)
        Run.objects.all().delete()


def test_of_twenty_replacements_at_once_the_newest_stays(crowd: Crowd, make_job: MakeJob) -> None:
    job = make_job(overlap="replace")
    for _ in range(max(ROUNDS // 4, 1)):
        crowd.all_at_once(lambda: trigger(job))
        assert Run.objects.filter(state__in=ACTIVE).get() == Run.objects.latest("pk")
        Run.objects.all().delete()
