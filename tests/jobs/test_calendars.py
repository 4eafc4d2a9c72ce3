"""Calendars: the one door, beat's hearing of it, and days out of ICS files."""

import datetime
import io
import time
from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTasks

from jobs import calendars
from jobs.calendars import BadIcsFile, CalendarInUse, delete_calendar, import_ics, load_days, save_calendar, used_by
from jobs.days import BadDays
from jobs.icsfile import BadIcs, days_in
from jobs.models import Calendar, Preset
from tests import cast

TODAY = date(2026, 11, 25)


def ics(*lines):
    """A file of these lines, ended as the standard wants it."""
    around = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *lines, "END:VCALENDAR", ""]
    return "\r\n".join(around).encode()


def event(*lines):
    return ["BEGIN:VEVENT", f"UID:{hash(lines)}", *lines, "END:VEVENT"]


def days(*lines):
    return days_in(ics(*event(*lines)), TODAY)


# The door


@pytest.mark.django_db
def test_a_saved_calendar_makes_beat_read_its_schedules_again():
    before = PeriodicTasks.last_change()
    save_calendar("holidays", days={"12-25": "Christmas Day"}, by="olga")
    after_save = PeriodicTasks.last_change()
    delete_calendar(Calendar.objects.get(), by="olga")
    assert before != after_save != PeriodicTasks.last_change()


@pytest.mark.django_db
def test_a_calendar_saved_as_it_is_writes_nothing():
    first = save_calendar("holidays", days={"12-25": "Christmas Day"}, weekdays=["sun"], by="olga")
    again = save_calendar("holidays", days={"12-25": "Christmas Day"}, weekdays=["SUN"], by="rui")
    assert again.updated_at == first.updated_at


@pytest.mark.django_db
def test_a_wrong_calendar_is_refused_field_by_field():
    with pytest.raises(BadDays) as caught:
        save_calendar("bad name", description="a\0", days={"x": ""}, weekdays=["x"], month_end=99, by="olga")
    assert list(caught.value.errors) == ["name", "description", "days", "weekdays", "month_end"]
    assert not Calendar.objects.exists()


@pytest.mark.django_db
def test_a_calendar_in_use_is_not_deleted_and_the_users_are_named():
    save_calendar("holidays", days={}, by="olga")
    job = cast.job("nightly", exclude_calendar_id="holidays")
    Preset.objects.create(job=job, name="full", include_calendar_id="holidays")
    with pytest.raises(CalendarInUse, match="is used by job nightly, preset full of nightly; take it out there first"):
        delete_calendar(Calendar.objects.get(), by="olga")
    assert used_by("holidays") == ["job nightly", "preset full of nightly"]


@pytest.mark.django_db
def test_a_broken_row_leaves_the_other_calendars_alone():
    Calendar.objects.create(name="bad", days={"nonsense": ""})
    save_calendar("good", days={}, by="olga")
    assert list(load_days()) == ["good"]


# ICS files

GERMAN = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//feiertage//DE
X-WR-CALNAME:Feiertage
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
UID:1@feiertage
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261003
DTEND;VALUE=DATE:20261004
SUMMARY:Tag der Deutschen Einheit
TRANSP:TRANSPARENT
END:VEVENT
BEGIN:VEVENT
UID:2@feiertage
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
SUMMARY;LANGUAGE=de:Weihnachten\\, 1. und 2.
  Feiertag
END:VEVENT
END:VCALENDAR
"""
FRENCH = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//jours-feries//FR
BEGIN:VEVENT
UID:a
DTSTART;VALUE=DATE:20200714
RRULE:FREQ=YEARLY
SUMMARY:Fête nationale
END:VEVENT
BEGIN:VEVENT
UID:b
DTSTART;VALUE=DATE:20270516
SUMMARY:Pentecôte
END:VEVENT
END:VCALENDAR
"""


def test_a_german_holiday_file_is_read_with_folds_and_escapes():
    assert days_in(GERMAN.replace("\n", "\r\n").encode(), TODAY) == {
        "2026-10-03": "Tag der Deutschen Einheit",
        "2026-12-25": "Weihnachten, 1. und 2. Feiertag",
        "2026-12-26": "Weihnachten, 1. und 2. Feiertag",
    }


def test_a_french_holiday_file_comes_every_year_for_ten_years():
    found = days_in(b"\xef\xbb\xbf" + FRENCH.encode(), TODAY)
    assert [day for day, label in found.items() if label == "Fête nationale"] == [
        f"{year}-07-14" for year in range(2026, 2037)
    ]
    assert found["2027-05-16"] == "Pentecôte"


def test_exceptions_and_extra_dates_of_a_rule_are_kept_to():
    rule = ("DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=YEARLY;COUNT=3", "EXDATE;VALUE=DATE:20271224")
    assert days("SUMMARY:Eve", *rule, "RDATE;VALUE=DATE:20270101") == dict.fromkeys(
        ["2026-12-24", "2027-01-01", "2028-12-24"], "Eve"
    )


def test_an_occurrence_that_was_moved_counts_where_it_went():
    moved = event("UID:x", "SUMMARY:Off", "RECURRENCE-ID;VALUE=DATE:20271224", "DTSTART;VALUE=DATE:20271227")
    rule = event("UID:x", "SUMMARY:Off", "DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=YEARLY;COUNT=2")
    lines = [line for line in [*rule, *moved] if line == "UID:x" or not line.startswith("UID")]
    assert list(days_in(ics(*lines), TODAY)) == ["2026-12-24", "2027-12-27"]


def test_a_timed_event_is_every_day_that_it_touches():
    start = "DTSTART;TZID=Europe/Berlin:20261231T220000"
    assert list(days(start, "DTEND;TZID=Europe/Berlin:20270101T020000")) == ["2026-12-31", "2027-01-01"]


