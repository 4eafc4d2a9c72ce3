"""Keeping beat's table in step with the catalogue: one PeriodicTask row per enabled schedule of a job or preset.

A row that changes or goes first records what its old schedule still owes, and counts from now on: the time in which a schedule
was off, or another one, was never missed.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from jobs.models import Job, Preset, Scheduled
from runs.firing import settle
from runs.timers import TASK, timers_of


def row_name(scheduled: Scheduled) -> str:
    """The row's name, unique over all schedules."""
    return f"job:{scheduled.pk}" if isinstance(scheduled, Job) else f"preset:{scheduled.pk}"


def headers_of(scheduled: Scheduled) -> str:
    """What beat has to know of the schedule, as the row keeps it; empty when it doesn't fire by itself."""
    if not (scheduled.schedule and scheduled.enabled):
        return ""
    job, preset = (scheduled.pk, "") if isinstance(scheduled, Job) else _owner(scheduled)
    said = {
        "job": job,
        "preset": preset,
        "cron": scheduled.schedule,
        "zone": scheduled.timezone,
        "include": scheduled.include_calendar_id or "",
        "exclude": scheduled.exclude_calendar_id or "",
        "on_excluded": str(scheduled.on_excluded),
    }
    return json.dumps(said)


def _owner(preset: Any) -> tuple[str, str]:
    return preset.job_id, preset.name


def sync(scheduled: Scheduled) -> None:
    """Make the schedule's row what the job or preset says: create, change or remove it."""
    _bring_to(row_name(scheduled), headers_of(scheduled))


def forget(scheduled: Scheduled) -> None:
    """Remove the schedule's row, if there is one."""
    _bring_to(row_name(scheduled), "")


def _bring_to(name: str, headers: str) -> None:
    with transaction.atomic():
        row = PeriodicTask.objects.select_for_update().filter(name=name).first()
        if row is None:
            if headers:
                _create(name, headers)
        elif not headers:
            _settle(row, ended=True)
            row.delete()
        elif (row.headers, row.enabled, row.task) != (headers, True, TASK):
            _settle(row, ended=False)
            row.headers, row.enabled, row.task, row.last_run_at = headers, True, TASK, timezone.now()
            row.save()


def _create(name: str, headers: str) -> None:
    # An interval is only a placeholder: beat's own crontabs have holes at the clock change. The headers say the truth.
    placeholder = IntervalSchedule.objects.filter(every=1, period=IntervalSchedule.DAYS).first()
    if placeholder is None:
        placeholder = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.create(
        name=name, task=TASK, interval=placeholder, headers=headers, enabled=True, last_run_at=timezone.now()
    )


def _settle(row: PeriodicTask, *, ended: bool) -> None:
    now = timezone.now()
    for timer in timers_of([row], now):
        settle(timer, now, ended=ended)


def sync_all() -> tuple[int, int]:
    """Every schedule's row anew, and rows of schedules that are gone removed: (schedules, rows that had to be changed)."""
    everything: Iterable[Scheduled] = [*Job.objects.all(), *Preset.objects.all()]
    wanted = {row_name(scheduled): headers for scheduled in everything if (headers := headers_of(scheduled))}
    ours = PeriodicTask.objects.filter(task=TASK, enabled=True).values_list("name", "headers")
    there = dict(ours)
    wrong = {name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)}
    for name in sorted(wrong):
        _bring_to(name, wanted.get(name, ""))
    if wrong:
        PeriodicTasks.update_changed()
    return len(wanted), len(wrong)


def on_saved(sender: Any, instance: Scheduled, raw: bool = False, **kwargs: Any) -> None:
    """A saved job or preset is live within seconds."""
    if not raw:
        sync(instance)


def on_deleted(sender: Any, instance: Scheduled, **kwargs: Any) -> None:
    """A deleted one fires no more."""
    forget(instance)
