"""The days of a calendar."""

from datetime import date

import pytest

from jobs.days import BadDays, Days, days_of, read_days
from jobs.models import Calendar

HOLIDAYS = Days(
    "holidays",
    dates={date(2026, 4, 6): "Easter Monday"},
    yearly={(12, 25): "Christmas Day", (12, 26): ""},
    weekdays=frozenset({6, 7}),
    month_end=1,
)


@pytest.mark.parametrize(
    ("day", "label"),
    [
        (date(2026, 4, 6), "Easter Monday"),
        (date(2027, 4, 6), None),
        (date(2030, 12, 25), "Christmas Day"),
        (date(2028, 12, 26), "2028-12-26"),
        (date(2026, 11, 28), "Saturday"),
        (date(2026, 11, 27), None),
        (date(2026, 11, 30), "end of the month"),
        (date(2028, 2, 29), "end of the month"),
        (date(2028, 2, 28), None),
    ],
)
def test_a_day_says_why_it_is_in_the_calendar(day, label):
    assert HOLIDAYS.label(day) == label


def test_the_next_business_day_leaves_out_holidays_and_the_weekend():
    # Friday is Christmas Day, Saturday Boxing Day.
    assert HOLIDAYS.next_business_day(date(2026, 12, 24)) == date(2026, 12, 28)


def test_a_calendar_that_names_no_weekdays_has_the_usual_weekend():
    assert Days("x").next_business_day(date(2026, 11, 27)) == date(2026, 11, 30)


def test_a_calendar_with_a_weekend_of_its_own_works_on_saturdays():
    assert Days("x", weekdays=frozenset({5})).next_business_day(date(2026, 11, 26)) == date(2026, 11, 28)


def test_a_calendar_of_all_days_has_no_business_day():
    assert Days("x", weekdays=frozenset(range(1, 8))).next_business_day(date(2026, 1, 1)) is None


def test_the_last_day_of_all_has_no_business_day_after_it():
    assert Days("x").next_business_day(date.max) is None


def test_the_next_day_off_is_today_if_today_is_one():
    assert HOLIDAYS.next_day(date(2026, 12, 25)) == date(2026, 12, 25)


def test_values_are_read_in_order():
    read = read_days({"2026-12-25": " Christmas  Day ", "05-01": "Labour Day"}, ["sun", "SAT", "SUN"], 2)
    assert list(read["days"].items()) == [("05-01", "Labour Day"), ("2026-12-25", "Christmas Day")]
    assert (read["weekdays"], read["month_end"]) == (["SAT", "SUN"], 2)


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        (({"25.12.2026": "x"}, [], 0), "days", "Found '25.12.2026', expected YYYY-MM-DD, or MM-DD for every year."),
        (({"2026-02-29": "x"}, [], 0), "days", "Found '2026-02-29', a date that doesn't exist."),
        (({"13-01": "x"}, [], 0), "days", "Found '13-01', a date that doesn't exist."),
        (({"0000-01-01": "x"}, [], 0), "days", "Found '0000-01-01', a date that doesn't exist."),
        (({"٢٠٢٦-01-01": "x"}, [], 0), "days", "Found '٢٠٢٦-01-01', expected YYYY-MM-DD, or MM-DD for every year."),
        (({"01-01": 7}, [], 0), "days", "01-01: expected a text, found 7."),
        (({"01-01": "x" * 201}, [], 0), "days", "01-01: the text has 201 characters; 200 is the limit."),
        (({"01-01": "a\0"}, [], 0), "days", "01-01: The text holds a NUL character."),
        ((["01-01"], [], 0), "days", "Expected a table of days and their names, found ['01-01']."),
        (({}, ["SAT", "Sunday"], 0), "weekdays", "Found 'Sunday', expected some of MON, TUE, WED, THU, FRI, SAT, SUN."),
        (({}, "SAT", 0), "weekdays", "Expected a list such as ['SAT', 'SUN'], found 'SAT'."),
        (({}, [6], 0), "weekdays", "Found 6, expected some of MON, TUE, WED, THU, FRI, SAT, SUN."),
        (({}, [], 29), "month_end", "Found 29, expected a number of days from 0 to 28."),
        (({}, [], True), "month_end", "Found True, expected a number of days from 0 to 28."),
        (({}, [], "1"), "month_end", "Found '1', expected a number of days from 0 to 28."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(values, field, message):
    with pytest.raises(BadDays) as caught:
        read_days(*values)
    assert caught.value.errors == {field: [message]}


def test_the_29th_of_february_may_come_every_year():
    assert read_days({"02-29": "leap day"}, [], 0)["days"] == {"02-29": "leap day"}


def test_more_than_5000_days_are_refused():
    with pytest.raises(BadDays, match="Found 5,001 days; 5,000 is the limit."):
        read_days({str(n): "" for n in range(5001)}, [], 0)


def test_of_many_wrong_days_some_are_named():
    with pytest.raises(BadDays) as caught:
        read_days({str(n): "" for n in range(100)}, [], 0)
    assert (len(caught.value.errors["days"]), caught.value.errors["days"][-1]) == (6, "And 95 more of the kind.")


def test_a_stored_calendar_becomes_its_days():
    stored = Calendar(name="x", days={"12-25": "Christmas Day", "2026-04-06": "Easter"}, weekdays=["SUN"], month_end=3)
    assert days_of(stored) == Days(
        "x", {date(2026, 4, 6): "Easter"}, {(12, 25): "Christmas Day"}, frozenset({7}), month_end=3
    )
