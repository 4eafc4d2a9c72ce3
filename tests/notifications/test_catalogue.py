"""The door by which channels and rules are written, and channels handed out to who sends."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from connectors.definition import ConnectorError
from jobs.catalogue import save_job
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.home import fresh_field_key
from nomaflow_site.lib.sealing import MASK, CannotDecrypt
from notifications.catalogue import (
    default_recipients,
    delete_channel,
    ready_channel,
    save_channel,
    save_rule,
    try_channel,
)
from notifications.models import Channel, RoutingRule
from tests.servers.endpoint import Endpoint

pytestmark = pytest.mark.django_db

HOOK = {"url": "https://hooks.example.com/canary-path", "headers": {"Authorization": "Bearer canary-header"}}
SLACK = {"token": "xoxb-canary", "recipient": "#ops"}
MAIL = {"host": "smtp.example.com", "sender": "n@example.com", "recipients": ["a@example.com", "b@example.com"]}


def failing(channel: Channel) -> Channel:
    """The channel as a sender leaves it that can't reach it."""
    now = timezone.now()
    health = {"failing_since": now, "hold_until": now, "failures": 4, "last_sent_at": now, "last_answer": "503"}
    Channel.objects.filter(pk=channel.pk).update(**health)
    channel.refresh_from_db()
    return channel


def health(channel: Channel) -> tuple[bool, bool, int, bool, str]:
    channel.refresh_from_db()
    return (
        channel.failing_since is not None,
        channel.hold_until is not None,
        channel.failures,
        channel.last_sent_at is not None,
        channel.last_answer,
    )


def test_what_is_saved_can_be_used() -> None:
    channel = save_channel("ops", "slack", SLACK, description="The team", is_default=False)
    assert ready_channel(channel).settings == SLACK
    assert (channel.description, channel.enabled, channel.is_default) == ("The team", True, False)


@pytest.mark.parametrize(
    ("kind", "settings", "fault"),
    [
        ("fax", {}, "no channel type 'fax'; there are email, slack, webhook"),
        ("slack", {**SLACK, "chanel": "x"}, "chanel: Unknown key"),
        ("slack", {"recipient": "#ops"}, "webhook_url: Enter"),
        ("slack", {**SLACK, "recipient": "ops"}, "recipient: Expected #channel"),
        ("email", {**MAIL, "recipients": []}, "recipients"),
        ("webhook", {}, "url: Enter the URL"),
    ],
)
def test_faults_are_named_and_nothing_is_stored(kind: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        save_channel("ops", kind, settings)
    assert not Channel.objects.exists()


def test_nothing_secret_stands_in_the_row_in_clear() -> None:
    save_channel("hook", "webhook", HOOK)
    with connection.cursor() as cursor:
        cursor.execute("SELECT config, secrets FROM notifications_channel")
        assert "canary" not in str(cursor.fetchall())


def test_a_secret_left_out_stays() -> None:
    save_channel("ops", "slack", SLACK)
    assert ready_channel(save_channel("ops", "slack", {"recipient": "#other"})).settings["token"] == "xoxb-canary"


def test_a_secret_does_not_follow_to_another_server() -> None:
    save_channel("mail", "email", {**MAIL, "username": "n", "password": "canary"})
    with pytest.raises(ConfigError, match="password"):
        save_channel("mail", "email", {**MAIL, "username": "n", "host": "evil.example"})
    assert save_channel("mail", "email", {**MAIL, "host": "evil.example"}).secrets == {}


def test_a_header_does_not_follow_to_another_secret_address() -> None:
    save_channel("hook", "webhook", {**HOOK, "secret": "canary-signing"})
    moved = {"url": "https://hooks.example.com/somebody-else"}
    with pytest.raises(ConfigError, match="url changed"):
        save_channel("hook", "webhook", {**moved, "headers": {"Authorization": MASK}})
    assert save_channel("hook", "webhook", moved).secrets == moved


def test_the_same_secret_address_moves_nothing() -> None:
    save_channel("hook", "webhook", {**HOOK, "secret": "canary-signing"})
    again = save_channel("hook", "webhook", {"url": HOOK["url"], "headers": {"Authorization": MASK}})
    assert ready_channel(again).settings == {**HOOK, "secret": "canary-signing"}


def test_a_form_or_import_leaves_alone_how_the_channel_fares() -> None:
    channel = failing(save_channel("ops", "slack", SLACK))
    save_channel("ops", "slack", {"recipient": "#ops"}, description="new", is_default=False)
    assert health(channel) == (True, True, 4, True, "503")


@pytest.mark.parametrize("settings", [{"recipient": "#ops", "token": "xoxb-new"}, {"recipient": "#other"}])
def test_changed_settings_give_a_fresh_start(settings: dict[str, Any]) -> None:
    channel = failing(save_channel("ops", "slack", SLACK))
    save_channel("ops", "slack", settings)
    assert health(channel) == (False, False, 0, True, "503")


def test_switching_on_gives_a_fresh_start_and_switching_off_does_not() -> None:
    channel = failing(save_channel("ops", "slack", SLACK))
    save_channel("ops", "slack", SLACK, enabled=False)
    assert health(channel)[0]
    save_channel("ops", "slack", SLACK)
    assert not health(channel)[0]


def test_a_send_during_a_save_is_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = save_channel("ops", "slack", SLACK)
    real = Channel.save

    def while_somebody_sends(self: Channel, *args: Any, **kwargs: Any) -> None:
        Channel.objects.filter(pk=self.pk).update(last_answer="ok, message 7", failures=0)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Channel, "save", while_somebody_sends)
    save_channel("ops", "slack", SLACK, description="new")
    assert health(channel)[4] == "ok, message 7"


