"""The guarded session against real servers, well behaved and not."""

import gzip
import resource
import socket
import time
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors import addresses
from connectors.guard import AddressRefused, TooLarge, TooLong, explain, guarded_session
from tests.connectors import stub


@pytest.mark.parametrize("behaviour", [stub.silent, stub.slow_headers, stub.slow_body])
def test_one_deadline_covers_the_whole_exchange(behaviour: stub.Behaviour) -> None:
    with stub.serving(behaviour) as url:
        started = time.monotonic()
        with pytest.raises(TooLong, match=r"took longer than 0.4 s in total"):
            guarded_session(timeout_seconds=0.4).get(url)
        assert time.monotonic() - started < 2


def test_a_tls_handshake_that_stalls_ends_at_the_deadline() -> None:
    with stub.serving(stub.silent) as url, pytest.raises(TooLong):
        guarded_session(timeout_seconds=0.4).get(url.replace("http:", "https:"))


def test_an_endless_answer_ends_at_the_limit() -> None:
    with stub.serving(stub.endless_body) as url, pytest.raises(TooLarge, match="1,000,000 bytes"):
        guarded_session(max_bytes=1_000_000).get(url)


def test_the_body_of_a_redirect_is_limited_too() -> None:
    with stub.serving(stub.endless_redirect_body) as url, pytest.raises(TooLarge):
        guarded_session(max_bytes=1_000_000, timeout_seconds=10).get(url, allow_redirects=True)


def test_a_gzip_bomb_is_counted_unpacked_and_does_not_fill_the_memory(httpserver: HTTPServer) -> None:
    bomb = gzip.compress(b"\0" * 300_000_000, 9)
    httpserver.expect_request("/").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLarge):
        guarded_session(max_bytes=2_000_000).get(httpserver.url_for("/"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


def test_no_limit_above_ten_mebibytes_can_be_asked_for() -> None:
    with stub.serving(stub.endless_body) as url, pytest.raises(TooLarge, match="10,485,760"):
        guarded_session(max_bytes=10**12).get(url)


def test_a_stream_is_guarded_while_it_is_read() -> None:
    with stub.serving(stub.slow_body) as url:
        response = guarded_session(timeout_seconds=0.4).get(url, stream=True)
        with pytest.raises(TooLong):
            list(response.iter_content(10))


def test_redirects_are_not_followed_unless_asked(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_response(Response(status=302, headers={"Location": "/b"}))
    httpserver.expect_request("/b").respond_with_data("here")
    session = guarded_session()
    assert session.get(httpserver.url_for("/a")).status_code == 302
    assert session.get(httpserver.url_for("/a"), allow_redirects=True).text == "here"


def test_redirects_in_circles_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_response(Response(status=302, headers={"Location": "/a"}))
    with pytest.raises(requests.TooManyRedirects):
        guarded_session().get(httpserver.url_for("/a"), allow_redirects=True)


def test_a_redirect_to_another_origin_leaves_credentials_behind(httpserver: HTTPServer) -> None:
    with HTTPServer(host="127.0.0.1") as other:
        heard: list[dict[str, str]] = []
        other.expect_request("/").respond_with_handler(
            lambda request: heard.append(dict(request.headers)) or Response("ok")
        )
        httpserver.expect_request("/").respond_with_response(
            Response(status=302, headers={"Location": other.url_for("/")})
        )
        secrets = {"Authorization": "Bearer canary", "X-Api-Key": "canary", "Cookie": "session=canary"}
        guarded_session().get(httpserver.url_for("/"), headers=secrets, allow_redirects=True)
        assert len(heard) == 1
        assert "canary" not in str(heard)


def test_a_body_is_never_sent_on_to_another_origin(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_response(
        Response(status=307, headers={"Location": "http://localhost:9/"})
    )
    with pytest.raises(AddressRefused, match="not sent to another origin"):
        guarded_session().post(httpserver.url_for("/"), json={"a": 1}, allow_redirects=True)


def test_a_redirect_into_the_metadata_service_is_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_response(
        Response(status=302, headers={"Location": "http://169.254.169.254/x"})
    )
    with pytest.raises(AddressRefused, match="link-local"):
        guarded_session().get(httpserver.url_for("/"), allow_redirects=True)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://0/"]
)
def test_refused_addresses_are_not_connected_to(url: str) -> None:
    with pytest.raises(AddressRefused):
        guarded_session().get(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://localhost/", "ftp://localhost/"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        guarded_session().get(url)


def test_credentials_in_the_url_are_refused() -> None:
    with pytest.raises(AddressRefused, match="user name"):
        guarded_session().get("http://user:pass@127.0.0.1/")


def test_a_proxy_is_refused() -> None:
    with pytest.raises(AddressRefused, match="proxies"):
        guarded_session().get("http://127.0.0.1/", proxies={"http": "http://127.0.0.1:3128"})


def test_private_addresses_can_be_refused(httpserver: HTTPServer) -> None:
    with pytest.raises(AddressRefused, match="allow_private"):
        guarded_session(allow_private=False).get(httpserver.url_for("/"))


def test_a_name_is_resolved_once_so_that_a_second_answer_does_not_matter(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/").respond_with_data("ok")
    answers = iter(["127.0.0.1", "169.254.169.254"])
    real = socket.getaddrinfo
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda host, *rest, **more: real(next(answers), *rest, **more))
    assert guarded_session().get(f"http://rebind.example:{httpserver.port}/").text == "ok"


def test_one_forbidden_answer_among_several_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("93.184.216.34", "169.254.169.254")]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: mixed)
    with pytest.raises(AddressRefused):
        guarded_session().get("http://mixed.example/")


def test_the_environment_sets_no_proxy_and_no_credentials(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("default login canary password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    def answer(request: Request) -> Response:
        return Response(request.headers.get("Authorization", "none"))

    httpserver.expect_request("/").respond_with_handler(answer)
    assert guarded_session().get(httpserver.url_for("/")).text == "none"


def test_connections_are_kept_and_reused_under_new_deadlines(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("ok")
    session = guarded_session(timeout_seconds=5)
    assert [session.get(httpserver.url_for("/")).text for _ in range(3)] == ["ok"] * 3


def test_explanations_say_what_happened_and_never_the_url() -> None:
    def why(url: str) -> str:
        with pytest.raises(requests.RequestException) as caught:
            guarded_session(timeout_seconds=3).get(f"{url}/?token=canary")
        return explain(caught.value)

    with stub.serving(stub.hangs_up) as url:
        assert why(url) == "the server closed the connection before it had answered"
        assert why(url.replace("http:", "https:")).startswith(("TLS failed", "the server closed"))
    assert why("http://127.0.0.1:9") == "Connection refused"
    assert "can't be resolved" in why("http://no-such-host.invalid")
