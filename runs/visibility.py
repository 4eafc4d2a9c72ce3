"""Which runs and fires a person may see, and which of them stop or start. They are seen by whoever sees their job."""

from typing import Any

from django.db.models import QuerySet
from guardian.shortcuts import get_objects_for_user

from jobs.models import Job
from jobs.permissions import may_cancel, sees_all, visible_jobs
from runs.models import Fire, Run

FEW = 100


def visible_runs(user: Any) -> QuerySet[Run]:
    """The runs of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    if sees_all_runs(user):
        return Run.objects.all()
    return Run.objects.filter(job__in=visible_jobs(user).values("pk"))


def sees_all_runs(user: Any) -> bool:
    """Whether the person sees every run, those of deleted jobs too."""
    return bool(user.is_superuser or user.has_perm("jobs.see_job"))


def sees_a_job(request: Any) -> bool:
    """Whether who asks sees any job; the menu and each list of history want to know it, so a request looks once."""
    if not hasattr(request, "sees_a_job"):
        request.sees_a_job = visible_jobs(request.user).exists()
    return bool(request.sees_a_job)


def visible_fires(user: Any) -> QuerySet[Fire]:
    """The scheduled moments of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    if sees_all(user):
        return Fire.objects.all()
    jobs = visible_jobs(user).order_by()
    # Few names are worth more to the database than a query for them, which it would ask of each row of the ledger.
    named = list(jobs.values_list("pk", flat=True)[: FEW + 1])
    if len(named) <= FEW:
        return Fire.objects.filter(job__in=named)
    return Fire.objects.filter(job__in=jobs.values("pk"))


def may_settle(user: Any) -> bool:
    """Whether there is any job whose missed moments the person may run or dismiss."""
    if user.is_superuser or user.has_perm("jobs.run_job"):
        return True
    return bool(get_objects_for_user(user, "jobs.run_job", Job).exists())


def runnable_fires(user: Any) -> QuerySet[Fire]:
    """The scheduled moments that the person may run or dismiss: a right on the job, or on all jobs."""
    if user.is_superuser or user.has_perm("jobs.run_job"):
        return Fire.objects.all()
    return Fire.objects.filter(job__in=get_objects_for_user(user, "jobs.run_job", Job).values("pk"))


def job_of(run: Run) -> Job | None:
    """The run's job, None when it has been deleted since."""
    return Job.objects.filter(pk=run.job_id).first()


def may_cancel_run(user: Any, run: Run) -> bool:
    """Whether the person may stop the run: a right on its job, or on all jobs when that one is gone."""
    job = job_of(run)
    if job is None:
        return bool(user.is_superuser or user.has_perm("jobs.cancel_job"))
    return may_cancel(user, job)
