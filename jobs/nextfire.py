"""The next moment at which each of some jobs fires by itself."""

import datetime
import logging
from collections.abc import Iterable, Mapping, Sequence

from jobs.calendars import load_days
from jobs.cron import BadCron
from jobs.days import Days
from jobs.freezing import freezes_between, frozen_by, latest, why
from jobs.models import Job, Scheduled
from jobs.timetable import timetable_of
from jobs.upcoming import Expected

log = logging.getLogger(__name__)


def next_fires(jobs: Sequence[Job], now: datetime.datetime) -> dict[str, Expected]:
    """By job its earliest fire after `now`, of its own schedule or of a preset; `frozen` says which freeze holds it.

    `jobs` come with their presets prefetched. A schedule that can't be read has none.
    """
    calendars = load_days()
    found = {job.pk: fire for job in jobs if (fire := _earliest(job, now, calendars))}
    if not found:
        return {}
    freezes = freezes_between(now, max(fire.scheduled_at for fire in found.values()))
    if not freezes:
        return found
    frozen = frozen_by(freezes, Job.objects.filter(pk__in=list(found)))
    return {job_id: _held(fire, latest(frozen.of(job_id), fire.scheduled_at)) for job_id, fire in found.items()}


def _held(fire: Expected, freeze: object) -> Expected:
    return fire if freeze is None else Expected(fire.scheduled_at, fire.job_id, fire.preset, frozen=why(freeze))  # type: ignore[arg-type]


def _earliest(job: Job, now: datetime.datetime, calendars: Mapping[str, Days]) -> Expected | None:
    named: Iterable[tuple[Scheduled, str]] = [(job, ""), *((preset, preset.name) for preset in job.presets.all())]
    fires = [
        Expected(at, job.pk, name)
        for scheduled, name in named
        if scheduled.enabled and scheduled.schedule and (at := _next(scheduled, now, calendars, job.pk))
    ]
    return min(fires, default=None)


def _next(
    scheduled: Scheduled, now: datetime.datetime, calendars: Mapping[str, Days], job_id: str
) -> datetime.datetime | None:
    try:
        return timetable_of(scheduled, calendars).next(now)
    except BadCron as error:
        log.warning("a schedule of %s can't be used: %s", job_id, error)
        return None
