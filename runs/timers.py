"""The schedules as beat holds them: each a row of beat's table, with its timetable and how far it has been recorded."""

import datetime
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django_celery_beat.models import PeriodicTask

from jobs.calendars import load_days
from jobs.cron import BadCron
from jobs.days import Days
from jobs.models import Job, OnExcluded
from jobs.timetable import Timetable, timetable_of

log = logging.getLogger(__name__)
# Every row of ours names this task; nobody ever sends it.
TASK = "runs.fire"
# The clock was set back when it shows so much less than before; clocks of several hosts differ by less.
SET_BACK = datetime.timedelta(seconds=5)
LOOK_AHEAD = datetime.timedelta(days=400)


@dataclass
class Timer:
    """One schedule. Every moment up to and including `cursor` has its Fire; `headers` is the row's text that it was read from."""

    pk: int
    job_id: str
    preset: str
    headers: str
    timetable: Timetable
    cursor: datetime.datetime

    def following(self) -> datetime.datetime | None:
        """The next moment to be recorded, also one that a calendar excludes; None when there is none for years."""
        ahead = self.timetable.moments(self.cursor, self.cursor + LOOK_AHEAD, 1)
        return ahead[0].at if ahead else self.timetable.next(self.cursor)


def load_timers(now: datetime.datetime) -> list[Timer]:
    """Every schedule that can be read: one bad row doesn't silence the others."""
    ours = PeriodicTask.objects.filter(task=TASK, enabled=True).order_by("pk")
    # Recorded up to a future that isn't one: the clock was set back. They go on from now; what has its row doesn't fire again.
    ours.filter(last_run_at__gt=now + SET_BACK).update(last_run_at=now)
    return timers_of(ours, now)


def timers_of(rows: Iterable[PeriodicTask], now: datetime.datetime) -> list[Timer]:
    """The timers in rows of beat's table."""
    calendars = load_days()
    timers = []
    for row in rows:
        try:
            timers.append(_timer(row, calendars, now))
        except (BadCron, KeyError, TypeError, ValueError) as error:
            log.error("schedule %s can't be used and does not fire: %s", row.name, error)
    return timers


def _timer(row: PeriodicTask, calendars: Mapping[str, Days], now: datetime.datetime) -> Timer:
    said = json.loads(row.headers)
    scheduled = Job(
        schedule=said["cron"],
        timezone=said["zone"],
        include_calendar_id=said.get("include") or None,
        exclude_calendar_id=said.get("exclude") or None,
        on_excluded=said.get("on_excluded", OnExcluded.SKIP),
    )
    timetable = timetable_of(scheduled, calendars)
    return Timer(row.pk, said["job"], said.get("preset", ""), row.headers, timetable, cursor_of(row, now))


def cursor_of(row: PeriodicTask, now: datetime.datetime) -> datetime.datetime:
    """How far the row has been recorded."""
    cursor: datetime.datetime = row.last_run_at or row.date_changed or now
    return cursor
