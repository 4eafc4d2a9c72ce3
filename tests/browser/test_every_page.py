"""Every page in a real browser, light and dark, on a desk and on a phone: nothing is cut off, nothing bars anybody's way in."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import DESKTOP, PHONE, sign_in
from tests.browser.sample import SAMPLE
from tests.web import Web

pytestmark = pytest.mark.browser
PAGES = [
    "/",
    "/jobs/",
    "/jobs/?q=refresh&tag=etl&state=RUNNING",
    "/jobs/refresh/",
    "/jobs/frequent/",
    "/jobs/refresh/run/",
    "/runs/",
    "/runs/?state=FAILED&job=refresh",
    "/runs/{failed}/",
    "/runs/{running}/",
    "/runs/{failed}/replay/?from=failed",
    "/schedule/",
    "/notifications/",
    "/notifications/?state=FAILED&channel=mail&event=failed&job=refresh",
    "/notifications/?state=LOST",
    "/nowhere/",
    "/admin/",
    "/admin/jobs/",
    "/admin/jobs/job/",
    "/admin/jobs/job/add/",
    "/admin/jobs/job/refresh/change/",
    "/admin/jobs/job/refresh/versions/",
    "/admin/jobs/job/refresh/check/",
    "/admin/jobs/job/refresh/duplicate/",
    "/admin/jobs/job/refresh/history/",
    "/admin/jobs/job/clash/delete/",
    "/admin/jobs/calendar/",
    "/admin/jobs/calendar/{calendar}/change/",
    "/admin/jobs/freeze/",
    "/admin/jobs/freeze/add/",
    "/admin/jobs/freeze/{freeze}/change/",
    "/admin/connectors/connector/",
    "/admin/connectors/connector/add/",
    "/admin/connectors/connector/add/?kind=sql",
    "/admin/connectors/connector/{reporting}/change/",
    "/admin/connectors/connector/{crm}/change/",
    "/admin/connectors/connector/{directory}/change/",
    "/admin/connectors/connector/{reporting}/delete/",
    "/admin/notifications/channel/",
    "/admin/notifications/channel/add/",
    "/admin/notifications/channel/add/?kind=slack",
    "/admin/notifications/channel/{chat}/change/",
    "/admin/notifications/channel/{mail}/change/",
    "/admin/notifications/channel/{pager}/change/",
    "/admin/notifications/channel/{mail}/delete/",
    "/admin/notifications/routingrule/",
    "/admin/notifications/routingrule/add/",
    "/admin/notifications/routingrule/{rule}/change/",
    "/admin/runs/run/",
    "/admin/runs/fire/",
    "/admin/runs/workernode/",
    "/admin/notifications/alert/",
    "/admin/notifications/alert/{alert}/change/",
    "/admin/notifications/delivery/",
    "/admin/notifications/delivery/{delivery}/change/",
    "/admin/notifications/incident/",
    "/admin/notifications/incident/{incident}/change/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
    "/admin/knox/authtoken/",
    "/admin/auditlog/logentry/",
    "/admin/password_change/",
]
# What is pressed or filled in on an operator page, as far as it's lower than a finger is wide.
SMALL = """() => [...document.querySelectorAll(
    ".page :is(button, .act, summary, select, textarea, input:not([type=checkbox], [type=radio], [type=hidden])), .top-menu a")]
  .filter((target) => target.checkVisibility() && target.getBoundingClientRect().height < 39.5)
  .map((target) => target.outerHTML.slice(0, 120))"""
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def house(web: Web) -> Any:
    """What the sample's rows are called."""
    return web.python(SAMPLE)


@pytest.fixture(scope="module")
def olga(web: Web, chromium: Any, house: Any) -> Any:
    """The cookies of Olga, who sees everything."""
    return sign_in(web, chromium, "olga")


def complaints(page: Any) -> list[str]:
    """What axe-core finds serious or critical, each with the first elements that it's about."""
    from axe_playwright_python.sync_playwright import Axe

    # Without preload: to read style sheets that import others it would write some into the page, against the policy.
    # The stock admin's two-box chooser explains itself with a label on a plain span.
    context = {"exclude": [[".help-tooltip"]]}
    found = (
        Axe()
        .run(page, context=context, options={"resultTypes": ["violations"], "preload": False})
        .response["violations"]
    )
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
        for rule in found
        if rule["impact"] in GRAVE
    ]


