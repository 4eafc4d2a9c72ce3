"""The page of notifications: incidents, channels, deliveries, and what can be done there."""

import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import TextField, Value
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import assign_perm

from notifications.events import DeliveryState, Event
from notifications.models import Channel, Delivery, RoutingRule
from runs import nodes
from tests import cast
from tests.notifications import told

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def nightly() -> Any:
    return cast.job()


@pytest.fixture
def rui(client: Client, nightly: Any) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/notifications/{query}")
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def rows(client: Client, query: str = "") -> list[str]:
    """The deliveries that the page shows, each as HTML."""
    body = page(client, query).partition('id="delivery-rows"')[2].partition("</tbody>")[0]
    return [row for row in body.split("<tr>")[1:] if "No deliveries" not in row]


def editor(client: Client) -> Any:
    """May edit channels, and see no job."""
    person = cast.user("edith")
    person.user_permissions.add(Permission.objects.get(codename="change_channel"))
    client.force_login(person)
    return person


# Incidents


def test_an_open_incident_is_told_with_reason_run_and_who_was_told(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    incident = told.incident(nightly, 3, run)
    told.delivery(told.alert(nightly, incident=incident, run=run), recipient="@rui")
    text = page(client)
    for piece in ("failed 3 times in a row", "no such table", run.run_id, "@rui"):
        assert piece in text.partition("Channels</h2>")[0]


def test_closed_incidents_and_those_of_others_are_not_shown(client: Client, rui: Any, nightly: Any) -> None:
    told.incident(nightly, closed_at=timezone.now(), reason="long over")
    told.incident(cast.job("secret-job"))
    text = page(client)
    assert "No job is failing" in text
    assert "secret-job" not in text


def test_acknowledging_keeps_who_did_it(client: Client, rui: Any, nightly: Any) -> None:
    incident = told.incident(nightly)
    answer = client.post(f"/notifications/incidents/{incident.pk}/", {"act": "acknowledge"}, follow=True)
    incident.refresh_from_db()
    assert incident.acknowledged_by == "rui"
    assert "acknowledged" in answer.content.decode()


def test_snoozing_is_until_then(client: Client, rui: Any, nightly: Any) -> None:
    incident = told.incident(nightly)
    client.post(f"/notifications/incidents/{incident.pk}/", {"act": "snooze", "for": "4 h"})
    incident.refresh_from_db()
    assert abs(incident.snoozed_until - timezone.now() - 4 * HOUR) < datetime.timedelta(minutes=1)
    assert "Snoozed by" in page(client)


def test_closing_ends_the_incident(client: Client, rui: Any, nightly: Any) -> None:
    incident = told.incident(nightly)
    client.post(f"/notifications/incidents/{incident.pk}/", {"act": "close"})
    incident.refresh_from_db()
    assert incident.closed_by == "rui"
    again = client.post(f"/notifications/incidents/{incident.pk}/", {"act": "close"}, follow=True)
    assert "closed already" in again.content.decode()


@pytest.mark.parametrize("data", [{}, {"act": "burn"}, {"act": "snooze", "for": "1 year"}])
def test_an_unknown_wish_changes_nothing(client: Client, rui: Any, nightly: Any, data: dict[str, str]) -> None:
    incident = told.incident(nightly)
    answer = client.post(f"/notifications/incidents/{incident.pk}/", data, follow=True)
    assert "Nothing done" in answer.content.decode()


def test_who_only_views_a_job_has_no_buttons_and_is_refused(client: Client, nightly: Any) -> None:
    client.force_login(cast.vera(nightly))
    incident, delivery = told.incident(nightly), told.delivery(nightly)
    text = page(client)
    assert "Acknowledge" not in text
    assert "Resend" not in text
    assert client.post(f"/notifications/incidents/{incident.pk}/", {"act": "close"}).status_code == 403
    assert client.post(f"/notifications/deliveries/{delivery.pk}/resend/").status_code == 403


def test_what_one_does_not_see_is_not_there(client: Client, rui: Any) -> None:
    hidden = cast.job("hidden")
    incident, delivery = told.incident(hidden), told.delivery(hidden)
    assert client.post(f"/notifications/incidents/{incident.pk}/", {"act": "close"}).status_code == 404
    assert client.post(f"/notifications/deliveries/{delivery.pk}/resend/").status_code == 404


# Channels


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"enabled": False}, "switched off"),
        ({"failing_since": timezone.now(), "last_answer": told.REFUSED}, "authentication failed"),
        ({"hold_until": timezone.now() + HOUR}, "waits, as the server asked"),
        ({"last_sent_at": timezone.now()}, "works"),
        ({}, "nothing sent yet"),
    ],
)
def test_a_channels_health_is_told_in_words(client: Client, rui: Any, values: dict[str, Any], words: str) -> None:
    told.channel(**values)
    text = page(client).partition('id="channels"')[2]
    assert words in text.partition("</table>")[0]


