"""The log of a run's page: its pieces, filters and links."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import LogLine
from runs.views import log
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(client: Client) -> Any:
    job = cast.job(steps=("load", "send"))
    client.force_login(cast.vera(job))
    return cast.run(job, "SUCCEEDED", lines=1200)


@pytest.fixture
def ask(client: Client, run: Any) -> Any:
    """The text of a piece, or of the page."""

    def asked(query: str = "", place: str = "log/lines/") -> str:
        answer = client.get(f"/runs/{run.run_id}/{place}?{query}")
        assert answer.status_code == 200
        return str(answer.content.decode())

    return asked


def numbers(text: str) -> list[int]:
    """Of the rows."""
    return [int(number) for number in re.findall(r'id="L(\d+)"', text)]


def span(text: str) -> tuple[int, ...]:
    """first, last, end."""
    found = re.search(r'data-first="(\d+)" data-last="(\d+)" data-end="(\d+)"', text)
    assert found
    return tuple(int(number) for number in found.groups())


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", 701, 1200),
        ("before=701", 201, 700),
        ("before=201", 1, 200),
        ("before=1", 1, 0),
        ("after=0", 1, 500),
        ("after=1199", 1200, 1200),
        ("after=1200", 1201, 1200),
        ("around=600", 350, 849),
        ("around=1", 1, 250),
        ("around=0", 1, 250),
        ("around=999999999999", 950, 1200),
        ("before=99999999999999999999", 701, 1200),
        ("before=x&after=-1&around=", 701, 1200),
    ],
)
def test_a_piece_is_where_it_was_asked_for(ask: Any, query: str, first: int, last: int) -> None:
    text = ask(query)
    assert span(text) == (first, last, 1200)
    assert numbers(text) == list(range(first, last + 1))


def test_the_page_opens_at_the_end_and_leads_to_the_rest(ask: Any) -> None:
    text = ask(place="")
    assert span(text) == (701, 1200, 1200)
    assert 'href="?before=701#log"' in text
    assert re.search(r'data-go="later"[^>]* hidden>', text)


def test_the_page_opens_at_any_line(ask: Any) -> None:
    text = ask("around=600", place="")
    assert 'id="L600"' in text
    assert 'href="?before=350#log"' in text
    assert 'href="?after=849#log"' in text


def test_a_level_means_itself_and_the_graver_ones(ask: Any, run: Any) -> None:
    cast.write(run, "careful", level="WARNING")
    cast.write(run, "broken", level="ERROR")
    assert numbers(ask("level=WARNING")) == [1201, 1202]
    assert numbers(ask("level=ERROR")) == [1202]


def test_a_step_or_the_lines_of_none(ask: Any, run: Any) -> None:
    cast.write(run, "sending", step="send")
    cast.write(run, "the run is over", step="")
    assert numbers(ask("step=send")) == [1201]
    assert numbers(ask("step=-")) == [1202]
    assert numbers(ask("step=absent")) == []


@pytest.mark.parametrize("sought", ["100%_<b>", "100%_<B>", "%_<B"])
def test_a_text_is_found_whatever_its_case_and_marked_as_text(ask: Any, run: Any, sought: str) -> None:
    cast.write(run, "done: 100%_<b> of 1001", "1000 of 1001")
    text = ask(urlencode({"q": sought}))
    assert numbers(text) == [1201]
    assert re.search(r"<mark>(100)?%_&lt;b(&gt;)?</mark>", text)


def test_filters_stay_in_the_links(ask: Any, run: Any) -> None:
    cast.write(run, *["odd & even"] * 600, step="send")
    text = ask("step=send&q=%26", place="")
    assert 'href="?step=send&amp;q=%26&amp;before=1301#log"' in text
    assert "<option selected>send</option>" in text
    assert "Searched lines 1,301 to 1,800 of 1,800: 500 found" in text


def test_a_search_says_how_far_it_got_and_goes_on_from_there(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REACH", 100)
    assert "Searched lines 1,101 to 1,200 of 1,200: 0 found" in ask("q=line 7.", place="")
    assert span(ask("q=line 700&before=701")) == (601, 700, 1200)
    assert numbers(ask("q=line 700&before=701")) == [700]
    assert span(ask("q=nowhere&after=50")) == (51, 150, 1200)
    assert span(ask("q=nowhere&around=600")) == (550, 649, 1200)


@pytest.mark.parametrize(
    "query", ["level=LOUD", "level=%00", "step=%00", "q=%00", "q=" + "x" * 5000, "q=%5C", "q=%ff", "around=%00"]
)
def test_odd_wishes_are_no_error(ask: Any, query: str) -> None:
    assert ask(query)
    assert ask(query, place="")


def test_an_empty_log_has_a_page(client: Client, run: Any) -> None:
    LogLine.objects.all().delete()
    text = client.get(f"/runs/{run.run_id}/log/lines/?around=5").content.decode()
    assert span(text) == (1, 0, 0)


def test_a_piece_takes_few_queries(ask: Any) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask("around=600&q=line")
    assert len(queries) <= 8


@pytest.mark.parametrize("name", ["nobody", ""])
def test_who_may_not_see_the_run_gets_no_line_of_it(client: Client, run: Any, name: str) -> None:
    client.logout()
    if name:
        client.force_login(cast.user(name))
    answer = client.get(f"/runs/{run.run_id}/log/lines/")
    assert answer.status_code == (404 if name else 302)


def test_only_a_run_in_flight_is_streamed(client: Client, run: Any, ask: Any) -> None:
    assert "data-stream" not in ask(place="")
    run.state = "RUNNING"
    run.save()
    assert "data-stream" in ask(place="")


def test_control_characters_are_shown_in_marked_text_too(ask: Any, run: Any) -> None:
    cast.write(run, "a\x1b[2J\u202eb needle")
    assert r"a\e[2J\u202eb <mark>needle</mark>" in ask("q=needle")
