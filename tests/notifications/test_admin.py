"""Channels and routing rules in the admin."""

import re
from typing import Any

import pytest
from auditlog.models import LogEntry as AuditEntry
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.endpointadmin import TESTS_PER_MINUTE
from notifications.catalogue import ready_channel, save_channel, save_rule
from notifications.channels import transports
from notifications.models import Channel, RoutingRule
from tests import cast
from tests.servers.endpoint import Endpoint

pytestmark = pytest.mark.django_db

ADD = reverse("admin:notifications_channel_add")
LIST = reverse("admin:notifications_channel_changelist")
RULES = reverse("admin:notifications_routingrule_changelist")
ADD_RULE = reverse("admin:notifications_routingrule_add")
SLACK = {"token": "xoxb-canary", "recipient": "#ops"}
MAIL = {"host": "smtp.example.com", "sender": "n@example.com", "recipients": ["a@example.com"]}
TYPED = {
    "description": "",
    "enabled": "on",
    "is_default": "on",
    "fallback": "",
    "webhook_url": "",
    "token": "",
    "recipient": "#ops",
    "api_url": "https://slack.com/api",
    "allow_private": "on",
    "verify_tls": "on",
}
HOOK_TYPED = {
    "description": "",
    "enabled": "on",
    "is_default": "on",
    "fallback": "",
    "url": "",
    "method": "POST",
    "headers": "",
    "content_type": "",
    "body": "",
    "secret": "",
    "verify_tls": "on",
    "ca_file": "",
    "timeout_seconds": "10.0",
    "allow_private": "on",
}


@pytest.fixture
def olga(client: Client) -> Client:
    """Somebody who may edit channels and rules, and nothing else."""
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=["channel", "routingrule"]))
    client.force_login(user)
    return client


def change(channel: Channel) -> str:
    return reverse("admin:notifications_channel_change", args=[channel.pk])


def delete(channel: Channel) -> str:
    return reverse("admin:notifications_channel_delete", args=[channel.pk])


def faults(response: Any) -> str:
    """The form's errors, when it was shown again."""
    return str(response.context["adminform"].form.errors) if response.status_code == 200 else ""


def text_of(response: Any) -> str:
    return str(response.content.decode()).replace("&#x27;", "'").replace("&quot;", '"')


# --- channels -----------------------------------------------------------------------------------------------------


def test_the_kind_is_chosen_first(olga: Client) -> None:
    page = text_of(olga.get(ADD))
    assert "Add channel: which kind?" in page
    for kind in transports():
        assert f'href="{ADD}?kind={kind}"' in page


@pytest.mark.parametrize("kind", transports())
def test_only_the_fields_of_the_kind_are_shown(olga: Client, kind: str) -> None:
    shown = set(re.findall(r'name="([a-z_]+)"', text_of(olga.get(f"{ADD}?kind={kind}"))))
    own = set(transports()[kind].form.base_fields)
    others = {name for other in transports().values() for name in other.form.base_fields} - own
    assert {"name", "description", "enabled", "is_default", "fallback"} | own <= shown
    assert not shown & (others - {"description"})


def test_a_new_channel_is_stored_sealed(olga: Client) -> None:
    mail = save_channel("mail", "email", MAIL)
    response = olga.post(f"{ADD}?kind=slack", {**TYPED, "name": "ops", "token": "xoxb-canary", "fallback": mail.pk})
    assert response.status_code == 302, faults(response)
    channel = Channel.objects.get(name="ops")
    assert (ready_channel(channel).settings, str(channel.fallback)) == (SLACK, "mail")


def test_faults_stand_at_their_fields(olga: Client) -> None:
    response = olga.post(f"{ADD}?kind=slack", {**TYPED, "name": "ops", "recipient": "ops"})
    assert "recipient" in response.context["adminform"].form.errors
    response = olga.post(f"{ADD}?kind=slack", {**TYPED, "name": "ops"})
    assert "webhook_url" in response.context["adminform"].form.errors
    assert not Channel.objects.exists()


