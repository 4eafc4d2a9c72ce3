"""GET /api/v1/cron-preview/ and /api/v1/schedule/."""

import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from jobs.models import Calendar, Freeze, Preset
from tests import cast

pytestmark = pytest.mark.django_db


def preview(client: Client, **query: Any) -> Any:
    return client.get("/api/v1/cron-preview/", query, **cast.token(cast.olga()))  # type: ignore[arg-type]


def test_the_next_fires_carry_the_zones_offset(client: Client) -> None:
    answer = preview(client, schedule="30 2 * * *", timezone="Europe/Paris", after="2026-03-28T00:00:00Z")
    assert answer.json()["fires"] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_the_schedule_is_said_in_words_with_the_rule_for_two_day_fields(client: Client) -> None:
    answer = preview(client, schedule="0 0 13 * FRI").json()
    assert "Friday" in answer["words"]
    assert "match either one" in answer["note"]


def test_calendars_bend_the_preview(client: Client) -> None:
    Calendar.objects.create(name="holidays", days={"12-25": "Christmas Day"})
    bent = {"exclude_calendar": "holidays", "on_excluded": "next_business_day"}
    fires = preview(client, schedule="0 2 25 12 *", after="2026-12-01T00:00:00Z", count=1, **bent).json()["fires"]
    assert fires == ["2026-12-28T02:00:00+00:00"]


def test_the_number_of_fires_can_be_chosen(client: Client) -> None:
    assert len(preview(client, schedule="* * * * *", count=50).json()["fires"]) == 50


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"schedule": "99 * * * *"}, "schedule"),
        ({"schedule": "*/0 * * * *"}, "schedule"),
        ({"schedule": "0-99999 * * * *"}, "schedule"),
        ({"schedule": "0 0 30 2 *"}, "schedule"),
        ({"schedule": "\0"}, "schedule"),
        ({}, "schedule"),
        ({"schedule": "* * * * *", "timezone": "Mars/Base"}, "timezone"),
        ({"schedule": "* * * * *", "timezone": "../../etc/passwd"}, "timezone"),
        ({"schedule": "* * * * *", "count": 51}, "count"),
        ({"schedule": "* * * * *", "after": "soon"}, "after"),
        ({"schedule": "* * * * *", "include_calendar": "none"}, "include_calendar"),
        ({"schedule": "* * * * *", "on_excluded": "maybe"}, "on_excluded"),
    ],
)
def test_what_is_wrong_is_named(client: Client, query: dict[str, Any], field: str) -> None:
    answer = preview(client, **query)
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize("schedule", ["0 0 1 1 *", "* * * * *", "* * * * * *"])
def test_the_end_of_the_calendar_is_no_server_error(client: Client, schedule: str) -> None:
    assert preview(client, schedule=schedule, after="9999-12-31T23:58:00Z").status_code == 200


def schedule(client: Client, person: Any, **query: Any) -> Any:
    with time_machine.travel("2026-05-01T10:30:00Z", tick=False):
        return client.get("/api/v1/schedule/", query, **cast.token(person)).json()  # type: ignore[arg-type]


def test_the_next_hours_hold_every_enabled_schedule_in_order(client: Client) -> None:
    cast.job("hourly", schedule="0 * * * *")
    cast.job("off", schedule="0 * * * *", enabled=False)
    Preset.objects.create(job=cast.job("manual"), name="full", schedule="30 13 * * *", timezone="Europe/Paris")
    Preset.objects.create(job=cast.job("bad", schedule="nonsense"), name="off", schedule="* * * * *", enabled=False)
    fires = schedule(client, cast.olga(), hours=2)["fires"]
    assert [(fire["scheduled_at"], fire["job_id"], fire["preset"]) for fire in fires] == [
        ("2026-05-01T11:00:00Z", "hourly", ""),
        ("2026-05-01T11:30:00Z", "manual", "full"),
        ("2026-05-01T12:00:00Z", "hourly", ""),
    ]


def test_a_job_that_fires_every_second_is_one_entry(client: Client) -> None:
    cast.job("busy", schedule="* * * * * *")
    assert schedule(client, cast.olga(), hours=1)["fires"] == [
        {
            "scheduled_at": "2026-05-01T10:30:01Z",
            "job_id": "busy",
            "preset": "",
            "count": 3600,
            "until": "2026-05-01T11:30:00Z",
            "frozen": "",
        }
    ]


def test_a_job_that_fires_every_second_does_not_hide_the_cut(client: Client) -> None:
    cast.job("busy", schedule="* * * * * *")
    for name in ("a", "b", "c"):
        cast.job(name, schedule="0 12 * * *")
    answer = schedule(client, cast.olga(), limit=3)
    assert (len(answer["fires"]), answer["cut"]) == (3, True)
    assert [fire["job_id"] for fire in answer["fires"]] == ["busy", "a", "b"]


def test_a_frozen_fire_says_so(client: Client) -> None:
    cast.job("daily", schedule="0 12 * * *")
    noon, evening = (datetime.datetime(2026, 5, 1, hour, tzinfo=datetime.UTC) for hour in (12, 18))
    Freeze.objects.create(scope="all", reason="year-end close", owner="alice", starts_at=noon, ends_at=evening)
    frozen = [fire["frozen"] for fire in schedule(client, cast.olga(), hours=48)["fires"]]
    assert frozen == ["frozen by alice until 2026-05-01 18:00 UTC: year-end close", ""]


def test_the_schedule_shows_visible_jobs_only(client: Client) -> None:
    cast.job("hourly", schedule="0 * * * *")
    assert schedule(client, cast.user("nobody"))["fires"] == []
