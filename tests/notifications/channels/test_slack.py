"""Kind `slack` against an endpoint that answers as Slack does."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.definition import ConnectorError, Definition
from nomaflow_site.lib.config import ConfigError
from notifications.channels._blocks import payload
from notifications.channels.slack import SlackTransport
from notifications.transport import Unsent
from tests.notifications.channels.sample import EVIL, FAILED, HARMFUL
from tests.servers.endpoint import Endpoint

POSTED = '{"ok": true, "channel": "C024BE91L", "ts": "1503435956.000247"}'


def leading_to(port: int, **config: Any) -> Definition:
    """A bot's channel that leads to a port of localhost."""
    return bot(f"http://localhost:{port}/api", **config)


def bot(api_url: str, token: str = "canary-token", recipient: str = "#ops", **config: Any) -> Definition:
    return Definition(
        "chat",
        "slack",
        config={"api_url": api_url, "recipient": recipient, **config},
        secrets={"token": token},
        hidden=(token,),
    )


def webhook(url: str, **config: Any) -> Definition:
    address = f"{url}/services/T0/B0/canary-hook"
    return Definition("chat", "slack", config=config, secrets={"webhook_url": address}, hidden=(address,))


def refused(definition: Definition, recipient: str = "#ops") -> Unsent:
    with pytest.raises(Unsent) as caught:
        SlackTransport().send(definition, recipient, FAILED)
    return caught.value


