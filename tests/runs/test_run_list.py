"""The list of all runs."""

import csv
import datetime
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import Run, StepRun
from tests import cast

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]
ACT = "/runs/act/"


@pytest.fixture
def few_on_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.views.history.RUNS_ON_A_PAGE", 3)


@pytest.fixture
def nightly() -> Any:
    return cast.job(tags=["etl"])


@pytest.fixture
def rui(client: Client, nightly: Any) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


@pytest.fixture
def olga(client: Client) -> Any:
    person = cast.olga()
    client.force_login(person)
    return person


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/runs/?{query}")
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def shown(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/runs/?{query}")
    assert answer.status_code == 200, answer
    return [row.run.run_id for row in answer.context["rows"]]


def act(client: Client, verb: str, *run_ids: str, **more: Any) -> str:
    answer = client.post(ACT, {"act": verb, "run": list(run_ids), **more}, follow=True)
    assert answer.status_code == 200, answer
    return " ".join(str(message) for message in answer.context["messages"])


def text_of(answer: Any) -> str:
    return b"".join(answer).decode()


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        text_of(client.get(path))
    return len(captured)


def many(job: Any, count: int, **values: Any) -> list[Run]:
    """So many runs with their steps."""
    runs = [cast.run(job, values.pop("state", "FAILED"), **values) for _ in range(count)]
    for run in runs:
        StepRun.objects.create(run=run, number=0, name="load", type="sql_query", state="FAILED")
    return runs


# What is shown


def test_a_row_tells_how_far_the_run_got_and_who_asked_for_it(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(
        nightly, "FAILED", reason="relation is missing", triggered_by="api", requested_by="vera", preset="eu"
    )
    StepRun.objects.create(run=run, number=0, name="load", type="sql_query", state="SUCCEEDED")
    StepRun.objects.create(run=run, number=1, name="send", type="sql_query", state="FAILED")
    text = page(client)
    for piece in (run.run_id, "nightly", "FAILED", "api (vera)", "eu", "1 / 2, failed at send", "relation is missing"):
        assert piece in text


def test_runs_of_invisible_jobs_are_left_out(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    cast.run(cast.job("secret-job"))
    assert shown(client) == [run.run_id]
    assert shown(client, "job=secret-job") == []
    assert shown(client, "job=*") == [run.run_id]


def test_runs_of_deleted_jobs_stay_for_whoever_sees_all(client: Client, olga: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    nightly.delete()
    assert shown(client) == [run.run_id]
    assert shown(client, "job=nightly") == [run.run_id]


def test_the_page_is_quick_to_look_again_while_something_runs(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    assert 'data-live="3"' in page(client)
    Run.objects.filter(pk=run.pk).update(state="SUCCEEDED")
    assert 'data-live="15"' in page(client)


def test_who_may_only_look_gets_no_boxes(client: Client, nightly: Any) -> None:
    client.force_login(cast.vera(nightly))
    cast.run(nightly)
    text = page(client)
    assert 'name="run"' not in text
    assert "/runs/act/" not in text


# Filters


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=FAILED", ["a"]),
        ("state=FAILED&state=QUEUED", ["a", "b"]),
        ("job=nightly", ["a"]),
        ("job=night", []),
        ("job=night*", ["a", "b"]),
        ("job=*", ["a", "b", "c"]),
        ("tag=etl", ["a", "c"]),
        ("tag=etl&job=w*", ["c"]),
        ("tag=none", []),
        ("trigger=cron", ["a"]),
        ("trigger=user", ["b"]),
        ("trigger=cli", ["c"]),
        ("trigger=api", []),
        ("user=vera", ["b"]),
        ("text=2026-03", ["a"]),
        ("text=DAY%3D2026", ["a"]),
        ("text=region", ["a", "b"]),
        ("text=region%3DÉU", ["b"]),
        ("text=limit%3D100", ["c"]),
        ("text=full%3Dtrue", ["c"]),
        ("text=params", []),
        ("text=region&state=QUEUED", ["b"]),
        ("text=region&tag=etl", ["a"]),
        ("from=2000-01-01", ["a", "b", "c"]),
        ("to=2000-01-01", []),
    ],
)
def test_each_filter_leaves_what_it_says(
    client: Client, olga: Any, nightly: Any, query: str, expected: list[str]
) -> None:
    weekly = cast.job("weekly", tags=["etl", "slow"])
    given = {"load": {"day": "2026-03-29", "region": "eu"}}
    cast.run(nightly, "FAILED", run_id="a", triggered_by="cron", parameters=given)
    fired = {"params": {"region": "ÉU"}}
    cast.run(cast.job("night-2"), "QUEUED", run_id="b", triggered_by="user:vera", requested_by="vera", overrides=fired)
    cast.run(weekly, "SUCCEEDED", run_id="c", overrides={"op_kwargs": {"load": {"limit": 100, "full": True}}})
    assert sorted(shown(client, query)) == expected
    rows = csv.DictReader(io.StringIO(text_of(client.get(f"/runs/?{query}&format=csv"))))
    assert sorted(row["run_id"] for row in rows) == expected


def test_days_are_those_of_the_zone(client: Client, olga: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    Run.objects.update(created_at=datetime.datetime(2026, 3, 28, 23, 30, tzinfo=datetime.UTC))
    assert shown(client, "from=2026-03-29") == []
    assert shown(client, "from=2026-03-29&to=2026-03-29&tz=Europe/Paris") == [run.run_id]


def test_a_secret_is_not_found_by_its_value_nor_by_its_seal(client: Client, olga: Any, nightly: Any) -> None:
    run = cast.run(nightly, parameters={"load": {"password": "s3cr3t"}}, overrides={"params": {"api_key": "s3cr3t"}})
    for text in ("s3cr3t", "gAAAA", "sealed", "****"):
        assert shown(client, f"text={text}") == []
    assert shown(client, "text=password") == [run.run_id]


def test_what_is_filtered_stands_above_with_a_way_out_of_each(client: Client, olga: Any, nightly: Any) -> None:
    cast.run(nightly)
    answer = client.get("/runs/?state=RUNNING&state=FAILED&job=nightly&tag=etl")
    chips = {chip.label: chip.without for chip in answer.context["filters"].chips()}
    assert chips["state FAILED"] == "state=RUNNING&job=nightly&tag=etl"
    assert chips["job nightly"] == "state=RUNNING&state=FAILED&tag=etl"
    for without in chips.values():
        assert f'href="/runs/?{without.replace("&", "&amp;")}"' in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "state=LOST",
        "trigger=moon",
        "from=yesterday",
        "to=2026-02-30",
        "from=0001-01-01&tz=Asia/Tokyo",
        "to=9999-12-31",
        "tz=Mars/Base",
        "job=%00",
        "text=%00",
        "user=" + "x" * 200,
        "from=2026-03-02&to=2026-03-01",
    ],
)
def test_a_filter_that_makes_no_sense_matches_nothing_and_says_why(
    client: Client, olga: Any, nightly: Any, query: str
) -> None:
    run = cast.run(nightly)
    page, file = client.get(f"/runs/?{query}"), client.get(f"/runs/?{query}&format=csv")
    assert (page.status_code, file.status_code) == (400, 400)
    assert "found" in file.content.decode()
    assert run.run_id not in page.content.decode()


@pytest.mark.parametrize("query", ["before=x", "before=-1", "after=9999999999999999999999", "before=%00", "x=1&tz=UTC"])
def test_other_odd_addresses_count_as_none(client: Client, olga: Any, nightly: Any, query: str) -> None:
    run = cast.run(nightly)
    assert shown(client, query) == [run.run_id]


def test_the_beginning_of_an_id_leads_to_all_that_begin_so(client: Client, olga: Any, nightly: Any) -> None:
    run = cast.run(nightly)
    answer = client.get("/runs/?job=night&state=RUNNING")
    assert "Runs of every job that begins with night" in answer.content.decode()
    assert shown(client, answer.context["addresses"]["beginning"][1:]) == [run.run_id]


# Paging


def test_pages_follow_each_other_there_and_back(client: Client, olga: Any, nightly: Any, few_on_a_page: None) -> None:
    runs = [run.run_id for run in many(nightly, 7)][::-1]
    for filters in ("", "state=FAILED", "tag=etl"):
        seen, address, pages = [], f"/runs/?{filters}", []
        while address:
            answer = client.get(address)
            pages.append([row.run.run_id for row in answer.context["rows"]])
            seen += pages[-1]
            older = answer.context["addresses"]["older"]
            address = older and f"/runs/{older}"
        assert seen == runs
        back = client.get("/runs/" + answer.context["addresses"]["newer"])
        assert [row.run.run_id for row in back.context["rows"]] == pages[-2]


def test_a_search_in_parameters_says_how_far_back_it_looked(
    client: Client, olga: Any, nightly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.search.LOOK_BACK", 3)
    wanted = cast.run(nightly, parameters={"load": {"day": "2026-03-29"}})
    many(nightly, 4)
    answer = client.get("/runs/?text=2026-03")
    assert list(answer.context["rows"]) == []
    assert "Look further back" in answer.content.decode()
    further = client.get("/runs/" + answer.context["addresses"]["older"])
    assert [row.run for row in further.context["rows"]] == [wanted]
    assert "Look further back" not in further.content.decode()


def test_a_file_goes_on_where_a_search_stops(
    client: Client, olga: Any, nightly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.search.LOOK_BACK", 3)
    wanted = cast.run(nightly, parameters={"load": {"day": "2026-03-29"}})
    many(nightly, 7)
    assert wanted.run_id in text_of(client.get("/runs/?text=2026-03&format=csv"))


# The file


def test_the_file_has_a_line_per_run_and_no_formula(client: Client, rui: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED", reason="=cmd|' /C calc'!A0", requested_by="@vera", preset="-x")
    Run.objects.update(
        created_at=datetime.datetime(2026, 3, 29, 1, tzinfo=datetime.UTC),
        started_at=datetime.datetime(2026, 3, 29, 1, tzinfo=datetime.UTC),
        finished_at=datetime.datetime(2026, 3, 29, 1, 0, 7, 250000, tzinfo=datetime.UTC),
    )
    answer = client.get("/runs/?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(text_of(answer)))
    assert row == {
        "run_id": run.run_id,
        "job": "nightly",
        "state": "FAILED",
        "triggered_by": "cli",
        "requested_by": "'@vera",
        "preset": "'-x",
        "scheduled_at": "",
        "created_at": "2026-03-29T01:00:00.000+00:00",
        "started_at": "2026-03-29T01:00:00.000+00:00",
        "finished_at": "2026-03-29T01:00:07.250+00:00",
        "seconds": "7.250",
        "steps": "0 / 2",
        "reason": "'=cmd|' /C calc'!A0",
    }


def test_the_file_is_read_in_pieces(client: Client, olga: Any, nightly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.views.history.RUNS_IN_A_PIECE", 2)
    runs = [run.run_id for run in many(nightly, 5)][::-1]
    rows = csv.DictReader(io.StringIO(text_of(client.get("/runs/?format=csv"))))
    assert [row["run_id"] for row in rows] == runs


# Many at once


def test_the_ticked_runs_are_cancelled_and_the_filters_stay(client: Client, rui: Any, nightly: Any) -> None:
    active, other, over = cast.run(nightly), cast.run(nightly), cast.run(nightly, "FAILED")
    form = {"act": "cancel", "run": [active.run_id, over.run_id], "back": "job=nightly&before=9"}
    answer = client.post(ACT, form, follow=True)
    assert answer.redirect_chain == [("/runs/?job=nightly&before=9", 302)]
    assert Run.objects.get(pk=active.pk).cancel_requested_by == "user:rui"
    assert Run.objects.get(pk=other.pk).cancel_requested_at is None
    said = " ".join(str(message) for message in answer.context["messages"])
    assert said == f"Cancelling: 1 run ({active.run_id}). Over already: 1 run ({over.run_id})."


def test_all_that_was_shown_is_one_choice(client: Client, rui: Any, nightly: Any) -> None:
    runs = [cast.run(nightly) for _ in range(3)]
    act(client, "cancel", which="all", shown=[run.run_id for run in runs[:2]])
    assert Run.objects.filter(cancel_requested_at=None).get() == runs[2]


def test_a_replay_has_the_values_of_the_old_run(client: Client, rui: Any, nightly: Any) -> None:
    old = cast.run(nightly, "FAILED", overrides={"params": {"day": "2026-03-29"}})
    said = act(client, "replay", old.run_id)
    again = Run.objects.get(replay_of=old)
    assert (again.triggered_by, again.requested_by, again.user) == ("user:rui", "rui", rui)
    assert again.overrides["params"] == {"day": "2026-03-29"}
    assert said == f"Started: 1 run ({again.run_id})."


def test_refusals_are_told_and_counted(client: Client, rui: Any, nightly: Any) -> None:
    first, *others = (cast.run(nightly, "FAILED") for _ in range(9))
    said = act(client, "replay", first.run_id, *(run.run_id for run in others))
    assert "Started: 1 run" in said
    assert "Refused: 8." in said
    assert "already has a run in flight" in said
    assert "And 5 more." in said
    assert len(said) < 1500


@pytest.mark.parametrize("verb", ["cancel", "replay"])
def test_each_run_asks_for_its_own_permission(client: Client, nightly: Any, verb: str) -> None:
    client.force_login(cast.vera(nightly))
    run, hidden = cast.run(nightly), cast.run(cast.job("secret-job"))
    said = act(client, verb, run.run_id, hidden.run_id)
    assert f"{run.run_id}: you may not" in said
    assert "secret-job" not in said
    assert hidden.run_id not in said
    assert Run.objects.filter(cancel_requested_at=None).count() == 2


def test_a_deleted_job_has_nothing_to_replay(client: Client, olga: Any, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    nightly.delete()
    assert "job 'nightly' has been deleted" in act(client, "replay", run.run_id)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"act": "cancel"}, "tick the runs first"),
        ({"act": "cancel", "run": "run_absent"}, "no such run"),
        ({"act": "cancel", "run": "a\0b"}, "no such run"),
        ({"act": "burn", "run": "run_absent"}, "choose to cancel or to replay"),
        ({"act": "cancel", "run": [f"run_{n}" for n in range(101)]}, "found 101 runs, expected 100 at most"),
    ],
)
def test_a_form_that_says_nothing_useful_is_answered_clearly(
    client: Client, rui: Any, form: dict[str, Any], expected: str
) -> None:
    answer = client.post(ACT, form, follow=True)
    assert expected in " ".join(str(message) for message in answer.context["messages"])


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "a\r\nX: y", "#x"])
def test_the_way_back_stays_on_the_list(client: Client, rui: Any, back: str) -> None:
    answer = client.post(ACT, {"act": "cancel", "back": back})
    assert answer.headers["Location"].split("?")[0] == "/runs/"


def test_acting_takes_a_post_with_a_token(client: Client, rui: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(rui)
    assert (browser.get(ACT).status_code, browser.post(ACT).status_code) == (405, 403)


# Queries


@pytest.mark.parametrize(
    "query", ["", "tag=etl", "job=nightly", "text=day", "format=csv", "format=csv&tag=etl", "from=2000-01-01"]
)
def test_queries_do_not_grow_with_the_runs(client: Client, rui: Any, nightly: Any, query: str) -> None:
    given = {"parameters": {"load": {"day": "2026-03-29"}}}
    many(nightly, 2, **given)
    few = queries(client, f"/runs/?{query}")
    many(nightly, 28, **given)
    assert queries(client, f"/runs/?{query}") == few


@pytest.mark.parametrize("verb", ["cancel", "replay"])
def test_looking_at_what_is_asked_for_takes_the_same_queries_however_many(
    client: Client, nightly: Any, verb: str
) -> None:
    client.force_login(cast.vera(nightly))
    runs = [run.run_id for run in many(nightly, 30)]

    def taken(run_ids: list[str]) -> int:
        with CaptureQueriesContext(connection) as captured:
            client.post(ACT, {"act": verb, "run": run_ids})
        return len(captured)

    assert taken(runs) == taken(runs[:2])


# The admin's lists


@pytest.mark.parametrize("model", ["run", "fire"])
def test_the_admin_finds_by_whole_ids(client: Client, olga: Any, nightly: Any, model: str) -> None:
    run = cast.run(nightly)
    cast.run(cast.job("other"))
    for wanted in ("nightly", run.run_id) if model == "run" else ("nightly",):
        answer = client.get(f"/admin/runs/{model}/?q={wanted}")
        assert answer.status_code == 200
        assert list(answer.context["cl"].result_list) == ([run] if model == "run" else [])