def cut_off(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_and_shuts_nobody_out(visit: Callable[..., Any], olga: Any, house: Any, path: str) -> None:
    page = visit(path.format(**house), storage_state=olga)
    found = {}
    for size in (DESKTOP, PHONE):
        for scheme in ("light", "dark"):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            faults = complaints(page)
            if wider := cut_off(page):
                faults.append(f"{wider} px wider than the window")
            faults += [f"too small to hit: {small}" for small in page.evaluate(SMALL)]
            if faults:
                found[f"{size['width']} {scheme}"] = faults
    assert found == {}


def test_the_login_fits_and_shuts_nobody_out(visit: Callable[..., Any], house: Any) -> None:
    page = visit("/login/", storage_state={"cookies": [], "origins": []}, viewport=PHONE)
    assert complaints(page) == []
    assert cut_off(page) == 0


def test_the_dialog_shuts_nobody_out(visit: Callable[..., Any], olga: Any, house: Any) -> None:
    page = visit("/jobs/refresh/", storage_state=olga, viewport=PHONE)
    page.click("text=Run now")
    page.wait_for_selector("dialog[open] [name='params.apps_id']")
    assert complaints(page) == []
    assert cut_off(page) == 0


@pytest.mark.parametrize("path", ["/", "/jobs/", "/jobs/refresh/", "/runs/", "/runs/{failed}/", "/schedule/"])
def test_a_page_says_the_same_without_javascript(visit: Callable[..., Any], olga: Any, house: Any, path: str) -> None:
    page = visit(path.format(**house), storage_state=olga, java_script_enabled=False, viewport=DESKTOP)
    assert page.is_visible(".top-menu >> text=Schedule")
    assert "refresh" in page.inner_text("#content")


def test_the_theme_switch_holds_on_every_page(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/jobs/", storage_state=olga, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click(".theme-toggle")
    dark = page.evaluate(ground)
    assert dark != light
    page.goto("/admin/")
    assert page.evaluate(ground) == dark


def test_times_are_told_in_the_viewers_zone_with_the_schedules_beside(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/jobs/refresh/", storage_state=olga, timezone_id="Asia/Tokyo")
    fires = page.inner_text(".fires >> nth=0")
    assert "GMT+9" in fires
    assert "(02:00:00 CE" in fires
    assert "UTC" not in page.inner_text("#run-rows")


def test_the_keys_lead_to_search_and_pages(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/jobs/", storage_state=olga)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs/")


def test_a_card_renews_itself_and_keeps_its_tick(visit: Callable[..., Any], olga: Any, web: Web) -> None:
    page = visit("/jobs/?q=frequent", storage_state=olga)
    page.check("[name=job][value=frequent]")
    page.evaluate(
        "document.activeElement.blur(); window.kept = true; document.querySelector('[data-live]').dataset.live = 1"
    )
    web.python("from tests import cast; cast.run(Job.objects.get(pk='frequent'), 'FAILED')")
    page.wait_for_selector("#job-frequent .badge.failed", timeout=30000)
    assert page.is_checked("[name=job][value=frequent]")
    assert page.evaluate("window.kept")


def test_a_second_click_starts_nothing_twice(visit: Callable[..., Any], olga: Any, web: Web) -> None:
    web.python("Job.objects.filter(pk='clash').update(overlap='allow')")
    page = visit("/jobs/?q=clash", storage_state=olga)
    page.evaluate("""() => {
        const button = document.querySelector("#job-clash form[action$='/run/'] button");
        button.click();
        button.click();
    }""")
    page.wait_for_url("**/runs/run_*/")
    assert web.python("print(Run.objects.filter(job='clash').count())") == 1


def test_no_answer_is_said_and_nothing_is_sent_again(visit: Callable[..., Any], olga: Any, web: Web) -> None:
    page = visit("/jobs/refresh/", storage_state=olga)
    page.click("text=Run now")
    page.wait_for_selector("dialog[open] [name='params.apps_id']")
    page.route("**/jobs/refresh/run/", lambda route: route.abort())
    page.click("dialog button:has-text('Run now')")
    page.wait_for_selector("dialog[open] .refusal >> text=No answer from the server")
