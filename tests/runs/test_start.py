"""Run now and replay, from the pages."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job, Preset, Step
from runs.models import Run, StepRun
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def nightly() -> Job:
    return cast.job(params={"apps_id": 10, "target_connector": "reporting"}, version=4)


@pytest.fixture
def rui(client: Client, nightly: Job) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


def form(**changes: Any) -> dict[str, Any]:
    """What a browser sends for the form of `nightly`."""
    data = {
        "params.apps_id": "10",
        "params.target_connector": "reporting",
        "step_enabled.load": "on",
        "step_enabled.send": "on",
        "log_level": "INFO",
        "extra": "",
        "preset": "",
        "seen_version": "4",
    }
    return {name: value for name, value in {**data, **changes}.items() if value is not None}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_form_has_an_input_for_each_parameter_and_step(client: Client, rui: Any) -> None:
    answer = client.get("/jobs/nightly/run/")
    for piece in ('name="params.apps_id" value="10"', "<select", "step_enabled.send", "Run nightly"):
        assert piece in text(answer)


def test_only_what_was_changed_reaches_the_run(client: Client, rui: Any) -> None:
    answer = client.post("/jobs/nightly/run/", form(**{"params.apps_id": "99", "step_enabled.send": None}))
    run = Run.objects.get()
    assert answer.headers["Location"] == run.get_absolute_url()
    assert run.overrides == {
        "params": {"apps_id": 99},
        "op_kwargs": {},
        "step_enabled": {"send": False},
        "log_level": None,
    }
    assert run.parameters["load"]["apps_id"] == 99


def test_a_mistake_comes_back_beside_its_field_and_starts_nothing(client: Client, rui: Any) -> None:
    answer = client.post("/jobs/nightly/run/", form(**{"params.apps_id": "ten"}))
    assert answer.status_code == 400
    assert "Enter a whole number." in text(answer)
    assert 'value="ten"' in text(answer)
    assert not Run.objects.exists()


def test_a_run_in_flight_is_named_in_the_form(client: Client, rui: Any, nightly: Job) -> None:
    first = cast.run(nightly)
    answer = client.post("/jobs/nightly/run/", form())
    assert answer.status_code == 409
    assert f'href="{first.get_absolute_url()}"' in text(answer)
    assert Run.objects.count() == 1


def test_a_preset_fills_the_form_and_is_recorded(client: Client, rui: Any, nightly: Job) -> None:
    Preset.objects.create(job=nightly, name="sandbox", params={"apps_id": 77}, log_level="DEBUG")
    assert 'value="77"' in text(client.get("/jobs/nightly/run/?preset=sandbox"))
    client.post("/jobs/nightly/run/", form(**{"params.apps_id": "77", "preset": "sandbox", "log_level": "DEBUG"}))
    run = Run.objects.get()
    assert (run.preset, run.log_level, run.parameters["load"]["apps_id"]) == ("sandbox", "DEBUG", 77)


def test_an_unknown_preset_is_refused(client: Client, rui: Any) -> None:
    assert client.get("/jobs/nightly/run/?preset=nope").status_code == 200
    answer = client.post("/jobs/nightly/run/", form(preset="nope"))
    assert answer.status_code == 400
    assert "has no preset" in text(answer)


@pytest.mark.parametrize("path", ["/jobs/nightly/run/", "/runs/RUN/replay/"])
def test_who_may_only_look_gets_no_form(client: Client, nightly: Job, path: str) -> None:
    run = cast.run(nightly, "FAILED")
    client.force_login(cast.vera(nightly))
    assert client.get(path.replace("RUN", run.run_id)).status_code == 403
    assert client.post(path.replace("RUN", run.run_id), form()).status_code == 403
    client.force_login(cast.user("nobody"))
    assert client.get(path.replace("RUN", run.run_id)).status_code == 404


def test_posting_the_form_needs_the_token(nightly: Job) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.rui(nightly))
    assert browser.post("/jobs/nightly/run/", form()).status_code == 403
    assert not Run.objects.exists()


def old_run(nightly: Job, **values: Any) -> Run:
    snapshot = {
        "id": "nightly",
        "params": {"apps_id": 5, "target_connector": "reporting", "gone": 1},
        "steps": [{"name": "load", "type": "sql_query"}, {"name": "send", "type": "sql_query"}],
    }
    run = cast.run(nightly, "FAILED", snapshot=snapshot, **values)
    for number, (name, state) in enumerate((("load", "SUCCEEDED"), ("send", "FAILED"))):
        StepRun.objects.create(run=run, number=number, name=name, type="sql_query", state=state)
    return run


def test_a_replay_shows_the_old_runs_values(client: Client, rui: Any, nightly: Job) -> None:
    run = old_run(nightly, overrides={"params": {"since": "2026"}}, log_level="DEBUG")
    shown = text(client.get(f"/runs/{run.run_id}/replay/"))
    assert 'name="params.apps_id" value="5"' in shown
    assert "since = &quot;2026&quot;" in shown
    assert '<option value="DEBUG" selected>' in shown
    assert "gone" not in shown


def test_a_replay_pins_what_the_job_says_otherwise_now(client: Client, rui: Any, nightly: Job) -> None:
    run = old_run(nightly)
    client.post(f"/runs/{run.run_id}/replay/", form(**{"params.apps_id": "5"}))
    again = Run.objects.latest("pk")
    assert (again.replay_of, again.overrides["params"]) == (run, {"apps_id": 5})


def test_a_replay_from_the_failed_step_leaves_the_earlier_ones_out(client: Client, rui: Any, nightly: Job) -> None:
    run = old_run(nightly)
    shown = text(client.get(f"/runs/{run.run_id}/replay/?from=failed"))
    assert shown.count('type="checkbox" name="step_enabled') == 2
    assert 'name="step_enabled.load" id="id_step_enabled.load">' in shown
    assert 'name="step_enabled.send" id="id_step_enabled.send" checked>' in shown


def test_nothing_failed_nothing_to_begin_from(client: Client, rui: Any, nightly: Job) -> None:
    run = cast.run(nightly, "SUCCEEDED")
    answer = client.get(f"/runs/{run.run_id}/replay/?from=failed", follow=True)
    assert "has no failed step" in text(answer)


def test_the_run_of_a_deleted_job_has_nothing_to_be_replayed_with(client: Client, nightly: Job) -> None:
    run = cast.run(nightly, "FAILED")
    nightly.delete()
    client.force_login(cast.olga())
    assert "has been deleted" in text(client.get(f"/runs/{run.run_id}/replay/", follow=True))
    assert "Replay" not in text(client.get(f"/runs/{run.run_id}/"))


def test_a_single_step_without_parameters_starts_at_once(client: Client, nightly: Job) -> None:
    client.force_login(cast.olga())
    cast.job("plain", steps=("only",))
    asks = cast.job("asks", steps=("only",))
    Step.objects.filter(job=asks).update(op_kwargs={"limit": 1})
    listed = text(client.get("/jobs/"))
    assert 'action="/jobs/plain/run/"' in listed
    for job in ("asks", "nightly"):
        assert f'action="/jobs/{job}/run/"' not in listed
        assert f'href="/jobs/{job}/run/" data-dialog' in listed


def test_a_secret_of_the_job_reaches_no_form_and_still_reaches_the_run(client: Client, rui: Any, nightly: Job) -> None:
    Job.objects.filter(pk="nightly").update(params={"password": "s3cr3t-canary"})
    shown = text(client.get("/jobs/nightly/run/"))
    assert "s3cr3t-canary" not in shown
    assert "$sealed" not in shown
    client.post("/jobs/nightly/run/", {**form(), "params.password": ""})
    assert Run.objects.get().parameters["load"]["password"] == Job.objects.get(pk="nightly").params["password"]