def test_no_secret_of_a_channel_is_shown(client: Client) -> None:
    client.force_login(cast.olga())
    told.channel("chat", "slack", config={}, secrets={"webhook_url": "https://127.0.0.1/services/T0/B0/s3cr3t"})
    told.channel("hook", config={"url": "https://127.0.0.1/"}, secrets={"signing_secret": "s3cr3t"})
    assert "s3cr3t" not in page(client)


def test_a_channel_of_an_unknown_kind_says_so(client: Client, rui: Any) -> None:
    told.channel("pigeon", "pigeon")
    assert "no kind of channel has this name" in page(client)


def test_a_test_shows_the_real_answer_on_the_same_page(client: Client) -> None:
    editor(client)
    channel = told.channel()
    answer = client.post(f"/notifications/channels/{channel.pk}/test/", follow=True)
    assert answer.redirect_chain == [("/notifications/#channels", 302)]
    assert "Test of ops:" in answer.content.decode()


def test_who_may_not_edit_channels_tests_none(client: Client, rui: Any) -> None:
    channel = told.channel()
    assert "Test ops" not in page(client)
    assert client.post(f"/notifications/channels/{channel.pk}/test/").status_code == 403


def test_rules_say_which_jobs_tell_whom(client: Client, rui: Any) -> None:
    RoutingRule.objects.create(tag="etl", channel=told.channel(), recipient="#etl")
    assert "#etl by ops" in page(client)


# Deliveries


def test_deliveries_are_shown_newest_first_and_only_of_visible_jobs(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, recipient="first")
    told.delivery(nightly, DeliveryState.FAILED, recipient="second")
    told.delivery(cast.job("hidden"), recipient="never")
    found = rows(client)
    assert len(found) == 2
    assert "second" in found[0]
    assert told.REFUSED in found[0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=FAILED", ["failed"]),
        ("?channel=mail", ["failed"]),
        ("?channel=ops", ["success", "sent"]),
        ("?event=succeeded", ["success"]),
        ("?job=NIGHT", ["success", "failed", "sent"]),
        ("?job=other", []),
        ("?state=SENT&channel=ops&event=failed&job=nightly", ["sent"]),
    ],
)
def test_filters_leave_what_was_asked_for(
    client: Client, rui: Any, nightly: Any, query: str, expected: list[str]
) -> None:
    told.delivery(nightly, recipient="to-sent")
    told.delivery(nightly, DeliveryState.FAILED, told.channel("mail"), recipient="to-failed")
    told.delivery(told.alert(nightly, Event.SUCCEEDED), recipient="to-success")
    found = rows(client, query)
    assert len(found) == len(expected)
    assert all(f"to-{name}" in row for name, row in zip(expected, found, strict=True))


def test_a_deleted_channels_deliveries_are_found_by_its_name(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, through=told.channel("gone"), recipient="once")
    Channel.objects.get(name="gone").delete()
    [row] = rows(client, "?channel=gone")
    assert "(deleted)" in row
    assert "Resend" not in row


