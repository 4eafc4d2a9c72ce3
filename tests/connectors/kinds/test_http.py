"""Kind `http` against real servers."""

import re
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.definition import ConnectorError, Definition
from connectors.kinds import open_connector
from connectors.kinds.http import HttpKind
from nomaflow_site.lib.config import ConfigError
from tests.connectors import stub


def definition(base_url: str, **settings: Any) -> Definition:
    """A connector named api."""
    return Definition(name="api", kind="http", config={"base_url": base_url, **settings})


@pytest.fixture
def echo(httpserver: HTTPServer) -> HTTPServer:
    """A server that answers with what it was sent."""

    def answer(request: Request) -> Response:
        return Response(f"{request.method} {request.full_path}\n" + "\n".join(f"{k}: {v}" for k, v in request.headers))

    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    return httpserver


def ask(found: Definition, path: str = "/x", **kwargs: Any) -> str:
    """The echo of one GET."""
    client: Any = open_connector(found)
    try:
        return str(client.request("GET", path, **kwargs).text)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/users", "/v1/users?"),
        ("users", "/v1/users?"),
        ("", "/v1?"),
        ("?a=1", "/v1?a=1"),
        ("//evil/x", "/v1/evil/x?"),
    ],
)
def test_paths_go_below_the_base_url(echo: HTTPServer, path: str, asked: str) -> None:
    assert ask(definition(echo.url_for("/v1")), path).startswith(f"GET {asked}")


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"auth": "basic", "username": "olga", "password": "pâss:word"}, "Authorization: Basic b2xnYTpww6Jzczp3b3Jk"),
        ({"auth": "bearer", "token": "t0ken"}, "Authorization: Bearer t0ken"),
        ({"auth": "header", "token": "t0ken"}, "X-Api-Key: t0ken"),
        ({"auth": "header", "header_name": "X-Key", "token": "t0ken"}, "X-Key: t0ken"),
        ({"headers": {"X-Common": "yes", "X-Number": 5}}, "X-Common: yes"),
    ],
)
def test_credentials_and_common_headers_are_sent(echo: HTTPServer, settings: dict[str, Any], header: str) -> None:
    assert header in ask(definition(echo.url_for("/"), **settings))


def test_headers_of_the_request_win(echo: HTTPServer) -> None:
    said = ask(definition(echo.url_for("/"), headers={"X-Common": "one"}), headers={"x-common": "two"})
    assert "two" in said
    assert "one" not in said


def test_an_absolute_url_of_the_same_origin_is_fine_and_another_is_refused(echo: HTTPServer) -> None:
    found = definition(echo.url_for("/v1"), auth="bearer", token="t0ken")
    assert ask(found, echo.url_for("/v2")).startswith("GET /v2")
    for other in ("http://localhost:1/", echo.url_for("/").replace("localhost", "127.0.0.1"), "https://evil.example/"):
        with pytest.raises(ConnectorError, match="credentials are sent nowhere else"):
            ask(found, other)


def test_line_breaks_in_headers_are_refused_before_sending(echo: HTTPServer) -> None:
    with pytest.raises(ConnectorError, match="line break"):
        ask(definition(echo.url_for("/")), headers={"X-A": "a\r\nX-B: b"})
    with pytest.raises(ConnectorError, match="line break"):
        ask(definition(echo.url_for("/"), auth="bearer", token="a\nb"))


@pytest.mark.parametrize(("auth", "needed"), [("basic", "password"), ("bearer", "token"), ("header", "token")])
def test_missing_credentials_are_named(auth: str, needed: str) -> None:
    with pytest.raises(ConnectorError, match=f"no {needed}"):
        open_connector(definition("http://localhost:1", auth=auth, username="olga"))


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"Host": "x"}},
        {"headers": {"a b": "x"}},
        {"header_name": "a:b"},
        {"base_url": "https://x/?q=1"},
        {"auth": "ntlm"},
    ],
)
def test_odd_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        HttpKind.form.canonical({"base_url": "https://x", **settings})


def test_the_test_tells_status_and_time(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", status=404)
    assert "answered 404 NOT FOUND in" in HttpKind().test(definition(httpserver.url_for("/")))


@pytest.mark.parametrize("status", [401, 500])
def test_refused_credentials_and_broken_servers_fail_the_test(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/").respond_with_data("", status=status)
    with pytest.raises(ConnectorError, match=f"answered {status}"):
        HttpKind().test(definition(httpserver.url_for("/")))


def test_the_test_does_not_wait_longer_than_the_connector_allows() -> None:
    with stub.serving(stub.silent) as url, pytest.raises(ConnectorError, match="longer than 0.3 s"):
        HttpKind().test(definition(url, timeout_seconds=0.3))


def test_an_unreachable_server_is_told_without_the_token() -> None:
    with pytest.raises(ConnectorError, match="Connection refused") as caught:
        HttpKind().test(definition("http://127.0.0.1:9", auth="bearer", token="canary-token"))
    assert "canary" not in str(caught.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who issues the certificate of the server below."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[HTTPServer]:
    """An https server whose certificate is for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(host="localhost", ssl_context=context) as server:
        server.expect_request("/").respond_with_data("ok")
        yield server


def test_an_unknown_authority_is_refused(secure: HTTPServer) -> None:
    with pytest.raises(ConnectorError, match="certificate can't be trusted"):
        HttpKind().test(definition(secure.url_for("/")))


def test_a_known_authority_is_trusted_for_the_right_name_only(
    secure: HTTPServer, authority: trustme.CA, tmp_path: Any
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    assert "answered 200" in HttpKind().test(definition(secure.url_for("/"), ca_file=str(ca_file)))
    with pytest.raises(ConnectorError, match="certificate can't be trusted"):
        HttpKind().test(definition(f"https://127.0.0.1:{secure.port}", ca_file=str(ca_file)))


def test_verification_can_be_switched_off(secure: HTTPServer) -> None:
    assert "answered 200" in HttpKind().test(definition(secure.url_for("/"), verify_tls=False))
