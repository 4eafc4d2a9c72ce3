"""One scheduled moment ends as one row."""

import datetime

import pytest
from django_celery_beat.models import PeriodicTask

from jobs.models import Job
from runs.firing import fire
from runs.models import Fire, Run
from runs.schedules import sync_all
from runs.signals import fire_skipped
from tests.runs.conftest import MakeJob

NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)


def test_a_moment_starts_one_run_however_often_it_is_noticed(make_job: MakeJob) -> None:
    make_job(overlap="allow")
    for _ in range(3):
        fire("nightly", NOON, now=NOON)
    run = Run.objects.get()
    assert (run.triggered_by, run.scheduled_at) == ("cron", NOON)
    assert Fire.objects.get().run == run


def test_a_moment_that_meets_a_run_in_flight_is_recorded_as_skipped(make_job: MakeJob) -> None:
    make_job()
    heard: list[str] = []

    def listen(fire: Fire, **kwargs: object) -> None:
        heard.append(fire.outcome)

    fire_skipped.connect(listen)
    first = fire("nightly", NOON, now=NOON)
    later = NOON + datetime.timedelta(minutes=5)
    second = fire("nightly", later, now=later)
    fire_skipped.disconnect(listen)
    assert first
    assert first.run
    assert second
    assert second.reason == f"{first.run.run_id} was still QUEUED"
    assert heard == ["skipped"]


def test_a_moment_noticed_hours_late_is_missed_and_nothing_runs(make_job: MakeJob) -> None:
    make_job()
    fire("nightly", NOON, now=NOON + datetime.timedelta(hours=2))
    assert Fire.objects.get().outcome == Fire.Outcome.MISSED
    assert not Run.objects.exists()


def test_a_job_switched_off_in_between_does_not_run(make_job: MakeJob) -> None:
    make_job(enabled=False)
    fire("nightly", NOON, now=NOON)
    assert Fire.objects.get().outcome == Fire.Outcome.SKIPPED


@pytest.mark.parametrize(
    ("change", "rows"),
    [({}, 1), ({"enabled": False}, 0), ({"schedule": ""}, 0)],
)
def test_beats_table_follows_every_save(make_job: MakeJob, change: dict, rows: int) -> None:
    job = make_job(schedule="0 2 * * *", timezone="Europe/Paris")
    for name, value in change.items():
        setattr(job, name, value)
    job.save()
    assert PeriodicTask.objects.filter(name="job:nightly").count() == rows


def test_a_deleted_jobs_row_goes_with_it(make_job: MakeJob) -> None:
    make_job(schedule="0 2 * * *").delete()
    assert not PeriodicTask.objects.exists()


def test_syncing_repairs_a_table_that_was_changed_behind_our_back(make_job: MakeJob) -> None:
    make_job(schedule="0 2 * * *")
    PeriodicTask.objects.update(name="job:gone", enabled=False)
    Job.objects.update(schedule="5 2 * * *")
    assert sync_all() == (1, 1)
    assert "5 2 * * *" in PeriodicTask.objects.get().headers
