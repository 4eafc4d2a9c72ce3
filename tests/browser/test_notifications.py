"""The page of notifications, and a run's alerts, in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.browser

TELL = """
from tests.notifications import told
from django.utils import timezone
nightly = Job.objects.get(pk="nightly")
run = Run.objects.get(run_id={run!r})
"""


def tell(web: Web, code: str) -> Any:
    """Change what was told, as the sender would."""
    return web.python(TELL.format(run=web.cast["runs"]["over"][1]) + code)


def soon(page: Any) -> None:
    """Let the page renew itself every second."""
    page.evaluate("window.kept = true; document.querySelector('[data-live]').dataset.live = 1")


def test_an_incident_is_taken_on_and_the_page_says_so(visit: Callable[..., Any], web: Web) -> None:
    pk = tell(web, "Incident.objects.all().delete(); print(told.incident(nightly, 3, run).pk)")
    page = visit("/notifications/", viewport=PHONE)
    page.select_option(f"#incident-{pk} select", "4 h")
    page.click(f"#incident-{pk} button[value=snooze]")
    page.wait_for_selector(f"#incident-{pk} .badge >> text=snoozed")
    page.click(f"#incident-{pk} button[value=acknowledge]")
    page.wait_for_selector(f"#incident-{pk} .badge >> text=acknowledged")
    page.click(f"#incident-{pk} button[value=close]")
    page.wait_for_selector("text=No job is failing")


def test_new_deliveries_appear_and_what_is_unfolded_stays_so(visit: Callable[..., Any], web: Web) -> None:
    pk = tell(web, "print(told.delivery(nightly, recipient='the-first').pk)")
    page = visit("/notifications/?job=nightly")
    page.click(f"#delivery-{pk} summary")
    page.evaluate("document.activeElement.blur()")
    soon(page)
    tell(web, "told.delivery(nightly, 'RETRYING', recipient='the-second')")
    page.wait_for_selector("#delivery-rows >> text=the-second", timeout=30000)
    assert page.evaluate("window.kept")
    assert page.evaluate("[...document.querySelectorAll('#delivery-rows details[open]')].map((each) => each.id)") == [
        f"delivery-{pk}"
    ]


def test_one_click_sends_again_and_leads_back_to_the_same_list(visit: Callable[..., Any], web: Web) -> None:
    pk = tell(web, "print(told.delivery(nightly, 'FAILED', recipient='lost').pk)")
    page = visit("/notifications/?state=FAILED&job=nightly")
    page.click(f"button[aria-label='Resend delivery {pk}']")
    page.wait_for_selector("text=Sending it to lost again")
    assert page.url.endswith("/notifications/?state=FAILED&job=nightly#deliveries")
    assert web.python(f"print(Delivery.objects.get(resend_of={pk}).pk)") > pk


def test_a_runs_alerts_appear_without_a_reload_after_its_end(visit: Callable[..., Any], web: Web) -> None:
    web.set_state("over", "SUCCEEDED")
    alert = tell(web, "print(told.alert(nightly, 'succeeded', run=run, settled_at=None, outcome='').pk)")
    page = visit(f"/runs/{web.cast['runs']['over'][1]}/")
    page.wait_for_selector("text=about to be told")
    tell(web, f"told.delivery(Alert.objects.get(pk={alert}), recipient='night-watch')")
    tell(web, f"Alert.objects.filter(pk={alert}).update(settled_at=timezone.now(), outcome='to 1 recipient'); print(1)")
    page.wait_for_selector("#standing >> text=night-watch", timeout=15000)
    wait_for(lambda: page.locator("[data-open]").count() == 0, 10, "the section to be settled")


def test_without_javascript_everything_can_be_done(visit: Callable[..., Any], web: Web) -> None:
    pk = tell(
        web,
        "Incident.objects.all().delete(); told.delivery(nightly, 'FAILED'); print(told.incident(nightly, 3, run).pk)",
    )
    page = visit("/notifications/", java_script_enabled=False)
    page.click(f"#incident-{pk} button[value=acknowledge]")
    page.wait_for_selector(f"#incident-{pk} .badge >> text=acknowledged")
    page.click("button[aria-label^='Resend'] >> nth=0")
    page.wait_for_selector("text=Sending it to #ops again")
