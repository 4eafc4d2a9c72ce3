"""When a schedule fires that keeps to calendars."""

import datetime
import time
from datetime import UTC, date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cron import BadCron, Cron
from jobs.days import Days
from jobs.models import Calendar, Job
from jobs.timetable import Moment, Timetable, timetable_of

PARIS = "Europe/Paris"
WEEKENDS = Days("weekends", weekdays=frozenset({6, 7}))
CHRISTMAS = Days("christmas", yearly={(12, 25): "Christmas Day", (12, 26): "Boxing Day"})


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(timetable, start, end):
    """The readings of what fires, in the schedule's zone."""
    moments = timetable.moments(utc(start), utc(end), 9999)
    return [f"{m.at.astimezone(timetable.cron.zone):%a %d %H:%M}" for m in moments if not m.excluded]


def test_without_calendars_a_timetable_is_the_expression():
    cron = Cron("0 2 * * *", PARIS)
    start, end = utc("2026-01-01"), utc("2026-01-09")
    assert [m.at for m in Timetable(cron).moments(start, end, 3)] == cron.between(start, end, 3)
    assert Timetable(cron).stretches(start, end) == cron.stretches(start, end)


def test_an_excluded_moment_says_why_and_does_not_fire():
    timetable = Timetable(Cron("0 2 * * *", PARIS), exclude=CHRISTMAS)
    moments = timetable.moments(utc("2026-12-24T12:00"), utc("2026-12-25T12:00"), 9)
    assert moments == [Moment(utc("2026-12-25T01:00"), "christmas: Christmas Day")]


def test_days_outside_the_included_calendar_have_no_moments():
    timetable = Timetable(Cron("0 2 * * *", PARIS), include=Days("month-end", month_end=1))
    assert fires(timetable, "2026-02-01", "2026-05-01") == ["Sat 28 02:00", "Tue 31 02:00", "Thu 30 02:00"]


def test_a_day_that_is_included_and_excluded_is_excluded():
    timetable = Timetable(Cron("0 2 * * *"), include=Days("month-end", month_end=1), exclude=WEEKENDS)
    moments = timetable.moments(utc("2026-02-01"), utc("2026-03-01"), 9)
    assert moments == [Moment(utc("2026-02-28T02:00"), "weekends: Saturday")]


def test_days_are_those_of_the_schedules_zone():
    # 23:30 UTC of the 24th is Christmas Day in Paris.
    timetable = Timetable(Cron("30 0 * * *", PARIS), exclude=CHRISTMAS)
    assert fires(timetable, "2026-12-23", "2026-12-27T12:00") == ["Thu 24 00:30", "Sun 27 00:30"]


def test_a_moved_moment_keeps_its_time_and_tells_where_it_went():
    timetable = Timetable(Cron("0 2 25 12 *", PARIS), exclude=CHRISTMAS, move=True)
    assert timetable.moments(utc("2026-12-01"), utc("2026-12-31"), 9) == [
        Moment(utc("2026-12-25T01:00"), "christmas: Christmas Day; moved to 2026-12-28 02:00"),
        Moment(utc("2026-12-28T01:00")),
    ]


def test_a_moment_moved_onto_another_is_one_with_it():
    timetable = Timetable(Cron("0 2 * * *", PARIS), exclude=WEEKENDS, move=True)
    assert fires(timetable, "2026-11-27T12:00", "2026-12-01T12:00") == ["Mon 30 02:00", "Tue 01 02:00"]


def test_a_moment_moved_from_an_included_day_may_land_outside():
    timetable = Timetable(Cron("0 2 * * *"), include=Days("month-end", month_end=1), exclude=WEEKENDS, move=True)
    assert fires(timetable, "2026-02-20", "2026-03-15") == ["Mon 02 02:00"]


