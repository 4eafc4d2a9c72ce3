"""Every scheduled moment ends as one row, and mostly as a run."""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from jobs.models import Calendar, Freeze, Job, Preset
from runs import firing
from runs.firing import record_due
from runs.models import Fire, Run
from runs.signals import fires_skipped
from runs.states import Cause, Outcome
from runs.timers import Timer, load_timers
from tests.runs.conftest import MakeJob

NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def hourly(make_job: MakeJob) -> Any:
    """Makes a job that fires at every full hour and has been recorded up to half past eleven."""

    def make(job_id: str = "nightly", recorded: datetime.datetime = NOON - 30 * MINUTE, **fields: Any) -> Job:
        job = make_job(job_id, **{"schedule": "0 * * * *", **fields})
        PeriodicTask.objects.filter(name=f"job:{job_id}").update(last_run_at=recorded)
        return job

    return make


def look(now: datetime.datetime) -> list[Timer]:
    timers = load_timers(now)
    record_due(timers, now)
    return timers


def ledger(*fields: str) -> list[Any]:
    return list(Fire.objects.order_by("scheduled_at", "preset").values_list(*fields, flat=len(fields) == 1))


def test_a_moment_starts_one_run_however_often_it_is_noticed(hourly: Any) -> None:
    hourly(overlap="allow")
    timers = load_timers(NOON)
    for _ in range(3):
        record_due(timers, NOON)
    run = Run.objects.get()
    assert (run.triggered_by, run.scheduled_at, run.fires.get().outcome) == ("cron", NOON, Outcome.RAN)


def test_a_beat_that_lags_behind_finds_the_moment_recorded(hourly: Any) -> None:
    hourly(overlap="allow")
    stale = load_timers(NOON)
    look(NOON)
    record_due(stale, NOON + SECOND)
    assert Fire.objects.count() == Run.objects.count() == 1
    assert stale[0].cursor == NOON


def test_a_row_written_in_the_same_moment_by_another_beat_costs_nothing(hourly: Any, monkeypatch: Any) -> None:
    hourly()
    hourly("other")
    Fire.objects.create(job_id="nightly", scheduled_at=NOON, noticed_at=NOON, outcome=Outcome.RAN)
    known = firing._known
    answers = iter([set(), set()])
    # The first looks come too early to see it.
    monkeypatch.setattr(firing, "_known", lambda looks: next(answers, None) or known(looks))
    look(NOON)
    assert sorted(Fire.objects.values_list("job_id", flat=True)) == ["nightly", "other"]


def test_fires_and_the_cursor_are_stored_together_or_not_at_all(hourly: Any, monkeypatch: Any) -> None:
    hourly()

    def die(name: str) -> None:
        if name == "firing.before_commit":
            raise KeyboardInterrupt

    monkeypatch.setattr(firing, "faultpoint", die)
    with pytest.raises(KeyboardInterrupt):
        look(NOON)
    assert not Fire.objects.exists()
    assert not Run.objects.exists()
    assert PeriodicTask.objects.get().last_run_at == NOON - 30 * MINUTE


def test_a_moment_that_meets_a_run_in_flight_is_skipped_and_told(
    hourly: Any, django_capture_on_commit_callbacks: Any
) -> None:
    hourly()
    heard: list[str] = []

    def listen(fires: list[Fire], **kwargs: object) -> None:
        heard.extend(fire.cause for fire in fires)

    fires_skipped.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        look(NOON)
        look(NOON + HOUR)
    fires_skipped.disconnect(listen)
    first = Run.objects.get()
    assert Fire.objects.latest("scheduled_at").reason == f"{first.run_id} was still QUEUED"
    assert heard == [Cause.OVERLAP]


def test_after_an_outage_every_moment_has_its_row_and_nothing_runs_by_default(hourly: Any) -> None:
    hourly(recorded=NOON - 6 * HOUR)
    look(NOON + 30 * MINUTE)
    assert ledger("outcome") == ["missed"] * 6
    assert not Run.objects.exists()


def test_a_job_may_catch_up_once_after_an_outage(hourly: Any) -> None:
    hourly(recorded=NOON - 6 * HOUR, misfire="run_once")
    look(NOON + 30 * MINUTE)
    assert ledger("outcome") == ["skipped"] * 5 + ["waiting"]


def test_an_outage_of_years_is_a_bounded_number_of_rows_with_nothing_left_out(make_job: MakeJob) -> None:
    make_job(schedule="* * * * *")
    PeriodicTask.objects.update(last_run_at=NOON - timedelta(days=3650))
    look(NOON)
    assert Fire.objects.count() == firing.MOST_MOMENTS + 1
    assert sum(ledger("count")) == 3650 * 24 * 60
    oldest = Fire.objects.earliest("scheduled_at")
    assert oldest.until == NOON - (firing.MOST_MOMENTS * MINUTE)


