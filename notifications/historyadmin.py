"""Alerts, deliveries and incidents in the admin: history is read here, never edited; what can be done are verbs."""

import datetime
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from notifications import delivery as deliveries
from notifications import incidents
from notifications.ledger import why_not_again
from notifications.models import Alert, Delivery, Incident
from notifications.visibility import visible_alerts, visible_deliveries, visible_incidents
from runs.admin import HistoryOfJobs
from runs.bulk import allowed_jobs
from runs.catalogue import HEAVY


def _run_link(run: Any) -> str:
    return format_html('<a href="{}">{}</a>', run.get_absolute_url(), run.run_id) if run else "–"


def _job_link(job_id: str) -> str:
    return format_html('<a href="{}">{}</a>', reverse("runs:job", args=[job_id]), job_id)


class AlertAdmin(HistoryOfJobs):
    """What happened that somebody wanted told, and what came of it."""

    list_display_links = ["id"]
    list_display = ["id", "created_at", "event", "job_link", "run_link", "settled_at", "outcome"]
    list_filter = ["event"]
    search_fields = ["job__id__exact"]
    list_select_related = ["run"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        """Of the jobs that this user sees, without the bulky JSON of their runs."""
        return visible_alerts(request.user).defer(*(f"run__{name}" for name in HEAVY)).order_by("-pk")

    @admin.display(description="job")
    def job_link(self, alert: Alert) -> str:
        """The job's page."""
        return _job_link(alert.job_id)

    @admin.display(description="run")
    def run_link(self, alert: Alert) -> str:
        """The run's page."""
        return _run_link(alert.run)


class DeliveryAdmin(HistoryOfJobs):
    """Each message to one recipient, with Resend as the only verb."""

    list_display_links = ["id"]
    list_display = ["id", "created_at", "job_link", "event", "channel_name", "recipient", "state", "attempts", "answer"]
    list_filter = ["state", "channel"]
    search_fields = ["alert__job__id__exact"]
    list_select_related = ["alert"]
    actions = ["resend"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Of the jobs that this user sees."""
        return visible_deliveries(request.user).defer("alert__facts", "alert__wanted").order_by("-pk")

    @admin.display(description="job")
    def job_link(self, delivery: Delivery) -> str:
        """The job's page."""
        return _job_link(delivery.alert.job_id)

    @admin.display(description="event")
    def event(self, delivery: Delivery) -> str:
        """What happened."""
        return delivery.alert.get_event_display()

    @admin.action(description="Resend")
    def resend(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        """Send each that has ended once more."""
        found = list(chosen.select_related("alert"))
        may = allowed_jobs(request.user, "run_job", [delivery.alert.job_id for delivery in found])
        ended = [each for each in found if may(each.alert.job_id) and not why_not_again(each)]
        for delivery in ended:
            deliveries.resend(delivery, by=request.user.get_username())
        level = messages.SUCCESS if len(ended) == len(found) else messages.WARNING
        self.message_user(request, f"Sending {len(ended)} of {len(found)} again.", level)


class IncidentAdmin(HistoryOfJobs):
    """Jobs that failed, each until it succeeded or somebody closed it."""

    list_display = [
        "id",
        "job_link",
        "opened_at",
        "failures",
        "run_link",
        "reason",
        "told",
        "acknowledged_by",
        "closed_at",
    ]
    list_filter = [("closed_at", admin.EmptyFieldListFilter)]
    search_fields = ["job__id__exact"]
    list_select_related = ["last_run"]
    actions = ["acknowledge", "snooze", "close"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        """Of the jobs that this user sees, without the bulky JSON of their runs."""
        return visible_incidents(request.user).defer(*(f"last_run__{name}" for name in HEAVY)).order_by("-pk")

    @admin.display(description="job")
    def job_link(self, incident: Incident) -> str:
        """The job's page."""
        return _job_link(incident.job_id)

    @admin.display(description="last run")
    def run_link(self, incident: Incident) -> str:
        """The last run's page."""
        return _run_link(incident.last_run)

    @admin.action(description="Acknowledge")
    def acknowledge(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        """Take each on."""
        self._act(request, chosen, "acknowledged", incidents.acknowledge)

    @admin.action(description="Snooze for 1 h")
    def snooze(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        """Put each off."""
        until = timezone.now() + datetime.timedelta(hours=1)
        self._act(request, chosen, "snoozed", incidents.snooze, until=until)

    @admin.action(description="Close")
    def close(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        """Say that each is over."""
        self._act(request, chosen, "closed", incidents.close)

    def _act(
        self, request: HttpRequest, chosen: QuerySet[Incident], done: str, verb: Callable[..., bool], **values: Any
    ) -> None:
        found = list(chosen)
        may = allowed_jobs(request.user, "run_job", [incident.job_id for incident in found])
        by = request.user.get_username()
        count = sum(may(incident.job_id) and verb(incident, by=by, **values) for incident in found)
        level = messages.SUCCESS if count == len(found) else messages.WARNING
        self.message_user(request, f"{count} of {len(found)} {done}.", level)


def register() -> None:
    """Let the admin show them."""
    for model, shown in ((Alert, AlertAdmin), (Delivery, DeliveryAdmin), (Incident, IncidentAdmin)):
        admin.site.register(model, shown)
