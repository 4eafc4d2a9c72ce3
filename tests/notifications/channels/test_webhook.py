"""Kind `webhook` against a real endpoint."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from connectors.definition import ConnectorError, Definition
from nomaflow_site.lib.config import ConfigError
from notifications.channels.webhook import WebhookTransport
from notifications.message import VARIABLES
from notifications.transport import Unsent
from tests.notifications.channels.sample import EVIL, FAILED, HARMFUL
from tests.servers.endpoint import Endpoint


def leading_to(port: int, **config: Any) -> Definition:
    """A channel that leads to a port of localhost."""
    return webhook(f"http://localhost:{port}", **config)


def webhook(
    base: str, *, path: str = "/hooks/canary-path?key=canary-key", secret: str = "canary-secret", **config: Any
) -> Definition:
    secrets = {"url": base + path, "secret": secret}
    return Definition("alerts", "webhook", config=config, secrets=secrets, hidden=tuple(secrets.values()))


def sent(endpoint: Endpoint, message: Any = FAILED, **config: Any) -> Any:
    """What the endpoint received."""
    WebhookTransport().send(webhook(endpoint.url, **config), "", message)
    return endpoint.requests[-1]


def refused(endpoint: Endpoint, **config: Any) -> Unsent:
    with pytest.raises(Unsent) as caught:
        WebhookTransport().send(webhook(endpoint.url, **config), "", FAILED)
    return caught.value


def faults(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ConfigError) as caught:
        WebhookTransport.form.canonical({"url": "https://x.example/", **settings})
    return caught.value.errors


def test_the_default_body_tells_everything(endpoint: Endpoint) -> None:
    said = sent(endpoint).json
    assert {name: said[name] for name in VARIABLES} == FAILED.variables
    assert said["facts"]["Duration"] == "4 min 10 s"


def test_the_answer_is_the_receipt(endpoint: Endpoint) -> None:
    endpoint.replies(202, '{"id":\n 17}')
    assert WebhookTransport().send(webhook(endpoint.url), "", FAILED) == '202 Accepted: {"id": 17}'


def test_the_request_names_its_event_and_delivery_and_is_signed(endpoint: Endpoint) -> None:
    request = sent(endpoint)
    assert request.line == "POST /hooks/canary-path?key=canary-key HTTP/1.1"
    assert request.header("X-Nomaflow-Event") == "failed"
    assert request.header("X-Nomaflow-Delivery") == request.header("Idempotency-Key") == FAILED.delivery
    assert request.header("Content-Type") == "application/json"
    assert abs(int(request.header("X-Nomaflow-Timestamp")) - time.time()) < 10
    assert request.is_signed_with("canary-secret")
    assert not request.is_signed_with("another")


def test_a_receiver_verifies_it_as_the_documentation_says(endpoint: Endpoint) -> None:
    page = (Path(__file__).parents[3] / "docs/notifications.md").read_text()
    known: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], known)
    request = sent(endpoint)
    headers = dict(request.headers)
    assert known["is_genuine"](headers, request.body, "canary-secret")
    assert not known["is_genuine"](headers, request.body + b" ", "canary-secret")
    assert not known["is_genuine"]({**headers, "X-Nomaflow-Timestamp": "1700000000"}, request.body, "canary-secret")


def test_without_a_secret_nothing_is_signed(endpoint: Endpoint) -> None:
    names = [name.lower() for name, _ in sent(endpoint, secret="").headers]
    assert "x-nomaflow-signature" not in names
    assert "x-nomaflow-event" in names


def test_method_headers_and_content_type_are_those_of_the_channel(endpoint: Endpoint) -> None:
    body = "<a>${error}</a>"
    request = sent(
        endpoint, method="PUT", headers={"Authorization": "Bearer é"}, content_type="application/xml", body=body
    )
    assert request.line.startswith("PUT ")
    assert request.header("Authorization").encode("latin-1").decode() == "Bearer é"
    assert request.header("Content-Type") == "application/xml"
    assert b"&quot;id&quot;=(17)" in request.body


def test_a_json_template_holds_any_text(endpoint: Endpoint) -> None:
    body = '{"text": "${job_id}: ${error}", "more": [{"n": 5, "${job_id}": "${nested}"}]}'.replace(
        "${nested}", "${note}"
    )
    said = sent(endpoint, replace(HARMFUL, job_id="nightly"), body=body).json
    assert said["text"] == f"nightly: {EVIL}"
    assert said["more"] == [{"n": 5, "${job_id}": EVIL}]


def test_a_template_as_a_table_is_json_too(endpoint: Endpoint) -> None:
    assert sent(endpoint, body={"a": "${step}"}).json == {"a": "load"}


def test_any_other_template_is_text_and_substituted_once(endpoint: Endpoint) -> None:
    message = replace(FAILED, error="${url} {0.__class__} {{ 7 }}", step="${error}")
    request = sent(endpoint, message, body="${step} failed: ${error} $job_id {title}")
    assert request.body == b"${error} failed: ${url} {0.__class__} {{ 7 }} $job_id {title}"
    assert request.header("Content-Type") == "text/plain; charset=utf-8"


def test_a_form_body_is_quoted(endpoint: Endpoint) -> None:
    message = replace(FAILED, error="a&to=evil b")
    request = sent(endpoint, message, body="text=${error}", content_type="application/x-www-form-urlencoded")
    assert request.body == b"text=a%26to%3Devil+b"


def test_an_unknown_variable_is_refused_with_those_that_exist() -> None:
    said = faults(body="${job} and ${env:TOKEN_OF_JOBS}")
    assert said == {"body": [f"There is no variable ${{job}}; there are {', '.join(VARIABLES)}."]}


def test_what_looks_like_json_and_is_none_is_refused() -> None:
    assert "isn't JSON" in faults(body='{"n": ${error}}')["body"][0]
    assert "isn't JSON" in faults(body="${error}", content_type="application/json")["body"][0]


def test_an_endless_template_is_refused() -> None:
    assert "16,384 is the limit" in faults(body="x" * 20_000)["body"][0]
    assert "nested too deeply" in faults(body="[" * 900 + "]" * 900)["body"][0]


@pytest.mark.parametrize("body", ["", "${error}" * 1000, '{"a": "${error}${title}"}'])
def test_a_body_is_at_most_256_kib_and_says_what_was_cut(endpoint: Endpoint, body: str) -> None:
    request = sent(endpoint, replace(FAILED, error="\U0001f4a5" * 3_000_000), body=body)
    assert 1000 < len(request.body) <= 256 * 1024
    assert "(cut, 3,000,000 characters in all)" in request.body.decode()
    if body != "${error}" * 1000:
        assert json.loads(request.body)


def test_half_a_character_does_not_stop_an_alert(endpoint: Endpoint) -> None:
    assert sent(endpoint, replace(FAILED, error="a\udc80b\x00")).json["error"] == "a?b\x00"


def test_nothing_from_a_job_becomes_a_header(endpoint: Endpoint) -> None:
    request = sent(endpoint, HARMFUL)
    assert "bcc" not in [name.lower() for name, _ in request.headers]
    assert "\n" not in request.header("X-Nomaflow-Delivery")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-B: b"},
        {"X A": "a"},
        {"Host": "x"},
        {"content-type": "a/b"},
        {"X-Nomaflow-Signature": "x"},
        {"X": ["a"]},
    ],
)
def test_headers_that_cant_be_sent_or_are_ours_are_refused(headers: dict[str, Any]) -> None:
    assert "headers" in faults(headers=headers)


@pytest.mark.parametrize(
    "url", ["canary", "ftp://canary/", "https://u:canary@x/", "https://x/ canary", "https://x:canary/", "//canary/"]
)
def test_an_address_that_cant_be_called_is_refused_without_quoting_it(url: str) -> None:
    assert "canary" not in str(faults(url=url))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"content_type": "json"}, "content_type"),
        ({"method": "GET"}, "method"),
        ({"timeout_seconds": 21}, "timeout_seconds"),
        ({"body": 5}, "body"),
    ],
)
def test_odd_settings_are_refused(settings: dict[str, Any], field: str) -> None:
    assert field in faults(**settings)


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (408, False),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_which_answers_are_tried_again(endpoint: Endpoint, status: int, permanent: bool) -> None:
    endpoint.replies(status, "<p>no\nmore</p>")
    unsent = refused(endpoint)
    assert unsent.permanent == permanent
    assert unsent.answer.startswith(f"{status} ")
    assert unsent.answer.endswith(": <p>no more</p>")


def test_how_long_a_server_asks_to_wait_is_told(endpoint: Endpoint) -> None:
    endpoint.replies(429, Retry_After="7")
    assert refused(endpoint).retry_after == 7
    endpoint.replies(503, Retry_After=formatdate(time.time() + 100, usegmt=True))
    assert 90 < (refused(endpoint).retry_after or 0) <= 100
    endpoint.replies(404, Retry_After="7")
    assert refused(endpoint).retry_after is None


def test_a_redirect_is_not_followed(endpoint: Endpoint, make_endpoint: Callable[..., Endpoint]) -> None:
    other = make_endpoint()
    endpoint.replies(307, Location=f"{other.url}/canary-place")
    unsent = refused(endpoint)
    assert unsent.permanent
    assert unsent.answer == f"307 Temporary Redirect: it redirects to {other.url}, and redirects are not followed"
    assert not other.requests


def test_an_answer_that_echoes_secrets_is_masked_and_short(endpoint: Endpoint) -> None:
    endpoint.replies(404, "Cannot POST /hooks/canary-path?key=canary-key signed canary-secret " + "x" * 5000)
    answer = refused(endpoint).answer
    assert "canary" not in answer
    assert "********" in answer
    assert len(answer) < 330


def test_a_2xx_counts_even_when_its_body_never_ends(endpoint: Endpoint) -> None:
    endpoint.replies(way="drip-body")
    assert WebhookTransport().send(webhook(endpoint.url, timeout_seconds=0.5), "", FAILED).startswith("200 OK: xx")


@pytest.mark.parametrize("way", ["never", "drip"])
def test_a_server_that_does_not_answer_is_left_and_tried_again(endpoint: Endpoint, way: str) -> None:
    endpoint.replies(way=way)
    unsent = refused(endpoint, timeout_seconds=0.5)
    assert not unsent.permanent
    assert unsent.answer == f"{endpoint.url}: took longer than 0.5 s in total"


def test_a_certificate_is_checked_for_authority_and_name(
    make_endpoint: Callable[..., Endpoint], tls_authority: Any
) -> None:
    good, wrong = make_endpoint(tls_authority.context()), make_endpoint(tls_authority.context("other.example"))
    assert "certificate can't be trusted" in refused(good).answer
    assert not refused(good).permanent
    assert sent(good, ca_file=tls_authority.ca_file).json["job_id"] == "nightly"
    assert "certificate can't be trusted" in refused(wrong, ca_file=tls_authority.ca_file).answer
    assert sent(wrong, verify_tls=False).json["job_id"] == "nightly"


def test_a_missing_ca_file_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(ConnectorError, match="the CA file /no/such.pem can't be read"):
        sent(endpoint, ca_file="/no/such.pem")


def test_private_addresses_can_be_refused(endpoint: Endpoint) -> None:
    unsent = refused(endpoint, allow_private=False)
    assert unsent.permanent
    assert "a private address" in unsent.answer


def test_no_recipient_can_be_named() -> None:
    assert WebhookTransport().default_recipients({}) == [""]
    assert "name the channel itself" in str(WebhookTransport().recipient_fault("#ops"))


def test_where_it_leads_is_scheme_and_host() -> None:
    assert WebhookTransport().where({"url": "https://u:p@[::1]:8443/x?y#z"}) == "https://[::1]:8443"
    assert WebhookTransport().where({"url": "https://hooks.example.com/x"}) == "https://hooks.example.com"


def test_the_test_button_tells_the_answer(endpoint: Endpoint) -> None:
    assert WebhookTransport().test(webhook(endpoint.url)) == "200 OK: ok"
    assert endpoint.requests[0].json["event"] == "test"
    endpoint.replies(404, "gone")
    with pytest.raises(ConnectorError, match="404 Not Found: gone"):
        WebhookTransport().test(webhook(endpoint.url))