def test_a_moved_moment_is_found_by_whoever_looks_at_its_new_day_only():
    timetable = Timetable(Cron("0 2 25 12 *", PARIS), exclude=CHRISTMAS, move=True)
    assert timetable.moments(utc("2026-12-28T00:59:59"), utc("2026-12-28T01:00"), 9) == [
        Moment(utc("2026-12-28T01:00"))
    ]
    assert timetable.next(utc("2026-12-28")) == utc("2026-12-28T01:00")


def test_a_time_moved_into_a_gap_fires_right_after_it():
    # On Sunday 29 March the clock goes from 02:00 to 03:00.
    saturdays = Days("saturdays", weekdays=frozenset({6}))
    timetable = Timetable(Cron("30 2 28 3 *", PARIS), exclude=saturdays, move=True)
    assert timetable.moments(utc("2026-03-01"), utc("2026-04-01"), 9) == [
        Moment(utc("2026-03-28T01:30"), "saturdays: Saturday; moved to 2026-03-29 03:00"),
        Moment(utc("2026-03-29T01:00")),
    ]


def test_a_time_moved_from_a_gap_is_the_one_that_was_meant():
    timetable = Timetable(Cron("30 2 29 3 *", PARIS), exclude=WEEKENDS, move=True)
    assert timetable.moments(utc("2026-03-01"), utc("2026-04-01"), 9) == [
        Moment(utc("2026-03-29T01:00"), "weekends: Sunday; moved to 2026-03-30 02:30"),
        Moment(utc("2026-03-30T00:30")),
    ]


def test_a_time_in_a_gap_over_midnight_belongs_to_the_day_it_was_meant_for():
    # In Nuuk the clock goes from Saturday 23:00 to Sunday 00:00 on 28 March 2026.
    sundays = Days("sundays", weekdays=frozenset({7}))
    timetable = Timetable(Cron("30 23 * * *", "America/Nuuk"), exclude=sundays)
    assert timetable.moments(utc("2026-03-28T12:00"), utc("2026-03-29T12:00"), 9) == [Moment(utc("2026-03-29T01:00"))]
    assert timetable.stretches(utc("2026-03-28T12:00"), utc("2026-03-29T12:00"))[0].count == 1


def test_a_calendar_that_excludes_every_day_leaves_nothing():
    never = Days("never", weekdays=frozenset(range(1, 8)))
    timetable = Timetable(Cron("* * * * *"), exclude=never, move=True)
    assert timetable.next(utc("2026-01-01")) is None
    assert timetable.moments(utc("2026-01-01"), utc("2026-01-02"), 1) == [
        Moment(utc("2026-01-01T00:01"), "never: Thursday; no business day within 400 days")
    ]


@pytest.mark.parametrize("expression", ["* * * * * *", "0 0 29 2 *", "* * * * MON *"])
def test_the_next_fire_of_a_rare_day_is_found_quickly(expression):
    rare = Days("rare", dates={date(2030, 6, 1): "the day"})
    timetable = Timetable(Cron(expression), include=rare, exclude=WEEKENDS, move=True)
    began = time.perf_counter()
    assert timetable.next(utc("2026-01-01")) in (None, utc("2030-06-03"))
    assert time.perf_counter() - began < 0.5


def test_the_years_end_without_a_trace():
    timetable = Timetable(Cron("0 0 1 1 *"), exclude=WEEKENDS, move=True)
    assert timetable.next(utc("9999-06-01")) is None
    assert timetable.moments(utc("9999-06-01"), utc("9999-12-30"), 9) == []


def test_stretches_of_a_dense_schedule_are_cut_by_day():
    timetable = Timetable(Cron("* * * * * *"), exclude=WEEKENDS)
    # A Friday to a Monday.
    assert timetable.stretches(utc("2026-11-27"), utc("2026-11-30T23:59:59")) == [
        (utc("2026-11-27T00:00:01"), utc("2026-11-27T23:59:59"), 86399),
        (utc("2026-11-30"), utc("2026-11-30T23:59:59"), 86400),
    ]


