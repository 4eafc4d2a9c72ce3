"""Jobs that alert, channels that lead somewhere, and runs that end."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from notifications.models import Channel
from runs.hold import Hold
from runs.models import Run
from runs.states import RunState
from runs.trigger import trigger_run
from tests import cast
from tests.runs.test_hold import held

CONFIGS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "slack": ({"recipient": "#ops"}, {"token": "xoxb-canary-slack"}),
    "email": ({"host": "localhost", "sender": "n@example.org", "recipients": ["ops@example.org"]}, {}),
    "webhook": ({}, {"url": "http://127.0.0.1:1/canary-path"}),
}

MakeChannel = Callable[..., Channel]
EndRun = Callable[..., Run]


@pytest.fixture
def channel(db: None) -> MakeChannel:
    """A channel of a kind with settings that could work; named as its kind unless said otherwise."""

    def make(kind: str = "webhook", name: str = "", config: Any = None, secrets: Any = None, **values: Any) -> Channel:
        given, hidden = CONFIGS[kind]
        values = {"config": {**given, **(config or {})}, "secrets": {**hidden, **(secrets or {})}, **values}
        return Channel.objects.create(name=name or kind, kind=kind, **values)

    return make


@pytest.fixture
def alerting(db: None) -> Callable[..., Job]:
    """A job with an alerts block."""

    def make(job_id: str = "nightly", tags: tuple[str, ...] = (), **alerts: Any) -> Job:
        return cast.job(job_id, alerts=alerts, tags=list(tags))

    return make


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reaches a broker."""
    monkeypatch.setattr("runs.dispatch.wake", lambda run_pk: True)


@pytest.fixture
def end(db: None) -> EndRun:
    """Run a job by hand and let it end."""
    return end_run


def end_run(job: Job, state: RunState = RunState.FAILED, reason: str = "step 'load': no route") -> Run:
    """A run of the job that has ended as the engine ends it; its first step fails with it."""
    hold = begun(job)
    if state is RunState.FAILED:
        hold.end_step(hold.step_runs[0], RunState.FAILED, error=reason)
    hold.finish(state, "" if state is RunState.SUCCEEDED else reason)
    return hold.run


def begun(job: Job) -> Hold:
    """A run of the job in its first step."""
    hold = held(Run.objects.get(pk=trigger_run(job, triggered_by="cli").pk))
    hold.begin_step(hold.plan.steps[0], 1, 1, "host")
    return hold
