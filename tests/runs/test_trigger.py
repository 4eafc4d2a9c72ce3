"""The one way a run begins."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from jobs.models import Job, Preset
from jobs.parameters import Overrides
from nomaflow_site.lib.sealing import MASK, mask
from runs.models import Run
from runs.states import RunState
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from tests.runs.conftest import MakeJob


def test_the_seeds_worked_example_of_layers_is_what_the_run_keeps(make_job: MakeJob) -> None:
    job = make_job(
        steps=[("extract", {}), ("publish", {"op_kwargs": {"target_connector": "nomasx1-backup", "full": False}})],
        params={"apps_id": 10, "target_connector": "nomasx1"},
    )
    fire = Overrides(params={"apps_id": 99}, op_kwargs={"publish": {"full": True}})
    run = trigger_run(job, triggered_by="user:olga", overrides=fire)
    assert run.parameters == {
        "extract": {"apps_id": 99, "target_connector": "nomasx1"},
        "publish": {"apps_id": 99, "target_connector": "nomasx1-backup", "full": True},
    }


def test_a_per_fire_param_goes_over_a_steps_op_kwargs(make_job: MakeJob) -> None:
    job = make_job(steps=[("load", {"op_kwargs": {"day": "monday"}})])
    run = trigger_run(job, triggered_by="cli", overrides=Overrides(params={"day": "friday"}))
    assert run.parameters["load"] == {"day": "friday"}


def test_a_preset_lies_right_under_what_was_typed(make_job: MakeJob) -> None:
    job = make_job(params={"a": 1, "b": 1, "c": 1})
    Preset.objects.create(job=job, name="sandbox", params={"b": 2, "c": 2}, log_level="DEBUG")
    run = trigger_run(job, triggered_by="cli", preset="sandbox", overrides=Overrides(params={"c": 3}))
    assert run.parameters["load"] == {"a": 1, "b": 2, "c": 3}
    assert run.log_level == "DEBUG"


def test_a_wake_up_is_sent_after_the_commit(
    make_job: MakeJob, sent: list[int], django_capture_on_commit_callbacks: Callable
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = trigger_run(make_job(), triggered_by="cli")
        assert sent == []
    assert sent == [run.pk]


def test_a_second_trigger_of_a_job_that_skips_is_refused_and_names_the_first(make_job: MakeJob) -> None:
    job = make_job()
    first = trigger_run(job, triggered_by="cli")
    with pytest.raises(RunInFlight, match=first.run_id):
        trigger_run(job, triggered_by="cli")


def test_a_job_that_allows_overlap_takes_any_number(make_job: MakeJob) -> None:
    job = make_job(overlap="allow")
    assert len({trigger_run(job, triggered_by="cli").run_id for _ in range(3)}) == 3


def test_the_same_idempotency_key_returns_the_first_run(make_job: MakeJob) -> None:
    job = make_job()
    first = trigger_run(job, triggered_by="api", idempotency_key="k")
    assert trigger_run(job, triggered_by="api", idempotency_key="k").pk == first.pk


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (Overrides(step_enabled={"lod": False}), "step_enabled.lod"),
        (Overrides(op_kwargs={"lod": {}}), "op_kwargs.lod"),
        (Overrides(op_kwargs={"load": "text"}), "op_kwargs.load"),  # type: ignore[dict-item]
        (Overrides(step_enabled={"load": "no"}), "step_enabled.load"),  # type: ignore[dict-item]
        (Overrides(log_level="LOUD"), "log_level"),
    ],
)
def test_values_that_fit_no_step_are_refused_by_name(make_job: MakeJob, overrides: Overrides, key: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        trigger_run(make_job(), triggered_by="api", overrides=overrides)
    assert list(refusal.value.errors) == [key]
    assert not Run.objects.exists()


def test_an_unknown_preset_is_refused(make_job: MakeJob) -> None:
    with pytest.raises(InvalidTrigger, match="no preset 'x'"):
        trigger_run(make_job(), triggered_by="cli", preset="x")


def test_a_job_without_steps_is_refused(make_job: MakeJob) -> None:
    with pytest.raises(InvalidTrigger, match="no steps"):
        trigger_run(make_job(steps=()), triggered_by="cli")


def test_secret_values_are_sealed_in_every_copy_that_the_run_keeps(make_job: MakeJob) -> None:
    job = make_job(params={"api_key": "s3cr3t-in-job"})
    run = trigger_run(job, triggered_by="cli", overrides=Overrides(params={"password": "s3cr3t-typed"}))
    with connection.cursor() as cursor:
        cursor.execute("select snapshot, overrides, parameters from runs_run")
        stored = str(cursor.fetchall())
    assert "s3cr3t" not in stored
    assert mask(Run.objects.get(pk=run.pk).parameters)["load"] == {"api_key": MASK, "password": MASK}


def test_a_runs_history_outlives_its_job(make_job: MakeJob) -> None:
    job = make_job()
    run = trigger_run(job, triggered_by="cli")
    Job.objects.get(pk=job.pk).delete()
    assert Run.objects.get(pk=run.pk).job_id == "nightly"


@pytest.mark.django_db(transaction=True)
def test_of_twenty_simultaneous_triggers_one_gets_in(make_job: MakeJob) -> None:
    job = make_job()
    barrier, outcomes = threading.Barrier(20), []

    def trigger() -> None:
        barrier.wait()
        try:
            outcomes.append(trigger_run(job, triggered_by="api").run_id)
        except RunInFlight as refusal:
            outcomes.append(refusal.run.run_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=trigger) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Run.objects.filter(state=RunState.QUEUED).count() == 1
    assert len(outcomes) == 20
    assert len(set(outcomes)) == 1
