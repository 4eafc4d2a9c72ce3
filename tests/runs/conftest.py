"""Jobs and runs in the database, without workers."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job, Step
from runs.models import Run
from runs.trigger import trigger_run

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(db: None) -> MakeJob:
    """A job of Python steps, one per name; `steps` may be (name, fields) pairs."""

    def make(job_id: str = "nightly", steps: Any = ("load", "send"), **fields: Any) -> Job:
        job = Job.objects.create(id=job_id, **fields)
        for position, step in enumerate(steps):
            name, values = step if isinstance(step, tuple) else (step, {})
            values = {"type": "python", "config": {"callable": "p:f"}, **values}
            Step.objects.create(job=job, position=position, name=name, **values)
        return job

    return make


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of runs for which a wake-up was sent; nothing reaches a broker."""
    numbers: list[int] = []

    def wake(run_pk: int) -> bool:
        numbers.append(run_pk)
        return True

    monkeypatch.setattr("runs.dispatch.wake", wake)
    return numbers


@pytest.fixture
def make_run(make_job: MakeJob) -> Callable[..., Run]:
    """A QUEUED run of a job."""

    def make(job: Job | None = None, **fields: Any) -> Run:
        run = trigger_run(job or make_job(), triggered_by="cli", **fields)
        return Run.objects.get(pk=run.pk)

    return make
