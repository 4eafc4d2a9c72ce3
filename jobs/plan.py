"""What a run is going to do, read from its snapshot of the job's definition. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.definition import COMMON_STEP_KEYS
from jobs.steps import step_types

STEP_TIMEOUT_SECONDS = 3600
JOB_TIMEOUT_SECONDS = 14400


@dataclass(frozen=True)
class StepPlan:
    """One step of a plan. `config` is shaped as in TOML; `retry` is {"attempts", "backoff", "base_seconds"}."""

    number: int
    name: str
    type: str
    enabled: bool
    timeout_seconds: int
    rerun_if_lost: bool
    op_kwargs: Mapping[str, Any]
    config: Mapping[str, Any]
    retry: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A whole job as one run executes it."""

    job_id: str
    params: Mapping[str, Any]
    timeout_seconds: int
    steps: tuple[StepPlan, ...]


def plan_of(definition: Mapping[str, Any]) -> Plan:
    """The plan in a definition as `jobs.definition.definition_of` makes it."""
    defaults = definition.get("step_defaults") or {}
    retry = definition.get("retry") or {}
    return Plan(
        job_id=definition["id"],
        params=definition.get("params") or {},
        timeout_seconds=definition.get("timeout_seconds") or JOB_TIMEOUT_SECONDS,
        steps=tuple(_step(number, step, defaults, retry) for number, step in enumerate(definition["steps"])),
    )


def _step(number: int, own: Mapping[str, Any], defaults: Mapping[str, Any], retry: Mapping[str, Any]) -> StepPlan:
    step = {**applicable_defaults(own["type"], defaults), **own}
    return StepPlan(
        number=number,
        name=step["name"],
        type=step["type"],
        enabled=step.get("enabled", True),
        timeout_seconds=step.get("timeout_seconds") or STEP_TIMEOUT_SECONDS,
        rerun_if_lost=step.get("rerun_if_lost", False),
        op_kwargs={**defaults.get("op_kwargs", {}), **(own.get("op_kwargs") or {})},
        config={key: value for key, value in step.items() if key not in COMMON_STEP_KEYS},
        retry={**retry, **(step.get("retry") or {})},
    )


def applicable_defaults(type_name: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `step_defaults` that a step of this type takes: common keys, and fields that the type knows."""
    kind = step_types().get(type_name)
    known = set(COMMON_STEP_KEYS)
    if kind is not None:
        known |= set(kind.form.base_fields) | set(kind.form.nested)
    return {key: value for key, value in defaults.items() if key in known}
