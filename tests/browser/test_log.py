"""The log of the run page in a real browser: a window over a log of any length."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.browser
MANY = 200_000
MOST_ROWS = 3000
INSERT = "insert into runs_logline (run_id, seq, at, level, step, attempt, text) values (?, ?, ?, ?, ?, 1, ?)"
# A screenful or so further down; the number of the last line there is.
SCROLL_ON = """() => {
  document.getElementById("log").scrollTop += 5000;
  return Number(document.querySelector("#log li:last-child").id.slice(1));
}"""
LEVELS = ["INFO"] * 97 + ["WARNING", "DEBUG", "ERROR"]


@pytest.fixture(scope="module")
def log(web: Web) -> str:
    """The path of a run in flight with a log of 200,000 lines."""
    pk, run_id = web.cast["runs"]["flood"]
    fill(web, pk, 1, MANY)
    return f"/runs/{run_id}/"


def fill(web: Web, pk: int, first: int, last: int) -> None:
    """Lines at once, as many workers' days would have written them."""
    rows = (
        (pk, seq, "2026-01-02 03:04:05.678", LEVELS[seq % 100], "load" if seq % 2 else "send", f"row number {seq}")
        for seq in range(first, last + 1)
    )
    web.database.execute("begin")
    web.database.executemany(INSERT, rows)
    web.database.execute("commit")


def rows(page: Any) -> int:
    return int(page.locator("#log li").count())


def shows(page: Any, seq: int) -> bool:
    """Whether a line is within the log's box."""
    return bool(
        page.evaluate(
            """(id) => {
                const row = document.getElementById(id)?.getBoundingClientRect();
                const box = document.getElementById("log").getBoundingClientRect();
                return Boolean(row) && row.bottom > box.top && row.top < box.bottom;
            }""",
            f"L{seq}",
        )
    )


def test_two_hundred_thousand_lines_are_a_window_that_moves(visit: Callable[..., Any], web: Web, log: str) -> None:
    page = visit(log)
    assert shows(page, web.last("flood"))
    page.focus("#log")
    page.keyboard.press("Home")
    wait_for(lambda: shows(page, 1), 10, "the first line")
    wait_for(lambda: page.evaluate(SCROLL_ON) > MOST_ROWS + 500, 20, "more lines")
    assert rows(page) <= MOST_ROWS
    page.keyboard.press("End")
    wait_for(lambda: shows(page, web.last("flood")), 10, "the last line")
    assert rows(page) <= MOST_ROWS


def test_a_link_leads_to_any_line(visit: Callable[..., Any], web: Web, log: str) -> None:
    page = visit(f"{log}#L123456")
    wait_for(lambda: shows(page, 123456), 10, "line 123,456")
    assert page.get_attribute("#L123456", "aria-current") == "true"
    page.click("#L123450 .seq")
    assert page.url.endswith("#L123450")


def test_filters_and_search_work_on_the_whole_log_and_stand_in_the_address(
    visit: Callable[..., Any], web: Web, log: str
) -> None:
    page = visit(log)
    page.fill("[name=q]", "NUMBER 155001")
    page.wait_for_selector("#log li#L155001 mark", timeout=10000)
    assert page.inner_text("#L155001 mark") == "number 155001"
    assert rows(page) == 1
    page.fill("[name=q]", "")
    page.select_option("[name=level]", "ERROR")
    page.wait_for_selector("#log li[data-level=ERROR]")
    wait_for(lambda: page.locator("#log li:not([data-level=ERROR])").count() == 0, 10, "errors alone")
    page.reload()
    assert page.input_value("[name=level]") == "ERROR"
    assert page.locator("#log li:not([data-level=ERROR])").count() == 0


def test_live_lines_pass_the_same_filters(visit: Callable[..., Any], web: Web, log: str) -> None:
    page = visit(f"{log}?q=needle")
    page.wait_for_selector("text=live >> visible=true")
    web.write("flood", "hay", "a Needle in it")
    page.wait_for_selector("#log mark:text-is('Needle')", timeout=5000)
    assert "hay" not in page.inner_text("#log")


def test_a_flood_leaves_the_page_usable_and_ends_with_the_last_line(
    visit: Callable[..., Any], web: Web, log: str
) -> None:
    page = visit(log)
    page.wait_for_selector("text=live >> visible=true")
    last = web.last("flood")
    fill(web, web.cast["runs"]["flood"][0], last + 1, last + 20_000)
    wait_for(lambda: shows(page, last + 20_000), 60, "the last line of the flood")
    assert rows(page) <= MOST_ROWS
    page.click("#wrap")
    assert page.get_attribute("#wrap", "aria-pressed") == "false"


def test_without_javascript_any_piece_can_be_read(visit: Callable[..., Any], web: Web, log: str) -> None:
    page = visit(f"{log}?around=100000", java_script_enabled=False)
    assert page.locator("#L100000").count() == 1
    page.click("text=Earlier lines")
    assert page.locator("#L100000").count() == 0
    assert rows(page) == 500


def test_a_bar_of_the_timeline_filters_the_log_by_its_step(visit: Callable[..., Any], web: Web) -> None:
    pk, run_id = web.cast["runs"]["long"]
    web.python(
        "from django.utils import timezone; now = timezone.now()\n"
        f"StepRun.objects.create(run_id={pk}, number=0, name='load', type='sql_query', state='SUCCEEDED', started_at=now, "
        "finished_at=now)"
    )
    page = visit(f"/runs/{run_id}/")
    page.click(".steps a[data-step=load]")
    page.wait_for_url("**step=load**")
    assert page.input_value("[name=step]") == "load"
