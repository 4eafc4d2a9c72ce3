"""What retention removes, what it keeps, and how much at a time."""

import datetime
import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import retention
from runs.ids import new_run_id
from runs.look import look_at
from runs.models import Fire, LogLine, Run, StepRun
from runs.retention import Counts, prune_batch
from runs.states import RunState

pytestmark = pytest.mark.django_db
BEFORE = timezone.now() - datetime.timedelta(days=90)
OLD = BEFORE - datetime.timedelta(days=10)
# Runs are numbered here, so that the `last` of the job can be made first.
NUMBERS = itertools.count(1)


def ended(job: str = "nightly", state: str = "SUCCEEDED", at: Any = OLD, lines: int = 0, **fields: Any) -> Run:
    """A run with one step; it needs no job in the catalogue."""
    moments = {"created_at": OLD, "due_at": OLD, "finished_at": at}
    values = {"pk": next(NUMBERS), "run_id": new_run_id(), "snapshot": {}, **moments, **fields}
    run = Run.objects.create(job_id=job, state=state, **values)
    StepRun.objects.create(run=run, number=0, name="load", type="python", state=state)
    LogLine.objects.bulk_create(LogLine(run=run, seq=n, at=OLD, level="INFO", text="x") for n in range(1, lines + 1))
    return run


def fire(minute: int, outcome: str = "ran", **fields: Any) -> Fire:
    at = OLD + datetime.timedelta(minutes=minute)
    return Fire.objects.create(job_id="nightly", scheduled_at=at, noticed_at=at, outcome=outcome, **fields)


def prune(most: int = 1000) -> list[Counts]:
    """Batch after batch until nothing is left."""
    batches = []
    while any(vars(batch := prune_batch(BEFORE, most)).values()):
        batches.append(batch)
    return batches


def kept() -> set[int]:
    return set(Run.objects.values_list("pk", flat=True))


@pytest.fixture
def last() -> Run:
    """A job's last success, so that those before it may go."""
    return ended(at=timezone.now(), pk=1_000_000)


def test_a_run_that_ended_long_ago_goes_with_its_steps_and_its_log(last: Run) -> None:
    ended(lines=3)
    assert prune() == [Counts(runs=1, steps=1, log_lines=3)]
    assert (kept(), LogLine.objects.count()) == ({last.pk}, 0)


def test_a_run_that_ended_lately_stays(last: Run) -> None:
    lately = ended(at=BEFORE + datetime.timedelta(seconds=1))
    prune()
    assert kept() == {lately.pk, last.pk}


def test_each_jobs_last_success_and_last_failure_stay_however_old() -> None:
    runs = [ended(job, state) for job in ("a", "b") for state in ("FAILED", "FAILED", "SUCCEEDED", "SUCCEEDED")]
    prune()
    assert kept() == {runs[n].pk for n in (1, 3, 5, 7)}


def test_a_cancelled_run_goes_even_when_it_is_the_jobs_only_one() -> None:
    ended(state="CANCELED")
    prune()
    assert kept() == set()


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_a_run_that_is_not_over_stays(last: Run, state: RunState) -> None:
    # Not even with an end that it can't have.
    live = ended(state=state)
    prune()
    assert kept() == {live.pk, last.pk}


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_a_run_stays_while_its_parent_or_its_child_is_not_over(last: Run, state: RunState) -> None:
    parent = ended(job="chain", state=state, at=None)
    child = ended(parent=parent)
    other = ended()
    other_child = ended(job="chained", state=state, at=None, parent=other)
    prune()
    assert kept() == {parent.pk, child.pk, other.pk, other_child.pk, last.pk}


def test_a_chain_that_is_over_goes_as_a_whole(last: Run) -> None:
    parent = ended()
    child = ended(parent=parent)
    StepRun.objects.filter(run=parent).update(child=child)
    prune()
    assert kept() == {last.pk}


def test_who_points_to_a_removed_run_stays_and_forgets_it(last: Run) -> None:
    old = ended()
    Run.objects.filter(pk=last.pk).update(parent=old, replay_of=old)
    StepRun.objects.filter(run=last).update(child=old)
    prune()
    assert Run.objects.values_list("parent", "replay_of", "step_runs__child").get() == (None, None, None)


def test_a_long_log_goes_in_parts_before_its_run_does(last: Run) -> None:
    ended(lines=25)
    batches = prune(most=10)
    assert batches == [Counts(log_lines=10), Counts(log_lines=10), Counts(runs=1, steps=1, log_lines=5)]


def test_a_batch_takes_as_many_runs_as_it_has_room_for(last: Run) -> None:
    for _ in range(5):
        ended(lines=3, step_count=1)
    assert [batch.runs for batch in prune(most=10)] == [2, 2, 1]


def test_a_batch_that_fails_in_the_middle_has_not_happened(last: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ended(lines=3)

    def dies(*counts: int, **_: int) -> Counts:
        assert not Run.objects.filter(pk=old.pk).exists()
        raise RuntimeError

    monkeypatch.setattr(retention, "Counts", dies)
    with pytest.raises(RuntimeError):
        prune_batch(BEFORE)
    assert (kept(), LogLine.objects.count()) == ({old.pk, last.pk}, 3)


def test_no_heavy_column_of_a_run_is_read(last: Run) -> None:
    ended(lines=3)
    with CaptureQueriesContext(connection) as queries:
        prune()
    assert [query["sql"] for query in queries if "snapshot" in query["sql"] or '"text"' in query["sql"]] == []


def test_a_batch_is_few_queries_however_many_runs_it_takes(last: Run) -> None:
    for _ in range(50):
        ended(lines=2)
    with CaptureQueriesContext(connection) as queries:
        assert prune_batch(BEFORE).runs == 50
    assert len(queries) < 15


def test_old_moments_go_with_their_run_or_when_they_have_none(last: Run) -> None:
    fire(1, run=ended())
    fire(2, "skipped")
    fire(3, "missed", count=7, until=OLD + datetime.timedelta(days=1))
    assert sum(batch.fires for batch in prune()) == 3
    assert not Fire.objects.exists()


def test_moments_stay_while_their_run_does_or_something_is_to_come_of_them(last: Run) -> None:
    fires = [fire(1, run=last), fire(2, "waiting"), fire(3, "missed", count=7, until=timezone.now())]
    fires.append(Fire.objects.create(job_id="nightly", scheduled_at=BEFORE, noticed_at=BEFORE, outcome="skipped"))
    assert prune() == []
    assert Fire.objects.count() == len(fires)


def test_moments_go_in_bounded_batches() -> None:
    for minute in range(5):
        fire(minute, "skipped")
    assert [batch.fires for batch in prune(most=2)] == [2, 2, 1]


def test_a_live_log_of_a_removed_run_finds_that_it_is_over(last: Run) -> None:
    old = ended(lines=3)
    prune()
    assert look_at({old.pk: 2}).over == {old.pk}
