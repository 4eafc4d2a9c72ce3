"""The log of the run page in a real browser: its window, what moves it, what filters it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]
LINES = 200_000
MOST_ROWS = 3000
AT_END = "log.scrollHeight - log.scrollTop - log.clientHeight < 8"
IN_VIEW = """(row) => { const [r, l] = [row, log].map((element) => element.getBoundingClientRect());
  return r.top >= l.top - 1 && r.bottom <= l.bottom + 1; }"""
# The first row that is wholly in view.
FIRST = "[...log.children].find((row) => row.getBoundingClientRect().top >= log.getBoundingClientRect().top).id"


@pytest.fixture(scope="module")
def big(web: Web) -> str:
    """A run that is over, with a log of 200,000 lines."""
    web.database.execute(
        """
        insert into runs_logline (run_id, seq, at, level, step, attempt, text)
        with recursive n(seq) as (select 4 union all select seq + 1 from n where seq < ?)
        select ?, seq, '2026-01-02 03:04:05.678', case when seq % 50000 = 7 then 'ERROR' else 'INFO' end,
               case when seq > 199000 then 'send' else 'load' end, 1, 'line ' || seq from n
        """,
        [LINES, web.cast["runs"]["over"][0]],
    )
    return f"/runs/{web.cast['runs']['over'][1]}/"


@pytest.fixture
def live(web: Web) -> str:
    """A run in flight whose log ends with three lines: the tests share it and begin at its end."""
    return f"/runs/{web.cast['runs']['live'][1]}/"


@pytest.fixture
def watch(visit: Visit, web: Web) -> Visit:
    """Opens a run in flight and waits for its stream."""

    def watched(run: str, query: str = "", **options: Any) -> Any:
        page = visit(f"/runs/{web.cast['runs'][run][1]}/{query}", **options)
        page.wait_for_selector("#connection[data-state=live]")
        return page

    return watched


def rows(page: Any) -> int:
    return int(page.locator("#log > li").count())


def shown(page: Any, line: int) -> None:
    """Wait until a line is in view."""
    wait_for(
        lambda: page.locator(f"#L{line}").count() and page.locator(f"#L{line}").evaluate(IN_VIEW), 10, f"line {line}"
    )


def place(page: Any, row: str = "") -> tuple[str, float]:
    """A row and where it is on the screen; the first in view."""
    row = row or str(page.evaluate(FIRST))
    return row, float(page.evaluate(f"{row}.getBoundingClientRect().top"))


def texts(page: Any) -> list[str]:
    return list(page.locator("#log .text").all_text_contents())


# A window over a long log


def test_a_log_of_200_000_lines_opens_at_its_end_and_goes_anywhere(visit: Visit, big: str) -> None:
    page = visit(big)
    shown(page, LINES)
    page.focus("#log")
    page.keyboard.press("Home")
    shown(page, 1)
    page.keyboard.press("End")
    shown(page, LINES)
    page.click("[data-go=first]")
    shown(page, 1)
    page.click("[data-go=newest]")
    shown(page, LINES)
    assert rows(page) <= MOST_ROWS


def test_scrolling_up_brings_earlier_lines_and_keeps_ones_place(visit: Visit, big: str) -> None:
    page = visit(big)
    shown(page, LINES)
    page.evaluate("log.scrollTop = 300")
    row, before = place(page)
    wait_for(lambda: rows(page) == 1000, 10, "an earlier piece")
    assert abs(place(page, row)[1] - before) < 1


def test_the_window_moves_on_in_both_directions_and_stays_small(visit: Visit, big: str) -> None:
    page = visit(f"{big}?around=100000")
    for edge, way in (("0", -1), ("log.scrollHeight", 1)):
        for _ in range(8):
            first = page.evaluate("log.firstElementChild.id + log.lastElementChild.id")
            page.evaluate(f"log.scrollTop = {edge}")
            wait_for(
                lambda seen=first: page.evaluate("log.firstElementChild.id + log.lastElementChild.id") != seen, 10, way
            )
    found = [int(name[1:]) for name in page.evaluate("[...log.children].map((row) => row.id)")]
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) <= MOST_ROWS


def test_a_line_in_the_address_is_shown_wherever_it_is(visit: Visit, big: str) -> None:
    page = visit(f"{big}#L77777")
    shown(page, 77777)
    assert page.get_attribute("#L77777", "aria-current") == "true"
    page.evaluate("location.hash = '#L5'")
    shown(page, 5)
    assert page.locator("#log [aria-current]").count() == 1


def test_a_click_on_a_number_puts_the_line_in_the_address(visit: Visit, big: str) -> None:
    page = visit(big)
    page.click("#L199995 .seq")
    assert page.url.endswith("?around=199995#L199995")
    assert page.get_attribute("#L199995", "aria-current") == "true"
    page.reload()
    shown(page, 199995)


def test_a_run_that_is_over_opens_no_stream(visit: Visit, big: str) -> None:
    page = visit("/jobs/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(big)
    shown(page, LINES)
    assert not [url for url in asked if "stream" in url]
    assert page.is_hidden("#follow")


# Filters


def test_a_search_goes_through_the_whole_log(visit: Visit, big: str) -> None:
    page = visit(big)
    page.fill("[name=q]", "LINE 12345")
    page.wait_for_selector("#log-found:text-is('Searched lines 1 to 200,000 of 200,000: 11 found')")
    assert page.inner_text("#L123459 mark") == "line 12345"
    assert page.url.endswith("?q=LINE+12345#log")


def test_a_filter_in_the_address_holds_and_can_be_let_go(visit: Visit, big: str) -> None:
    page = visit(f"{big}?level=ERROR#log")
    page.wait_for_selector("text=Searched lines 1 to 200,000 of 200,000: 4 found")
    assert texts(page) == ["line 7", "line 50007", "line 100007", "line 150007"]
    page.click("text=Show all")
    shown(page, LINES)
    assert page.input_value("[name=level]") == ""


def test_the_number_of_a_found_line_leads_to_it_among_the_others(visit: Visit, big: str) -> None:
    page = visit(f"{big}?level=ERROR")
    page.click("#L100007 .seq")
    # The line itself was in view already: the others come with an answer of the server.
    page.wait_for_selector("#L100006", state="attached")
    shown(page, 100007)
    page.go_back()
    wait_for(lambda: rows(page) == 4, 10, "the four errors again")


def test_live_lines_are_filtered_like_the_others(watch: Visit, web: Web) -> None:
    page = watch("live")
    page.select_option("[name=level]", "WARNING")
    page.fill("[name=q]", "(Disk")
    page.wait_for_selector("text=: 0 found")
    web.write("live", "only (disk) talk")
    web.write("live", "<b>(disk) is full", level="ERROR")
    web.write("live", "something else", level="ERROR")
    page.wait_for_selector(f"text=of {web.last('live')}: 1 found")
    assert texts(page) == ["<b>(disk) is full"]
    live = page.locator("#log li").last.evaluate("item => item.outerHTML")
    page.reload()
    assert page.locator("#log li").last.evaluate("item => item.outerHTML") == live


def test_a_step_on_the_page_filters_the_log(visit: Visit, web: Web, big: str) -> None:
    web.python(
        "from django.utils import timezone; now = timezone.now()\n"
        f"StepRun.objects.create(run_id={web.cast['runs']['over'][0]}, number=1, name='send', type='sql_query', "
        "state='SUCCEEDED', started_at=now, finished_at=now)"
    )
    page = visit(big)
    page.click(".steps a[data-step=send]")
    page.wait_for_selector("text=of 200,000: 500 found")
    assert page.input_value("[name=step]") == "send"
    assert page.url.endswith("?step=send#log")


# The live end


def test_following_lets_go_when_one_scrolls_up_and_takes_hold_again_at_the_end(watch: Visit, web: Web) -> None:
    page = watch("long")
    wait_for(lambda: page.evaluate(AT_END), 5, "the end")
    page.evaluate("log.scrollTop -= 200")
    page.wait_for_selector("#follow[aria-pressed=false]")
    row, before = place(page)
    web.write("long", "one", "two")
    page.wait_for_selector("#pill:text-is('2 new lines ↓')", timeout=3000)
    assert abs(place(page, row)[1] - before) < 1
    page.click("#pill")
    wait_for(lambda: page.evaluate(AT_END), 5, "the newest line to be shown")
    page.wait_for_selector("#pill", state="hidden")
    assert page.get_attribute("#follow", "aria-pressed") == "true"
    assert texts(page)[-2:] == ["one", "two"]


def test_far_from_the_end_new_lines_are_only_counted(watch: Visit, web: Web) -> None:
    page = watch("long", "?after=0")
    held = rows(page)
    web.write("long", "afar")
    page.wait_for_selector("#pill:text-is('1 new line ↓')")
    assert rows(page) == held
    page.click("#pill")
    shown(page, web.last("long"))
    web.write("long", "near")
    page.wait_for_selector("#log .text:text-is('near')")


def test_the_key_f_and_the_button_follow_and_let_go(watch: Visit) -> None:
    page = watch("long")
    page.keyboard.press("f")
    page.wait_for_selector("#follow[aria-pressed=false]")
    page.evaluate("log.scrollTop -= 500")
    page.click("#follow")
    page.wait_for_selector("#follow[aria-pressed=true]")
    assert page.evaluate(AT_END)
    page.focus("[name=q]")
    page.keyboard.press("f")
    assert page.input_value("[name=q]") == "f"


def test_a_flood_of_20_000_lines_keeps_the_page_small_and_at_the_end(watch: Visit, web: Web) -> None:
    page = watch("flood")
    for piece in range(0, 20_000, 1000):
        web.write("flood", *(f"flood {number}" for number in range(piece + 1, piece + 1001)))
    page.wait_for_selector("#log .text:text-is('flood 20000')", timeout=30_000)
    shown(page, web.last("flood"))
    assert rows(page) <= MOST_ROWS
    page.focus("#log")
    page.keyboard.press("Home")
    shown(page, 1)


def test_a_flood_while_one_reads_moves_nothing(watch: Visit, web: Web) -> None:
    page = watch("flood")
    # Enough to scroll in, whatever other tests have written.
    web.write("flood", *["before"] * 200)
    shown(page, web.last("flood"))
    page.evaluate("log.scrollTop -= 300")
    page.wait_for_selector("#follow[aria-pressed=false]")
    row, before = place(page)
    web.write("flood", *["more"] * 5000)
    page.wait_for_selector("#pill:text-is('5,000 new lines ↓')", timeout=30_000)
    assert abs(place(page, row)[1] - before) < 1
    assert rows(page) <= MOST_ROWS


def test_lines_that_are_not_wrapped_are_remembered(visit: Visit, live: str) -> None:
    page = visit(live)
    page.click("#wrap")
    assert page.get_attribute("#wrap", "aria-pressed") == "false"
    page.reload()
    assert page.get_attribute("#wrap", "aria-pressed") == "false"
    assert page.evaluate("getComputedStyle(document.querySelector('#log .text')).whiteSpace") == "pre"


def test_without_javascript_one_can_page_filter_and_link(visit: Visit, big: str) -> None:
    page = visit(big, java_script_enabled=False)
    assert page.is_hidden("#follow")
    page.click("text=Earlier lines")
    assert texts(page)[-1] == "line 199500"
    page.click("text=First")
    assert texts(page)[0] == "line 1"
    page.click("text=Later lines")
    assert texts(page)[0] == "line 501"
    page.click("#L502 .seq")
    assert page.url.endswith("?around=502#L502")
    page.select_option("[name=level]", "ERROR")
    page.click("text=Search")
    assert page.inner_text("#log-found") == "Searched lines 150,001 to 200,000 of 200,000: 1 found"
    page.click("text=Earlier lines")
    assert texts(page) == ["line 100007"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_very_long_line_makes_no_page_wider(visit: Visit, web: Web, live: str, wrapped: bool) -> None:
    web.write("live", "long" * 4000)
    page = visit(live, viewport=PHONE)
    if not wrapped:
        page.click("#wrap")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