def test_a_clock_that_jumps_ahead_and_back_leaves_no_slot_twice_and_stops_nothing(make_job: MakeJob) -> None:
    make_job(schedule="* * * * *", overlap="allow")
    PeriodicTask.objects.update(last_run_at=NOON)
    for _ in range(2):
        look(NOON + timedelta(days=3650))
        look(NOON + MINUTE)
        look(NOON + 2 * MINUTE)
    moments = ledger("scheduled_at")
    assert len(moments) == len(set(moments))
    assert NOON + 2 * MINUTE in set(Run.objects.values_list("scheduled_at", flat=True))


def test_a_preset_fires_by_its_own_schedule_while_the_jobs_own_is_off(make_job: MakeJob) -> None:
    job = make_job(enabled=False, schedule="0 * * * *", params={"size": 1})
    Preset.objects.create(job=job, name="full", schedule="30 12 * * *", timezone="Europe/Paris", params={"size": 9})
    PeriodicTask.objects.update(last_run_at=NOON - 3 * HOUR)
    look(datetime.datetime(2026, 7, 1, 10, 30, tzinfo=datetime.UTC))
    run = Run.objects.get()
    assert (run.preset, run.overrides["params"]) == ("full", {"size": 9})


def test_a_job_and_its_preset_in_the_same_moment_are_two_rows_and_never_two_runs_at_once(hourly: Any) -> None:
    Preset.objects.create(job=hourly(), name="full", schedule="0 * * * *")
    PeriodicTask.objects.update(last_run_at=NOON - MINUTE)
    look(NOON)
    assert ledger("preset", "outcome") == [("", "ran"), ("full", "skipped")]


def test_a_schedule_switched_off_without_a_word_does_not_run(hourly: Any) -> None:
    hourly()
    Job.objects.update(enabled=False)  # past every signal
    look(NOON)
    assert ledger("outcome", "cause") == [("skipped", "disabled")]


def test_a_job_that_can_not_run_says_why_and_does_not_stop_the_others(hourly: Any) -> None:
    hourly("broken", steps=())
    hourly("sound")
    look(NOON)
    assert Fire.objects.get(job="broken").reason.startswith("the job can't run as it is: ")
    assert Run.objects.get().job_id == "sound"


@pytest.mark.parametrize(("scope", "target"), [("all", ""), ("job", "nightly"), ("tag", "etl"), ("connector", "db")])
def test_a_freeze_holds_the_jobs_it_names(hourly: Any, scope: str, target: str) -> None:
    query = ("load", {"type": "sql_query", "config": {"connector": "db", "query": "select 1"}})
    hourly(tags=["etl"], steps=(query,))
    Freeze.objects.create(
        scope=scope, target=target, reason="audit", owner="olga", starts_at=NOON - HOUR, ends_at=NOON + MINUTE
    )
    look(NOON)
    look(NOON + HOUR)
    assert ledger("outcome", "reason") == [
        ("skipped", "frozen by olga until 2026-07-01 12:01 UTC: audit"),
        ("ran", ""),
    ]


def test_time_under_a_freeze_is_not_missed_even_when_no_scheduler_was_running(hourly: Any) -> None:
    hourly(recorded=NOON - 6 * HOUR, misfire="run_all")
    Freeze.objects.create(reason="audit", owner="olga", starts_at=NOON - 9 * HOUR, ends_at=NOON - HOUR)
    look(NOON + 30 * MINUTE)
    assert ledger("cause") == ["frozen"] * 4 + ["outage"] * 2


def test_a_day_off_is_a_row_with_its_reason_and_no_news(hourly: Any, django_capture_on_commit_callbacks: Any) -> None:
    Calendar.objects.create(name="holidays", days={"2026-07-01": "Canada Day"})
    hourly(exclude_calendar_id="holidays")
    heard: list[Fire] = []

    def listen(fires: list[Fire], **kwargs: object) -> None:
        heard.extend(fires)

    fires_skipped.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        look(NOON)
    fires_skipped.disconnect(listen)
    assert ledger("cause", "reason") == [("calendar", "holidays: Canada Day")]
    assert not heard


def test_the_next_look_at_a_day_off_is_at_its_own_time_not_at_the_next_run(hourly: Any) -> None:
    Calendar.objects.create(name="holidays", days={"2026-07-01": "Canada Day"})
    hourly(exclude_calendar_id="holidays")
    assert load_timers(NOON - MINUTE)[0].following() == NOON


def test_a_schedule_that_can_not_be_read_does_not_silence_the_others(hourly: Any) -> None:
    hourly("broken")
    hourly("sound")
    PeriodicTask.objects.filter(name="job:broken").update(headers='{"job": "broken", "cron": "R", "zone": "UTC"}')
    look(NOON)
    assert ledger("job_id") == ["sound"]


def test_two_hundred_moments_at_once_take_a_constant_number_of_queries(
    hourly: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(200):
        hourly(f"job-{number}")
    timers = load_timers(NOON)
    with django_assert_max_num_queries(30):
        record_due(timers, NOON)
    assert Run.objects.count() == 200
