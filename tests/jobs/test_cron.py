"""Cron schedules: what they accept, what they mean, and how they fold. test_cron_oracle.py judges every clock change."""

import datetime
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cron import BadCron, Cron, Stretch

ZONES = [
    "Europe/Paris",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Africa/Cairo",
]
EXPRESSIONS = """30 2 * * *|0,30 1,2 * * *|59 1 * * SUN|0 0 29 2 *|0 0 1,15 * MON|0 0 */2 * 1|30 2 L * *|0 0 * * FRI#5|0 1 * * SUNL
*/5 * * * *|* 2 * * *|0 */2 * * *|*/45 * * * *|5 */4 * 3,10 *|30 1 * * * */20|* * * * * *|*/15 8-17 * * 1-5""".replace(
    "\n", "|"
)
MOMENTS = st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2037, 12, 31), timezones=st.just(UTC))


@settings(max_examples=150, deadline=None)
@given(MOMENTS, st.sampled_from(EXPRESSIONS.split("|")), st.sampled_from(ZONES))
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


def test_the_fire_before_is_the_same_whatever_zone_the_moment_comes_in():
    cron, moment = Cron("30 2 * * *", "Europe/Paris"), datetime.datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert cron.previous(moment) == datetime.datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert cron.previous(moment.astimezone(ZoneInfo("Europe/Paris"))) == cron.previous(moment)


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


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 0 L * *", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("0 0 15,L * *", ["2026-01-15", "2026-01-31", "2026-02-15", "2026-02-28"]),
        ("0 0 L 2 *", ["2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]),
        ("0 0 * * FRI#3", ["2026-01-16", "2026-02-20", "2026-03-20", "2026-04-17"]),
        ("0 0 * * 5#5", ["2026-01-30", "2026-05-29", "2026-07-31", "2026-10-30"]),
        ("0 0 * * 7#1", ["2026-01-04", "2026-02-01", "2026-03-01", "2026-04-05"]),
        ("0 0 * * MON#1,WED#3", ["2026-01-05", "2026-01-21", "2026-02-02", "2026-02-18"]),
        ("0 0 * * mon,fri#2", ["2026-01-05", "2026-01-09", "2026-01-12", "2026-01-19"]),
        ("0 0 * * FRIL", ["2026-01-30", "2026-02-27", "2026-03-27", "2026-04-24"]),
        ("0 0 * * 0L", ["2026-01-25", "2026-02-22", "2026-03-29", "2026-04-26"]),
        ("0 0 L * FRI#1", ["2026-01-02", "2026-01-31", "2026-02-06", "2026-02-28"]),
        ("0 0 */2 * MON#1", ["2026-01-05", "2026-06-01", "2026-08-03", "2026-09-07"]),
    ],
)
def test_last_days_and_numbered_weekdays(expression, days):
    found = fires(expression, "UTC", "2026-01-01T00:00+00:00", len(days))
    assert [day[:10] for day in found] == days


def test_a_leap_day_on_one_weekday_is_found_across_a_century():
    assert fires("0 0 29 2 */5", "UTC", "2076-03-01T00:00+00:00", 1) == ["2088-02-29T00:00:00+00:00"]


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


