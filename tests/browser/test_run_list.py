"""The list of runs in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.web import Web

pytestmark = pytest.mark.browser


def test_ticks_survive_the_renewal_of_the_rows(visit: Callable[..., Any], web: Web) -> None:
    web.set_state("flood", "RUNNING")
    page = visit("/runs/")
    run_id = web.cast["runs"]["live"][1]
    box = page.locator(f'input[name=run][value="{run_id}"]')
    box.check()
    page.locator("h1").click()
    web.set_state("flood", "FAILED")
    page.wait_for_selector("#run-rows .badge.failed", timeout=15000)
    assert box.is_checked()


def test_slash_goes_to_the_job_and_the_filters_end_up_in_the_address(visit: Callable[..., Any], web: Web) -> None:
    page = visit("/runs/", viewport=PHONE)
    page.keyboard.press("/")
    page.keyboard.type("night*")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/?job=night**")
    assert page.locator("#run-rows tr").count() == len(web.cast["runs"])
    page.click("text=job night*")
    page.wait_for_url("**/runs/")


def test_what_is_ticked_is_cancelled_and_told(visit: Callable[..., Any], web: Web) -> None:
    web.set_state("over", "SUCCEEDED")
    page = visit("/runs/?job=nightly")
    page.locator(f'input[name=run][value="{web.cast["runs"]["over"][1]}"]').check()
    page.click("button[value=cancel]")
    page.wait_for_selector("text=Over already: 1 run")
    assert "job=nightly" in page.url
