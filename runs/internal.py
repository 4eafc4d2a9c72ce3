"""Nomaflow's own jobs: made once, then the operator's like any other."""

from typing import Any

from django.db import IntegrityError

from jobs.catalogue import save_job
from jobs.models import JobVersion

BY = "nomaflow"
INTERNAL_JOBS: tuple[dict[str, Any], ...] = (
    {
        "id": "_internal-prune-runs",
        "description": (
            "Retention: removes runs and their logs some time after they ended, except each job's last success and last "
            "failure. How long they're kept is a field of its step."
        ),
        "tags": ["internal"],
        "schedule": "0 3 * * *",
        "timezone": "UTC",
        "retry": {"attempts": 3, "backoff": "fixed", "base_seconds": 60},
        # Each batch stands for itself, so doing it again does no harm.
        "steps": [{"name": "prune-runs", "type": "prune_runs", "rerun_if_lost": True}],
    },
)


def ensure_internal_jobs() -> None:
    """Make those that have never been there. One that was changed or deleted has a version, and stays as it is."""
    for definition in INTERNAL_JOBS:
        if JobVersion.objects.filter(job_key=definition["id"]).exists():
            continue
        try:
            save_job(definition, by=BY, comment="made by Nomaflow")
        except IntegrityError:
            continue  # another beat, started in the same moment, has made it
