"""Who uses a connector: the steps and parameters that name it, over all jobs in a constant number of queries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from jobs.models import Job, Preset, Step
from jobs.paramrows import picks_connector
from jobs.plan import applicable_defaults
from jobs.steps import step_types
from nomaflow_site.lib.config import ConnectorField


@dataclass(frozen=True, order=True)
class Use:
    """One place in a job that names a connector: `step 'load', source.connector` or `parameter target_connector`."""

    job_id: str
    place: str


def uses_by_connector() -> dict[str, list[Use]]:
    """By connector everything that names it, left-out steps and switched-off jobs included.

    What a `${...}` in a step's field stands for can't be seen, but the parameter behind it can where its name tells.
    """
    found: dict[str, set[Use]] = {}
    for name, use in (*_in_steps(), *_in_parameters()):
        found.setdefault(name, set()).add(use)
    return {name: sorted(uses) for name, uses in found.items()}


def connectors_by_job(jobs: QuerySet[Job]) -> dict[str, set[str]]:
    """By job the connectors of its enabled steps; jobs without any are left out. Two queries."""
    steps = Step.objects.filter(job__in=jobs.order_by().values("pk"), enabled=True)
    found: dict[str, set[str]] = {}
    for job_id, _, _, _, value in _named_in(steps, jobs):
        found.setdefault(job_id, set()).add(value)
    return found


def _in_steps() -> Iterator[tuple[str, Use]]:
    for job_id, step, kind, name, value in _named_in(Step.objects.all(), Job.objects.all()):
        yield value, Use(job_id, f"step {step!r}, {step_types()[kind].form.spell(name)}")


def _named_in(steps: QuerySet[Step], jobs: QuerySet[Job]) -> Iterator[tuple[str, str, str, str, str]]:
    """(job, step, type, field, connector) for every field that names one, `step_defaults` of the jobs included."""
    fields = connector_fields()
    flat = sorted({name for names in fields.values() for name in names})
    defaults = dict(jobs.order_by().exclude(step_defaults={}).values_list("pk", "step_defaults"))
    # The fields alone: a step's queries would be most of what is read.
    keys = [KT(f"config__{name}") for name in flat]
    for job_id, step, kind, *values in steps.values_list("job_id", "name", "type", *keys):
        own = dict(zip(flat, values, strict=True))
        for name in fields.get(kind, ()):
            value = own[name] or _inherited(kind, name, defaults.get(job_id))
            if _is_name(value):
                yield job_id, step, kind, name, value


def connector_fields() -> dict[str, list[str]]:
    """By type of step the flat names of the fields that name a connector."""
    return {
        kind: [name for name, field in step_type.form.base_fields.items() if isinstance(field, ConnectorField)]
        for kind, step_type in step_types().items()
    }


def _inherited(kind: str, name: str, defaults: Mapping[str, Any] | None) -> Any:
    return step_types()[kind].form.flatten(applicable_defaults(kind, defaults)).get(name) if defaults else None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "${" not in value


def _in_parameters() -> Iterator[tuple[str, Use]]:
    for job_id, params in Job.objects.exclude(params={}).values_list("pk", "params"):
        yield from _named(job_id, "parameter", params)
    for job_id, step, params in Step.objects.exclude(op_kwargs={}).values_list("job_id", "name", "op_kwargs"):
        yield from _named(job_id, f"step {step!r}, parameter", params)
    for job_id, preset, params in Preset.objects.exclude(params={}).values_list("job_id", "name", "params"):
        yield from _named(job_id, f"preset {preset!r}, parameter", params)
    for job_id, preset, steps in Preset.objects.exclude(op_kwargs={}).values_list("job_id", "name", "op_kwargs"):
        for step, params in steps.items():
            yield from _named(job_id, f"preset {preset!r}, step {step!r}, parameter", params)


def _named(job_id: str, place: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Use]]:
    for name, value in params.items():
        if picks_connector(name) and _is_name(value):
            yield value, Use(job_id, f"{place} {name}")
