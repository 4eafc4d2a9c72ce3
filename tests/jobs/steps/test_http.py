"""Step type `http` against real servers."""

import time
from email.utils import formatdate
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.definition import ConnectorError, Definition
from jobs.steps.http import BODY_LIMIT, HttpStep, retry_after, shown_url
from jobs.steptype import Result, StepFailed
from jobs.testing import fake_ctx
from nomaflow_site.lib.config import ConfigError
from tests.connectors import stub


def run(connectors: dict[str, Definition] | None = None, **config: Any) -> Result:
    """Run one step as the step process does."""
    ctx = fake_ctx(connectors=connectors or {})
    try:
        outcome = HttpStep().run(ctx, HttpStep.form.check(config, tokens=False))
    finally:
        ctx.close()
    assert isinstance(outcome, Result)
    return outcome


def test_json_comes_back_decoded(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a", query_string="q=1").respond_with_json({"n": [1, 2.5, None]})
    output = run(url=httpserver.url_for("/a?q=1")).output
    assert (output["status"], output["body"], output["truncated"]) == (200, {"n": [1, 2.5, None]}, False)
    assert output["elapsed_ms"] >= 0


def test_text_comes_back_as_text_in_its_own_charset(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("é".encode("latin-1"), content_type="text/plain; charset=latin-1")
    assert run(url=httpserver.url_for("/")).output["body"] == "é"


@pytest.mark.parametrize("body", [b'{"n": NaN}', b'{"n": 1e400}', b"{broken", b"[" * 50_000])
def test_what_is_not_quite_json_stays_text(httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request("/").respond_with_data(body, content_type="application/json")
    assert run(url=httpserver.url_for("/")).output["body"] == body.decode()


def test_characters_that_no_database_keeps_are_replaced(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data(
        b'{"a": "x\\u0000y", "b": "\\ud800"}', content_type="application/json"
    )
    assert run(url=httpserver.url_for("/")).output["body"] == {"a": "x\ufffdy", "b": "?"}


@pytest.mark.parametrize("charset", ["zlib", "no-such-charset", "base64"])
def test_an_odd_charset_does_not_fail_the_step(httpserver: HTTPServer, charset: str) -> None:
    httpserver.expect_request("/").respond_with_data(b"text", content_type=f"text/plain; charset={charset}")
    assert run(url=httpserver.url_for("/")).output["body"] == "text"


def test_a_long_body_is_cut_at_64_kib_between_characters(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("x" + "é" * BODY_LIMIT)
    output = run(url=httpserver.url_for("/")).output
    assert output["truncated"] is True
    assert output["body"] == "x" + "é" * (BODY_LIMIT // 2 - 1)


def test_an_endless_body_is_cut_too_and_not_read_on() -> None:
    with stub.serving(stub.endless_body) as url:
        assert len(run(url=url, request_timeout_seconds=10).output["body"]) == BODY_LIMIT


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"a": "é"}, "application/json", b'{"a": "\\u00e9"}'),
        ([1], "application/json", b"[1]"),
        ("plain é", None, "plain é".encode()),
    ],
)
def test_bodies_are_sent_as_they_are_meant(
    httpserver: HTTPServer, body: Any, content_type: str | None, sent: bytes
) -> None:
    heard: list[Any] = []

    def answer(request: Request) -> Response:
        heard.append((request.method, request.content_type or None, request.get_data()))
        return Response("", status=201)

    httpserver.expect_request("/").respond_with_handler(answer)
    assert run(url=httpserver.url_for("/"), method="POST", body=body).output["status"] == 201
    assert heard == [("POST", content_type, sent)]


def test_the_servers_cookies_stay_out_of_the_output(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", headers={"Set-Cookie": "session=canary", "X-Kept": "yes"})
    headers = run(url=httpserver.url_for("/")).output["headers"]
    assert headers["X-Kept"] == "yes"
    assert "canary" not in str(headers)


def test_an_error_names_method_address_status_and_the_start_of_the_body(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("disk\nfull " * 200, status=500)
    with pytest.raises(
        StepFailed, match=r"POST http://localhost:\d+/a\?token=\*{8}&page=2 answered 500 .*: disk full"
    ) as caught:
        run(url=httpserver.url_for("/a?token=canary&page=2"), method="POST")
    assert "canary" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_the_expected_status_decides(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", status=404)
    assert run(url=httpserver.url_for("/"), expect_status=[200, 404]).output["status"] == 404
    with pytest.raises(StepFailed, match="answered 404"):
        run(url=httpserver.url_for("/"), expect_status=[204])


def test_a_redirect_is_not_followed_and_says_where_it_leads(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_response(Response(status=302, headers={"Location": "/b?token=canary"}))
    with pytest.raises(StepFailed, match=r"answered 302 .*redirects to /b\?token=\*{8}"):
        run(url=httpserver.url_for("/"))


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_heard(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/").respond_with_data("", status=status, headers={"Retry-After": "120"})
    with pytest.raises(StepFailed, match="asks to wait 120 s") as caught:
        run(url=httpserver.url_for("/"))
    assert caught.value.retry_after == 120


def test_retry_after_is_a_number_or_a_date() -> None:
    now = time.time()
    assert retry_after("30", now) == 30
    assert retry_after(formatdate(now + 90, usegmt=True), now) == pytest.approx(90, abs=1)
    assert retry_after(formatdate(now - 90, usegmt=True), now) == 0
    assert (retry_after("soon", now), retry_after(None, now), retry_after("-5", now)) == (None, None, None)


def test_a_connector_gives_address_and_credentials(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/users", headers={"Authorization": "Bearer t0ken", "X-Step": "1"}).respond_with_json(
        []
    )
    api = Definition("api", "http", {"base_url": httpserver.url_for("/v1"), "auth": "bearer"}, {"token": "t0ken"})
    assert run({"api": api}, connector="api", url="users", headers={"X-Step": 1}).output["body"] == []


def test_a_connectors_credentials_are_not_sent_elsewhere(httpserver: HTTPServer) -> None:
    api = Definition("api", "http", {"base_url": "https://api.example.com", "auth": "bearer"}, {"token": "t0ken"})
    with pytest.raises(ConnectorError, match="sent nowhere else"):
        run({"api": api}, connector="api", url=httpserver.url_for("/"))


def test_a_server_that_never_answers_fails_the_step_in_time() -> None:
    with (
        stub.serving(stub.silent) as url,
        pytest.raises(StepFailed, match=r"GET http://.*: took longer than 0.3 s in total"),
    ):
        run(url=url, request_timeout_seconds=0.3)


def test_a_refused_address_fails_the_step() -> None:
    with pytest.raises(StepFailed, match="link-local"):
        run(url="http://169.254.169.254/latest/meta-data/")


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, "url: Give the URL"),
        ({"url": "/path"}, "url: Expected http"),
        ({"url": "file:///etc/passwd"}, "url: Expected http"),
        ({"url": "http://user:pass@host/"}, "url: Leave user name"),
        ({"url": "http://host/a\r\nX: y"}, "url: A URL holds no"),
        ({"url": "http://host/", "headers": {"X": "a\nb"}}, "headers: .*line break"),
        ({"url": "http://host/", "headers": {"Content-Length": "5"}}, "headers: Content-Length follows"),
        ({"url": "http://host/", "method": "TRACE"}, "method"),
        ({"url": "http://host/", "expect_status": [2000]}, "expect_status: A status code"),
        ({"url": "http://host/", "body": None, "verify": False}, "verify: Unknown key"),
    ],
)
def test_faults_are_found_when_saving(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        HttpStep.form.canonical(config)


def test_tokens_may_stand_anywhere_before_substitution() -> None:
    config = {"url": "${kw:base}/x", "headers": {"X": "${out:a.b}"}, "body": "${kw:body}", "verify_tls": "${kw:check}"}
    assert HttpStep.form.canonical(config) == config


def test_a_shown_url_has_no_secrets() -> None:
    url = "https://u:p@host/a?api_key=1&sig=2&q=rows#frag"
    assert shown_url(url) == "https://host/a?api_key=********&sig=********&q=rows"
