"""Alerts, deliveries and incidents in the admin: read, and acted upon by verbs."""

from typing import Any

import pytest
from django.test import Client

from notifications.events import DeliveryState
from notifications.models import Delivery
from tests import cast
from tests.notifications import told

pytestmark = pytest.mark.django_db
LISTS = ("alert", "delivery", "incident")


@pytest.fixture
def nightly() -> Any:
    return cast.job()


@pytest.fixture
def rui(client: Client, nightly: Any) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


def act(client: Client, model: str, action: str, *pks: int) -> str:
    """What the admin says after the action."""
    data = {"action": action, "_selected_action": pks}
    return str(client.post(f"/admin/notifications/{model}/", data, follow=True).content.decode())


@pytest.mark.parametrize("model", LISTS)
def test_only_what_belongs_to_visible_jobs_is_listed(client: Client, rui: Any, nightly: Any, model: str) -> None:
    for job in (nightly, cast.job("secret-job")):
        told.delivery(job)
        told.incident(job)
    text = client.get(f"/admin/notifications/{model}/").content.decode()
    assert "/jobs/nightly/" in text
    assert "secret-job" not in text


@pytest.mark.parametrize("model", LISTS)
def test_nobody_edits_history(client: Client, nightly: Any, model: str) -> None:
    client.force_login(cast.olga())
    delivery, incident = told.delivery(nightly), told.incident(nightly)
    pk = {"alert": delivery.alert_id, "delivery": delivery.pk, "incident": incident.pk}[model]
    path = f"/admin/notifications/{model}"
    text = client.get(f"{path}/{pk}/change/").content.decode()
    assert 'name="_save"' not in text
    assert client.post(f"{path}/{pk}/change/", {}).status_code == 403
    assert client.get(f"{path}/add/").status_code == 403
    assert client.get(f"{path}/{pk}/delete/").status_code == 403


def test_chosen_deliveries_are_sent_again_where_they_have_ended(client: Client, rui: Any, nightly: Any) -> None:
    ended, open_one = told.delivery(nightly, DeliveryState.FAILED), told.delivery(nightly, DeliveryState.RETRYING)
    assert "Sending 1 of 2 again." in act(client, "delivery", "resend", ended.pk, open_one.pk)
    assert Delivery.objects.get(resend_of=ended).requested_by == "rui"


@pytest.mark.parametrize(
    ("action", "field"), [("acknowledge", "acknowledged_by"), ("snooze", "snoozed_by"), ("close", "closed_by")]
)
def test_chosen_incidents_are_taken_on(client: Client, rui: Any, nightly: Any, action: str, field: str) -> None:
    incident = told.incident(nightly)
    assert "1 of 1" in act(client, "incident", action, incident.pk)
    incident.refresh_from_db()
    assert getattr(incident, field) == "rui"


def test_who_only_views_changes_nothing(client: Client, nightly: Any) -> None:
    client.force_login(cast.vera(nightly))
    incident, delivery = told.incident(nightly), told.delivery(nightly)
    assert "0 of 1 closed." in act(client, "incident", "close", incident.pk)
    assert "Sending 0 of 1 again." in act(client, "delivery", "resend", delivery.pk)