@pytest.mark.parametrize(
    ("name", "fallback", "fault"),
    [
        ("a", "a", "can't stand in for itself"),
        ("a", "nope", "no channel 'nope'; there are: b, c"),
        ("c", "a", r"in a circle: c -> a -> b -> c"),
    ],
)
def test_a_fallback_is_another_channel_and_makes_no_circle(name: str, fallback: str, fault: str) -> None:
    save_channel("c", "slack", SLACK)
    save_channel("b", "slack", SLACK, fallback="c")
    save_channel("a", "slack", SLACK, fallback="b")
    with pytest.raises(ConfigError, match=fault):
        save_channel(name, "slack", SLACK, fallback=fallback)


def test_a_fallback_is_kept_and_taken_back() -> None:
    save_channel("mail", "email", MAIL)
    assert str(save_channel("ops", "slack", SLACK, fallback="mail").fallback) == "mail"
    assert save_channel("ops", "slack", SLACK).fallback is None


def test_the_audit_trail_tells_changes_without_secrets_and_without_health() -> None:
    channel = save_channel("hook", "webhook", HOOK)
    save_channel("hook", "webhook", {**HOOK, "headers": {"Authorization": "Bearer canary-2"}}, enabled=False)
    channel.refresh_from_db()
    channel.failures = 3
    channel.save()
    save_rule("etl", "hook")
    changes = [entry.changes for entry in LogEntry.objects.all()]
    assert "canary" not in str(changes)
    assert "failures" not in str(changes)
    assert any("enabled" in change for change in changes)
    assert LogEntry.objects.filter(content_type__model="routingrule").exists()


# --- handing out --------------------------------------------------------------------------------------------------


def test_the_environment_is_filled_in_and_counts_as_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SLACK", "xoxb-from-env")
    channel = save_channel("ops", "slack", {**SLACK, "token": "${env:JOB_SLACK}"})
    found = ready_channel(channel)
    assert found.settings["token"] == "xoxb-from-env"
    assert "xoxb-from-env" in found.hidden


def test_a_variable_that_is_not_exposed_is_told_with_its_channel() -> None:
    channel = save_channel("ops", "slack", {**SLACK, "token": "${env:PATH}"})
    with pytest.raises(ConnectorError, match="Channel 'ops': jobs may not read"):
        ready_channel(channel)


def test_a_lost_key_is_told_with_its_channel_and_a_new_secret_repairs_it() -> None:
    channel = failing(save_channel("ops", "slack", SLACK))
    with override_settings(NOMAFLOW_FIELD_KEYS=[fresh_field_key()]):
        found = Channel.objects.defer("secrets").get()
        with pytest.raises(CannotDecrypt, match="Channel 'ops'"):
            ready_channel(found)
        assert default_recipients(found) == [""]
        assert save_channel("ops", "slack", {**SLACK, "token": "new"}).secrets == {"token": "new"}
        assert not health(channel)[0]


def test_the_channels_own_recipients_come_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ONCALL", "oncall@example.com")
    mail = save_channel("mail", "email", {**MAIL, "recipients": ["a@example.com", "${env:JOB_ONCALL}"]})
    assert default_recipients(mail) == ["a@example.com", "oncall@example.com"]
    assert default_recipients(save_channel("hook", "webhook", HOOK)) == [""]


# --- trying -------------------------------------------------------------------------------------------------------


def test_a_test_sends_a_real_message_and_shows_the_answer(endpoint: Endpoint) -> None:
    save_channel("hook", "webhook", {"url": f"{endpoint.url}/canary-path"})
    outcome = try_channel("hook")
    assert (outcome.ok, endpoint.requests[0].json["event"]) == (True, "test")
    assert outcome.message.startswith("200 OK")


