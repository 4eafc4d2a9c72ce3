"""The whole way with the keyboard alone: make a job, run it with a changed parameter, watch it, cancel it, run it again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import sign_in
from tests.flows.installation import Installation
from tests.web import Web

pytestmark = pytest.mark.browser
PLUGIN = """
import time

def wait(ctx, *, seconds, **_):
    ctx.log.info(f"waiting {seconds} seconds")
    for _ in range(seconds * 10):
        time.sleep(0.1)
    ctx.log.info("waited")
"""
SUPERUSER = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("olga", password="correct horse")
"""
MOST_TABS = 150


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web server with a worker beside it."""
    with Installation(tmp_path_factory.mktemp("walk")) as installation:
        installation.plugin("walk", PLUGIN)
        installation.start_worker()
        server = Web(installation)
        server.python(SUPERUSER)
        yield server
        server.kill()


class Keys:
    """Hands that touch nothing but the keyboard."""

    def over(self, selector: str, text: str) -> None:
        """Write over a field that may have the focus already."""
        if not self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            self.to(selector)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def __init__(self, page: Any) -> None:
        self.page = page

    def to(self, selector: str) -> None:
        """Tab on until the focus is on what the selector names."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{MOST_TABS} tabs did not lead to {selector}")

    def press_text(self, text: str) -> None:
        """Go to what reads so and press it."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if text in " ".join(str(self.page.evaluate("document.activeElement.textContent")).split()):
                self.page.keyboard.press("Enter")
                return
        raise AssertionError(f"{MOST_TABS} tabs did not lead to {text!r}")

    def press(self, selector: str, key: str = "Enter") -> None:
        """Go to a button or link and press it."""
        self.to(selector)
        self.page.keyboard.press(key)


def test_a_job_is_made_run_watched_cancelled_and_replayed_with_the_keyboard_alone(web: Web, chromium: Any) -> None:
    page = chromium.new_context(base_url=web.url, storage_state=sign_in(web, chromium, "olga")).new_page()
    keys = Keys(page)
    page.goto("/jobs/")

    # Make it
    keys.press("a[href='/admin/jobs/job/add/'].act")
    page.wait_for_selector("#id_id")
    keys.over("#id_id", "walk")
    keys.over("#id_params-0-name", "seconds")
    keys.to("#id_params-0-kind")
    page.keyboard.type("number")
    keys.over("#id_params-0-value", "1")
    keys.press_text("Add a step: Python function")
    keys.over("details[open] input[name$='-name'][name^='steps-']", "wait")
    keys.over("details[open] [name$='-cfg_callable']", "walk:wait")
    keys.press("[name=_save]")
    page.wait_for_selector("text=was added successfully")
    assert web.python("print(json.dumps(Job.objects.get(pk='walk').params))") == {"seconds": 1}

    # Run it with another value
    page.goto("/jobs/walk/")
    keys.press("a[data-dialog].act")
    page.wait_for_selector("dialog[open] [name='params.seconds']")
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    keys.over("[name='params.seconds']", "600")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/run_*/")

    # Watch and cancel
    page.wait_for_selector("#log >> text=waiting 600 seconds", timeout=20000)
    assert page.inner_text("#standing .badge >> nth=0").endswith("RUNNING")
    keys.press("#cancel")
    page.wait_for_selector("#standing .badge.canceled >> nth=0", timeout=20000)

    # Run it again, shorter
    keys.press("#replay")
    page.wait_for_selector("dialog[open] [name='params.seconds']")
    assert page.input_value("[name='params.seconds']") == "600"
    keys.over("[name='params.seconds']", "1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#standing .badge.succeeded >> nth=0", timeout=20000)
    assert "Replay of" in page.inner_text("#standing")
    page.context.close()
