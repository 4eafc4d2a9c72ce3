"""The operator pages."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from jobs.models import Job
from runs.models import Run, StepRun
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def nightly() -> Any:
    return cast.job(schedule="0 2 * * *", timezone="Europe/Paris", tags=["etl"], description="refresh the views")


@pytest.fixture
def rui(client: Client, nightly: Any) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


@pytest.mark.parametrize("path", ["/jobs/", "/jobs/nightly/", "/runs/", "/runs/run_x/", "/runs/run_x/log/"])
def test_a_stranger_is_sent_to_the_login(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login/?next={path}"


def test_the_list_shows_what_an_operator_asks_for(client: Client, rui: Any, nightly: Any) -> None:
    last = cast.run(nightly, "FAILED")
    cast.job("secret-job")
    text = page(client, "/jobs/")
    for piece in ("nightly", "refresh the views", "etl", "0 2 * * *", "Europe/Paris", "2 steps", last.run_id, "FAILED"):
        assert piece in text
    assert "secret-job" not in text


def test_run_now_starts_a_run_in_the_operators_name(client: Client, rui: Any) -> None:
    answer = client.post("/jobs/nightly/run/")
    run = Run.objects.get()
    assert answer.headers["Location"] == f"/runs/{run.run_id}/"
    assert (run.triggered_by, run.requested_by, run.user) == ("user:rui", "rui", rui)


def test_a_second_click_while_running_leads_to_the_run_in_flight(client: Client, rui: Any, nightly: Any) -> None:
    first = cast.run(nightly)
    answer = client.post("/jobs/nightly/run/", follow=True)
    assert answer.redirect_chain == [(f"/runs/{first.run_id}/", 302)]
    assert "Not started." in answer.content.decode()
    assert Run.objects.count() == 1


def test_a_job_without_steps_says_so(client: Client) -> None:
    client.force_login(cast.olga())
    cast.job("empty", steps=())
    assert "has no steps" in client.post("/jobs/empty/run/", follow=True).content.decode()


def test_who_may_only_look_gets_no_button_and_no_run(client: Client, nightly: Any) -> None:
    client.force_login(cast.vera(nightly))
    run = cast.run(nightly)
    for path in ("/jobs/", "/jobs/nightly/", f"/runs/{run.run_id}/"):
        text = page(client, path)
        assert "Run now" not in text
        assert "✕ Cancel" not in text
    assert client.post("/jobs/nightly/run/").status_code == 403
    assert client.post(f"/runs/{run.run_id}/cancel/").status_code == 403


@pytest.mark.parametrize("path", ["/jobs/nightly/switch/", "/runs/RUN/cancel/"])
def test_state_changes_by_post_with_csrf_token_only(client: Client, rui: Any, nightly: Any, path: str) -> None:
    run = cast.run(nightly)
    path = path.replace("RUN", run.run_id)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(rui)
    assert (browser.get(path).status_code, browser.post(path).status_code) == (405, 403)
    assert Run.objects.filter(cancel_requested_at=None).count() == 1


@pytest.mark.parametrize("path", ["", "standing/", "log/", "cancel/"])
def test_an_invisible_run_looks_like_none(client: Client, nightly: Any, path: str) -> None:
    run = cast.run(nightly)
    client.force_login(cast.user("nobody"))
    call = client.post if path == "cancel/" else client.get
    hidden, absent = call(f"/runs/{run.run_id}/{path}"), call(f"/runs/run_absent/{path}")
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert len(hidden.content) == len(absent.content)


def test_cancel_asks_for_the_end_and_says_so(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    assert "✕ Cancel" in page(client, f"/runs/{run.run_id}/")
    text = client.post(f"/runs/{run.run_id}/cancel/", follow=True).content.decode()
    run.refresh_from_db()
    assert run.cancel_requested_by == "user:rui"
    assert "Cancelling…" in text


def test_a_run_shows_every_attempt_and_what_lies_ahead(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    values = {"run": run, "number": 0, "name": "load", "type": "sql_query"}
    StepRun.objects.create(**values, attempt=1, state="FAILED", error="relation is missing")
    StepRun.objects.create(**values, attempt=2, state="RUNNING", rows_affected=1234)
    text = page(client, f"/runs/{run.run_id}/")
    for piece in ("relation is missing", "1,234", "not reached", "send"):
        assert piece in text
    assert text.count('<td><a data-step="load"') == 2


def test_the_fragment_is_what_the_page_holds(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED", reason="timeout after 3600 s")
    fragment = page(client, f"/runs/{run.run_id}/standing/")
    assert fragment.strip() in page(client, f"/runs/{run.run_id}/")
    assert "timeout after 3600 s" in fragment


def test_secrets_are_masked_on_the_page(client: Client, rui: Any, nightly: Any) -> None:
    secret = {"load": {"password": "s3cr3t-canary"}}
    run = cast.run(nightly, parameters=secret, overrides=secret)
    text = page(client, f"/runs/{run.run_id}/")
    assert "********" in text
    assert "s3cr3t-canary" not in text
    assert "$sealed" not in text


def test_log_text_is_text(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    cast.write(run, "<script>alert(1)</script>", "a\x1b[2J\r\u202eb")
    text = page(client, f"/runs/{run.run_id}/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert r"a\e[2J\r\u202eb" in text
    assert "\x1b" not in text


def test_runs_are_paged_by_key(client: Client, rui: Any, nightly: Any) -> None:
    for _ in range(51):
        cast.run(nightly, "SUCCEEDED")
    oldest = Run.objects.earliest("pk")
    first = page(client, "/runs/?state=SUCCEEDED&job=nightly")
    assert oldest.run_id not in first
    before = Run.objects.order_by("pk")[1].pk
    assert f"before={before}" in first
    assert oldest.run_id in page(client, f"/runs/?before={before}")


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=99999999999999999999"])
def test_an_odd_address_is_no_error(client: Client, rui: Any, query: str) -> None:
    page(client, f"/runs/?{query}")


def test_the_run_of_a_deleted_job_can_be_read(client: Client, nightly: Any) -> None:
    run = cast.run(nightly, lines=1)
    nightly.delete()
    client.force_login(cast.olga())
    assert "nightly (deleted)" in page(client, f"/runs/{run.run_id}/")
    assert run.run_id in page(client, "/runs/")
    assert client.post(f"/runs/{run.run_id}/cancel/").status_code == 302


@pytest.mark.parametrize("path", ["/", "/jobs/", "/runs/", "/schedule/", "/notifications/"])
def test_more_rows_take_no_more_queries(client: Client, rui: Any, nightly: Any, path: str) -> None:
    def grow(*names: str) -> None:
        for name in names:
            other = cast.job(name, schedule="0 3 * * *", alerts={"recipients": []})
            assign_perm("jobs.see_job", rui, other)
            assign_perm("jobs.run_job", rui, other)
            cast.run(other)
            cast.run(other, "FAILED")

    grow("first")
    page(client, path)
    with CaptureQueriesContext(connection) as few:
        page(client, path)
    grow(*(f"job-{number}" for number in range(10)))
    with CaptureQueriesContext(connection) as many:
        page(client, path)
    # A search may look a second time, farther; ten jobs with twenty runs more are no reason for more than that.
    assert len(many) <= len(few) + 3 < 40


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/jobs/",
        "/jobs/nightly/",
        "/jobs/nightly/run/",
        "/runs/",
        "/runs/RUN/",
        "/runs/RUN/replay/",
        "/schedule/",
        "/notifications/",
        "/login/",
    ],
)
def test_pages_need_nothing_inline_and_nothing_from_elsewhere(
    client: Client, rui: Any, nightly: Any, path: str
) -> None:
    if path == "/login/":
        client.logout()
    text = page(client, path.replace("RUN", cast.run(nightly, lines=1).run_id))
    assert " style=" not in text
    assert "<style" not in text
    # An XML namespace is a name, and asks for nothing.
    assert "http" not in text.replace('http-equiv="', "").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert text.count("<script") == len(re.findall(r'<script (type="module" )?src="/static/', text))


def test_an_operator_without_access_to_the_admin_can_log_in(client: Client, nightly: Job) -> None:
    person = cast.rui(nightly)
    person.is_staff = False
    person.save()
    answer = client.post(
        "/login/?next=/jobs/", {"username": "rui", "password": "correct horse", "next": "/jobs/"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/jobs/"
    assert "nightly" in answer.content.decode()


def test_a_wrong_password_is_said_without_saying_which_part_was_wrong(client: Client, nightly: Job) -> None:
    answer = client.post("/login/", {"username": "rui", "password": "wrong"})
    assert answer.status_code == 200
    assert "correct username and password" in answer.content.decode()
