"""A web server with runs in it, and a real Chromium that fails a test when a page breaks its rules."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.flows.installation import Installation
from tests.servers import find_program, missing
from tests.web import Web

# Chromium's own calls home would only fill the log of a machine without internet.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation",
  (event) => console.error("Content Security Policy: " + event.violatedDirective + " " + event.blockedURI));"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Installation(tmp_path_factory.mktemp("web")) as installation:
        server = Web(installation)
        yield server
        server.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = find_program("chromium") or find_program("chromium-browser")
    if program is None:
        missing("Chromium", "chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright (make test installs it where Chromium is found)", "chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(web: Web, chromium: Any) -> Any:
    """The cookies of Rui, who has signed in."""
    return sign_in(web, chromium, "rui")


def sign_in(web: Web, chromium: Any, name: str) -> Any:
    """The cookies of somebody who has signed in."""
    context = chromium.new_context(base_url=web.url)
    page = context.new_page()
    page.goto("/jobs/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", "correct horse")
    page.click("[type=submit]")
    page.wait_for_url("**/jobs/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(web: Web, chromium: Any, session: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page as Rui. The test fails on a console error, a script's fault, a violated policy, a request to another host."""
    faults: list[str] = []
    with contextlib.ExitStack() as contexts:

        def opened(path: str, **options: Any) -> Any:
            context = chromium.new_context(base_url=web.url, **{"storage_state": session, **options})
            contexts.callback(context.close)
            page = context.new_page()
            page.add_init_script(TELL_VIOLATIONS)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda line: faults.append(line.text) if _is_fault(line) else None)
            page.on("request", lambda asked: None if _is_own(asked.url, web) else faults.append(asked.url))
            page.goto(path)
            return page

        yield opened
    assert not faults


def _is_fault(line: Any) -> bool:
    # A refused form and a page that isn't there are answers; what a script or the policy says is a fault.
    return line.type == "error" and "the server responded with a status of 4" not in line.text and not _away(line.text)


def _away(text: str) -> bool:
    """Whether it only tells that the server was stopped by the test."""
    return "net::ERR_" in text


def _is_own(url: str, web: Web) -> bool:
    return url.startswith((web.url, "data:", "blob:"))
