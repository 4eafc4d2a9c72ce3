"""Which alerts, deliveries and incidents a person may see, and which of them act. They are seen by whoever sees their job."""

from typing import Any

from django.db.models import QuerySet

from jobs.permissions import visible_jobs
from notifications.models import Alert, Delivery, Incident
from runs.bulk import allowed_jobs
from runs.visibility import sees_all_runs


def visible_alerts(user: Any) -> QuerySet[Alert]:
    """The alerts of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    return Alert.objects.all() if sees_all_runs(user) else Alert.objects.filter(job__in=_seen(user))


def visible_deliveries(user: Any) -> QuerySet[Delivery]:
    """The deliveries of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    return Delivery.objects.all() if sees_all_runs(user) else Delivery.objects.filter(alert__job__in=_seen(user))


def visible_incidents(user: Any) -> QuerySet[Incident]:
    """The incidents of visible jobs; those of deleted jobs too for whoever sees all jobs."""
    return Incident.objects.all() if sees_all_runs(user) else Incident.objects.filter(job__in=_seen(user))


def may_act_on(user: Any, job_id: str) -> bool:
    """Whether the person may resend what was told of the job and take its incidents on: whoever may run it."""
    return allowed_jobs(user, "run_job", [job_id])(job_id)


def _seen(user: Any) -> Any:
    return visible_jobs(user).values("pk")