def texts(value: Any) -> Iterator[str]:
    """Every text in a payload."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_a_bot_posts_to_the_named_recipient_with_its_token(endpoint: Endpoint) -> None:
    endpoint.replies(body=POSTED)
    said = SlackTransport().send(bot(f"{endpoint.url}/api/"), "@olga", FAILED)
    request = endpoint.requests[0]
    assert said == "ok, message 1503435956.000247 in C024BE91L"
    assert request.line == "POST /api/chat.postMessage HTTP/1.1"
    assert request.header("Authorization") == "Bearer canary-token"
    assert request.header("Content-Type") == "application/json; charset=utf-8"
    assert request.json["channel"] == "@olga"


def test_a_webhook_answers_ok_and_needs_no_recipient(endpoint: Endpoint) -> None:
    assert SlackTransport().send(webhook(endpoint.url), "", FAILED) == "ok"
    assert endpoint.requests[0].line == "POST /services/T0/B0/canary-hook HTTP/1.1"
    assert "channel" not in endpoint.requests[0].json


def test_a_named_recipient_is_sent_to_a_webhook_too(endpoint: Endpoint) -> None:
    SlackTransport().send(webhook(endpoint.url), "#ops", FAILED)
    assert endpoint.requests[0].json["channel"] == "#ops"


def test_the_message_tells_reason_step_times_and_link() -> None:
    told = payload(FAILED)
    words = "\n".join(texts(told))
    assert told["text"] == "✕ nightly failed: duplicate key value violates unique constraint"
    assert told["attachments"][0]["color"] == "#c62828"
    assert "<https://jobs.example.com/runs/run_23456789/|Open run_23456789>" in words
    for expected in (
        "DETAIL: Key",
        "load",
        "2026-03-01 02:00:00 +01:00",
        "cron",
        "4 min 10 s",
        "503 Service",
    ):
        assert expected in words


def test_the_header_says_what_happened_and_the_block_below_why() -> None:
    told = payload(replace(FAILED, error="duplicate key value violates unique constraint"))
    assert told["blocks"][0]["text"]["text"] == "✕ nightly failed"
    assert any("duplicate key" in text for text in texts(told["attachments"][0]["blocks"]))


def test_nothing_from_a_job_is_a_mention_a_link_or_markup() -> None:
    told = payload(replace(HARMFUL, title="x"))
    for text in texts(told):
        assert not re.search(r"<[!@#h]", text), text
        assert not re.search("@(here|channel)", text), text
        assert "\x00" not in text
        assert "\u202e" not in text
    markup = [
        item for block in told["attachments"][0]["blocks"] for item in _objects(block) if item["type"] == "mrkdwn"
    ]
    assert all(item["verbatim"] is True for item in markup)
    fences = next(item["text"] for item in markup if item["text"].startswith("```"))
    assert fences.count("```") == 2
    assert "Open" not in json.dumps(told), "the address is none"


def _objects(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from [block["text"]] if "text" in block else []
    yield from [*block.get("fields", []), *block.get("elements", [])]


@pytest.mark.parametrize("filling", ["&" * 50_000, "x" * 50_000, "`" * 50_000, "@here " * 9_000, EVIL * 500])
def test_slacks_limits_are_kept(filling: str) -> None:
    facts = tuple((filling, filling) for _ in range(400))
    message = replace(HARMFUL, error=filling, title=filling, step=filling, note=filling, facts=facts, url=FAILED.url)
    told = payload(message)
    assert len(told["text"]) < 3000
    assert len(told["blocks"][0]["text"]["text"]) <= 150
    assert len(told["attachments"][0]["blocks"]) <= 50
    for block in told["attachments"][0]["blocks"]:
        assert len(block.get("text", {}).get("text", "")) <= 3000
        assert len(block.get("fields", [])) <= 10
        for item in [*block.get("fields", []), *block.get("elements", [])]:
            assert 1 <= len(item["text"]) <= 2000


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        ("channel_not_found", True),
        ("invalid_auth", True),
        ("not_in_channel", True),
        ("is_archived", True),
        ("channel_is_archived", True),
        ("ratelimited", False),
        ("internal_error", False),
        ("fatal_error", False),
        ("service_unavailable", False),
    ],
)
def test_an_error_inside_a_200_counts(endpoint: Endpoint, error: str, permanent: bool) -> None:
    endpoint.replies(body=json.dumps({"ok": False, "error": error}), Retry_After="9")
    for definition in (bot(endpoint.url), webhook(endpoint.url)):
        unsent = refused(definition)
        assert unsent.answer == error
        assert unsent.permanent == permanent
        assert unsent.retry_after == (None if permanent else 9)


def test_a_missing_scope_is_named(endpoint: Endpoint) -> None:
    endpoint.replies(body='{"ok": false, "error": "missing_scope", "needed": "chat:write"}')
    assert refused(bot(endpoint.url)).answer == "missing_scope (needs chat:write)"


@pytest.mark.parametrize(
    ("status", "body", "permanent"), [(404, "no_service", True), (500, "rollup_error", False), (429, "", False)]
)
def test_a_webhooks_status_counts(endpoint: Endpoint, status: int, body: str, permanent: bool) -> None:
    endpoint.replies(status, body, Retry_After="9")
    unsent = refused(webhook(endpoint.url))
    assert unsent.permanent == permanent
    assert body in unsent.answer
    assert unsent.retry_after == (None if permanent else 9)


def test_somebody_elses_page_is_no_receipt(endpoint: Endpoint) -> None:
    endpoint.replies(body="<html>Sign in to the hotel</html>")
    for definition in (bot(endpoint.url), webhook(endpoint.url)):
        assert "this is not Slack's answer: 200 OK: <html>" in refused(definition).answer
        assert not refused(definition).permanent


def test_an_answer_that_echoes_the_token_is_masked(endpoint: Endpoint) -> None:
    endpoint.replies(403, "bad token canary-token for /services/T0/B0/canary-hook")
    assert "canary-token" not in refused(bot(endpoint.url)).answer
    assert "canary-hook" not in refused(webhook(endpoint.url)).answer


def test_both_ways_at_once_are_refused_at_save_and_at_send(endpoint: Endpoint) -> None:
    with pytest.raises(ConfigError, match="not both"):
        SlackTransport.form.canonical({"webhook_url": "https://x.example/", "token": "x"})
    both = Definition("chat", "slack", secrets={"webhook_url": endpoint.url, "token": "x"})
    with pytest.raises(ConnectorError, match="not both"):
        SlackTransport().send(both, "#ops", FAILED)


def test_a_token_alone_leads_to_nobody(endpoint: Endpoint) -> None:
    with pytest.raises(ConnectorError, match=r"Enter the #channel or @user"):
        SlackTransport().test(bot(endpoint.url, recipient=""))


@pytest.mark.parametrize("recipient", ["#ops", "@olga", "#größe", "#a.b-c_d"])
def test_channels_and_users_are_taken(recipient: str) -> None:
    assert SlackTransport().takes(recipient)


@pytest.mark.parametrize("recipient", ["ops", "C024BE91L", "#", "#a b", "##a", "olga@example.com"])
def test_anything_else_is_not(recipient: str) -> None:
    assert "expected #channel or @user" in str(SlackTransport().recipient_fault(recipient))
    assert refused(bot("http://localhost:1"), recipient).permanent


@pytest.mark.parametrize("api_url", ["slack.com", "https://x/?a=1", "https://u:p@x/"])
def test_an_odd_api_url_is_refused(api_url: str) -> None:
    with pytest.raises(ConfigError, match="api_url"):
        SlackTransport.form.canonical({"token": "x", "api_url": api_url})


def test_the_test_button_posts_to_the_default_recipient(endpoint: Endpoint) -> None:
    endpoint.replies(body=POSTED)
    assert SlackTransport().test(bot(endpoint.url)) == "#ops: ok, message 1503435956.000247 in C024BE91L"
    assert endpoint.requests[0].json["text"] == "✓ Test of channel chat"