def test_stretches_hold_moved_moments():
    timetable = Timetable(Cron("* * * * SUN"), exclude=WEEKENDS, move=True)
    assert timetable.stretches(utc("2026-11-27"), utc("2026-12-01")) == [
        (utc("2026-11-30"), utc("2026-11-30T23:59:00"), 1440)
    ]


ZONES = [PARIS, "America/Nuuk", "Africa/Cairo", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
EXPRESSIONS = [
    "30 2 * * *",
    "*/20 * * * *",
    "30 23 * * *",
    "0 0,2 * * 6",
    "15 1-3 * * SUN,MON",
    "0 3 L * *",
    "0 */3 * * 7",
]
# Spring and autumn of both hemispheres.
CHANGES = [utc("2026-03-28T22:00"), utc("2026-10-24T22:00"), utc("2026-04-04T12:00"), utc("2026-04-23T12:00")]
calendars = st.builds(
    Days,
    st.just("c"),
    dates=st.dictionaries(st.dates(date(2026, 3, 20), date(2026, 5, 1)), st.just("day")),
    weekdays=st.frozensets(st.integers(1, 7), max_size=5),
    month_end=st.integers(0, 3),
)
timetables = st.builds(
    Timetable,
    st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES)),
    include=st.none() | calendars,
    exclude=calendars,
    move=st.booleans(),
)


@st.composite
def spans(draw):
    """Three moments in order, close to a clock change."""
    around = draw(st.sampled_from(CHANGES))
    minutes = draw(st.lists(st.integers(-4 * 1440, 4 * 1440), min_size=3, max_size=3))
    return [around + timedelta(minutes=n, seconds=draw(st.integers(0, 1))) for n in sorted(minutes)]


@settings(max_examples=150, deadline=None)
@given(timetables, spans())
def test_a_span_has_the_moments_of_its_parts(timetable, span):
    start, middle, end = span
    parts = timetable.moments(start, middle, 9999) + timetable.moments(middle, end, 9999)
    assert timetable.moments(start, end, 9999) == parts


@settings(max_examples=150, deadline=None)
@given(timetables, spans())
def test_stretches_count_what_fires(timetable, span):
    start, _, end = span
    firing = [moment.at for moment in timetable.moments(start, end, 9999) if not moment.excluded]
    stretches = timetable.stretches(start, end)
    assert sum(stretch.count for stretch in stretches) == len(firing)
    assert {at for stretch in stretches for at in stretch[:2]} <= set(firing)


@settings(max_examples=150, deadline=None)
@given(timetables, spans())
def test_the_next_fire_is_the_first_that_is_not_excluded(timetable, span):
    start, _, end = span
    following = timetable.next(start)
    firing = [moment.at for moment in timetable.moments(start, end, 9999) if not moment.excluded]
    assert following == firing[0] if firing else following is None or following > end


@settings(max_examples=200, deadline=None)
@given(timetables, spans())
def test_every_moved_moment_fires_where_it_says(timetable, span):
    start, _, end = span
    for moment in timetable.moments(start, end, 9999):
        _, moved, place = moment.excluded.partition("; moved to ")
        if moved:
            at = datetime.datetime.fromisoformat(place).replace(tzinfo=timetable.cron.zone).astimezone(UTC)
            assert Moment(at) in timetable.moments(at - timedelta(seconds=1), at, 9)


@pytest.mark.django_db
def test_a_job_fires_by_its_stored_calendars():
    Calendar.objects.create(name="weekends", weekdays=["SAT", "SUN"])
    job = Job.objects.create(
        id="j", schedule="0 2 * * *", timezone=PARIS, exclude_calendar_id="weekends", on_excluded="next_business_day"
    )
    assert fires(timetable_of(job), "2026-11-27T12:00", "2026-11-30T12:00") == ["Mon 30 02:00"]


def test_a_calendar_that_is_not_there_is_a_bad_schedule():
    with pytest.raises(BadCron, match="There is no calendar 'gone' that can be used"):
        timetable_of(Job(schedule="0 2 * * *", exclude_calendar_id="gone"), {})
