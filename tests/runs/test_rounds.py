"""Beat's heap of schedules: what is due when, what a saved change and a clock set back do to it."""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django_celery_beat.models import PeriodicTask

from runs import beat, firing
from runs.models import Fire
from tests.runs.conftest import MakeJob

NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def minutely(make_job: MakeJob) -> Any:
    job = make_job(schedule="* * * * *", overlap="allow")
    PeriodicTask.objects.update(last_run_at=NOON)
    return job


def moments() -> list[datetime.datetime]:
    return list(Fire.objects.order_by("scheduled_at").values_list("scheduled_at", flat=True))


def test_a_turn_without_anything_due_says_how_long_to_sleep(minutely: Any) -> None:
    assert beat.Rounds().turn(NOON + 20 * SECOND) == 40


def test_without_schedules_there_is_nothing_to_wait_for(db: None) -> None:
    assert beat.Rounds().turn(NOON) == float("inf")


def test_what_is_due_is_recorded_and_the_next_turn_comes_at_once(minutely: Any) -> None:
    rounds = beat.Rounds()
    assert rounds.turn(NOON + MINUTE) == 0
    assert rounds.turn(NOON + MINUTE) == 60
    assert moments() == [NOON + MINUTE]


def test_more_than_a_batch_takes_several_turns(make_job: MakeJob, monkeypatch: Any) -> None:
    monkeypatch.setattr(beat, "BATCH", 2)
    for number in range(5):
        make_job(f"job-{number}", schedule="* * * * *")
    PeriodicTask.objects.update(last_run_at=NOON)
    rounds = beat.Rounds()
    pauses = [rounds.turn(NOON + MINUTE) for _ in range(4)]
    assert pauses == [0, 0, 0, 60]
    assert Fire.objects.count() == 5


def test_a_schedule_held_by_another_beat_is_looked_at_again_soon(minutely: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(firing, "_take", lambda timers, now, wait: {})
    rounds = beat.Rounds()
    assert rounds.turn(NOON + MINUTE) == 0
    assert rounds.turn(NOON + MINUTE) == beat.AGAIN_SECONDS


def test_a_database_that_is_away_loses_no_moment(minutely: Any, monkeypatch: Any) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the database is away")

    rounds = beat.Rounds()
    with monkeypatch.context() as patch:
        patch.setattr(firing, "record_due", away)
        with pytest.raises(OperationalError):
            rounds.turn(NOON + MINUTE)
    rounds.turn(NOON + MINUTE + 30 * SECOND)
    assert moments() == [NOON + MINUTE]


def test_a_saved_change_is_seen_at_the_next_look(minutely: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(beat, "CHANGE_SECONDS", 0)
    rounds = beat.Rounds()
    rounds.turn(NOON + SECOND)
    minutely.schedule = "* * * * * 30"
    minutely.save()
    PeriodicTask.objects.update(last_run_at=NOON + SECOND)
    assert rounds.turn(NOON + 10 * SECOND) == 20


def test_after_the_clock_was_set_back_schedules_go_on_by_the_new_time(minutely: Any) -> None:
    rounds = beat.Rounds()
    rounds.turn(NOON + timedelta(days=365))
    assert rounds.turn(NOON + 5 * SECOND) == 55
    rounds.turn(NOON + MINUTE)
    assert NOON + MINUTE in moments()