WEEK = (datetime.datetime(2026, 5, 3, 11, 30, tzinfo=UTC), datetime.datetime(2026, 5, 10, 11, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("expression", "counts"),
    [
        ("*/5 * * * *", [2016]),
        ("* * * * * *", [604800]),
        ("0 * * * *", [168]),
        ("*/5 8-17 * * 1-5", [120] * 5),
        ("0 8-17 * * MON", [1] * 10),
        ("0-59/5 8 * * MON", [1] * 12),
        ("0-59/4 8 * * MON", [15]),
        ("*/30 8-14 * * MON,TUE", [14, 14]),
        ("* 22-23,0-5 * * *", [480] * 7),
        ("*/4 */12 * * *", [15] * 14),
        ("0 2 * * *", [1] * 7),
        ("0 0 1 * *", []),
    ],
)
def test_dense_hours_fold_into_one_stretch(expression, counts):
    assert [stretch.count for stretch in Cron(expression).stretches(*WEEK)] == counts


def test_a_stretch_ends_at_the_ends_of_the_span():
    start, end = datetime.datetime(2026, 5, 3, 12, 5, tzinfo=UTC), datetime.datetime(2026, 5, 3, 12, 20, 30, tzinfo=UTC)
    (stretch,) = Cron("*/5 * * * *").stretches(start, end)
    assert stretch == Stretch(start + timedelta(minutes=5), start + timedelta(minutes=15), 3)


@pytest.mark.parametrize(
    ("expression", "counts"),
    [
        ("*/10 * * * *", [6 * 73]),  # goes on through the night
        ("0-59/5 1-3 * * *", [36, 24, 12, 36]),  # keeps still while the hour from two to three is shown again
        ("30 2 * * *", [1, 1, 1]),
    ],
)
def test_stretches_across_an_autumn_night(expression, counts):
    start = datetime.datetime(2026, 10, 23, 22, tzinfo=UTC)
    stretches = Cron(expression, "Europe/Paris").stretches(start, start + timedelta(hours=73))
    assert [stretch.count for stretch in stretches] == counts


def test_a_gap_does_not_break_a_stretch():
    start = datetime.datetime(2026, 3, 28, 22, 59, tzinfo=UTC)
    (stretch,) = Cron("0-59/5 1-3 * * *", "Europe/Paris").stretches(start, start + timedelta(hours=12))
    assert (stretch.first.hour, stretch.last.hour, stretch.count) == (0, 1, 24)


@settings(max_examples=150, deadline=None)
@given(
    MOMENTS,
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.sampled_from(EXPRESSIONS.split("|")),
    st.sampled_from(ZONES),
)
def test_stretches_count_what_between_lists(start, span, expression, zone):
    cron = Cron(expression, zone)
    listed, stretches = cron.between(start, start + span, 1_000_000), cron.stretches(start, start + span)
    assert sum(stretch.count for stretch in stretches) == len(listed)
    assert {at for stretch in stretches for at in stretch[:2]} <= set(listed)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("expression", ["0 0 1 1 *", "* * * * * *", "30 12 L * *", "*/5 * * * *", "0 0 29 2 *"])
def test_the_calendar_ends_and_begins_with_overflow_error(expression, zone):
    cron, end = Cron(expression, zone), datetime.datetime.max.replace(tzinfo=UTC)
    with pytest.raises(OverflowError):
        cron.next(end)
    with pytest.raises(OverflowError):
        cron.previous(datetime.datetime.min.replace(tzinfo=UTC))
    last = cron.previous(end)
    assert cron.between(last - timedelta(seconds=1), end, 9)[0] == last


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
        ("0 0 LW * *", "W (the nearest working day) isn't supported"),
        ("0 0 15W * *", "W (the nearest working day) isn't supported"),
        ("0 0 L-3 * *", "Days before the last can't be counted"),
        ("0 0 L/2 * *", "L and # take no range and no step"),
        ("0 0 * * L", "L alone is read in two ways. Write SAT"),
        ("0 0 * * FRI#6", "day of week: found 'FRI#6'"),
        ("0 0 * * FRI#0", "Behind # stands 1 to 5"),
        ("0 0 * * FRI#L", "The last one of a month is written FRIL"),
        ("0 0 * * L5", "The last one of a month is written FRIL"),
        ("0 0 * * MON-FRI#2", "L and # take no range and no step"),
        ("0 0 * * FOO#2", "day of week: found FOO, expected 0-7 or SUN-SAT"),
        ("0 0 * * 8L", "day of week: found 8"),
        ("0 0 FRI#3 * *", "# belongs into day of week"),
        ("0 L * * *", "L belongs into day of month"),
        ("R(0-30) * * * *", "R (random) isn't supported: a schedule has to be predictable"),
        ("H/15 * * * *", "H (hashed) isn't supported"),
        ("0 0 * * ?", "? isn't supported. Write *"),
        ("0 22-6 * * *", "Write two ranges: 22-23,0-6"),
        ("0 0 31 2,4 *", "expected at most 30"),
        ("0 0 30 2 */2", "a date that never comes"),
        ("0 0 */31 * FRI#5", "days that never meet"),
        ("0 0 */9 2 SUN#5", "days that never meet"),
        ("@every 5m", "expected five fields or an alias"),
        ("0 0 12 1 1 * 2026", "A year can't be given"),
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
