"""Keeping beat's table in step with the jobs: one PeriodicTask row per job that has a schedule and is enabled."""

import json
import logging
from typing import Any

from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from jobs.models import Job

log = logging.getLogger(__name__)
PREFIX = "job:"
TASK = "runs.fire"


def sync_job(job: Job) -> None:
    """Make the job's row what the job says: create, change or remove it. Saves row by row, because that's what beat hears."""
    if not (job.schedule and job.enabled):
        forget_job(job.id)
        return
    wanted = {"cron": job.schedule, "zone": job.timezone, "job": job.id}
    row = PeriodicTask.objects.filter(name=PREFIX + job.id).first()
    if row is None:
        # An interval is only a placeholder: beat's own crontabs have holes at the clock change. The header says the truth.
        placeholder, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.DAYS)
        PeriodicTask.objects.create(
            name=PREFIX + job.id, task=TASK, interval=placeholder, headers=json.dumps(wanted), enabled=True
        )
    elif json.loads(row.headers) != wanted or not row.enabled:
        row.headers, row.enabled = json.dumps(wanted), True
        row.last_run_at = None  # a changed schedule counts from now: nothing of its past was missed
        row.save()


def forget_job(job_id: str) -> None:
    """Remove the job's row, if there is one."""
    for row in PeriodicTask.objects.filter(name=PREFIX + job_id):
        row.delete()


def sync_all() -> tuple[int, int]:
    """Every job's row anew, and rows of jobs that are gone removed: (jobs with a schedule, rows removed)."""
    scheduled = 0
    for job in Job.objects.all():
        sync_job(job)
        scheduled += bool(job.schedule and job.enabled)
    known = set(Job.objects.values_list("id", flat=True))
    gone = [row for row in PeriodicTask.objects.filter(name__startswith=PREFIX) if row.name[len(PREFIX) :] not in known]
    for row in gone:
        row.delete()
    PeriodicTasks.update_changed()
    return scheduled, len(gone)


def on_job_saved(sender: Any, instance: Job, raw: bool = False, **kwargs: Any) -> None:
    """A saved job is live within seconds."""
    if not raw:
        sync_job(instance)


def on_job_deleted(sender: Any, instance: Job, **kwargs: Any) -> None:
    """A deleted job fires no more."""
    forget_job(instance.id)
