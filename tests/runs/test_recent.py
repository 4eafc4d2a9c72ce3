"""The newest runs of many jobs, and usual durations."""

import datetime
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job
from runs.models import Run
from runs.recent import Recent, newest_runs, percentile, usual_durations, usual_of
from tests import cast

NOW = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)


def ended(state: str, seconds: float) -> Recent:
    return Recent("run_x", "nightly", state, NOW, NOW, NOW + datetime.timedelta(seconds=seconds))


@pytest.mark.django_db
def test_each_job_gets_its_newest_runs_oldest_first() -> None:
    jobs = [cast.job(name) for name in ("a", "b", "never")]
    runs = [cast.run(job, "SUCCEEDED").run_id for job in jobs[:2] for _ in range(4)]
    found = newest_runs(["a", "b", "never", "gone"], 3)
    assert {job: [run.run_id for run in of] for job, of in found.items()} == {"a": runs[1:4], "b": runs[5:]}


@pytest.mark.django_db
def test_moments_come_back_as_they_were_stored() -> None:
    run = cast.run(cast.job(), "SUCCEEDED")
    (found,) = newest_runs(["nightly"])["nightly"]
    assert (found.created_at, found.finished_at) == (run.created_at, run.finished_at)


@pytest.mark.django_db
def test_it_takes_two_queries_for_many_jobs(django_assert_num_queries: Any) -> None:
    names = [cast.job(f"job-{number}").pk for number in range(30)]
    for name in names:
        Run.objects.create(run_id=f"run_{name}", job_id=name, snapshot={}, created_at=timezone.now(), due_at=NOW)
    with django_assert_num_queries(2):
        assert len(newest_runs(names)) == 30


def test_the_usual_duration_is_that_of_successful_runs() -> None:
    usual = usual_of([ended("SUCCEEDED", 10), ended("FAILED", 900), ended("SUCCEEDED", 30), ended("SUCCEEDED", 20)])
    assert usual is not None
    assert (usual.p50, usual.p95, usual.runs) == (20, 30, 3)


def test_where_none_succeeded_those_that_ended_tell() -> None:
    usual = usual_of([ended("FAILED", 5)])
    assert usual is not None
    assert usual.p50 == 5


def test_without_an_end_nothing_is_usual() -> None:
    assert usual_of([Recent("run_x", "nightly", "RUNNING", NOW, NOW, None)]) is None


@pytest.mark.django_db
def test_jobs_that_never_ended_are_left_out() -> None:
    cast.run(cast.job("a"), "RUNNING")
    cast.run(cast.job("b"), "SUCCEEDED")
    assert list(usual_durations(["a", "b"])) == ["b"]


@pytest.mark.django_db
def test_how_long_many_jobs_take_is_read_from_the_newest_successful_runs(django_assert_num_queries: Any) -> None:
    names = [cast.job(name).pk for name in ("well", "ill", "never")]
    for name, state, seconds in (
        *(("well", "SUCCEEDED", seconds) for seconds in (900, 10, 20, 30)),
        ("well", "FAILED", 1),
        ("ill", "FAILED", 5),
    ):
        run = cast.run(Job(pk=name), state)
        Run.objects.filter(pk=run.pk).update(finished_at=run.started_at + datetime.timedelta(seconds=seconds))
    with django_assert_num_queries(2):
        found = usual_durations(names, 3)
    assert {name: (usual.p50, usual.p95, usual.runs) for name, usual in found.items()} == {
        "well": (20, 30, 3),
        "ill": (5, 5, 1),
    }


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([1, 2, 3, 4], p) for p in (0, 25, 50, 95, 100)] == [1, 1, 2, 4, 4]
