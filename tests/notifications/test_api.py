"""The API of deliveries and incidents."""

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notifications.events import DeliveryState, Event
from notifications.models import Delivery
from tests import cast
from tests.notifications import told

pytestmark = pytest.mark.django_db
DELIVERIES, INCIDENTS = "/api/v1/deliveries/", "/api/v1/incidents/"


@pytest.fixture
def nightly() -> Any:
    return cast.job()


@pytest.fixture
def token(nightly: Any) -> dict[str, str]:
    """Of Rui, who may run the job."""
    return cast.token(cast.rui(nightly))


def get(client: Client, path: str, token: dict[str, str]) -> Any:
    answer = client.get(path, **token)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(client: Client, path: str, token: dict[str, str], data: Any = None) -> Any:
    return client.post(path, data, content_type="application/json", **token)  # type: ignore[arg-type]


def test_a_delivery_tells_all_about_itself(client: Client, token: dict[str, str], nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    made = told.delivery(told.alert(nightly, run=run), DeliveryState.FAILED, recipient="@rui")
    [found] = get(client, DELIVERIES, token)["results"]
    expected = {
        "id": made.pk,
        "uid": str(made.uid),
        "event": "failed",
        "job_id": "nightly",
        "run_id": run.run_id,
        "channel": "ops",
        "recipient": "@rui",
        "state": "FAILED",
        "attempts": 1,
        "answer": told.REFUSED,
        "fallback_of": None,
        "resend_of": None,
    }
    assert {key: found[key] for key in expected} == expected
    assert found["url"].endswith(f"/runs/{run.run_id}/")
    assert {"created_at", "due_at", "ended_at"} <= set(found)


def test_one_delivery_has_its_attempts(client: Client, token: dict[str, str], nightly: Any) -> None:
    made = told.delivery(nightly)
    found = get(client, f"{DELIVERIES}{made.pk}/", token)
    assert [attempt["answer"] for attempt in found["history"]] == ["200 OK"]
    assert found["run_id"] is None
    assert found["url"] is None


def test_deliveries_are_listed_newest_first_and_only_of_visible_jobs(
    client: Client, token: dict[str, str], nightly: Any
) -> None:
    made = [told.delivery(nightly).pk for _ in range(3)]
    hidden = told.delivery(cast.job("hidden"))
    found = get(client, DELIVERIES, token)["results"]
    assert [delivery["id"] for delivery in found] == made[::-1]
    assert client.get(f"{DELIVERIES}{hidden.pk}/", **token).status_code == 404  # type: ignore[arg-type]


def test_pages_follow_each_other(client: Client, token: dict[str, str], nightly: Any) -> None:
    made = [told.delivery(nightly).pk for _ in range(3)]
    first = get(client, f"{DELIVERIES}?page_size=2", token)
    second = get(client, first["next"], token)
    assert [delivery["id"] for delivery in second["results"]] == made[:1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=FAILED", "b"),
        ("state=FAILED&state=SENT&recipient=to-a", "a"),
        ("channel=mail", "b"),
        ("recipient=to-a", "a"),
        ("job=nightly&event=succeeded", "c"),
        ("job=other", ""),
        ("run={run}", "c"),
        ("created_before=2026-01-02T00:00:00Z", "a"),
        ("created_after=2026-01-02T00:00:00Z&state=SENT", "c"),
    ],
)
def test_filters(client: Client, token: dict[str, str], nightly: Any, query: str, expected: str) -> None:
    run = cast.run(nightly)
    long_ago = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    told.delivery(nightly, recipient="to-a", created_at=long_ago)
    told.delivery(nightly, DeliveryState.FAILED, told.channel("mail"), recipient="to-b")
    told.delivery(told.alert(nightly, Event.SUCCEEDED, run=run), recipient="to-c")
    found = get(client, f"{DELIVERIES}?{query.format(run=run.run_id)}", token)["results"]
    assert [delivery["recipient"] for delivery in found] == [f"to-{name}" for name in expected]


@pytest.mark.parametrize("query", ["state=LOST", "event=boom", "created_after=yesterday"])
def test_a_filter_that_cannot_be_is_named(client: Client, token: dict[str, str], query: str) -> None:
    answer = client.get(f"{DELIVERIES}?{query}", **token)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert list(answer.json()) == [query.partition("=")[0]]


