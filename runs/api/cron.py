"""When things fire: an expression while one types it, and everything in the next hours."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.calendars import load_days
from jobs.cron import BadCron, Cron, zone_of
from jobs.models import Job, OnExcluded
from jobs.permissions import visible_jobs
from jobs.timetable import Timetable, timetable_of
from jobs.upcoming import expected_fires
from runs.api.base import ApiView, visible_job

MOST_FIRES = 50
MOST_UPCOMING = 5000
MOST_DAYS = 31


class CronQuery(serializers.Serializer):  # type: ignore[misc]
    """The query string."""

    schedule = serializers.CharField(max_length=200)
    timezone = serializers.CharField(max_length=64, default="UTC")
    include_calendar = serializers.CharField(required=False, max_length=100, help_text="Only on days of this calendar.")
    exclude_calendar = serializers.CharField(required=False, max_length=100, help_text="Not on days of this calendar.")
    on_excluded = serializers.ChoiceField(choices=OnExcluded.choices, default=OnExcluded.SKIP)
    after = serializers.DateTimeField(required=False, help_text="Now when left out.")
    count = serializers.IntegerField(default=3, min_value=1, max_value=MOST_FIRES)


class CronFires(serializers.Serializer):  # type: ignore[misc]
    """The answer; times with the zone's offset."""

    schedule = serializers.CharField()
    timezone = serializers.CharField()
    words = serializers.CharField(help_text="The schedule in words.")
    note = serializers.CharField(help_text="The rule for two restricted day fields, where it matters; else empty.")
    fires = serializers.ListField(child=serializers.DateTimeField())


class CronPreview(ApiView):
    """The next fires of an expression in a zone."""

    @extend_schema(parameters=[CronQuery], responses=CronFires)
    def get(self, request: Request) -> Response:
        """The fires, or what's wrong with the expression or the zone."""
        query = CronQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(query.errors)
        wanted = query.validated_data
        zone = _checked("timezone", zone_of, wanted["timezone"])
        cron = _checked("schedule", Cron, wanted["schedule"], wanted["timezone"])
        timetable = _timetable(wanted)
        fires = _fires(timetable, zone, wanted.get("after") or timezone.now(), wanted["count"])
        said = {"schedule": wanted["schedule"], "timezone": wanted["timezone"], "words": cron.words, "note": cron.note}
        return Response({**said, "fires": fires})


def _checked(field: str, make: Any, *args: str) -> Any:
    try:
        return make(*args)
    except BadCron as error:
        raise ValidationError({field: [str(error)]}) from error


def _timetable(wanted: dict[str, Any]) -> Timetable:
    names = {field: wanted.get(field) for field in ("include_calendar", "exclude_calendar")}
    calendars = load_days() if any(names.values()) else {}
    faults = {
        field: [f"There is no calendar {name!r}."] for field, name in names.items() if name and name not in calendars
    }
    if faults:
        raise ValidationError(faults)
    by_id = {f"{field}_id": name for field, name in names.items()}
    job = Job(schedule=wanted["schedule"], timezone=wanted["timezone"], on_excluded=wanted["on_excluded"], **by_id)
    return timetable_of(job, calendars)


def _fires(timetable: Timetable, zone: ZoneInfo, after: datetime.datetime, count: int) -> list[str]:
    """Fewer where the calendars, or the years, end."""
    fires: list[str] = []
    fire = timetable.next(after)
    while fire is not None and len(fires) < count:
        fires.append(fire.astimezone(zone).isoformat())
        fire = timetable.next(fire)
    return fires


class ScheduleQuery(serializers.Serializer):  # type: ignore[misc]
    """The query string."""

    hours = serializers.IntegerField(default=24, min_value=1, max_value=7 * 24)
    days = serializers.IntegerField(required=False, min_value=1, max_value=MOST_DAYS, help_text="Instead of `hours`.")
    tz = serializers.CharField(default="UTC", max_length=64, help_text="The zone of the times in the answer.")
    job = serializers.CharField(required=False, max_length=100, help_text="This job only.")
    limit = serializers.IntegerField(default=500, min_value=1, max_value=MOST_UPCOMING)


class ExpectedSerializer(serializers.Serializer):  # type: ignore[misc]
    """One fire to come, or many of a dense schedule in one."""

    scheduled_at = serializers.DateTimeField()
    job_id = serializers.CharField()
    preset = serializers.CharField(help_text="Empty for the job's own schedule.")
    count = serializers.IntegerField(help_text="How many fires this stands for; 1 for most.")
    until = serializers.DateTimeField(allow_null=True, help_text="The last of them; null for a single one.")
    frozen = serializers.CharField(help_text="The freeze that holds it, in words; empty where none does.")


class ScheduleSerializer(serializers.Serializer):  # type: ignore[misc]
    """The answer; `cut` tells that there are more fires than `limit`."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField()
    fires = ExpectedSerializer(many=True)


class ScheduleView(ApiView):
    """What fires in the next hours."""

    @extend_schema(parameters=[ScheduleQuery], responses=ScheduleSerializer)
    def get(self, request: Request) -> Response:
        """The fires of the jobs that the caller sees, earliest first; those of a dense schedule as one."""
        query = ScheduleQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(query.errors)
        wanted = query.validated_data
        limit, start = wanted["limit"], timezone.now()
        hours = wanted["days"] * 24 if "days" in wanted else wanted["hours"]
        end = start + datetime.timedelta(hours=hours)
        jobs = visible_jobs(request.user)
        if "job" in wanted:
            jobs = jobs.filter(pk=visible_job(request.user, wanted["job"]).pk)
        fires = expected_fires(jobs, start, end, limit + 1)
        answer = {"start": start, "end": end, "cut": len(fires) > limit, "fires": fires[:limit]}
        with timezone.override(_checked("tz", zone_of, wanted["tz"])):
            return Response(ScheduleSerializer(answer).data)
