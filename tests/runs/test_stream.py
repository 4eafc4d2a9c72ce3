"""The live log, over a real web server."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.flows.installation import Installation
from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.flow


def take(events: Iterator[tuple[str, str, Any]], count: int) -> list[tuple[str, str, Any]]:
    """The next so many events."""
    return [next(events) for _ in range(count)]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Installation(tmp_path_factory.mktemp("web")) as installation:
        server = Web(installation)
        yield server
        server.kill()
        assert "Traceback" not in server.log.read_text()


def test_lines_come_in_order_and_new_ones_within_a_second(web: Web) -> None:
    with web.events("live") as events:
        assert [(event, seq) for event, seq, _ in take(events, 3)] == [("line", "1"), ("line", "2"), ("line", "3")]
        web.write("live", "fresh")
        written = time.monotonic()
        event, seq, data = next(events)
        assert time.monotonic() - written < 1
        assert (event, seq) == ("line", "4")
        assert data == {
            "seq": 4,
            "at": "2026-01-02T03:04:05.678+00:00",
            "level": "INFO",
            "step": "load",
            "attempt": 1,
            "text": "fresh",
        }


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_stream_resumes_after_the_last_line_seen(web: Web, way: str) -> None:
    given: dict[str, Any] = {"Last-Event-ID": "2999"} if way == "header" else {"query": "?after=2999"}
    with web.events("long", **given) as events:
        assert next(events)[1] == "3000"


def test_the_last_event_id_wins_over_the_address(web: Web) -> None:
    with web.events("long", query="?after=1", **{"Last-Event-ID": "2999"}) as events:
        assert next(events)[1] == "3000"


def test_a_long_log_arrives_whole_while_more_is_written(web: Web) -> None:
    last = web.last("long") + 500
    with web.events("long") as events:
        first = take(events, 1)
        web.write("long", *(f"more {number}" for number in range(500)))
        rest = take(events, last - 1)
        assert [int(seq) for _, seq, _ in first + rest] == list(range(1, last + 1))


def test_a_run_that_is_over_is_told_and_ended(web: Web) -> None:
    with web.events("over") as events:
        told = [event for event, _, _ in events]
    assert told == ["line", "line", "line", "end"]


def test_a_change_of_state_is_told_then_the_last_lines_then_the_end(web: Web) -> None:
    with web.events("flood", query=f"?after={web.last('flood')}") as events:
        web.write("flood", "a")
        assert next(events)[0] == "line"
        web.set_state("flood", "FAILED")
        assert next(events)[0] == "state"
        assert next(events)[0] == "end"
        assert not list(events)
    web.set_state("flood", "RUNNING")


def test_what_a_line_holds_cannot_forge_an_event(web: Web) -> None:
    evil = "x\n\nevent: end\ndata: {}\r\r\n\u2028\x1b[2J\x85\u202e"
    last = web.last("live")
    web.write("live", evil, "after")
    with web.events("live", query=f"?after={last}") as events:
        told = take(events, 2)
    assert [event for event, _, _ in told] == ["line", "line"]
    assert told[0][2]["text"] == "x\n\nevent: end\ndata: {}\\r\\r\n\\u2028\\e[2J\\x85\\u202e"


def test_a_stream_says_that_it_must_not_be_collected_or_kept(web: Web) -> None:
    with web.open("live") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store"


def test_an_invisible_run_has_no_stream(web: Web) -> None:
    assert web.open("live", user="nobody").status_code == 404
    absent = requests.get(
        f"{web.url}/runs/run_absent/log/stream", headers={"Authorization": web.cast["tokens"]["rui"]}, timeout=5
    )
    assert (absent.status_code, absent.text) == (404, web.open("live", user="nobody").text)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Token wrong"}, {"Authorization": "Bearer x"}])
def test_a_stranger_gets_no_stream(web: Web, header: dict[str, str]) -> None:
    assert requests.get(web.url + web.path("live"), headers=header, timeout=5).status_code == 401


@pytest.mark.parametrize("after", ["x", "-1", "1" * 30, "%00"])
def test_an_odd_place_to_resume_is_refused(web: Web, after: str) -> None:
    assert web.open("live", query=f"?after={after}").status_code == 400


def test_only_get_opens_a_stream(web: Web) -> None:
    assert requests.post(web.url + web.path("live"), timeout=5).status_code in (403, 405)


def test_many_idle_streams_hold_one_database_connection(web: Web) -> None:
    with contextlib.ExitStack() as open_streams:
        for _ in range(15):
            events = open_streams.enter_context(web.events("live"))
            take(events, 3)
        # One is open; SQLite itself may put off closing another file while that one holds a lock.
        wait_for(lambda: sum(name.endswith(".sqlite3") for name in web.files()) <= 2, 5, "connections to be given back")


def test_a_closed_stream_gives_everything_back(web: Web) -> None:
    with web.events("live") as events:
        take(events, 3)
    wait_for(lambda: not any(".sqlite3" in name for name in web.files()), 5, "the last connection to be closed")


def test_one_user_has_a_bounded_number_of_streams(web: Web) -> None:
    with contextlib.ExitStack() as open_streams:

        def opened() -> int:
            return int(open_streams.enter_context(web.open("live")).status_code)

        # Streams that earlier tests have closed are noticed within moments.
        wait_for(lambda: opened() == 429, 20, "the limit to be reached")
        assert len([None for _ in range(3) if opened() == 429]) == 3
        refused = web.open("live")
        assert "20 live logs" in refused.json()["detail"]
        assert refused.headers["Retry-After"]
    wait_for(lambda: web.open("live").status_code == 200, 10, "the places to be free again")


def test_a_client_that_never_reads_delays_nobody(web: Web) -> None:
    lazy = socket.create_connection(("127.0.0.1", int(web.url.rpartition(":")[2])))
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    token = web.cast["tokens"]["rui"]
    lazy.sendall(f"GET {web.path('flood')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
    last = web.last("flood")
    with web.events("flood", query=f"?after={last}") as events:
        web.write("flood", *("x" * 10_000 for _ in range(2500)))
        seen: list[int] = []
        while last + 2500 not in seen:
            event, seq, _ = next(events)
            seen += [int(seq)] if event == "line" else []
        assert seen == list(range(last + 1, last + 2501))
        assert requests.get(f"{web.url}/health", timeout=1).ok
    lazy.close()


def test_a_whole_log_is_downloaded_piece_by_piece(web: Web) -> None:
    path = f"/api/v1/runs/{web.cast['runs']['long'][1]}/log/?format=text"
    answer = requests.get(web.url + path, headers={"Authorization": web.cast["tokens"]["rui"]}, timeout=20)
    numbers = [int(line.split()[0]) for line in answer.text.splitlines()]
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3000


def test_a_body_in_chunks_is_refused_instead_of_ignored(web: Web) -> None:
    headers = {"Authorization": web.cast["tokens"]["rui"], "Content-Type": "application/json"}
    body = iter([b'{"params": ', b"{}}"])
    answer = requests.post(f"{web.url}/admin/jobs/nightly/run", data=body, headers=headers, timeout=5)
    assert (answer.status_code, "Content-Length" in answer.json()["detail"]) == (411, True)
