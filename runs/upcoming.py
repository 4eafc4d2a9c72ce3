"""What will fire: the moments of all enabled schedules, in order."""

import datetime
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from django.db.models import QuerySet

from jobs.cron import BadCron, Cron
from jobs.models import Job, Preset


@dataclass(frozen=True, order=True)
class Expected:
    """One fire to come. `preset` is empty for the job's own schedule."""

    scheduled_at: datetime.datetime
    job_id: str
    preset: str


def expected_fires(jobs: QuerySet[Job], start: datetime.datetime, end: datetime.datetime, limit: int) -> list[Expected]:
    """The fires of `jobs` and their presets after `start` up to `end`, earliest first, at most `limit`.

    A schedule that can't be read has none. The work grows with the fires asked for, not with how often a job fires.
    """
    own = jobs.filter(enabled=True).exclude(schedule="").values_list("pk", "schedule", "timezone")
    preset = Preset.objects.filter(job__in=jobs.values("pk"), enabled=True).exclude(schedule="")
    sources = [(job, "", schedule, zone) for job, schedule, zone in own]
    sources += preset.values_list("job_id", "name", "schedule", "timezone")
    fires = heapq.merge(*(_fires(*source, start) for source in sources))
    return list(islice(takewhile(lambda fire: fire.scheduled_at <= end, fires), limit))


def _fires(job_id: str, preset: str, schedule: str, zone: str, start: datetime.datetime) -> Iterator[Expected]:
    try:
        cron, at = Cron(schedule, zone), start
        while True:
            at = cron.next(at)
            yield Expected(at, job_id, preset)
    except (BadCron, OverflowError):
        return
