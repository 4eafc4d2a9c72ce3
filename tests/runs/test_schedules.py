"""Beat's table follows the catalogue, and a change never makes the past look missed, nor forgets it."""

import datetime
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from jobs.models import Job, Preset
from runs.models import Fire, Run
from runs.schedules import sync_all
from runs.timers import load_timers
from tests.runs.conftest import MakeJob

NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def names() -> list[str]:
    return sorted(PeriodicTask.objects.values_list("name", flat=True))


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


def test_a_preset_with_a_schedule_has_a_row_of_its_own_whatever_the_jobs_switch_says(make_job: MakeJob) -> None:
    preset = Preset.objects.create(job=make_job(enabled=False), name="full", schedule="0 2 * * *")
    assert names() == [f"preset:{preset.pk}"]
    preset.enabled = False
    preset.save()
    assert names() == []


def test_a_deleted_jobs_rows_go_with_it(make_job: MakeJob) -> None:
    job = make_job(schedule="0 2 * * *")
    Preset.objects.create(job=job, name="full", schedule="0 3 * * *")
    job.delete()
    assert names() == []


def test_syncing_repairs_a_table_that_was_changed_behind_our_back(make_job: MakeJob) -> None:
    make_job(schedule="0 2 * * *")
    PeriodicTask.objects.update(name="job:gone")
    Job.objects.update(schedule="5 2 * * *")
    assert sync_all() == (1, 2)
    assert "5 2 * * *" in PeriodicTask.objects.get().headers


def test_syncing_what_is_right_changes_nothing_and_asks_little(make_job: MakeJob, django_assert_num_queries) -> None:
    for number in range(20):
        make_job(f"job-{number}", schedule="0 2 * * *")
    with django_assert_num_queries(3):
        assert sync_all() == (20, 0)


def test_the_command_says_what_it_did(make_job: MakeJob, capsys) -> None:
    make_job(schedule="0 2 * * *")
    PeriodicTask.objects.all().delete()
    call_command("sync_schedules")
    assert capsys.readouterr().out == "1 schedule, 1 row of beat's table put right.\n"


def recorded_up_to(moment: datetime.datetime) -> None:
    PeriodicTask.objects.update(last_run_at=moment)


def test_the_time_in_which_a_schedule_was_off_is_not_missed(make_job: MakeJob) -> None:
    with time_machine.travel(NOON - 9 * HOUR, tick=False):
        job = make_job(schedule="0 * * * *", enabled=False)
    with time_machine.travel(NOON - MINUTE, tick=False):
        job.enabled = True
        job.save()
    assert load_timers(NOON)[0].following() == NOON


def test_what_an_outage_has_swallowed_is_recorded_when_the_schedule_is_switched_off(make_job: MakeJob) -> None:
    job = make_job(schedule="0 * * * *")
    recorded_up_to(NOON - 3 * HOUR)
    with time_machine.travel(NOON + 10 * MINUTE, tick=False):
        job.enabled = False
        job.save()
    assert list(Fire.objects.values_list("outcome", flat=True)) == ["missed"] * 3


def test_a_moment_that_is_just_due_when_the_schedule_is_switched_off_is_skipped(make_job: MakeJob) -> None:
    job = make_job(schedule="0 * * * *")
    recorded_up_to(NOON - MINUTE)
    with time_machine.travel(NOON, tick=False):
        job.enabled = False
        job.save()
    fire = Fire.objects.get()
    assert (fire.outcome, fire.cause, fire.reason) == (
        "skipped",
        "disabled",
        "the schedule was switched off in between",
    )


def test_a_moment_that_is_just_due_when_the_schedule_is_edited_still_runs(make_job: MakeJob) -> None:
    job = make_job(schedule="0 * * * *")
    recorded_up_to(NOON - MINUTE)
    with time_machine.travel(NOON, tick=False):
        job.schedule = "30 * * * *"
        job.save()
    assert Run.objects.get().scheduled_at == NOON
    assert load_timers(NOON)[0].following() == NOON + 30 * MINUTE


def test_a_save_that_leaves_the_schedule_alone_leaves_its_row_alone(make_job: MakeJob) -> None:
    job = make_job(schedule="0 * * * *")
    recorded_up_to(NOON - 9 * HOUR)
    job.description = "new words"
    job.save()
    assert PeriodicTask.objects.get().last_run_at == NOON - 9 * HOUR
