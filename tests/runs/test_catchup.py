"""After an outage: missed moments are run or dismissed, and what waits starts a few at a time."""

import datetime
from datetime import timedelta
from typing import Any

import pytest

from jobs.models import Freeze, Job
from runs.catchup import MOST_AT_ONCE, dismiss, open_misses, run_missed, start_waiting
from runs.models import Fire, Run
from runs.signals import fires_skipped
from runs.states import Cause, Outcome, RunState
from tests.runs.conftest import MakeJob

NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def missed(make_job: MakeJob) -> Any:
    """Makes a missed moment, `hours` ago; of a new job unless one is given."""

    def make(job: Job | None = None, hours: int = 1, outcome: Outcome = Outcome.MISSED, **fields: Any) -> Fire:
        job = job or make_job(f"job-{Job.objects.count()}", schedule="0 * * * *")
        at = NOON - timedelta(hours=hours)
        values = {"scheduled_at": at, "noticed_at": NOON, "outcome": outcome, "cause": Cause.OUTAGE, **fields}
        return Fire.objects.create(job=job, **values)

    return make


def fresh(fire: Fire) -> Fire:
    return Fire.objects.get(pk=fire.pk)


def test_a_missed_moment_is_run_by_hand_for_the_moment_it_was_meant_for(missed: Any) -> None:
    fire = missed()
    assert run_missed(Fire.objects.all(), by="user:olga") == 1
    run = Run.objects.get()
    assert (fresh(fire).outcome, fresh(fire).run, fresh(fire).settled_by) == (Outcome.CAUGHT_UP, run, "user:olga")
    assert (run.scheduled_at, run.triggered_by, run.requested_by) == (fire.scheduled_at, "cron", "olga")


def test_a_dismissed_moment_stays_missed_and_leaves_the_list(missed: Any) -> None:
    fire = missed()
    assert dismiss(Fire.objects.all(), by="user:olga") == 1
    assert (fresh(fire).outcome, fresh(fire).settled_by, open_misses().count()) == ("missed", "user:olga", 0)


def test_asking_twice_runs_it_once(missed: Any) -> None:
    missed()
    run_missed(Fire.objects.all(), by="user:olga")
    assert run_missed(Fire.objects.all(), by="user:rui") == 0
    assert dismiss(Fire.objects.all(), by="user:rui") == 0
    assert Run.objects.count() == 1


def test_all_together_start_a_few_at_a_time_oldest_first(missed: Any) -> None:
    fires = [missed(hours=hours) for hours in range(10, 0, -1)]
    run_missed(Fire.objects.all(), by="user:olga")
    started = {run.scheduled_at for run in Run.objects.all()}
    assert started == {fire.scheduled_at for fire in fires[:MOST_AT_ONCE]}
    assert start_waiting(NOON) == 0
    Run.objects.update(state=RunState.SUCCEEDED)
    assert start_waiting(NOON) == MOST_AT_ONCE


def test_moments_of_one_job_are_caught_up_one_after_the_other(missed: Any) -> None:
    first = missed(hours=3)
    missed(first.job, hours=2)
    run_missed(Fire.objects.all(), by="user:olga")
    assert Run.objects.get().scheduled_at == first.scheduled_at


def test_a_job_that_allows_overlap_need_not_wait(missed: Any, make_job: MakeJob) -> None:
    job = make_job(overlap="allow", schedule="0 * * * *")
    for hours in (3, 2):
        missed(job, hours=hours)
    run_missed(Fire.objects.all(), by="user:olga")
    assert Run.objects.count() == 2


def test_catching_up_waits_for_the_end_of_a_freeze(missed: Any) -> None:
    fire = missed(outcome=Outcome.WAITING)
    Freeze.objects.create(reason="audit", owner="olga", starts_at=NOON, ends_at=NOON + timedelta(hours=1))
    assert start_waiting(NOON) == 0
    assert fresh(fire).outcome == Outcome.WAITING
    assert start_waiting(NOON + timedelta(hours=1)) == 1


def test_what_waits_by_policy_is_dropped_and_told_when_its_schedule_is_switched_off(
    missed: Any, django_capture_on_commit_callbacks: Any
) -> None:
    fire = missed(outcome=Outcome.WAITING)
    Job.objects.update(enabled=False)
    heard: list[Fire] = []

    def listen(fires: list[Fire], **kwargs: object) -> None:
        heard.extend(fires)

    fires_skipped.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        start_waiting(NOON)
    fires_skipped.disconnect(listen)
    assert (fresh(fire).outcome, fresh(fire).cause) == (Outcome.SKIPPED, Cause.DISABLED)
    assert heard == [fire]


def test_what_a_person_asked_for_runs_also_when_the_schedule_is_off(missed: Any) -> None:
    missed()
    Job.objects.update(enabled=False)
    run_missed(Fire.objects.all(), by="user:olga")
    assert Run.objects.count() == 1


def test_a_moment_of_a_deleted_job_says_so(missed: Any) -> None:
    fire = missed()
    fire.job.delete()
    run_missed(Fire.objects.filter(pk=fire.pk), by="user:olga")
    assert fresh(fire).reason == "the job has been deleted"


def test_a_job_that_can_not_run_does_not_block_the_others(missed: Any, make_job: MakeJob) -> None:
    broken = missed(make_job("broken", steps=(), schedule="0 * * * *"), hours=2)
    missed()
    run_missed(Fire.objects.all(), by="user:olga")
    assert (fresh(broken).cause, Run.objects.count()) == (Cause.INVALID, 1)


def test_a_job_with_many_moments_does_not_hide_the_others(missed: Any) -> None:
    first = missed(hours=20)
    for hours in range(19, 10, -1):
        missed(first.job, hours=hours)
    other = missed(hours=1)
    run_missed(Fire.objects.all(), by="user:olga")
    assert set(Run.objects.values_list("job_id", flat=True)) == {first.job_id, other.job_id}


def test_what_waits_for_a_freeze_to_end_is_looked_at_in_a_few_queries(
    missed: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        missed(outcome=Outcome.WAITING)
    Freeze.objects.create(reason="audit", owner="olga", starts_at=NOON, ends_at=NOON + timedelta(hours=1))
    with django_assert_max_num_queries(12):
        assert start_waiting(NOON) == 0
