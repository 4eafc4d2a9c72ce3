"""Cron schedules, compared with an independent implementation of Debian's rules around every clock change."""

import datetime
from datetime import UTC, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cron import BadCron, Cron
from jobs.cronfields import ALIASES

ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/St_Johns",
]
FIXED = """30 2 * * *|0 2 * * *|30 1 * * *|0 1 * * *|0,30 1,2 * * *|15 0 * * *|30 2 * * 0|30 1 * * SUN|0 3 * * *|59 1 * * *
0 2,3 * * *|10-50/20 1-3 * * *|0 0 1 * *|0 0 31 * *|0 0 29 2 *|0 12 * * MON-FRI|5 4 * * 7|0 0 1,15 * MON|0 0 */2 * *
0 0 */2 * 1|0 0 13 * 5|45 23 31 12 *|@daily|@weekly|@monthly|@yearly|0 1-5 * * *|0-59/15 1 * * *|20 2 25-31 * 0
30 2 25-31 3 *|0 6 * * 1-5/2|3/20 5 * * *|7 3/4 * * *|1,2,3 2 * * *|0 2-4 * 3,10,11 *|0 0 30 1-12 *|0 0 * * 6,0|45 1 * * *"""
ELAPSED = """*/5 * * * *|*/30 * * * *|0 * * * *|30 * * * *|* * * * *|*/7 * * * *|*/30 2 * * *|* 2 * * *|* 1 * * *
0 */2 * * *|0 */3 * * *|15 */1 * * *|@hourly|*/15 1-2 * * *|0 0 * JAN-MAR *|*/20 0-3 * * SUN|*/45 * * * *|* */6 * * *
59 * 1 * *|0 * * * 1-5|*/10 2-3 * * *|5 */4 * 3,10 *"""


def expressions(text):
    return text.replace("\n", "|").split("|")


def transitions(zone):
    """The days of 2025 to 2027 on which the zone's clock is changed, and one on which it isn't."""
    days = [datetime.datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(3 * 365)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    changed = [days[i] for i, (a, b) in enumerate(pairwise(offsets)) if a != b]
    return [*changed, datetime.datetime(2026, 6, 15, tzinfo=UTC)]


def oracle(expression, zone, start, end):
    """Independent answer: cronsim's fires after `start` up to `end`."""
    fires = CronSim(ALIASES.get(expression, expression), start.astimezone(ZoneInfo(zone)))
    found = []
    while (fire := next(fires).astimezone(UTC)) <= end:
        found.append(fire)
    return found


def by_the_minute(expression, zone, start, end):
    """Independent answer for Lord Howe: every minute whose reading on the wall matches."""
    fields = Cron(expression, zone).fields
    minute, found = start, []
    while (minute := minute + timedelta(minutes=1)) <= end:
        wall = minute.astimezone(ZoneInfo(zone))
        day = fields.weekdays >= {wall.isoweekday() % 7} and wall.day in fields.days and wall.month in fields.months
        if wall.minute in fields.minutes and wall.hour in fields.hours and day:
            found.append(minute)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_fixed_times_fire_as_debians_cron_does_around_every_clock_change(zone):
    for change in transitions(zone):
        start, end = change - timedelta(hours=30), change + timedelta(hours=54)
        for expression in expressions(FIXED):
            expected = oracle(expression, zone, start, end)
            assert Cron(expression, zone).between(start, end, 9999) == expected, (expression, change)


@pytest.mark.parametrize("zone", ZONES)
def test_star_patterns_follow_elapsed_time_around_every_clock_change(zone):
    # cronsim walks by whole hours and leaves fires out where the clock is changed by half of one, as on Lord Howe.
    judge = by_the_minute if zone == "Australia/Lord_Howe" else oracle
    for change in transitions(zone):
        start, end = change - timedelta(hours=6), change + timedelta(hours=30)
        for expression in expressions(ELAPSED):
            assert Cron(expression, zone).between(start, end, 9999) == judge(expression, zone, start, end), expression


@pytest.mark.parametrize("zone", ZONES)
def test_walking_back_meets_the_same_fires_as_walking_on(zone):
    for change in transitions(zone):
        start, end = change - timedelta(hours=26), change + timedelta(hours=26)
        for expression in ("*/20 * * * *", "30 2 * * *", "0 1-3 * * *", "15 */2 * * *", "30 1 * * * */20"):
            cron, back = Cron(expression, zone), []
            fire = cron.previous(end + timedelta(seconds=1))
            while fire > start:
                back.append(fire)
                fire = cron.previous(fire)
            assert back[::-1] == cron.between(start, end, 9999), expression


MOMENTS = st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2037, 12, 31), timezones=st.just(UTC))


