"""POST /admin/jobs/<id>/run."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from knox.models import get_token_model

from jobs.models import Preset
from runs.models import Run
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def nightly() -> Any:
    return cast.job()


@pytest.fixture
def rui(nightly: Any) -> Any:
    return cast.rui(nightly)


def post(client: Client, body: Any = None, path: str = "/admin/jobs/nightly/run", **extra: Any) -> Any:
    data = body if isinstance(body, (bytes, str)) else json.dumps({} if body is None else body)
    return client.post(path, data, content_type="application/json", **extra)


@override_settings(NOMAFLOW_BASE_URL="https://flow.example")
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_token_starts_a_run_and_gets_its_addresses(client: Client, rui: Any, slash: str) -> None:
    answer = client.post(f"/admin/jobs/nightly/run{slash}", **cast.token(rui))
    assert answer.status_code == 202
    run = Run.objects.get()
    assert answer.json() == {
        "run_id": run.run_id,
        "job_id": "nightly",
        "state": "QUEUED",
        "triggered_by": "api",
        "url": f"https://flow.example/runs/{run.run_id}/",
        "log_url": f"https://flow.example/api/v1/runs/{run.run_id}/log/",
    }
    assert (run.triggered_by, run.requested_by, run.user) == ("api", "rui", rui)


def test_the_body_reaches_the_run(client: Client, rui: Any) -> None:
    body = {
        "params": {"day": 3},
        "op_kwargs": {"load": {"n": 1}},
        "step_enabled": {"send": False},
        "log_level": "DEBUG",
    }
    assert post(client, body, **cast.token(rui)).status_code == 202
    run = Run.objects.get()
    assert run.overrides == body
    assert run.log_level == "DEBUG"
    assert run.parameters["load"] == {"day": 3, "n": 1}


def test_a_preset_lies_under_the_bodys_values(client: Client, rui: Any, nightly: Any) -> None:
    Preset.objects.create(job=nightly, name="full", params={"day": 1, "deep": True})
    assert post(client, {"preset": "full", "params": {"day": 2}}, **cast.token(rui)).status_code == 202
    assert Run.objects.get().overrides["params"] == {"day": 2, "deep": True}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parms": {}}, "parms"),
        ({"state": "SUCCEEDED"}, "state"),
        ({"triggered_by": "cron"}, "triggered_by"),
        ({"params": []}, "params"),
        ({"params": None}, "params"),
        ({"op_kwargs": {"load": 3}}, "op_kwargs.load"),
        ({"op_kwargs": {"lod": {}}}, "op_kwargs.lod"),
        ({"step_enabled": {"load": "false"}}, "step_enabled.load"),
        ({"step_enabled": {"load": 0}}, "step_enabled.load"),
        ({"step_enabled": {"lod": False}}, "step_enabled.lod"),
        ({"log_level": "LOUD"}, "log_level"),
        ({"preset": "nope"}, "preset"),
        ({"preset": 3}, "preset"),
        ([], "body"),
        ("null", "body"),
    ],
)
def test_a_wrong_field_is_named(client: Client, rui: Any, body: Any, field: str) -> None:
    answer = post(client, body, **cast.token(rui))
    assert answer.status_code == 400, answer.content
    assert list(answer.json()) == [field]
    assert isinstance(answer.json()[field][0], str)
    assert not Run.objects.exists()


def test_every_fault_is_told_at_once(client: Client, rui: Any) -> None:
    answer = post(client, {"parms": {}, "log_level": "LOUD", "params": 1}, **cast.token(rui))
    assert set(answer.json()) == {"parms", "log_level", "params"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b'{"params": {"a": NaN}}',
        b'{"params": {"a": 1e400}}',
        b'{"params": {"a": "\\u0000"}}',
        b'{"params": {"\\u0000": 1}}',
        b'{"params": {"a": "\\ud800"}}',
        b'{"params": {"a": 1, "a": 2}}',
        b'{"params": {"a": ' + b"9" * 5000 + b"}}",
        b'{"params": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_no_run_could_hold_is_refused(client: Client, rui: Any, body: bytes) -> None:
    answer = post(client, body, **cast.token(rui))
    expected = 202 if body == b"" else 400
    assert answer.status_code == expected, answer.content
    assert expected == 202 or answer.json()["detail"]


def test_a_large_body_is_refused(client: Client, rui: Any) -> None:
    assert post(client, {"params": {"a": "x" * 2_000_000}}, **cast.token(rui)).status_code == 413


def test_a_body_without_length_is_not_taken_for_none(client: Client, rui: Any) -> None:
    headers = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    assert post(client, {"params": {"a": 1}}, **headers, **cast.token(rui)).status_code == 411


def test_a_form_is_refused(client: Client, rui: Any) -> None:
    assert client.post("/admin/jobs/nightly/run", {"params": "x"}, **cast.token(rui)).status_code == 415


@pytest.mark.parametrize(
    "header", ["", "Token", "Token wrong", "Token a b", "Bearer x", "Token \xff\xfe", "Token " + "x" * 5000]
)
def test_without_a_good_token_nobody_gets_in(client: Client, nightly: Any, header: str) -> None:
    answer = post(client, **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.json()["detail"]


def test_the_token_of_a_disabled_user_is_refused(client: Client, rui: Any) -> None:
    header = cast.token(rui)
    get_user_model().objects.update(is_active=False)
    assert post(client, **header).status_code == 401


def test_what_the_database_keeps_of_a_token_opens_nothing(client: Client, rui: Any) -> None:
    cast.token(rui)
    kept = get_token_model().objects.get()
    for stolen in (kept.digest, kept.token_key):
        assert post(client, HTTP_AUTHORIZATION=f"Token {stolen}").status_code == 401


def test_a_token_in_the_address_is_no_token(client: Client, rui: Any) -> None:
    key = cast.token(rui)["HTTP_AUTHORIZATION"].removeprefix("Token ")
    assert post(client, path=f"/admin/jobs/nightly/run?token={key}").status_code == 401


def test_seeing_a_job_is_not_running_it(client: Client, nightly: Any) -> None:
    assert post(client, **cast.token(cast.vera(nightly))).status_code == 403


def test_an_invisible_job_answers_like_none(client: Client, nightly: Any) -> None:
    header = cast.token(cast.user("nobody"))
    answers = [post(client, path=f"/admin/jobs/{name}/run", **header) for name in ("nightly", "absent", "a%00b", "%FF")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_second_run_is_refused_and_the_first_named(client: Client, rui: Any, nightly: Any) -> None:
    first = cast.run(nightly)
    answer = post(client, **cast.token(rui))
    assert answer.status_code == 409
    assert answer.json()["run_id"] == first.run_id
    assert first.run_id in answer.json()["detail"]


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
def test_only_post_starts_a_run(client: Client, rui: Any, method: str) -> None:
    assert getattr(client, method)("/admin/jobs/nightly/run", **cast.token(rui)).status_code == 405
    assert getattr(client, method)("/admin/jobs/nightly/run").status_code == 405
    assert not Run.objects.exists()


def test_a_repeated_key_returns_the_first_run(client: Client, rui: Any) -> None:
    header = {**cast.token(rui), "HTTP_IDEMPOTENCY_KEY": "deploy-7"}
    answers = [post(client, **header) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert Run.objects.count() == 1


def test_a_key_belongs_to_its_user_and_job(client: Client, rui: Any) -> None:
    cast.job("other")
    for header in (cast.token(rui), cast.token(cast.olga())):
        for name in ("nightly", "other"):
            post(client, path=f"/admin/jobs/{name}/run", HTTP_IDEMPOTENCY_KEY="k", **header)
            Run.objects.update(state="SUCCEEDED", turn=None)
    assert Run.objects.count() == 3  # rui doesn't see "other"


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "\xe9"])
def test_an_odd_key_is_refused(client: Client, rui: Any, key: str) -> None:
    answer = post(client, HTTP_IDEMPOTENCY_KEY=key, **cast.token(rui))
    assert answer.status_code == 400
    assert list(answer.json()) == ["Idempotency-Key"]


def test_a_session_needs_the_csrf_token(rui: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(rui)
    assert post(browser).status_code == 403
    assert not Run.objects.exists()
    browser.get("/jobs/")
    assert post(browser, HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value).status_code == 202


def test_a_token_beats_the_cookie(client: Client, rui: Any) -> None:
    client.force_login(cast.olga())
    post(client, **cast.token(rui))
    assert Run.objects.get().requested_by == "rui"


def test_a_bad_token_is_not_saved_by_the_cookie(client: Client, rui: Any) -> None:
    client.force_login(rui)
    assert post(client, HTTP_AUTHORIZATION="Token wrong").status_code == 401
