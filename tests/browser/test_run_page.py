"""The pages of jobs and runs in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.browser


def run_path(web: Web, run: str) -> str:
    return f"/runs/{web.cast['runs'][run][1]}/"


def texts(page: Any) -> list[str]:
    return list(page.locator("#log .text").all_text_contents())


def test_run_now_leads_to_the_run_and_cancel_ends_it(visit: Callable[..., Any], web: Web) -> None:
    for name in web.cast["runs"]:
        web.set_state(name, "SUCCEEDED")
    page = visit("/jobs/")
    page.click("text=Run now")
    page.click("dialog[open] button:has-text('Run now')")
    page.wait_for_url("**/runs/run_*/")
    assert "QUEUED" in page.inner_text("#standing")
    page.click("#cancel")
    page.wait_for_selector("#standing .badge.canceled")
    assert "cancelled by user:rui" in page.inner_text("#standing")
    web.set_state("live", "RUNNING")


def test_new_lines_appear_by_themselves_and_as_text(visit: Callable[..., Any], web: Web) -> None:
    page = visit(run_path(web, "live"))
    page.wait_for_selector("text=live >> visible=true")
    web.write("live", "<img src=x onerror=document.title='hit'>", "second")
    page.wait_for_selector("#log .text:text-is('second')", timeout=2000)
    assert texts(page)[-2:] == ["<img src=x onerror=document.title='hit'>", "second"]
    assert "hit" not in page.title()
    assert page.locator("#log img").count() == 0


def test_a_live_line_looks_like_one_of_the_page(visit: Callable[..., Any], web: Web) -> None:
    page = visit(run_path(web, "live"))
    page.wait_for_selector("text=live >> visible=true")
    web.write("live", "twin")
    page.wait_for_selector("#log .text:text-is('twin')")
    live = page.locator("#log li").last.evaluate("item => item.outerHTML")
    page.reload()
    assert page.locator("#log li").last.evaluate("item => item.outerHTML") == live


def test_the_state_changes_without_a_reload(visit: Callable[..., Any], web: Web) -> None:
    page = visit(run_path(web, "live"))
    page.wait_for_selector("text=live >> visible=true")
    page.evaluate("window.kept = true")
    web.set_state("live", "FAILED")
    page.wait_for_selector("#standing .badge.failed", timeout=3000)
    wait_for(lambda: "FAILED" in page.title(), 5, "the title to change")
    assert page.evaluate("window.kept")
    assert page.inner_text("#announcement") == "The run is now FAILED"
    assert page.locator("#cancel").count() == 0
    web.set_state("live", "RUNNING")


def test_a_lost_connection_is_shown_and_nothing_is_lost_or_doubled(visit: Callable[..., Any], web: Web) -> None:
    page = visit(run_path(web, "flood"))
    web.set_state("flood", "RUNNING")
    page.reload()
    page.wait_for_selector("text=live >> visible=true")
    web.write("flood", "before")
    page.wait_for_selector("text=before >> visible=true")
    web.kill()
    page.wait_for_selector("text=reconnecting >> visible=true", timeout=5000)
    web.write("flood", "meanwhile")
    web.start()
    page.wait_for_selector("#log .text:text-is('meanwhile')", timeout=15000)
    assert texts(page) == ["before", "meanwhile"]


def test_without_javascript_the_page_can_be_read_and_used(visit: Callable[..., Any], web: Web) -> None:
    web.set_state("live", "RUNNING")
    page = visit(run_path(web, "live"), java_script_enabled=False)
    assert "line 1" in page.inner_text("#log")
    page.click("#cancel")
    page.wait_for_selector("text=Cancelling…")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/jobs/", "/jobs/nightly/", "/runs/", "RUN"])
def test_on_a_phone_nothing_is_cut_off(visit: Callable[..., Any], web: Web, path: str, scheme: str) -> None:
    path = run_path(web, "live") if path == "RUN" else path
    page = visit(path, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_api_page_works_under_the_policy(visit: Callable[..., Any], web: Web) -> None:
    page = visit("/api/v1/docs/")
    page.wait_for_selector("text=/api/v1/runs/{run_id}/log/", timeout=15000)
    assert wait_for(lambda: page.locator(".opblock").count() >= 9, 5, "the operations")


@pytest.mark.parametrize(
    "options", [{}, {"viewport": PHONE}, {"color_scheme": "dark"}], ids=["desktop", "phone", "dark"]
)
def test_a_step_shows_how_far_it_is_and_moves_on_by_itself(visit: Callable[..., Any], web: Web, options: Any) -> None:
    web.set_progress("live", 250_000, 1_000_000)
    page = visit(run_path(web, "live"), **options)
    bar = page.locator("#standing progress")
    # The page is renewed when its stream begins: what was measured may be gone in the next moment.
    wait_for(lambda: (bar.bounding_box() or {"width": 0})["width"] > 100, 10, "the bar to be seen")
    assert bar.get_attribute("value") == "25.0"
    assert "250,000 of 1,000,000 (25 %)" in page.inner_text(".steps .pace")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    web.set_progress("live", 500_000, 1_000_000)
    page.wait_for_selector(".steps .pace:has-text('500,000 of 1,000,000 (50 %)')", timeout=10_000)
