"""Calendars in the admin, and what they do to the preview of a schedule."""

import datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.calendars import save_calendar
from jobs.models import Calendar
from jobs.preview import next_fires_of
from tests import cast
from tests.jobs.test_calendars import event, ics
from tests.jobs.test_freezeadmin import INLINE

pytestmark = pytest.mark.django_db
ADD, LIST = "/admin/jobs/calendar/add/", "/admin/jobs/calendar/"
VALUES = {
    "name": "holidays",
    "description": "",
    "days": "12-25 Christmas Day",
    "weekdays": ["SAT", "SUN"],
    "month_end": 0,
}


@pytest.fixture
def olga(client):
    client.force_login(cast.olga())
    return client


@pytest.fixture
def stored():
    return save_calendar("holidays", days={"12-25": "Christmas Day"}, weekdays=["SUN"], by="olga")


def change(calendar):
    return f"/admin/jobs/calendar/{calendar.pk}/change/"


def errors(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def upload(name="Off"):
    year = datetime.date.today().year + 1
    return SimpleUploadedFile("days.ics", ics(*event(f"SUMMARY:{name}", f"DTSTART;VALUE=DATE:{year}0701")))


def test_a_calendar_is_made_from_lines_and_boxes(olga):
    days = " 2026-04-06   Easter Monday \r\n\r\n12-25 Christmas Day\r\n05-01"
    assert olga.post(ADD, VALUES | {"days": days, "month_end": 2}).status_code == 302
    made = Calendar.objects.get()
    assert made.days == {"05-01": "", "12-25": "Christmas Day", "2026-04-06": "Easter Monday"}
    assert (made.weekdays, made.month_end) == (["SAT", "SUN"], 2)


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"days": "25.12. Christmas"}, "days", "Found '25.12.', expected YYYY-MM-DD, or MM-DD for every year."),
        ({"days": "12-25 a\n12-25 b"}, "days", "Line 2: 12-25 is there already."),
        ({"weekdays": ["XXX"]}, "weekdays", "Select a valid choice."),
        ({"month_end": 29}, "month_end", "less than or equal to 28"),
        ({"name": "a b"}, "name", "Use letters, digits, - and _ only."),
    ],
)
def test_what_is_wrong_stands_at_its_field(olga, values, field, message):
    assert message in errors(olga.post(ADD, VALUES | values))[field][0]
    assert not Calendar.objects.exists()


def test_a_name_is_not_taken_twice(olga, stored):
    assert "There is a calendar of this name already." in errors(olga.post(ADD, VALUES))["name"]


def test_the_name_of_a_calendar_is_locked(olga, stored):
    assert olga.post(change(stored), VALUES | {"name": "other", "days": ""}).status_code == 302
    assert (Calendar.objects.get().name, Calendar.objects.get().days) == ("holidays", {})


def test_saving_the_page_as_it_is_changes_nothing(olga, stored):
    values = {**VALUES, "days": "12-25 Christmas Day", "weekdays": ["SUN"]}
    olga.post(change(stored), values)
    assert Calendar.objects.get().updated_at == stored.updated_at


def test_a_files_days_are_added_to_those_typed(olga, stored):
    olga.post(change(stored), VALUES | {"ics": upload()})
    assert sorted(Calendar.objects.get().days.values()) == ["Christmas Day", "Off"]


def test_a_files_days_may_replace_those_typed(olga, stored):
    olga.post(change(stored), VALUES | {"ics": upload(), "ics_replaces": "on"})
    assert list(Calendar.objects.get().days.values()) == ["Off"]


def test_a_broken_file_is_a_fault_of_its_field(olga, stored):
    response = olga.post(change(stored), VALUES | {"ics": SimpleUploadedFile("x.ics", b"hello")})
    assert "Not an iCalendar file" in errors(response)["ics"][0]


def test_the_list_shows_days_the_next_one_and_who_uses_it(olga, stored):
    cast.job("nightly", exclude_calendar=stored)
    page = olga.get(LIST).content.decode()
    assert ("1 listed, SUN" in page, "job nightly" in page) == (True, True)


def test_the_list_asks_once_who_uses_which(olga):
    counts = []
    for number in (1, 5):
        for name in range(number):
            save_calendar(f"c{name}", days={}, by="olga")
        with CaptureQueriesContext(connection) as queries:
            olga.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_calendar_in_use_is_not_deleted(olga, stored):
    cast.job("nightly", exclude_calendar=stored)
    olga.post(f"/admin/jobs/calendar/{stored.pk}/delete/", {"post": "yes"})
    olga.post(LIST, {"action": "delete_selected", "_selected_action": [stored.pk], "post": "yes"})
    assert Calendar.objects.exists()


def test_an_unused_calendar_is_deleted(olga, stored):
    olga.post(f"/admin/jobs/calendar/{stored.pk}/delete/", {"post": "yes"})
    assert not Calendar.objects.exists()


def test_whoever_may_only_look_gets_no_form(client, stored):
    client.force_login(cast.user("vera", "view_calendar"))
    page = client.get(change(stored)).content.decode()
    assert ("Christmas Day" in page, 'name="days"' in page) == (True, False)


def test_the_pages_have_no_inline_script_style_or_handler(olga, stored):
    shown = [olga.get(url).content.decode() for url in (LIST, ADD, change(stored))]
    assert [INLINE.findall(text) for text in shown] == [[]] * 3


# The preview of a schedule

FRIDAY = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)


def test_the_preview_leaves_out_what_the_calendar_excludes(stored):
    assert next_fires_of("0 2 * * *", "UTC", ("", "holidays", "skip"), FRIDAY) == [
        "Sat 2026-11-28 02:00:00 UTC",
        "Mon 2026-11-30 02:00:00 UTC",
        "Tue 2026-12-01 02:00:00 UTC",
    ]


def test_the_preview_shows_moved_fires(stored):
    moved = next_fires_of("0 3 * * SUN", "UTC", ("", "holidays", "next_business_day"), FRIDAY)
    assert moved[0] == "Mon 2026-11-30 03:00:00 UTC"


def test_the_preview_says_when_the_calendars_leave_nothing(stored):
    assert "the calendars leave no day" in next_fires_of("0 2 25 12 *", "UTC", ("", "holidays", "skip"), FRIDAY)[0]


def test_the_preview_of_what_is_typed_takes_calendars(olga, stored):
    query = {"cron": "0 2 25 12 *", "tz": "UTC", "exclude": "holidays"}
    assert "leave no day" in olga.get("/admin/jobs/job/cron-preview/", query).json()["fires"][1]
    query["exclude"] = "gone"
    assert "no calendar 'gone'" in olga.get("/admin/jobs/job/cron-preview/", query).json()["fires"][1]


def test_a_stored_jobs_page_shows_what_really_fires(olga, stored):
    cast.job("nightly", schedule="0 2 25 12 *", exclude_calendar=stored)
    assert "the calendars leave no day" in olga.get("/admin/jobs/job/nightly/change/").content.decode()
