"""The job's form and the connector's page in a real browser: steps moved by keyboard and mouse, rows of parameters, Check."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import DESKTOP, PHONE, sign_in
from tests.browser.sample import SAMPLE
from tests.web import Web

pytestmark = pytest.mark.browser
CHANGE = "/admin/jobs/job/refresh/change/"
NAMES = ".step .inline_label"
STORED = """
from jobs.models import Job
job = Job.objects.get(pk="refresh")
print(json.dumps({"params": job.params, "steps": [step.name for step in job.steps.all()]}))
"""


@pytest.fixture(scope="module")
def olga(web: Web, chromium: Any) -> Any:
    """The cookies of Olga, who may change everything, in a small house."""
    web.house = web.python(SAMPLE)  # type: ignore[attr-defined]
    return sign_in(web, chromium, "olga")


@pytest.fixture
def open_(visit: Callable[..., Any], olga: Any) -> Callable[..., Any]:
    """Opens a page as Olga."""

    def opened(path: str, **options: Any) -> Any:
        return visit(path, **{"storage_state": olga, "viewport": DESKTOP, **options})

    return opened


def save(page: Any) -> None:
    """Save the job and come back to its form."""
    with page.expect_navigation():
        page.click("[name=_continue]")
    assert page.locator(".errornote").count() == 0


def order(page: Any) -> list[str]:
    """The names of the steps as the form shows them."""
    return list(page.eval_on_selector_all(NAMES, "found => found.map((name) => name.textContent)"))


def test_a_step_is_moved_by_keyboard_says_where_it_is_and_stays_there(web: Web, open_: Any) -> None:
    page = open_(CHANGE)
    first, second, third = order(page)
    page.focus("#steps-0 summary >> nth=0")
    page.keyboard.press("Alt+ArrowDown")
    assert order(page) == [second, first, third]
    assert page.inner_text("#step-said").startswith(f"{first} is step 2 of 3 now")
    assert page.evaluate("document.activeElement.closest('.step').id") == "steps-0"
    save(page)
    assert order(page) == web.python(STORED)["steps"] == [second, first, third]


def test_a_step_at_the_end_moves_no_further(open_: Any) -> None:
    page = open_(CHANGE)
    before = order(page)
    page.focus("#steps-0 summary >> nth=0")
    page.keyboard.press("Alt+ArrowUp")
    assert order(page) == before


def test_a_step_is_moved_by_its_number(open_: Any) -> None:
    page = open_(CHANGE)
    first, second, third = order(page)
    page.fill("#id_steps-2-position", "1")
    page.press("#id_steps-2-position", "Tab")
    assert order(page) == [third, first, second]


def test_a_dragged_step_gets_the_number_of_its_place(open_: Any) -> None:
    page = open_(CHANGE)
    first = order(page)[0]
    page.drag_and_drop("#steps-0 h3", "#steps-2 h3", target_position={"x": 20, "y": 20})
    page.wait_for_selector("#steps-2 + #steps-0 .step-number >> text=3")
    numbers = page.eval_on_selector_all(".step ._reorder_", "found => found.map((input) => input.value)")
    assert (order(page)[-1], numbers) == (first, ["1", "2", "3"])


def test_a_parameter_is_added_with_its_type_and_the_others_keep_theirs(web: Web, open_: Any) -> None:
    page = open_(CHANGE)
    before = web.python(STORED)["params"]
    last = int(page.input_value("#id_params-rows")) - 1
    page.fill(f"#id_params-{last}-name", "careful")
    page.select_option(f"#id_params-{last}-kind", "yes_no")
    page.check(f"#id_params-{last}-value")
    page.fill(f"#id_params-{last + 1}-name", "source_connector")
    page.select_option(f"#id_params-{last + 1}-kind", "connector")
    page.select_option(f"#id_params-{last + 1}-value", "crm")
    save(page)
    assert web.python(STORED)["params"] == {**before, "careful": True, "source_connector": "crm"}
    assert page.input_value("[name=params-0-value]") == "10"


def test_a_number_that_becomes_a_text_is_one(web: Web, open_: Any) -> None:
    page = open_(CHANGE)
    page.select_option("#id_params-0-kind", "text")
    save(page)
    name = page.input_value("#id_params-0-name")
    assert web.python(STORED)["params"][name] == "10"
    page.select_option("#id_params-0-kind", "number")
    save(page)
    assert web.python(STORED)["params"][name] == 10


def test_the_form_works_without_javascript(web: Web, open_: Any) -> None:
    page = open_(CHANGE, java_script_enabled=False)
    blank = int(page.input_value("#id_params-rows")) - 2
    page.fill(f"#id_params-{blank}-name", "plain")
    page.select_option(f"#id_params-{blank}-kind", "number")
    page.fill(f"#id_params-{blank}-value", "2.5")
    save(page)
    assert web.python(STORED)["params"]["plain"] == 2.5


def test_the_next_fires_follow_what_is_typed(open_: Any) -> None:
    page = open_(CHANGE)
    page.fill("#id_schedule", "0 4 * * *")
    page.wait_for_selector("[data-preview=''] >> text=every day at 04:00")
    assert page.locator("[data-preview=''] li").count() == 4


def test_a_step_is_added_and_its_form_is_offered_again(open_: Any) -> None:
    page = open_(CHANGE)
    total = int(page.input_value("#id_steps-TOTAL_FORMS"))
    page.click(".adds summary:has-text('SQL query')")
    page.wait_for_selector(".adds details:not([open]) summary:has-text('SQL query')")
    assert page.input_value("#id_steps-TOTAL_FORMS") == str(total + 1)


def test_the_check_shows_what_would_run(open_: Any) -> None:
    page = open_(CHANGE)
    page.click(".object-tools >> text=Check")
    assert "Nothing is executed" in page.inner_text("#content")
    page.select_option("#preset", "sandbox")
    page.click("#content [type=submit]")
    assert "select 99" in page.inner_text("#content")
    assert "s3cr3t" not in page.content()


def test_a_connector_in_use_is_not_deleted(web: Web, open_: Any) -> None:
    path = f"/admin/connectors/connector/{web.house['reporting']}"  # type: ignore[attr-defined]
    page = open_(f"{path}/change/")
    assert "step 'refresh-orders', connector" in page.inner_text(".used-by")
    page.click("#content a.deletelink")
    assert "is in use" in page.inner_text("#content")
    assert page.locator("#content [type=submit]").count() == 0


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_saving_covers_no_field(open_: Any, size: Any) -> None:
    page = open_(CHANGE, viewport=size)
    page.focus("#id_alerts_recipients")
    field = page.locator("#id_alerts_recipients").bounding_box()
    bar = page.locator("#job_form .submit-row").bounding_box()
    assert bar["y"] + bar["height"] <= size["height"] + 1
    assert field["y"] + field["height"] <= bar["y"]
    assert bar["height"] < size["height"] / 8


@pytest.mark.parametrize("path", [CHANGE, "/admin/jobs/job/add/", "/admin/jobs/job/refresh/check/", "/admin/jobs/job/"])
def test_an_opened_form_does_not_scroll_sideways_on_a_phone(open_: Any, path: str) -> None:
    page = open_(path, viewport=PHONE)
    page.eval_on_selector_all("details", "found => found.forEach((part) => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
