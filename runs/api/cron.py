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

from jobs.cron import BadCron, Cron, zone_of
from jobs.permissions import visible_jobs
from runs.api.base import ApiView
from runs.upcoming import expected_fires

MOST_FIRES = 50
MOST_UPCOMING = 5000


class CronQuery(serializers.Serializer):  # type: ignore[misc]
    """The query string."""

    schedule = serializers.CharField(max_length=200)
    timezone = serializers.CharField(max_length=64, default="UTC")
    after = serializers.DateTimeField(required=False, help_text="Now when left out.")
    count = serializers.IntegerField(default=3, min_value=1, max_value=MOST_FIRES)


class CronFires(serializers.Serializer):  # type: ignore[misc]
    """The answer; times with the zone's offset."""

    schedule = serializers.CharField()
    timezone = serializers.CharField()
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
        fires = _fires(cron, zone, wanted.get("after") or timezone.now(), wanted["count"])
        return Response({"schedule": wanted["schedule"], "timezone": wanted["timezone"], "fires": fires})


def _checked(field: str, make: Any, *args: str) -> Any:
    try:
        return make(*args)
    except BadCron as error:
        raise ValidationError({field: [str(error)]}) from error


def _fires(cron: Cron, zone: ZoneInfo, after: datetime.datetime, count: int) -> list[str]:
    fires: list[str] = []
    try:
        while len(fires) < count:
            after = cron.next(after)
            fires.append(after.astimezone(zone).isoformat())
    except (OverflowError, StopIteration):
        # The calendar ends with the year 9999; what fires before it has been found.
        pass
    return fires


class ScheduleQuery(serializers.Serializer):  # type: ignore[misc]
    """The query string."""

    hours = serializers.IntegerField(default=24, min_value=1, max_value=7 * 24)
    limit = serializers.IntegerField(default=500, min_value=1, max_value=MOST_UPCOMING)


class ExpectedSerializer(serializers.Serializer):  # type: ignore[misc]
    """One fire to come."""

    scheduled_at = serializers.DateTimeField()
    job_id = serializers.CharField()
    preset = serializers.CharField(help_text="Empty for the job's own schedule.")


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
        """The fires of the jobs that the caller sees, earliest first."""
        query = ScheduleQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(query.errors)
        limit, start = query.validated_data["limit"], timezone.now()
        end = start + datetime.timedelta(hours=query.validated_data["hours"])
        fires = expected_fires(visible_jobs(request.user), start, end, limit + 1)
        answer = {"start": start, "end": end, "cut": len(fires) > limit, "fires": fires[:limit]}
        return Response(ScheduleSerializer(answer).data)
