"""Bringing back a table that a copy has replaced and kept: a run of the same job whose only step copies it over the new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.parameters import Overrides
from jobs.plan import applicable_defaults
from runs.models import Run, StepRun
from runs.replay import replay_overrides
from runs.states import RunState

# What a copy needs to know of the one that replaced the table.
CARRIED = ("target", "keep_previous", "batch_size")


@dataclass(frozen=True)
class Kept:
    """A table that a step has replaced, under the name that it has now, and until when it's there at least."""

    step: str
    table: str
    until: datetime


class NothingKept(Exception):
    """The step has kept no table, or its days are over."""

    def __init__(self, run: Run, step: str) -> None:
        super().__init__(
            f"Step {step!r} of run {run.run_id} has no table to restore: it kept none (keep_previous), or its days are over."
        )


def kept_tables(attempts: Sequence[StepRun], now: datetime) -> list[Kept]:
    """The tables that can be restored, one for each step that has kept one."""
    found: dict[str, Kept] = {}
    for attempt in attempts:
        output = attempt.output if isinstance(attempt.output, dict) else {}
        table, until = output.get("previous"), output.get("previous_until")
        if attempt.type == "sql_copy" and attempt.state == RunState.SUCCEEDED and table and until:
            found[attempt.name] = Kept(attempt.name, table, datetime.fromisoformat(until))
    return [kept for kept in found.values() if kept.until > now]


def restoring(run: Run, step_name: str, now: datetime) -> tuple[dict[str, Any], Overrides]:
    """The definition of the run that restores what a step has replaced, and its per-fire values. Raises NothingKept."""
    kept = {kept.step: kept for kept in kept_tables(list(run.step_runs.order_by("number", "attempt")), now)}
    if step_name not in kept:
        raise NothingKept(run, step_name)
    definition = {"id": run.job_id, "steps": [], **run.snapshot}
    own = next(step for step in definition["steps"] if step["name"] == step_name)
    step = {**applicable_defaults(own["type"], definition.get("step_defaults") or {}), **own}
    target = step["target"]
    copy = {
        "name": step_name,
        "type": "sql_copy",
        "op_kwargs": step.get("op_kwargs") or {},
        "timeout_seconds": step.get("timeout_seconds"),
        "source": {**target, "table": kept[step_name].table},
        "schema_drift": "add",
        **{name: step[name] for name in CARRIED if name in step},
    }
    given = replay_overrides(run)
    kwargs = {name: values for name, values in given.op_kwargs.items() if name == step_name}
    # Defaults have gone into the step where they fit; those of the copy it was (jde, where) must not come back.
    return {**definition, "step_defaults": {}, "steps": [copy]}, Overrides(given.params, kwargs, {}, given.log_level)
