"""What jobs tell the connectors' pages in the admin: which of them name a connector."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.urls import reverse

from connectors.admin import ConnectorAdmin
from connectors.endpointadmin import Use
from jobs.permissions import visible_jobs
from jobs.usage import Use as JobUse
from jobs.usage import uses_by_connector


def connector_uses(names: Collection[str], user: Any) -> dict[str, list[Use]]:
    """Who uses these connectors: jobs that the person sees by name, the others as a number."""
    found = uses_by_connector()
    seen = set(visible_jobs(user).values_list("pk", flat=True))
    may_open = user.has_perm("jobs.view_job") or user.has_perm("jobs.change_job")
    return {name: [*_named(found.get(name, []), seen, may_open), *_unseen(found.get(name, []), seen)] for name in names}


def _named(uses: Iterable[JobUse], seen: Collection[str], may_open: bool) -> Iterator[Use]:
    for use in uses:
        if use.job_id in seen:
            url = reverse("admin:jobs_job_change", args=[use.job_id]) if may_open else ""
            yield Use(f"job {use.job_id}", use.place, url)


def _unseen(uses: Iterable[JobUse], seen: Collection[str]) -> Iterator[Use]:
    hidden = {use.job_id for use in uses} - set(seen)
    if hidden:
        yield Use(f"{len(hidden)} job{'s' if len(hidden) > 1 else ''} that you may not see", "")


ConnectorAdmin.contribute(used_by=connector_uses)
