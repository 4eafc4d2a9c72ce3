"""What a copy has replaced and kept is put back from the run's page or the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.definition import definition_of
from jobs.models import Job, Step
from runs.models import Run, StepRun
from tests import cast

pytestmark = pytest.mark.django_db
TABLE = "_nomaflow_previous_0123456789ab_20240229101112000000_3"
CONFIG = {
    "source": {"connector": "erp", "query": "SELECT 1"},
    "target": {"connector": "${kw:target_connector}", "schema": "dw", "table": "orders"},
    "where": "a > 1",
    "keep_previous": 3,
}


@pytest.fixture
def nightly() -> Job:
    job = cast.job(params={"target_connector": "reporting"})
    Step.objects.filter(job=job, name="load").update(type="sql_copy", config=CONFIG)
    return job


@pytest.fixture
def rui(client: Client, nightly: Job) -> Any:
    person = cast.rui(nightly)
    client.force_login(person)
    return person


def copied(job: Job, hours: float = 1, **changes: Any) -> Run:
    """A run whose copy has kept the previous table until `hours` from now."""
    run = cast.run(
        job,
        "SUCCEEDED",
        overrides={"params": {"target_connector": "mart"}, "op_kwargs": {"send": {"to": "x"}}},
        snapshot={**definition_of(job), "step_defaults": {"type_coercion": "jde"}},
    )
    until = (timezone.now() + timedelta(hours=hours)).isoformat()
    values = {"state": "SUCCEEDED", "output": {"previous": TABLE, "previous_until": until}, **changes}
    StepRun.objects.create(
        run=run, number=0, name="load", type="sql_copy", attempt=1, started_at=timezone.now(), **values
    )
    return run


def test_one_click_starts_a_run_that_copies_it_back(client: Client, rui: Any, nightly: Job) -> None:
    run = copied(nightly)
    page = client.get(run.get_absolute_url()).content.decode()
    assert f'action="/runs/{run.run_id}/restore/load/"' in page
    answer = client.post(f"/runs/{run.run_id}/restore/load/")
    back = Run.objects.get(replay_of=run)
    assert answer.headers["Location"] == back.get_absolute_url()
    (step,) = back.snapshot["steps"]
    assert (step["source"], step["target"]) == ({**CONFIG["target"], "table": TABLE}, CONFIG["target"])
    assert (step["keep_previous"], "where" in step, back.snapshot["step_defaults"]) == (3, False, {})
    assert (back.parameters["load"]["target_connector"], back.requested_by) == ("mart", rui.username)


def test_the_api_does_the_same(client: Client, rui: Any, nightly: Job) -> None:
    run = copied(nightly)
    answer = client.post(f"/api/v1/runs/{run.run_id}/restore/", {"step": "load"}, "application/json")
    assert answer.status_code == 202
    assert Run.objects.get(replay_of=run).run_id == answer.json()["run_id"]


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        ("send", {}),
        ("load", {"hours": -1}),
        ("load", {"state": "FAILED"}),
        ("load", {"output": {}}),
    ],
)
def test_where_nothing_is_kept_nothing_is_started(
    client: Client, rui: Any, nightly: Job, step: str, changes: Any
) -> None:
    run = copied(nightly, **changes)
    if step == "load":
        assert "Restore what" not in client.get(run.get_absolute_url()).content.decode()
    answer = client.post(f"/api/v1/runs/{run.run_id}/restore/", {"step": step}, "application/json")
    assert (answer.status_code, "has no table to restore" in answer.content.decode()) == (409, True)
    page = client.post(f"/runs/{run.run_id}/restore/{step}/", follow=True)
    assert "has no table to restore" in page.content.decode()
    assert not Run.objects.filter(replay_of=run).exists()


def test_who_may_not_run_the_job_may_not_restore(client: Client, nightly: Job) -> None:
    run = copied(nightly)
    client.force_login(cast.vera(nightly))
    assert "Restore what" not in client.get(run.get_absolute_url()).content.decode()
    assert client.post(f"/runs/{run.run_id}/restore/load/").status_code == 403
    assert client.post(f"/api/v1/runs/{run.run_id}/restore/", {"step": "load"}, "application/json").status_code == 403
