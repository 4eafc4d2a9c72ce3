"""Which runs a person may see, and which of them stop. A run is seen by whoever sees its job."""

from typing import Any

from django.db.models import QuerySet

from jobs.models import Job
from jobs.permissions import may_cancel, visible_jobs
from runs.models import Run


def visible_runs(user: Any) -> QuerySet[Run]:
    """The runs of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    if user.is_superuser or user.has_perm("jobs.see_job"):
        return Run.objects.all()
    return Run.objects.filter(job__in=visible_jobs(user).values("pk"))


def job_of(run: Run) -> Job | None:
    """The run's job, None when it has been deleted since."""
    return Job.objects.filter(pk=run.job_id).first()


def may_cancel_run(user: Any, run: Run) -> bool:
    """Whether the person may stop the run: a right on its job, or on all jobs when that one is gone."""
    job = job_of(run)
    if job is None:
        return bool(user.is_superuser or user.has_perm("jobs.cancel_job"))
    return may_cancel(user, job)
