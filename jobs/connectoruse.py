"""Which connectors the steps of many jobs name, in two queries; `jobs.stepconfig.connector_names` reads one job to the letter."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from jobs.models import Job, Step
from jobs.plan import applicable_defaults
from jobs.steps import step_types
from nomaflow_site.lib.config import ConnectorField


def connectors_by_job(jobs: QuerySet[Job]) -> dict[str, set[str]]:
    """By job the connectors of its enabled steps, `step_defaults` included; tokens, and jobs without any, are left out."""
    by_type = _connector_fields()
    fields = sorted(set().union(*by_type.values()))
    defaults = dict(jobs.exclude(step_defaults={}).values_list("pk", "step_defaults"))
    steps = Step.objects.filter(job__in=jobs.order_by().values("pk"), enabled=True)
    found: dict[str, set[str]] = {}
    # The fields alone: a step's queries would be most of what is read.
    for job_id, kind, *values in steps.values_list("job_id", "type", *(KT(f"config__{name}") for name in fields)):
        own = dict(zip(fields, values, strict=True))
        shared = defaults.get(job_id)
        for name in by_type.get(kind, ()):
            value = own[name] or (_read(applicable_defaults(kind, shared), name) if shared else None)
            if isinstance(value, str) and value and "${" not in value:
                found.setdefault(job_id, set()).add(value)
    return found


def _connector_fields() -> dict[str, list[str]]:
    """By type of step the flat names of the fields that name a connector."""
    return {
        kind: [name for name, field in step_type.form.base_fields.items() if isinstance(field, ConnectorField)]
        for kind, step_type in step_types().items()
    }


def _read(config: Mapping[str, Any], name: str) -> Any:
    """The value under a flat name: `source__connector` is `connector` of the table `source`."""
    table, _, inner = name.partition("__")
    value = config.get(table)
    return value.get(inner) if inner and isinstance(value, Mapping) else config.get(name)
