"""GET /api/v1/fires/, POST /api/v1/fires/run/ and /api/v1/fires/dismiss/, GET /api/v1/schedule/ in a zone."""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from runs.models import Fire, Run
from runs.states import Cause, Outcome
from tests import cast

pytestmark = pytest.mark.django_db
NOON = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.dispatch.wake", lambda run_pk: True)


@pytest.fixture
def nightly() -> Job:
    job = cast.job()
    for hours, outcome in enumerate((Outcome.MISSED, Outcome.MISSED, Outcome.RAN)):
        Fire.objects.create(
            job=job, scheduled_at=NOON - timedelta(hours=hours), noticed_at=NOON, outcome=outcome, cause=Cause.OUTAGE
        )
    return job


def get(client: Client, person: Any, **query: Any) -> Any:
    return client.get("/api/v1/fires/", query, **cast.token(person)).json()  # type: ignore[arg-type]


def post(client: Client, person: Any, verb: str, body: Any) -> Any:
    return client.post(f"/api/v1/fires/{verb}/", body, content_type="application/json", **cast.token(person))  # type: ignore[arg-type]


def test_the_ledger_says_what_became_of_every_moment(client: Client, nightly: Job) -> None:
    newest = get(client, cast.rui(nightly))["results"][0]
    assert (newest["scheduled_at"], newest["outcome"], newest["cause"], newest["run_id"]) == (
        "2026-07-01T12:00:00Z",
        "missed",
        "outage",
        None,
    )


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"open": "true"}, 2),
        ({"open": "false"}, 1),
        ({"outcome": "ran"}, 1),
        ({"outcome": ["ran", "missed"]}, 3),
        ({"job": "other"}, 0),
        ({"scheduled_before": "2026-07-01T11:00:00Z"}, 1),
    ],
)
def test_the_ledger_is_filtered(client: Client, nightly: Job, query: dict[str, Any], count: int) -> None:
    assert len(get(client, cast.rui(nightly), **query)["results"]) == count


def test_the_pages_of_the_ledger_have_no_gap(client: Client, nightly: Job) -> None:
    rui = cast.rui(nightly)
    first = get(client, rui, page_size=2)
    rest = client.get(first["next"], **cast.token(rui)).json()  # type: ignore[arg-type]
    assert len({row["id"] for row in first["results"] + rest["results"]}) == 3


def test_fires_of_jobs_one_does_not_see_are_not_there(client: Client, nightly: Job) -> None:
    assert get(client, cast.user("nobody"))["results"] == []


def test_missed_fires_are_run_or_dismissed_once(client: Client, nightly: Job) -> None:
    rui = cast.rui(nightly)
    one, other = Fire.objects.filter(outcome=Outcome.MISSED)
    assert post(client, rui, "run", {"fires": [one.pk]}).json() == {"settled": 1}
    assert post(client, rui, "dismiss", {"all": True}).json() == {"settled": 1}
    assert post(client, rui, "run", {"all": True}).json() == {"settled": 0}
    assert Run.objects.get().scheduled_at == one.scheduled_at
    assert Fire.objects.get(pk=other.pk).settled_by == "user:rui"


def test_who_may_only_look_settles_nothing(client: Client, nightly: Job) -> None:
    assert post(client, cast.vera(nightly), "run", {"all": True}).json() == {"settled": 0}


@pytest.mark.parametrize(
    "body", [{}, {"fires": []}, {"fires": [1], "all": True}, {"fires": ["x"]}, {"which": 1}, {"fires": [0]}]
)
def test_a_body_that_makes_no_sense_is_refused(client: Client, nightly: Job, body: dict[str, Any]) -> None:
    assert post(client, cast.rui(nightly), "run", body).status_code == 400


def schedule(client: Client, person: Any, **query: Any) -> Any:
    return client.get("/api/v1/schedule/", query, **cast.token(person))  # type: ignore[arg-type]


def test_the_schedule_comes_in_the_zone_asked_for(client: Client) -> None:
    job = cast.job(schedule="0 2 * * *", timezone="Europe/Paris")
    fires = schedule(client, cast.rui(job), days=7, tz="Europe/Paris").json()["fires"]
    assert len(fires) == 7
    assert all(fire["scheduled_at"][11:16] == "02:00" for fire in fires)


def test_a_dense_schedule_is_one_entry(client: Client) -> None:
    job = cast.job(schedule="*/5 * * * *")
    [fire] = schedule(client, cast.rui(job), days=7).json()["fires"]
    assert fire["count"] == 7 * 24 * 12


@pytest.mark.parametrize(
    ("query", "field"), [({"tz": "Mars/Base"}, "tz"), ({"days": 99}, "days"), ({"hours": 0}, "hours")]
)
def test_a_wrong_question_is_named(client: Client, query: dict[str, Any], field: str) -> None:
    answer = schedule(client, cast.olga(), **query)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_job_that_is_not_there_is_404(client: Client) -> None:
    assert schedule(client, cast.olga(), job="none").status_code == 404
