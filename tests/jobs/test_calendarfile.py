"""Calendars in the file of import and export."""

import pytest

from connectors.catalogue import save_connector
from jobs.calendars import save_calendar
from jobs.catalogue import delete_job, save_job
from jobs.models import Calendar, Job
from jobs.sections import BadFile
from jobs.tomlfile import export_file, import_file

pytestmark = pytest.mark.django_db
HOLIDAYS = """[[calendars]]
name = "holidays"
description = "bank holidays"
weekdays = ["SAT", "SUN"]
month_end = 1

[calendars.days]
"12-25" = "Christmas Day"
"2026-04-06" = "Easter Monday"
"""
JOB = """
[[jobs]]
id = "nightly"
schedule = "0 2 * * *"
exclude_calendar = "holidays"
on_excluded = "next_business_day"

[[jobs.steps]]
name = "s"
type = "python"
callable = "m:f"
"""


def load(text, **kwargs):
    return import_file(text.encode(), by="olga", **kwargs)


def faults(text):
    with pytest.raises(BadFile) as caught:
        load(text)
    return caught.value.faults


def whole():
    return export_file(list(Job.objects.all()), [], sections=True)


def test_a_job_may_name_a_calendar_of_the_same_file():
    changes = load(JOB + HOLIDAYS)
    assert [(change.kind, change.change) for change in changes] == [("calendar", "added"), ("job", "added")]
    assert Job.objects.get().exclude_calendar.days["12-25"] == "Christmas Day"


def test_an_export_brings_back_what_was_exported():
    load(JOB + HOLIDAYS)
    text = whole()
    delete_job(Job.objects.get(), by="olga")
    Calendar.objects.all().delete()
    load(text)
    assert whole() == text
    assert {change.change for change in load(text)} == {"unchanged"}


def test_an_export_of_one_job_has_the_calendars_that_it_names():
    load(JOB + HOLIDAYS)
    save_calendar("other", days={}, by="olga")
    text = export_file(list(Job.objects.all()), [], sections=False)
    assert ('name = "holidays"' in text, 'name = "other"' in text) == (True, False)
    assert text.index("[[calendars]]") < text.index("[[jobs]]")


def test_a_whole_export_has_calendars_that_nobody_uses():
    save_calendar("other", days={}, by="olga")
    assert 'name = "other"' in whole()


def test_a_change_is_shown_as_a_diff():
    load(HOLIDAYS)
    changed = load(HOLIDAYS.replace("Easter Monday", "Ostermontag"), dry_run=True)[0]
    assert changed.change == "changed"
    assert '-2026-04-06 = "Easter Monday"' in changed.diff


def test_a_dry_run_writes_nothing():
    load(HOLIDAYS, dry_run=True)
    assert not Calendar.objects.exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[calendars]]\n", "calendar '?': name: Expected a text of 1 to 100 characters, found None."),
        ('[[calendars]]\nname = "a b"\n', "calendar 'a b': name: Use letters, digits, - and _ only. Found 'a b'."),
        ('[[calendars]]\nname = "a"\ndates = []\n', "calendar 'a': dates: Unknown key; this takes name, description"),
        ('[[calendars]]\nname = "a"\nmonth_end = 29\n', "calendar 'a': month_end: Found 29, expected a number of days"),
        ('[[calendars]]\nname = "a"\nweekdays = ["X"]\n', "calendar 'a': weekdays: Found 'X', expected some of MON"),
        ('[[calendars]]\nname = "a"\ndescription = 7\n', "calendar 'a': description: Expected a text, found 7."),
        (
            '[[calendars]]\nname = "a"\n[calendars.days]\n2026-02-30 = "x"\n',
            "calendar 'a': days: Found '2026-02-30', a date that doesn't exist.",
        ),
        ('[[calendars]]\nname = "a"\n' * 2, "calendar 'a': name: The file has this calendar 2 times."),
        ("calendars = 7\n", "calendars: Expected [[calendars]] tables."),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said_and_nothing_is_saved(text, fault):
    assert faults(text)[0].startswith(fault)
    assert not Calendar.objects.exists()


def test_a_calendar_that_is_nowhere_is_a_fault_of_the_job():
    message = "There is no calendar 'holidays'; make it first, or leave the field empty."
    assert faults(JOB) == [f"job 'nightly': exclude_calendar: {message}"]


def test_a_job_with_a_fault_keeps_the_calendars_out(monkeypatch):
    faults(HOLIDAYS + JOB.replace("0 2", "0 99"))
    assert not Calendar.objects.exists()


def test_a_calendar_survives_beside_connectors():
    save_connector("reporting", "sql", {"url": "sqlite:////srv/reporting.db"})
    save_job({"id": "j", "steps": [{"name": "s", "type": "python", "callable": "m:f"}]}, by="olga")
    load(HOLIDAYS)
    assert (Job.objects.count(), Calendar.objects.count()) == (1, 1)
