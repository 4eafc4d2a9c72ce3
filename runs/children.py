"""Child runs: the job that a `call_job` step runs, and what its end means for the step."""

from collections.abc import Mapping
from typing import Any

from jobs.models import Job
from jobs.parameters import Overrides
from runs.executor.supervisor import Ending, How
from runs.models import Run, StepRun
from runs.states import RunState
from runs.trigger import trigger_run


class ChildRefused(Exception):
    """The chained job can't be started."""


def start_child(run: Run, wanted: Mapping[str, Any]) -> Run:
    """A new run of the job that a `call_job` step of `run` names; parameters and log level cascade.

    `wanted` is {"job_id", "params", "op_kwargs"}. Raises ChildRefused, RunInFlight, InvalidTrigger.
    """
    chain = _chain(run)
    if wanted["job_id"] in chain:
        raise ChildRefused(f"jobs call each other in a cycle: {' -> '.join([*chain, wanted['job_id']])}")
    job = Job.objects.filter(pk=wanted["job_id"]).first()
    if job is None:
        raise ChildRefused(f"there is no job {wanted['job_id']!r} to call; correct the step's `job` field")
    return trigger_run(
        job,
        triggered_by=run.triggered_by,
        requested_by=run.requested_by,
        user=run.user,
        overrides=Overrides(params=wanted["params"], op_kwargs=wanted["op_kwargs"], log_level=run.log_level),
        parent=run,
    )


def _chain(run: Run) -> list[str]:
    """The jobs from the outermost run down to this one."""
    chain: list[str] = []
    at: Run | None = run
    while at is not None:
        chain.insert(0, at.job_id)
        at = at.parent
    return chain


def ending_of_child(row: StepRun) -> Ending:
    """How a `call_job` attempt ended, by the state of its child run, which is over."""
    child = row.child
    if child is None:
        return Ending(How.FAILED, error="the child run's record is gone")
    output = {"run_id": child.run_id, "job_id": child.job_id, "state": child.state}
    match RunState(child.state):
        case RunState.SUCCEEDED:
            return Ending(How.DONE, output=output)
        case RunState.CANCELED:
            return Ending(How.FAILED, error=f"{child.run_id} of job {child.job_id!r} was CANCELED: {child.reason}")
        case _:
            return Ending(How.FAILED, error=f"{child.run_id} of job {child.job_id!r} {child.state}: {child.reason}")
