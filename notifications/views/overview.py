"""The page of notifications: open incidents, channels, deliveries, and who is told what."""

import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from jobs.permissions import visible_jobs
from notifications import alerting
from notifications.alerting import by_reason
from notifications.channelhealth import health_of, place_of
from notifications.events import DeliveryState, Event
from notifications.incidentrows import incident_rows
from notifications.ledger import Filters, Page, Row, page_of, read_filters
from notifications.models import Channel, RoutingRule
from notifications.visibility import visible_incidents
from runs.bulk import allowed_jobs

DELIVERIES_ON_A_PAGE = 50
INCIDENTS_SHOWN = 50
JOBS_ON_A_PAGE = 50
# An event of a test is told to one channel by hand, and no delivery.
EVENTS = [choice for choice in Event.choices if choice[0] != Event.TEST]


@login_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """What is wrong now, what was told to whom, and who is told what."""
    user, now = request.user, timezone.now()
    filters = read_filters(request.GET)
    before = _number(request.GET.get("before", ""))
    page = page_of(user, filters, DELIVERIES_ON_A_PAGE, before=before)
    rows = rows_of(user, page)
    open_incidents = visible_incidents(user).filter(closed_at=None)
    context: dict[str, Any] = {
        "section": "notifications",
        "incidents": incident_rows(user, open_incidents, INCIDENTS_SHOWN, now),
        "incident_count": open_incidents.count(),
        **_channels(user, now),
        "filters": filters,
        "gone": filters.channel and not Channel.objects.filter(name=filters.channel).exists(),
        "page": page,
        "rows": rows,
        "states": DeliveryState.choices,
        "events": EVENTS,
        "addresses": _addresses(filters, page, paged=before is not None),
        **_told(request),
        "live": 3 if any(row.is_open for row in rows) else 15,
    }
    return render(request, "notifications/overview.html", context, status=400 if filters.faults else 200)


def rows_of(user: Any, page: Page) -> list[Row]:
    """A row for each delivery of the page."""
    may = allowed_jobs(user, "run_job", [delivery.alert.job_id for delivery in page.deliveries])
    return [Row(delivery, may(delivery.alert.job_id)) for delivery in page.deliveries]


def _channels(user: Any, now: datetime.datetime) -> dict[str, Any]:
    """The channels and rules, for whoever sees a job, or may look at them in the configuration."""
    if not (visible_jobs(user).exists() or user.has_perm("notifications.view_channel")):
        return {"channels": [], "rules": []}
    channels = list(Channel.objects.select_related("fallback").defer("secrets", "fallback__secrets").order_by("name"))
    return {
        "channels": [(channel, place_of(channel), health_of(channel, now)) for channel in channels],
        "rules": RoutingRule.objects.select_related("channel").defer("channel__secrets"),
    }


def _told(request: HttpRequest) -> dict[str, Any]:
    """Which jobs tell whom, some at a time, and which tell nobody."""
    found = alerting.overview(visible_jobs(request.user))
    after = request.GET.get("after", "")
    rest = [job for job in found.alerting if job.job_id > after]
    return {
        "alerting": rest[:JOBS_ON_A_PAGE],
        "alerting_count": len(found.alerting),
        "after": after,
        "last": rest[JOBS_ON_A_PAGE - 1].job_id if len(rest) > JOBS_ON_A_PAGE else "",
        "silent": by_reason(found.silent),
        "silent_count": len(found.silent),
    }


def _addresses(filters: Filters, page: Page, *, paged: bool) -> dict[str, str]:
    """Of the pages beside this one; empty where there is none."""
    return {
        "newest": f"?{filters.query()}#deliveries" if paged else "",
        "older": f"?{filters.query(before=page.older)}#deliveries" if page.older else "",
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