def test_resending_answers_with_the_new_delivery(client: Client, token: dict[str, str], nightly: Any) -> None:
    old = told.delivery(nightly, DeliveryState.FAILED)
    answer = post(client, f"{DELIVERIES}{old.pk}/resend/", token)
    assert answer.status_code == 202
    made = Delivery.objects.latest("pk")
    assert answer.json()["id"] == made.pk
    assert (answer.json()["resend_of"], answer.json()["state"], made.requested_by) == (old.pk, "PENDING", "rui")


def test_what_is_still_being_sent_is_not_sent_again(client: Client, token: dict[str, str], nightly: Any) -> None:
    answer = post(client, f"{DELIVERIES}{told.delivery(nightly, DeliveryState.RETRYING).pk}/resend/", token)
    assert answer.status_code == 409
    assert "still being sent" in answer.json()["detail"]


@pytest.mark.parametrize("act", ["resend", "acknowledge", "snooze", "close"])
def test_who_only_views_is_refused_and_who_sees_nothing_finds_nothing(client: Client, nightly: Any, act: str) -> None:
    made = told.delivery(nightly) if act == "resend" else told.incident(nightly)
    path = f"{DELIVERIES if act == 'resend' else INCIDENTS}{made.pk}/{act}/"
    assert post(client, path, cast.token(cast.vera(nightly))).status_code == 403
    assert post(client, path, cast.token(cast.user("nobody"))).status_code == 404
    assert client.post(path).status_code == 401


def test_open_incidents_are_found(client: Client, token: dict[str, str], nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    told.incident(nightly, closed_at=timezone.now(), closed_by="rui")
    made = told.incident(nightly, 3, run)
    told.incident(cast.job("hidden"))
    [found] = get(client, f"{INCIDENTS}?open=true", token)["results"]
    assert (found["id"], found["failures"], found["last_run_id"]) == (made.pk, 3, run.run_id)
    assert found["url"].endswith(f"/notifications/#incident-{made.pk}")
    assert len(get(client, INCIDENTS, token)["results"]) == 2
    assert get(client, f"{INCIDENTS}{made.pk}/", token) == found


def test_acknowledging_shows_the_incident_as_it_is_then(client: Client, token: dict[str, str], nightly: Any) -> None:
    answer = post(client, f"{INCIDENTS}{told.incident(nightly).pk}/acknowledge/", token)
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "rui"


def test_snoozing_takes_minutes(client: Client, token: dict[str, str], nightly: Any) -> None:
    incident = told.incident(nightly)
    answer = post(client, f"{INCIDENTS}{incident.pk}/snooze/", token, {"minutes": 90})
    assert answer.status_code == 200
    incident.refresh_from_db()
    wanted = timezone.now() + datetime.timedelta(minutes=90)
    assert abs(incident.snoozed_until - wanted) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize("body", [{"minutes": 0}, {"minutes": 10**9}, {"minutes": "soon"}, {"hours": 1}])
def test_a_snooze_that_cannot_be_is_named(client: Client, token: dict[str, str], nightly: Any, body: Any) -> None:
    answer = post(client, f"{INCIDENTS}{told.incident(nightly).pk}/snooze/", token, body)
    assert answer.status_code == 400
    assert list(answer.json()) == list(body)


@pytest.mark.parametrize("act", ["acknowledge", "snooze", "close"])
def test_a_closed_incident_stays_as_it_is(client: Client, token: dict[str, str], nightly: Any, act: str) -> None:
    incident = told.incident(nightly)
    assert post(client, f"{INCIDENTS}{incident.pk}/close/", token).json()["closed_by"] == "rui"
    assert post(client, f"{INCIDENTS}{incident.pk}/{act}/", token).status_code == 409


def test_the_schema_knows_them(client: Client, token: dict[str, str]) -> None:
    paths = get(client, "/api/v1/schema/?format=json", token)["paths"]
    resend = paths["/api/v1/deliveries/{id}/resend/"]["post"]
    assert set(resend["responses"]) == {"202", "403", "409"}
    names = {parameter["name"] for parameter in paths["/api/v1/deliveries/"]["get"]["parameters"]}
    assert {"state", "channel", "recipient", "job", "run", "event", "created_after", "cursor"} <= names
    assert {f"/api/v1/incidents/{{id}}/{act}/" for act in ("acknowledge", "snooze", "close")} <= set(paths)
