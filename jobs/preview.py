"""What stands under a schedule in the admin: its words and its next fires, or what is wrong with it."""

import datetime
from collections.abc import Sequence

from django.utils import timezone

from jobs.calendars import load_days
from jobs.cron import BadCron, Cron
from jobs.models import Job
from jobs.timetable import timetable_of

PREVIEWED = 3
BY_HAND = "never: runs by hand only"


def next_fires_of(
    schedule: str, zone: str, calendars: Sequence[str] = ("", "", ""), now: datetime.datetime | None = None
) -> list[str]:
    """The next three fires in words, in the schedule's zone; none without a schedule. The fault of one that's wrong.

    `calendars`: the name of the included one, that of the excluded one, and what becomes of excluded days.
    """
    if not schedule.strip():
        return []
    include, exclude, on_excluded = calendars
    scheduled = Job(schedule=schedule, timezone=zone, on_excluded=on_excluded)
    scheduled.include_calendar_id, scheduled.exclude_calendar_id = include or None, exclude or None
    try:
        timetable = timetable_of(scheduled, load_days() if include or exclude else {})
    except BadCron as error:
        return [str(error)]
    fires: list[str] = []
    fire = timetable.next(now or timezone.now())
    while fire and len(fires) < PREVIEWED:
        fires.append(f"{fire.astimezone(timetable.cron.zone):%a %Y-%m-%d %H:%M:%S %Z}")
        fire = timetable.next(fire)
    return fires or ["never: the calendars leave no day within five years"]


def preview_of(schedule: str, zone: str, calendars: Sequence[str] = ("", "", "")) -> list[str]:
    """What stands under a schedule while one types it: its words, the rule for two day fields, and the next three fires."""
    fires = next_fires_of(schedule, zone, calendars)
    try:
        cron = Cron(schedule, zone)
    except BadCron:
        return fires or [BY_HAND]
    return [*filter(None, (cron.words, cron.note)), *fires]