@settings(max_examples=150, deadline=None)
@given(MOMENTS, st.sampled_from(expressions(FIXED) + expressions(ELAPSED)), st.sampled_from(ZONES))
def test_the_next_fire_is_later_and_the_one_before_it_is_not(moment, expression, zone):
    cron = Cron(expression, zone)
    fire = cron.next(moment)
    assert cron.next(fire) > fire > moment
    assert cron.previous(fire) <= moment


def fires(expression, zone, after, count=2):
    moment, found = datetime.datetime.fromisoformat(after), []
    for _ in range(count):
        moment = Cron(expression, zone).next(moment)
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat())
    return found


def test_a_time_that_does_not_exist_fires_once_right_after_the_gap():
    found = fires("30 2 * * *", "Europe/Paris", "2026-03-28T12:00+01:00")
    assert found == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]


def test_a_time_that_comes_twice_fires_the_first_time_only():
    found = fires("30 2 * * *", "Europe/Paris", "2026-10-24T12:00+02:00")
    assert found == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_nothing_fires_twice_when_asked_from_inside_the_second_hour():
    assert fires("30 2 * * *", "Europe/Paris", "2026-10-25T02:15+01:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_seconds_stand_at_the_end_and_obey_the_same_clock_change_rules():
    assert fires("30 2 * * * 15", "Europe/Paris", "2026-10-24T12:00+02:00") == [
        "2026-10-25T02:30:15+02:00",
        "2026-10-26T02:30:15+01:00",
    ]
    assert fires("* * * * * */20", "UTC", "2026-01-01T00:00:00+00:00") == [
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:40+00:00",
    ]


def test_either_day_field_suffices_when_both_are_set():
    found = fires("0 0 13 * FRI", "UTC", "2026-02-01T00:00+00:00", 3)
    assert [day[:10] for day in found] == ["2026-02-06", "2026-02-13", "2026-02-20"]


def test_names_and_aliases_read_in_any_case():
    assert fires("0 9 * jan mon-fri", "UTC", "2026-01-01T10:00+00:00", 1) == ["2026-01-02T09:00:00+00:00"]
    assert fires("@Hourly", "UTC", "2026-01-01T10:30+00:00", 1) == ["2026-01-01T11:00:00+00:00"]


def test_a_range_of_days_may_end_on_sunday():
    found = fires("0 0 * * FRI-SUN", "UTC", "2026-01-01T00:00+00:00", 4)
    assert [day[:10] for day in found] == ["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-09"]


def test_between_leaves_the_start_out_takes_the_end_in_and_stops_at_the_limit():
    start = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    hours = Cron("@hourly").between(start, start + timedelta(hours=3), 99)
    assert hours == [start + timedelta(hours=n) for n in (1, 2, 3)]
    assert len(Cron("* * * * *").between(start, start + timedelta(days=300), 7)) == 7


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("60 * * * *", "minute: found 60, expected 0-59"),
        ("* 24 * * *", "hour: found 24, expected 0-23"),
        ("* * 0 * *", "day of month: found 0, expected 1-31"),
        ("* * * 13 *", "month: found 13, expected 1-12 or JAN-DEC"),
        ("* * * * 8", "day of week: found 8, expected 0-7 or SUN-SAT"),
        ("* * * * * 60", "second: found 60, expected 0-59"),
        ("*/0 * * * *", "minute: found step 0"),
        ("*/90 * * * *", "minute: found step 90"),
        ("0-99999 * * * *", "minute: found 99999"),
        ("50-10 * * * *", "minute: found the range 50-10"),
        ("R * * * *", "minute: found 'R'"),
        ("H * * * *", "minute: found 'H'"),
        ("0 0 ? * *", "day of month: found '?'"),
        ("0 0 L * *", "day of month: found 'L'"),
        ("0 0 30 2 *", "a date that never comes"),
        ("0 0 31 4,6 *", "a date that never comes"),
        ("0 0 1 1 * 0 2026", "Found 7 fields"),
        ("0 0 * *", "Found 4 fields"),
        ("@reboot", "the aliases are @yearly"),
        ("1,,2 * * * *", "minute: found ''"),
        ("-1 * * * *", "minute: found '-1'"),
        ("* " * 200, "200 is the limit"),
    ],
)
def test_a_wrong_expression_is_refused_naming_what_was_found_and_expected(expression, words):
    with pytest.raises(BadCron) as caught:
        Cron(expression)
    assert words in str(caught.value)


@pytest.mark.parametrize("zone", ["Europe/Pairs", "", "../etc/passwd", "Europe", "CEST"])
def test_a_wrong_zone_is_refused(zone):
    with pytest.raises(BadCron, match="expected an IANA name"):
        Cron("@daily", zone)
