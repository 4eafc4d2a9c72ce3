"""/api/v1/: lists, details, logs, cancel, replay, schema."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from connectors.models import Connector
from runs.models import Run, StepRun
from tests import cast

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def nightly() -> Any:
    return cast.job(tags=["etl"], params={"day": 1, "api_key": "s3cr3t-canary"})


@pytest.fixture
def as_olga(client: Client) -> dict[str, str]:
    return cast.token(cast.olga())


def get(client: Client, path: str, header: dict[str, str]) -> Any:
    answer = client.get(f"{API}/{path}", **header)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.content
    return answer.json()


def attempt(run: Run, number: int, state: str, **values: Any) -> StepRun:
    name = ("load", "send", "mail")[number]
    return StepRun.objects.create(run=run, number=number, name=name, type="sql_query", state=state, **values)


def test_jobs_are_listed_with_their_last_run(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    cast.run(nightly, "FAILED")
    last = cast.run(nightly, "SUCCEEDED")
    [job] = get(client, "jobs/", as_olga)["results"]
    assert (job["id"], job["step_count"], job["tags"]) == ("nightly", 2, ["etl"])
    assert job["last_run"]["run_id"] == last.run_id


def test_a_list_shows_visible_things_only(client: Client, nightly: Any) -> None:
    other = cast.job("other")
    mine, _ = cast.run(nightly), cast.run(other)
    header = cast.token(cast.vera(nightly))
    assert [job["id"] for job in get(client, "jobs/", header)["results"]] == ["nightly"]
    assert [run["run_id"] for run in get(client, "runs/", header)["results"]] == [mine.run_id]


def test_jobs_go_from_a_to_z_page_by_page(client: Client, as_olga: dict[str, str]) -> None:
    for name in ("c", "a", "b"):
        cast.job(name)
    first = get(client, "jobs/?page_size=2", as_olga)
    assert [job["id"] for job in first["results"]] == ["a", "b"]
    assert [job["id"] for job in client.get(first["next"], **as_olga).json()["results"]] == ["c"]  # type: ignore[arg-type]


def test_a_job_shows_its_definition_without_its_secrets(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    job = get(client, "jobs/nightly/", as_olga)
    assert job["definition"]["params"] == {"day": 1, "api_key": "********"}
    assert [step["name"] for step in job["definition"]["steps"]] == ["load", "send"]
    assert "s3cr3t-canary" not in json.dumps(job)
    assert "$sealed" not in json.dumps(job)


def test_a_run_shows_what_it_was_given_without_secrets(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    secret = {"params": {"password": "s3cr3t-canary", "n": 2}}
    run = cast.run(nightly, snapshot=secret, overrides=secret, parameters={"load": secret["params"]})
    attempt(run, 0, "SUCCEEDED", output={"token": "s3cr3t-canary", "rows": 3}, rows_affected=3)
    shown = get(client, f"runs/{run.run_id}/", as_olga)
    assert shown["parameters"] == {"load": {"password": "********", "n": 2}}
    assert shown["steps"][0]["output"] == {"token": "********", "rows": 3}
    assert shown["steps"][0]["number"] == 1
    assert "s3cr3t-canary" not in json.dumps(shown)
    assert "$sealed" not in json.dumps(shown)


def test_every_attempt_is_listed_in_order(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly)
    attempt(run, 0, "FAILED", attempt=1, error="no")
    attempt(run, 0, "SUCCEEDED", attempt=2)
    steps = get(client, f"runs/{run.run_id}/steps/", as_olga)["results"]
    assert [(step["attempt"], step["state"], step["error"]) for step in steps] == [
        (1, "FAILED", "no"),
        (2, "SUCCEEDED", ""),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=FAILED", ["failed"]),
        ("state=FAILED&state=RUNNING", ["running", "failed"]),
        ("job=other", ["other"]),
        ("job=absent", []),
        ("triggered_by=cron", ["failed"]),
        ("triggered_by=user", ["running"]),
        ("triggered_by=user:alice", ["running"]),
        ("created_after=2001-01-01T00:00:00Z", ["other", "running"]),
        ("created_before=2001-01-01T00:00:00Z", ["failed"]),
    ],
)
def test_runs_are_filtered(
    client: Client, nightly: Any, as_olga: dict[str, str], query: str, expected: list[str]
) -> None:
    failed = cast.run(nightly, "FAILED", triggered_by="cron")
    Run.objects.update(created_at=timezone.datetime(2000, 1, 1, tzinfo=timezone.get_default_timezone()))  # type: ignore[attr-defined]
    running = cast.run(nightly, triggered_by="user:alice")
    other = cast.run(cast.job("other"), "SUCCEEDED")
    names = {failed.run_id: "failed", running.run_id: "running", other.run_id: "other"}
    assert [names[run["run_id"]] for run in get(client, f"runs/?{query}", as_olga)["results"]] == expected


@pytest.mark.parametrize(
    "path",
    [
        "runs/?state=LOST",
        "runs/?created_after=yesterday",
        "runs/?job=%00",
        "runs/RUN/log/?after=-1",
        "runs/RUN/log/?after=x",
        "runs/RUN/log/?after=99999999999999999999",
        "runs/RUN/log/?limit=5001",
        "runs/RUN/log/?level=LOUD",
        "runs/RUN/log/?step=%00",
    ],
)
def test_a_wrong_question_is_refused(client: Client, nightly: Any, as_olga: dict[str, str], path: str) -> None:
    run = cast.run(nightly)
    assert client.get(f"{API}/{path.replace('RUN', run.run_id)}", **as_olga).status_code == 400  # type: ignore[arg-type]


@pytest.mark.parametrize("cursor", ["cD1hYmM=", "cD0A", "!!!", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="])
@pytest.mark.parametrize("path", ["runs/", "jobs/"])
def test_a_made_up_cursor_is_no_server_error(client: Client, as_olga: dict[str, str], path: str, cursor: str) -> None:
    assert client.get(f"{API}/{path}?cursor={cursor}", **as_olga).status_code in (200, 404)  # type: ignore[arg-type]


# The log


def test_a_log_is_read_piece_by_piece(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly, "SUCCEEDED", lines=5)
    first = get(client, f"runs/{run.run_id}/log/?limit=3", as_olga)
    assert [line["seq"] for line in first["lines"]] == [1, 2, 3]
    assert (first["next_after"], first["complete"]) == (3, False)
    rest = get(client, f"runs/{run.run_id}/log/?after=3", as_olga)
    assert [line["text"] for line in rest["lines"]] == ["line 4", "line 5"]
    assert (rest["next_after"], rest["complete"], rest["state"]) == (5, True, "SUCCEEDED")


def test_the_log_of_an_unfinished_run_is_not_complete(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly, lines=1)
    assert get(client, f"runs/{run.run_id}/log/", as_olga)["complete"] is False


def test_a_log_is_filtered_by_level_and_step(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly)
    cast.write(run, "info")
    cast.write(run, "bad", level="ERROR")
    cast.write(run, "odd", level="WARNING", step="send")
    path = f"runs/{run.run_id}/log/"
    assert [line["text"] for line in get(client, f"{path}?level=WARNING", as_olga)["lines"]] == ["bad", "odd"]
    assert [line["text"] for line in get(client, f"{path}?step=send", as_olga)["lines"]] == ["odd"]


@pytest.mark.parametrize("way", ["query", "accept"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_log_can_be_had_as_text(client: Client, nightly: Any, as_olga: dict[str, str], way: str) -> None:
    run = cast.run(nightly)
    cast.write(run, "first", "two\nlines \x1b[2J\r")
    path = f"{API}/runs/{run.run_id}/log/"
    if way == "query":
        answer = client.get(f"{path}?format=text", **as_olga)  # type: ignore[arg-type]
    else:
        answer = client.get(path, HTTP_ACCEPT="text/plain", **as_olga)  # type: ignore[arg-type]
    lines = b"".join(answer).decode().splitlines()
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    assert lines[0].endswith("INFO     [load] first")
    assert lines[2] == r"    | lines \e[2J\r"


# Cancel and replay


def test_cancel_ends_a_waiting_run(client: Client, nightly: Any) -> None:
    run = cast.run(nightly, "QUEUED")
    answer = client.post(f"{API}/runs/{run.run_id}/cancel/", **cast.token(cast.rui(nightly)))  # type: ignore[arg-type]
    assert answer.status_code == 202, answer.content
    assert answer.json()["state"] == "CANCELED"
    assert answer.json()["reason"] == "cancelled by user:rui"


def test_cancel_asks_a_running_one(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly)
    answer = client.post(f"{API}/runs/{run.run_id}/cancel/", **as_olga)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["cancel_requested_by"]) == (202, "user:olga")


def test_a_run_that_is_over_cannot_be_cancelled(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly, "SUCCEEDED")
    answer = client.post(f"{API}/runs/{run.run_id}/cancel/", **as_olga)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["detail"]) == (409, f"Run {run.run_id} is over: SUCCEEDED.")


@pytest.mark.parametrize("verb", ["cancel", "replay"])
def test_seeing_a_run_is_neither_cancelling_nor_replaying_it(client: Client, nightly: Any, verb: str) -> None:
    run = cast.run(nightly)
    header = cast.token(cast.vera(nightly))
    assert client.post(f"{API}/runs/{run.run_id}/{verb}/", **header).status_code == 403  # type: ignore[arg-type]
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def replay(client: Client, run: Run, header: dict[str, str], **body: Any) -> Any:
    path = f"{API}/runs/{run.run_id}/replay/"
    return client.post(path, json.dumps(body), content_type="application/json", **header)  # type: ignore[arg-type]


def test_a_replay_takes_the_same_values(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    given = {"params": {"day": 9, "password": "canary"}, "op_kwargs": {}, "step_enabled": {}, "log_level": "DEBUG"}
    old = cast.run(nightly, "FAILED", overrides=given)
    assert replay(client, old, as_olga).status_code == 202
    new = Run.objects.latest("pk")
    assert (new.replay_of, new.triggered_by, new.overrides) == (old, "api", Run.objects.get(pk=old.pk).overrides)


def test_a_replay_from_the_failed_step_leaves_the_earlier_ones_out(
    client: Client, nightly: Any, as_olga: dict[str, str]
) -> None:
    old = cast.run(nightly, "FAILED")
    attempt(old, 0, "SUCCEEDED")
    attempt(old, 1, "FAILED")
    assert replay(client, old, as_olga, from_failed_step=True).status_code == 202
    assert Run.objects.latest("pk").overrides["step_enabled"] == {"load": False}


def test_a_skipped_step_is_not_the_failed_one(client: Client, as_olga: dict[str, str]) -> None:
    old = cast.run(cast.job("three", steps=("load", "send", "mail")), "FAILED")
    attempt(old, 0, "CANCELED", attempt=0, reason="skipped: disabled")
    attempt(old, 1, "FAILED", attempt=1)
    attempt(old, 1, "SUCCEEDED", attempt=2)
    attempt(old, 2, "FAILED", attempt=1)
    assert replay(client, old, as_olga, from_failed_step=True).status_code == 202
    assert Run.objects.latest("pk").overrides["step_enabled"] == {"load": False, "send": False}


def test_where_nothing_failed_there_is_no_failed_step_to_begin_from(
    client: Client, nightly: Any, as_olga: dict[str, str]
) -> None:
    assert replay(client, cast.run(nightly, "SUCCEEDED"), as_olga, from_failed_step=True).status_code == 409


def test_a_replay_meets_the_run_in_flight(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    old, active = cast.run(nightly, "FAILED"), cast.run(nightly)
    answer = replay(client, old, as_olga)
    assert (answer.status_code, answer.json()["run_id"]) == (409, active.run_id)


def test_a_replay_refuses_unknown_keys(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    answer = replay(client, cast.run(nightly, "FAILED"), as_olga, from_failed="yes", from_failed_step="yes")
    assert (answer.status_code, set(answer.json())) == (400, {"from_failed", "from_failed_step"})


# Rights


PATHS = ["jobs/nightly/", "runs/RUN/", "runs/RUN/steps/", "runs/RUN/log/", "runs/RUN/cancel/", "runs/RUN/replay/"]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_invisible_answers_like_what_is_absent(client: Client, nightly: Any, path: str) -> None:
    run, header = cast.run(nightly), cast.token(cast.user("nobody"))
    call = client.post if path.endswith(("cancel/", "replay/")) else client.get
    hidden = call(f"{API}/{path.replace('RUN', run.run_id)}", **header)  # type: ignore[arg-type]
    absent = call(f"{API}/{path.replace('RUN', 'run_absent').replace('nightly', 'absent')}", **header)  # type: ignore[arg-type]
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.content == absent.content


@pytest.mark.parametrize(
    "path", [*PATHS, "jobs/", "runs/", "schedule/", "cron-preview/", "connectors/", "schema/", "docs/"]
)
def test_nobody_gets_in_without_a_token(client: Client, nightly: Any, path: str) -> None:
    call = client.post if path.endswith(("cancel/", "replay/")) else client.get
    assert call(f"{API}/{path.replace('RUN', cast.run(nightly).run_id)}").status_code == 401


@pytest.mark.parametrize("verb", ["cancel", "replay"])
def test_a_session_needs_the_csrf_token(nightly: Any, verb: str) -> None:
    run = cast.run(nightly)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.olga())
    assert browser.post(f"{API}/runs/{run.run_id}/{verb}/").status_code == 403
    assert browser.get(f"{API}/runs/{run.run_id}/{verb}/").status_code == 405


def test_the_run_of_a_deleted_job_stays_for_whoever_sees_all(client: Client, nightly: Any) -> None:
    run = cast.run(nightly, "SUCCEEDED")
    vera, auditor = cast.token(cast.vera(nightly)), cast.token(cast.user("auditor", "see_job"))
    nightly.delete()
    assert get(client, f"runs/{run.run_id}/", auditor)["job_id"] == "nightly"
    assert client.get(f"{API}/runs/{run.run_id}/", **vera).status_code == 404  # type: ignore[arg-type]
    answer = replay(client, run, cast.token(cast.olga()))
    assert (answer.status_code, "deleted" in answer.json()["detail"]) == (409, True)


def test_connectors_are_names_and_words_only(client: Client, nightly: Any) -> None:
    Connector.objects.create(name="reporting", kind="sql", description="the warehouse", secrets={"password": "canary"})
    [shown] = get(client, "connectors/", cast.token(cast.vera(nightly)))["results"]
    assert shown == {"name": "reporting", "kind": "sql", "description": "the warehouse"}
    assert get(client, "connectors/", cast.token(cast.user("nobody")))["results"] == []


# Cost


@pytest.mark.parametrize("path", ["jobs/", "runs/", "runs/RUN/", "runs/RUN/steps/"])
def test_a_longer_list_takes_no_more_queries(
    client: Client, nightly: Any, django_assert_max_num_queries: Any, path: str
) -> None:
    header = cast.token(cast.rui(nightly))
    first = cast.run(nightly, "SUCCEEDED")
    for number in range(10):
        cast.run(cast.job(f"job-{number}"), replay_of=first, parent=first)
        cast.run(nightly, "FAILED", replay_of=first, parent=first)
        StepRun.objects.create(run=first, number=number, name=f"s{number}", type="call_job", child=first)
    with django_assert_max_num_queries(7):
        get(client, path.replace("RUN", first.run_id), header)


# The description


def test_the_schema_describes_every_path(client: Client, as_olga: dict[str, str]) -> None:
    schema = client.get(f"{API}/schema/?format=json", **as_olga).json()  # type: ignore[arg-type]
    assert {"/admin/jobs/{job_id}/run/", f"{API}/runs/{{run_id}}/log/", f"{API}/jobs/"} <= set(schema["paths"])
    assert schema["paths"][f"{API}/runs/{{run_id}}/cancel/"]["post"]["security"][0] == {"token": []}


def test_the_schema_is_made_without_a_warning(
    client: Client, as_olga: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    client.get(f"{API}/schema/", **as_olga)  # type: ignore[arg-type]
    assert "Warning" not in capsys.readouterr().err


def test_the_browsable_page_has_no_inline_code(client: Client) -> None:
    client.force_login(cast.olga())
    page = client.get(f"{API}/docs/")
    assert page.status_code == 200
    assert b"<style" not in page.content
    assert page.content.count(b"<script src=") == page.content.count(b"<script") == 2
    script = client.get(f"{API}/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")


def test_a_step_tells_how_far_it_is(client: Client, nightly: Any, as_olga: dict[str, str]) -> None:
    run = cast.run(nightly, "RUNNING")
    began = timezone.now()
    attempt(run, 0, "RUNNING", started_at=began, progress_at=began + timedelta(seconds=4), done=100, total=400)
    attempt(run, 1, "SUCCEEDED")
    first, second = get(client, f"runs/{run.run_id}/", as_olga)["steps"]
    assert first["progress"] == {"done": 100, "total": 400, "percent": 25.0, "per_second": 25.0, "seconds_left": 12.0}
    assert second["progress"] is None
    assert '<progress max="100" value="25.0" aria-label="load">' in client_page(client, run)


def client_page(client: Client, run: Run) -> str:
    client.force_login(get_user_model().objects.get(username="olga"))
    return str(client.get(f"/runs/{run.run_id}/").content.decode())
