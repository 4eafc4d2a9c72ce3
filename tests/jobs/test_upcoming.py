"""What will fire, calendars and freezes taken into account."""

import datetime
import time
from datetime import UTC

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Calendar, Freeze, Job, Preset
from jobs.upcoming import Expected, affected_fires, expected_fires
from tests import cast

pytestmark = pytest.mark.django_db


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(start, end, limit=99):
    return expected_fires(Job.objects.all(), utc(start), utc(end), limit)


def freeze(start, end, scope="all", target=""):
    return Freeze.objects.create(
        scope=scope, target=target, reason="close", owner="alice", starts_at=utc(start), ends_at=utc(end)
    )


def test_fires_of_jobs_and_presets_come_in_order():
    job = cast.job("a", schedule="0 12 * * *")
    Preset.objects.create(job=job, name="full", schedule="0 6 * * *")
    assert fires("2026-11-25", "2026-11-26") == [
        Expected(utc("2026-11-25T06:00"), "a", "full"),
        Expected(utc("2026-11-25T12:00"), "a", ""),
    ]


def test_days_that_a_calendar_excludes_are_left_out_and_moved_ones_are_there():
    Calendar.objects.create(name="weekends", weekdays=["SAT", "SUN"])
    cast.job("skips", schedule="0 12 * * *", exclude_calendar_id="weekends")
    cast.job("moves", schedule="0 9 * * SAT", exclude_calendar_id="weekends", on_excluded="next_business_day")
    found = [(f"{fire.scheduled_at:%a %H:%M}", fire.job_id) for fire in fires("2026-11-27T13:00", "2026-11-30T13:00")]
    assert found == [("Mon 09:00", "moves"), ("Mon 12:00", "skips")]


def test_a_dense_schedule_is_one_entry():
    cast.job("busy", schedule="*/5 * * * *")
    assert fires("2026-11-25", "2026-11-26") == [
        Expected(utc("2026-11-25T00:05"), "busy", "", 288, utc("2026-11-26T00:00"))
    ]


def test_a_few_fires_of_a_dense_schedule_have_an_entry_each():
    cast.job("busy", schedule="*/5 * * * *")
    assert [fire.count for fire in fires("2026-11-25", "2026-11-25T00:15")] == [1, 1, 1]


def test_a_dense_schedule_is_cut_where_a_freeze_begins_and_ends():
    cast.job("busy", schedule="* * * * *")
    freeze("2026-11-25T06:00", "2026-11-25T12:00")
    found = [
        (f"{f.scheduled_at:%H:%M}", f"{f.until:%H:%M}", f.count, f.frozen) for f in fires("2026-11-25", "2026-11-26")
    ]
    reason = "frozen by alice until 2026-11-25 12:00 UTC: close"
    assert found == [
        ("00:01", "05:59", 359, ""),
        ("06:00", "11:59", 360, reason),
        ("12:00", "00:00", 721, ""),
    ]


def test_a_freeze_of_one_tag_holds_its_jobs_only():
    cast.job("a", schedule="0 12 * * *", tags=["etl"])
    cast.job("b", schedule="0 12 * * *")
    freeze("2026-11-25", "2026-11-26", "tag", "etl")
    assert [(fire.job_id, bool(fire.frozen)) for fire in fires("2026-11-25", "2026-11-26")] == [
        ("a", True),
        ("b", False),
    ]


def test_a_schedule_that_cannot_be_read_hides_nothing():
    cast.job("bad", schedule="nonsense")
    cast.job("good", schedule="0 12 * * *")
    assert [fire.job_id for fire in fires("2026-11-25", "2026-11-26")] == ["good"]


def test_the_earliest_are_kept_where_there_are_too_many():
    for hour in (3, 1, 2):
        cast.job(f"at-{hour}", schedule=f"0 {hour} * * *")
    assert [fire.job_id for fire in fires("2026-11-25", "2026-11-27", limit=2)] == ["at-1", "at-2"]


def test_a_thousand_jobs_take_a_few_queries_and_about_a_second():
    Calendar.objects.create(name="weekends", weekdays=["SAT", "SUN"])
    Job.objects.bulk_create(
        Job(id=f"j{n}", schedule=f"{n % 60} */{n % 5 + 1} * * *", timezone="Europe/Paris", tags=["etl"])
        for n in range(500)
    )
    Job.objects.bulk_create(
        Job(id=f"k{n}", schedule=f"{n % 60} 2,14 * * *", exclude_calendar_id="weekends") for n in range(500)
    )
    freeze("2026-11-26", "2026-11-27", "tag", "etl")
    began = time.perf_counter()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(fires("2026-11-25", "2026-12-02", limit=5000)) == 5000
    # Generous: the machine that runs this may be busy with other tests.
    assert (len(queries) <= 6, time.perf_counter() - began < 5) == (True, True)


def test_what_a_freeze_would_hold_is_listed_and_counted():
    cast.job("busy", schedule="* * * * *")
    cast.job("daily", schedule="0 12 * * *")
    draft = Freeze(scope="all", starts_at=utc("2026-11-25T06:00"), ends_at=utc("2026-11-26T06:00"))
    affected = affected_fires(draft, Job.objects.all(), 99)
    assert (affected.total, affected.jobs) == (1441, 2)
    assert affected.fires == [
        Expected(utc("2026-11-25T06:00"), "busy", "", 1440, utc("2026-11-26T05:59")),
        Expected(utc("2026-11-25T12:00"), "daily", ""),
    ]


def test_a_long_freeze_is_listed_for_thirty_days_and_counted_to_its_end():
    cast.job("daily", schedule="0 12 * * *")
    draft = Freeze(scope="job", target="daily", starts_at=utc("2026-01-01"), ends_at=utc("2027-01-01"))
    affected = affected_fires(draft, Job.objects.all(), 99)
    assert (len(affected.fires), affected.total) == (30, 365)


def test_a_job_that_a_freeze_is_not_about_is_not_listed():
    cast.job("daily", schedule="0 12 * * *")
    draft = Freeze(scope="connector", target="other", starts_at=utc("2026-01-01"), ends_at=utc("2026-02-01"))
    assert affected_fires(draft, Job.objects.all(), 99).total == 0


def test_schedules_that_are_off_come_only_where_they_are_asked_for_and_say_so():
    job = cast.job("a", schedule="0 12 * * *", enabled=False)
    Preset.objects.create(job=job, name="full", schedule="0 6 * * *")
    assert [fire.preset for fire in fires("2026-11-25", "2026-11-26")] == ["full"]
    found = expected_fires(Job.objects.all(), utc("2026-11-25"), utc("2026-11-26"), 99, off=True)
    assert [(fire.preset, fire.off) for fire in found] == [("full", False), ("", True)]


def test_stretches_are_cut_where_it_is_wanted():
    cast.job("busy", schedule="*/5 * * * *")
    noon = utc("2026-11-25T12:00")
    found = expected_fires(Job.objects.all(), utc("2026-11-25"), utc("2026-11-26"), 99, cuts=[noon])
    assert [(fire.scheduled_at, fire.count) for fire in found] == [(utc("2026-11-25T00:05"), 143), (noon, 145)]