@pytest.mark.parametrize("query", ["?state=LOST", "?event=boom", "?job=%00", f"?channel={'x' * 101}"])
def test_a_filter_that_cannot_be_is_named(client: Client, rui: Any, query: str) -> None:
    answer = client.get(f"/notifications/{query}")
    assert answer.status_code == 400
    assert "found" in answer.content.decode().partition('class="faults"')[2]


def test_older_pages_go_on_where_the_newest_ended(client: Client, rui: Any, nightly: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("notifications.views.overview.DELIVERIES_ON_A_PAGE", 2)
    made = [told.delivery(nightly, recipient=f"to-{number}") for number in range(3)]
    assert f"before={made[1].pk}#deliveries" in page(client)
    [row] = rows(client, f"?before={made[1].pk}")
    assert "to-0" in row


def test_a_delivery_unfolds_to_its_attempts_and_relatives(client: Client, rui: Any, nightly: Any) -> None:
    history = [{"at": "2026-03-01T02:14:00+00:00", "answer": "421 busy"}, {"at": "broken", "answer": "535 no"}]
    first = told.delivery(nightly, DeliveryState.FAILED, attempts=2, history=history, fell_back=True)
    told.delivery(first.alert, through=told.channel("spare"), fallback_of=first, recipient="@boss")
    newer, older = rows(client)
    assert "2026-03-01 02:14:00" in older
    assert "421 busy" in older
    assert f"told instead by delivery {first.pk + 1}, @boss by spare" in older
    assert f"stands in for delivery {first.pk}" in newer


def test_resending_writes_a_new_delivery_and_leads_back(client: Client, rui: Any, nightly: Any) -> None:
    old = told.delivery(nightly, DeliveryState.FAILED)
    back = "/notifications/?state=FAILED#deliveries"
    answer = client.post(f"/notifications/deliveries/{old.pk}/resend/", {"back": back}, follow=True)
    again = Delivery.objects.latest("pk")
    assert (again.resend_of, again.requested_by, again.state) == (old, "rui", "PENDING")
    assert answer.redirect_chain == [(back, 302)]
    assert f"as delivery {again.pk}" in answer.content.decode()


def test_what_is_still_being_sent_is_not_sent_again(client: Client, rui: Any, nightly: Any) -> None:
    old = told.delivery(nightly, DeliveryState.RETRYING)
    assert "Resend" not in rows(client)[0]
    answer = client.post(f"/notifications/deliveries/{old.pk}/resend/", follow=True)
    assert "still being sent" in answer.content.decode()
    assert Delivery.objects.count() == 1


def test_a_form_leads_to_no_other_host(client: Client, rui: Any, nightly: Any) -> None:
    old = told.delivery(nightly)
    answer = client.post(f"/notifications/deliveries/{old.pk}/resend/", {"back": "//evil.example/"})
    assert answer.headers["Location"] == "/notifications/"


def test_what_a_server_answered_is_text(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, DeliveryState.FAILED, answer="<script>alert(1)</script>\x1b[31m")
    text = page(client)
    assert "<script>alert" not in text
    assert "\x1b" not in text


def test_the_page_needs_as_many_queries_for_many_rows_as_for_few(
    client: Client, rui: Any, nightly: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        told.delivery(nightly, recipient=f"to-{number}")
        job = cast.job(f"job-{number}")
        assign_perm("jobs.see_job", rui, job)
        told.incident(job)
    with django_assert_max_num_queries(40):
        page(client)


# Notices


def test_a_failing_channel_is_told_on_every_page(client: Client, rui: Any) -> None:
    told.channel(failing_since=timezone.now(), last_answer=told.REFUSED)
    text = client.get("/runs/").content.decode()
    assert "Channel ops is failing" in text
    assert told.REFUSED in text


def test_a_channel_that_is_off_or_works_is_no_news(client: Client, rui: Any) -> None:
    told.channel("off", failing_since=timezone.now(), enabled=False)
    told.channel("fine")
    assert "is failing" not in client.get("/runs/").content.decode()


def test_who_sees_no_job_is_told_nothing(client: Client, nightly: Any) -> None:
    client.force_login(cast.user("nobody"))
    told.channel(failing_since=timezone.now())
    told.delivery(nightly, DeliveryState.FAILED)
    text = client.get("/runs/").content.decode()
    assert "is failing" not in text
    assert "could not be delivered" not in text


def test_alerts_that_reached_nobody_are_counted(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, DeliveryState.FAILED)
    lost = told.delivery(nightly, DeliveryState.FAILED)
    told.delivery(lost.alert, DeliveryState.FAILED, fallback_of=lost)
    told.delivery(cast.job("hidden"), DeliveryState.FAILED)
    assert "2 alerts could not be delivered" in client.get("/runs/").content.decode()


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.PENDING])
@pytest.mark.parametrize("relation", ["fallback_of", "resend_of"])
def test_what_something_else_told_or_is_about_to_tell_is_not_lost(
    client: Client, rui: Any, nightly: Any, relation: str, state: DeliveryState
) -> None:
    lost = told.delivery(nightly, DeliveryState.FAILED)
    between = told.delivery(lost.alert, DeliveryState.FAILED, resend_of=lost)
    told.delivery(lost.alert, state, **{relation: between})
    assert "could not be delivered" not in client.get("/runs/").content.decode()