def test_a_refusal_is_told_without_secrets(endpoint: Endpoint) -> None:
    endpoint.replies(403, "no access with Bearer canary-header")
    save_channel("hook", "webhook", {**HOOK, "url": f"{endpoint.url}/canary-path"})
    outcome = try_channel("hook")
    assert (outcome.ok, outcome.message.startswith("403")) == (False, True)
    assert "canary" not in outcome.message


def test_a_test_may_go_to_somebody_else(endpoint: Endpoint) -> None:
    save_channel("ops", "slack", {"webhook_url": f"{endpoint.url}/services/canary"})
    assert try_channel("ops", "#other").ok
    assert endpoint.requests[0].json["channel"] == "#other"
    assert "can't reach 'a@b.example'" in try_channel("ops", "a@b.example").message


def test_a_message_that_arrives_ends_the_failing(endpoint: Endpoint) -> None:
    channel = failing(save_channel("hook", "webhook", {"url": endpoint.url}))
    try_channel("hook")
    assert health(channel)[:3] == (False, False, 0)


def test_a_message_that_does_not_leaves_it(endpoint: Endpoint) -> None:
    endpoint.replies(500)
    channel = failing(save_channel("hook", "webhook", {"url": endpoint.url}))
    try_channel("hook")
    assert health(channel) == (True, True, 4, True, "503")


def test_an_unknown_channel_is_answered_with_similar_ones() -> None:
    save_channel("mail", "email", MAIL)
    assert "no channel named 'mial'. Did you mean mail?" in try_channel("mial").message


# --- rules --------------------------------------------------------------------------------------------------------


@pytest.fixture
def channels() -> None:
    """One of each."""
    for name, kind, settings in (("ops", "slack", SLACK), ("mail", "email", MAIL), ("hook", "webhook", HOOK)):
        save_channel(name, kind, settings)


@pytest.mark.usefixtures("channels")
def test_a_rule_is_kept_once() -> None:
    first = save_rule("etl", "mail", "Olga@EXAMPLE.com ")
    assert (first.recipient, save_rule("etl", "mail", "Olga@example.com").pk) == ("Olga@example.com", first.pk)


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize(
    ("tag", "channel", "recipient", "fault"),
    [
        ("", "ops", "", "tag: Expected a tag"),
        ("a,b", "ops", "", "tag: Expected a tag"),
        ("etl", "pager", "", "channel: There is no channel 'pager'; there are: hook, mail, ops"),
        ("etl", "ops", "olga@example.com", "recipient: Slack can't reach 'olga@example.com'"),
        ("etl", "mail", "#ops", "recipient: E-mail can't reach '#ops'"),
        ("etl", "hook", "#ops", "recipient: A webhook leads to one address"),
    ],
)
def test_a_rule_that_tells_nobody_is_refused(tag: str, channel: str, recipient: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        save_rule(tag, channel, recipient)
    assert not RoutingRule.objects.exists()


@pytest.mark.usefixtures("channels")
def test_a_rule_can_not_become_one_that_is_there() -> None:
    save_rule("etl", "mail")
    other = save_rule("etl", "ops")
    with pytest.raises(ConfigError, match="already exists"):
        save_rule("etl", "mail", rule=other)


# --- deleting -----------------------------------------------------------------------------------------------------


def alerting_job(job_id: str, *recipients: str) -> None:
    """A job that tells these."""
    step = {"name": "s", "type": "python", "callable": "m:f"}
    save_job({"id": job_id, "alerts": {"recipients": list(recipients)}, "steps": [step]}, by="olga")


@pytest.mark.usefixtures("channels")
def test_a_channel_in_use_is_kept_and_its_users_are_named() -> None:
    save_rule("etl", "ops", "#etl")
    save_channel("mail", "email", MAIL, fallback="ops")
    alerting_job("nightly", "ops", "#dba")
    with pytest.raises(ConfigError) as caught:
        delete_channel(Channel.objects.get(name="ops"))
    assert caught.value.errors["channel"] == [
        "ops is used by channel mail (its fallback); job nightly (recipient #dba, which no other channel reaches); "
        "job nightly (recipient ops); rule for tag etl (#etl)."
    ]


@pytest.mark.usefixtures("channels")
def test_a_channel_that_another_one_can_replace_goes() -> None:
    save_channel("other-slack", "slack", SLACK)
    alerting_job("nightly", "#dba")
    delete_channel(Channel.objects.get(name="ops"))
    assert not Channel.objects.filter(name="ops").exists()
