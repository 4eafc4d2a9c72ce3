"""The per-fire values of a run that is run again."""

from collections.abc import Sequence
from dataclasses import replace

from jobs.parameters import Overrides
from runs.models import Run, StepRun
from runs.states import RunState
from runs.trigger import overrides_from_json

SKIPPED = "skipped"


class NothingFailed(Exception):
    """The run has no failed step to begin again from."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"Run {run.run_id} has no failed step to begin from; replay it whole.")


def replay_overrides(run: Run, *, from_failed_step: bool = False) -> Overrides:
    """What the run was given, its preset's values included; with the steps before the failed one switched off if asked.

    Raises NothingFailed where no step failed or was stopped.
    """
    given = overrides_from_json(run.overrides)
    if not from_failed_step:
        return given
    attempts = list(run.step_runs.order_by("number", "attempt"))
    failed = failed_step(attempts)
    if failed is None:
        raise NothingFailed(run)
    earlier = {attempt.name: False for attempt in attempts if attempt.number < failed}
    return replace(given, step_enabled={**given.step_enabled, **earlier})


def failed_step(attempts: Sequence[StepRun]) -> int | None:
    """The number of the first step whose last attempt neither succeeded nor was left out on purpose."""
    last = {attempt.number: attempt for attempt in attempts}
    stopped = (
        number
        for number, attempt in last.items()
        if attempt.state in (RunState.FAILED, RunState.CANCELED) and not attempt.reason.startswith(SKIPPED)
    )
    return min(stopped, default=None)
