"""The pages of schedules in a real browser: the ledger, the preview while one types, freezes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import PHONE, sign_in
from tests.servers import wait_for
from tests.web import Web

pytestmark = pytest.mark.browser
SCHEDULED = """
import datetime
from django.contrib.auth import get_user_model
from django.utils import timezone
job = Job.objects.get(pk="nightly")
job.schedule, job.timezone = "0 2 * * *", "Europe/Paris"
job.save()
Calendar.objects.create(name="holidays", days={"12-25": "Christmas Day"}, weekdays=["SAT", "SUN"])
now = timezone.now().replace(microsecond=0)
for hours in range(1, 4):
    Fire.objects.create(job=job, scheduled_at=now - datetime.timedelta(hours=hours), noticed_at=now, outcome="missed",
                        cause="outage", reason="noticed late: no scheduler was running")
get_user_model().objects.create_superuser("olga", password="correct horse")
"""
LEFT = "print(Fire.objects.filter(outcome='missed', settled_at=None).count())"
ADMIN = "/admin/jobs/job/nightly/change/"


@pytest.fixture(scope="module")
def olga(web: Web, chromium: Any) -> Any:
    """The cookies of Olga, after the job has got its schedule and its misses."""
    web.python(SCHEDULED)
    return sign_in(web, chromium, "olga")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/schedule/", "/jobs/nightly/", "/admin/jobs/freeze/add/", "/admin/jobs/calendar/", ADMIN]
)
def test_on_a_phone_nothing_is_cut_off(visit: Callable[..., Any], olga: Any, path: str, scheme: str) -> None:
    page = visit(path, storage_state=olga, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_typing_a_schedule_shows_it_in_words_with_its_rule_and_next_fires(visit: Callable[..., Any], olga: Any) -> None:
    page = visit(ADMIN, storage_state=olga)
    page.fill("#id_schedule", "0 0 13 * 5")
    page.wait_for_selector(".next-fires >> text=match either one")
    assert page.locator(".next-fires[data-preview=''] li").count() == 5
    page.fill("#id_schedule", "0 0 25 12 *")
    page.wait_for_selector(".next-fires >> text=25th of December")
    page.click("details:has(#id_exclude_calendar) > summary")
    page.select_option("#id_exclude_calendar", "holidays")
    page.wait_for_selector(".next-fires >> text=the calendars leave no day")
    page.select_option("#id_on_excluded", "next_business_day")
    page.wait_for_selector(".next-fires >> text=Mon 2026-12-28")


def test_missed_fires_are_settled_with_the_keyboard_alone(visit: Callable[..., Any], olga: Any, web: Web) -> None:
    page = visit("/schedule/", storage_state=olga)
    page.focus("[name=fire] >> nth=0")
    page.keyboard.press("Space")
    page.focus("[name=act][value=dismiss]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=1 missed fire dismissed")
    assert web.python(LEFT) == 2


def test_a_freeze_shows_what_it_holds_before_it_is_set_and_works_without_javascript(
    visit: Callable[..., Any], olga: Any, web: Web
) -> None:
    page = visit("/admin/jobs/freeze/add/", storage_state=olga, java_script_enabled=False)
    page.fill("[name=reason]", "year-end close")
    page.fill("[name=ends_at]", "2099-01-01T00:00")
    page.click("text=Show what it holds")
    assert "366 days" in page.inner_text("#content")
    page.fill("[name=ends_at]", web.python(IN_THREE_DAYS))
    page.click("text=Show what it holds")
    assert "02:00" in page.inner_text("#content")
    assert not web.python("print(Freeze.objects.count())")
    page.click("input[name=confirmed], button[name=confirmed]")
    page.goto("/jobs/")
    wait_for(lambda: "year-end close" in page.inner_text(".notices"), 5, "the banner")


IN_THREE_DAYS = """
import datetime
from django.utils import timezone
print(json.dumps((timezone.now() + datetime.timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")))
"""


def test_the_week_is_a_picture_on_a_desk_and_a_table_on_a_phone(visit: Callable[..., Any], olga: Any) -> None:
    desk = visit("/schedule/", storage_state=olga)
    assert desk.locator("svg.week").is_visible()
    assert desk.locator("svg.week .block").count() >= 6
    phone = visit("/schedule/?tz=Europe/Paris", storage_state=olga, viewport=PHONE, java_script_enabled=False)
    assert not phone.locator("svg.week").is_visible()
    phone.locator(".week-days summary").nth(3).click()
    assert "02:00" in phone.locator(".week-days details").nth(3).inner_text()


def test_a_mark_of_the_week_says_what_it_is_and_leads_to_its_job(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/schedule/", storage_state=olga)
    mark = page.locator("svg.week a.block").last
    assert mark.locator("title").text_content().startswith("nightly: ")
    mark.click()
    page.wait_for_url("**/jobs/nightly/")


def test_zone_and_week_stay_in_the_address(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/schedule/", storage_state=olga)
    page.fill("[name=tz] >> nth=0", "Europe/Paris")
    page.fill("[name=from]", "2026-03-26")
    page.click("text=Show")
    page.wait_for_url("**tz=Europe%2FParis**")
    assert "clocks go forward at 02:00" in page.inner_text("#content")
    page.click("text=Later week")
    page.wait_for_url("**from=2026-04-02**")
    assert page.input_value("[name=tz] >> nth=0") == "Europe/Paris"


def test_on_paper_every_day_is_unfolded(visit: Callable[..., Any], olga: Any) -> None:
    page = visit("/schedule/", storage_state=olga)
    page.emulate_media(media="print")
    assert page.locator(".week-days table").last.bounding_box()["height"] > 0