def test_a_timed_event_that_ends_at_midnight_does_not_touch_the_next_day():
    assert list(days("DTSTART:20261231T220000", "DTEND:20270101T000000")) == ["2026-12-31"]


def test_two_events_of_one_day_share_its_label():
    lines = [*event("SUMMARY:Ascension", "DTSTART;VALUE=DATE:20270506")]
    lines += event("SUMMARY:Father's day", "DTSTART;VALUE=DATE:20270506")
    assert days_in(ics(*lines), TODAY) == {"2027-05-06": "Ascension, Father's day"}


def test_a_cancelled_event_is_no_day():
    lines = [*event("DTSTART;VALUE=DATE:20270506", "STATUS:CANCELLED"), *event("DTSTART;VALUE=DATE:20270507")]
    assert list(days_in(ics(*lines), TODAY)) == ["2027-05-07"]


def test_a_leap_day_is_a_day_to_begin_with():
    assert days_in(ics(*event("DTSTART;VALUE=DATE:20280301")), date(2028, 2, 29)) == {"2028-03-01": ""}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Not an iCalendar file"),
        (b"<html>404</html>", "Not an iCalendar file"),
        (b"\xff\xfe", "Not UTF-8 text"),
        (ics(), "The file has no event between 2025-11-25 and 2036-11-25"),
        (ics(*event("SUMMARY:x")), "event 'x': DTSTART is missing"),
        (ics(*event("SUMMARY:x", "DTSTART:soon")), "event 'x': DTSTART: Expected datetime, date, or time"),
        (ics(*event("SUMMARY:x", "DTSTART:20261231T220000Z", "RRULE:FREQ=SECONDLY")), "found FREQ=SECONDLY, expected"),
        (ics(*event("DTSTART;VALUE=DATE:20261231", "RRULE:FREQ=DAILY;BYHOUR=1")), "found BYHOUR, expected whole days"),
        (ics(*event("DTSTART;VALUE=DATE:20261231", "RRULE:FREQ=OFTEN")), "RRULE: Expected frequency"),
        (ics("BEGIN:VEVENT", "DTSTART;VALUE=DATE:20261231"), "Not an iCalendar file"),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 10_000, "nested more than 8 deep"),
        (ics(*(line for _ in range(5001) for line in event("DTSTART;VALUE=DATE:20261231"))), "5,000 is the limit"),
        (ics(*event("DTSTART;VALUE=DATE:20261231", "DTEND;VALUE=DATE:99991231")), "can't be followed"),
    ],
)
def test_a_file_that_makes_no_days_says_why(data, message):
    with pytest.raises(BadIcs, match=message):
        days_in(data, TODAY)


def test_a_daily_rule_without_an_end_is_cut_after_ten_years():
    assert len(days("DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY;COUNT=999999999")) == 4019


def test_a_file_is_read_by_a_program_of_its_own():
    assert import_ics(GERMAN.encode(), TODAY)["2026-10-03"] == "Tag der Deutschen Einheit"
    with pytest.raises(BadIcsFile, match="Not an iCalendar file"):
        import_ics(b"hello", TODAY)


def test_a_rule_that_never_matches_ends_in_bounded_time(monkeypatch):
    monkeypatch.setattr(calendars, "ICS_SECONDS", 2)
    rule = "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
    hostile = ics(*(line for n in range(500) for line in event(f"SUMMARY:{n}", "DTSTART;VALUE=DATE:20200101", rule)))
    began = time.perf_counter()
    with pytest.raises(BadIcsFile, match="takes too long"):
        import_ics(hostile, TODAY)
    assert time.perf_counter() - began < 15


def test_a_large_file_is_not_read_at_all():
    with pytest.raises(BadIcsFile, match="more than 5,000,000 bytes"):
        import_ics(b" " * 5_000_001, TODAY)


# The command


def importcalendar(tmp_path, data, *arguments):
    path = tmp_path / "days.ics"
    path.write_bytes(data)
    out = io.StringIO()
    call_command("importcalendar", "holidays", str(path), *arguments, stdout=out)
    return out.getvalue()


def this_year():
    return ics(*event("SUMMARY:New Year", f"DTSTART;VALUE=DATE:{datetime.date.today().year + 1}0101"))


@pytest.mark.django_db
def test_a_files_days_are_merged_into_the_calendar(tmp_path):
    save_calendar("holidays", description="ours", days={"05-01": "Labour Day"}, weekdays=["SUN"], by="olga")
    importcalendar(tmp_path, this_year())
    calendar = Calendar.objects.get()
    assert list(calendar.days.values()) == ["Labour Day", "New Year"]
    assert (calendar.description, calendar.weekdays) == ("ours", ["SUN"])


@pytest.mark.django_db
def test_a_files_days_may_replace_the_calendars(tmp_path):
    save_calendar("holidays", days={"05-01": "Labour Day"}, by="olga")
    assert "-05-01 Labour Day" in importcalendar(tmp_path, this_year(), "--replace")
    assert list(Calendar.objects.get().days.values()) == ["New Year"]


@pytest.mark.django_db
def test_a_dry_run_shows_the_days_and_writes_nothing(tmp_path):
    out = importcalendar(tmp_path, this_year(), "--dry-run")
    assert ("New Year" in out, "nothing was changed" in out) == (True, True)
    assert not Calendar.objects.exists()


@pytest.mark.django_db
def test_a_broken_file_ends_with_2_and_its_fault(tmp_path):
    with pytest.raises(CommandError, match="Not an iCalendar file.*Nothing was changed") as caught:
        importcalendar(tmp_path, b"hello")
    assert caught.value.returncode == 2