def test_a_loss_of_long_ago_is_no_news(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, DeliveryState.FAILED, ended_at=timezone.now() - 25 * HOUR)
    assert "could not be delivered" not in client.get("/runs/").content.decode()


def test_alerts_that_nobody_is_there_to_send_are_told(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, DeliveryState.PENDING, due_at=timezone.now() - HOUR)
    assert "Alerts wait, and nobody sends them" in client.get("/runs/").content.decode()
    nodes.sign_in("host:1:abc", nodes.WORKER)
    assert "nobody sends them" not in client.get("/runs/").content.decode()


def test_what_is_due_just_now_is_no_news(client: Client, rui: Any, nightly: Any) -> None:
    told.delivery(nightly, DeliveryState.PENDING)
    assert "nobody sends them" not in client.get("/runs/").content.decode()


def test_a_channel_whose_key_is_lost_leaves_the_page_usable(client: Client, rui: Any) -> None:
    channel = told.channel("locked")
    RoutingRule.objects.create(tag="etl", channel=channel)
    Channel.objects.update(secrets=Value("not a token", output_field=TextField()))
    assert "A stored secret can&#x27;t be decrypted" in page(client)


def test_who_sees_no_job_sees_no_channel(client: Client) -> None:
    client.force_login(cast.user("nobody"))
    told.channel("secret-place")
    assert "secret-place" not in page(client)


# The run's page


def test_a_runs_page_shows_its_alerts_and_their_deliveries(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    told.delivery(told.alert(nightly, run=run), DeliveryState.FAILED, recipient="@rui")
    told.alert(nightly, run=run, event=Event.GUARD, outcome="folded into incident 12")
    text = client.get(run.get_absolute_url()).content.decode()
    for piece in ("@rui", told.REFUSED, "Resend", "guard warning", "folded into incident 12"):
        assert piece in text
    assert "data-open" not in text


def test_the_part_of_a_runs_page_that_is_renewed_has_its_alerts(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    told.alert(nightly, run=run, settled_at=None, outcome="")
    text = client.get(f"{run.get_absolute_url()}standing/").content.decode()
    assert "about to be told" in text
    assert "data-open" in text


def test_a_run_without_alerts_has_no_section(client: Client, rui: Any, nightly: Any) -> None:
    assert 'id="alerts"' not in client.get(cast.run(nightly).get_absolute_url()).content.decode()