def test_a_fallback_that_makes_a_circle_is_refused_beside_its_field(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    mail = save_channel("mail", "email", MAIL, fallback="ops")
    response = olga.post(change(ops), {**TYPED, "fallback": mail.pk})
    assert "in a circle: ops -&gt; mail -&gt; ops" in str(response.context["adminform"].form.errors["fallback"])


def test_no_secret_is_ever_shown(olga: Client) -> None:
    hook = {"url": "https://hooks.example.com/canary-path", "headers": {"Authorization": "canary-header"}}
    channels = [save_channel("ops", "slack", SLACK), save_channel("hook", "webhook", {**hook, "secret": "canary-s"})]
    pages = [olga.get(LIST), *(olga.get(change(channel)) for channel in channels)]
    pages.append(olga.post(change(channels[0]), {**TYPED, "token": "xoxb-canary-typed", "recipient": "nonsense"}))
    text = "".join(map(text_of, pages))
    assert "canary" not in text
    assert "$sealed" not in text
    assert "Leave empty to keep it" in text


def test_secrets_left_empty_stay(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    response = olga.post(change(ops), {**TYPED, "description": "ours"})
    assert response.status_code == 302, faults(response)
    assert ready_channel(Channel.objects.get()).settings == SLACK


def test_a_changed_address_asks_for_the_secrets_again(olga: Client) -> None:
    save_channel("hook", "webhook", {"url": "https://hooks.example.com/a", "secret": "canary-signing"})
    moved = {**HOOK_TYPED, "url": "https://hooks.example.com/b"}
    response = olga.post(change(Channel.objects.get()), moved)
    assert "Enter it again, or tick to forget it: url changed" in text_of(response)
    assert Channel.objects.get().secrets["url"] == "https://hooks.example.com/a"
    assert olga.post(change(Channel.objects.get()), {**moved, "forget_secret": "on"}).status_code == 302
    assert Channel.objects.get().secrets == {"url": "https://hooks.example.com/b"}


def test_a_slack_channel_turns_from_token_to_webhook(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    typed = {**TYPED, "webhook_url": "https://hooks.slack.com/services/x", "forget_token": "on"}
    response = olga.post(change(ops), typed)
    assert response.status_code == 302, faults(response)
    assert Channel.objects.get().secrets == {"webhook_url": "https://hooks.slack.com/services/x"}


def test_kind_and_name_are_locked(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    olga.post(f"{change(ops)}?kind=email", {**TYPED, "name": "renamed", "kind": "email"})
    assert list(Channel.objects.values_list("name", "kind")) == [("ops", "slack")]


def test_the_list_says_where_a_channel_leads_and_how_it_fares(olga: Client) -> None:
    save_channel("ops", "slack", SLACK)
    save_channel("mail", "email", MAIL, enabled=False)
    now = timezone.now()
    Channel.objects.filter(name="ops").update(failing_since=now, failures=3, last_answer="invalid_auth")
    page = text_of(olga.get(LIST))
    for words in ("https://slack.com: #ops", "failing", "invalid_auth", "switched off", "a@example.com"):
        assert words in page, words


def test_saving_leaves_how_the_channel_fares_alone(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    Channel.objects.update(failing_since=timezone.now(), failures=3, last_answer="invalid_auth")
    assert "Messages fail since" in text_of(olga.get(change(ops)))
    olga.post(change(ops), {**TYPED, "description": "ours", "failures": "0", "last_answer": "fine"})
    assert Channel.objects.values_list("failures", "last_answer").get() == (3, "invalid_auth")
    olga.post(change(ops), {**TYPED, "token": "xoxb-new"})
    assert Channel.objects.values_list("failures", "failing_since").get() == (0, None)


def test_the_history_names_fields_and_no_values(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    olga.post(change(ops), {**TYPED, "token": "xoxb-canary-2"})
    assert "ken" in LogEntry.objects.get().get_change_message()
    assert "canary" not in "".join(entry.get_change_message() for entry in LogEntry.objects.all())
    assert "canary" not in str([entry.changes for entry in AuditEntry.objects.all()])


def test_a_lost_key_leaves_the_pages_usable(olga: Client, settings: Any) -> None:
    ops = save_channel("ops", "slack", SLACK)
    save_channel("mail", "email", {**MAIL, "username": "n", "password": "canary"})
    rule = save_rule("etl", "mail")
    settings.NOMAFLOW_FIELD_KEYS = ["k" * 43 + "="]
    assert "can't be decrypted" in text_of(olga.get(LIST))
    pages = [change(ops), RULES, ADD_RULE, reverse("admin:notifications_routingrule_change", args=[rule.pk])]
    assert {olga.get(page).status_code for page in pages} == {200}
    assert "can't be decrypted" in text_of(olga.post(change(ops), TYPED))
    assert olga.post(change(ops), {**TYPED, "token": "xoxb-again"}).status_code == 302


def test_a_viewer_sees_where_it_leads_and_cannot_change_it(client: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    vera = User.objects.create_user("vera", is_staff=True)
    vera.user_permissions.set(Permission.objects.filter(codename="view_channel"))
    client.force_login(vera)
    page = text_of(client.get(change(ops)))
    assert "https://slack.com: #ops" in page
    assert "Send a test message" not in page
    assert client.post(change(ops), TYPED).status_code == 403
    assert client.post(test_address(ops)).status_code == 403


def test_nobody_else_sees_channels_or_rules(client: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    client.force_login(cast.rui(cast.job("nightly")))
    for url in (LIST, ADD, change(ops), RULES, ADD_RULE):
        assert client.get(url).status_code == 403
    assert "routingrule" not in text_of(client.get("/admin/"))


# --- Test button --------------------------------------------------------------------------------------------------


def test_address(channel: Channel) -> str:
    """Where the Test button posts to."""
    return reverse("admin:notifications_channel_test", args=[channel.pk])


test_address.__test__ = False  # type: ignore[attr-defined]


def answer_of(client: Client, channel: Channel) -> str:
    """Press the button; what the page says then."""
    cache.clear()
    return text_of(client.post(test_address(channel), follow=True))


def test_the_button_shows_the_real_answer(olga: Client, endpoint: Endpoint) -> None:
    page = answer_of(olga, save_channel("hook", "webhook", {"url": f"{endpoint.url}/canary-path"}))
    assert re.search(r"Test of hook: 200 OK: ok \([\d,]+ ms\)", page)
    assert "canary" not in page
    endpoint.replies(500, "no room for canary-path")
    assert "Test of hook: 500 Internal Server Error: no room for ********" in answer_of(olga, Channel.objects.get())


def test_the_button_is_a_post_with_a_token(olga: Client) -> None:
    hook = save_channel("hook", "webhook", {"url": "http://127.0.0.1:9"})
    assert olga.get(test_address(hook)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="olga"))
    assert strict.post(test_address(hook)).status_code == 403


def test_the_button_floods_nobody(olga: Client, endpoint: Endpoint) -> None:
    hook = save_channel("hook", "webhook", {"url": endpoint.url})
    cache.clear()
    pages = [text_of(olga.post(test_address(hook), follow=True)) for _ in range(TESTS_PER_MINUTE + 1)]
    assert "Too many tests in a minute" in pages[-1]
    assert len(endpoint.requests) == TESTS_PER_MINUTE


# --- deleting -----------------------------------------------------------------------------------------------------


def test_a_channel_in_use_is_not_deleted_and_its_users_are_named(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    save_channel("mail", "email", MAIL, fallback="ops")
    rule = save_rule("etl", "ops", "#etl")
    cast.job("canary-job", alerts={"recipients": ["ops"]})
    page = text_of(olga.get(delete(ops)))
    assert "ops is in use, so it can't be deleted: these would tell nobody" in page
    assert f'<a href="/admin/notifications/routingrule/{rule.pk}/change/">rule for tag etl</a>, #etl' in page
    assert "channel mail</a>, its fallback" in page
    assert "1 job that you may not see" in page
    assert "canary-job" not in page
    olga.post(delete(ops), {"post": "yes"})
    olga.post(LIST, {"action": "delete_selected", "_selected_action": [ops.pk], "post": "yes"})
    assert Channel.objects.filter(name="ops").exists()


def test_the_page_of_a_channel_says_who_uses_it(client: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    cast.job("nightly", alerts={"recipients": ["#dba"]})
    client.force_login(cast.olga())
    page = text_of(client.get(change(ops)))
    assert '<a href="/admin/jobs/job/nightly/change/">job nightly</a>: recipient #dba, which no other channel' in page


def test_channels_that_nobody_needs_go_together(olga: Client) -> None:
    ops = save_channel("ops", "slack", SLACK)
    mail = save_channel("mail", "email", MAIL, fallback="ops")
    assert olga.post(delete(mail), {"post": "yes"}).status_code == 302
    mail = save_channel("mail", "email", MAIL, fallback="ops")
    olga.post(LIST, {"action": "delete_selected", "_selected_action": [ops.pk, mail.pk], "post": "yes"})
    assert not Channel.objects.exists()


# --- rules --------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail() -> Channel:
    return save_channel("mail", "email", MAIL)


def test_a_rule_is_added_changed_and_deleted(olga: Client, mail: Channel) -> None:
    typed = {"tag": " etl ", "channel": mail.pk, "recipient": "Etl@EXAMPLE.com"}
    response = olga.post(ADD_RULE, typed)
    assert response.status_code == 302, faults(response)
    rule = RoutingRule.objects.get()
    assert str(rule) == "etl → mail Etl@example.com"
    page = reverse("admin:notifications_routingrule_change", args=[rule.pk])
    olga.post(page, {**typed, "recipient": ""})
    assert str(RoutingRule.objects.get()) == "etl → mail"
    olga.post(reverse("admin:notifications_routingrule_delete", args=[rule.pk]), {"post": "yes"})
    assert not RoutingRule.objects.exists()


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"recipient": "#ops"}, "recipient", "E-mail can't reach '#ops'"),
        ({"tag": "a,b"}, "tag", "without commas"),
        ({"tag": ""}, "tag", "required"),
        ({"channel": ""}, "channel", "required"),
    ],
)
def test_a_rule_that_tells_nobody_is_refused(
    olga: Client, mail: Channel, typed: dict[str, str], field: str, words: str
) -> None:
    response = olga.post(ADD_RULE, {"tag": "etl", "channel": mail.pk, "recipient": "", **typed})
    found = str(response.context["adminform"].form.errors[field]).replace("&#x27;", "'")
    assert words in found
    assert not RoutingRule.objects.exists()


def test_the_same_rule_twice_is_refused(olga: Client, mail: Channel) -> None:
    save_rule("etl", "mail", "etl@example.com")
    response = olga.post(ADD_RULE, {"tag": "etl", "channel": mail.pk, "recipient": "etl@EXAMPLE.com"})
    assert "already exists" in text_of(response)


def test_the_list_of_rules_says_whom_and_how_many_jobs(olga: Client, mail: Channel) -> None:
    save_rule("etl", "mail")
    for name in ("a", "b"):
        cast.job(name, tags=["etl", "etl"])
    page = text_of(olga.get(RULES))
    assert "the channel's own recipients" in page
    assert re.search(r'field-job_count">2<', page)
    assert olga.get(f"{RULES}?channel__id__exact={mail.pk}&tag=etl").status_code == 200


def test_the_form_of_a_rule_names_the_tags_that_one_sees(client: Client, mail: Channel) -> None:
    cast.job("nightly", tags=["etl"])
    client.force_login(cast.olga())
    assert "Tags of jobs: etl" in text_of(client.get(ADD_RULE))
