"""Open incidents as the page shows them, with who was told when."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, QuerySet

from notifications.events import DeliveryState
from notifications.models import Delivery, Incident
from runs.bulk import allowed_jobs
from runs.catalogue import HEAVY


@dataclass(frozen=True)
class Told:
    """One recipient of an incident's messages: how many were sent, the last of them when."""

    whom: str
    times: int
    last: datetime.datetime


@dataclass(frozen=True)
class IncidentRow:
    """An open incident."""

    incident: Incident
    told: Sequence[Told]
    may_act: bool
    is_snoozed: bool

    @property
    def quiet(self) -> bool:
        """Whether somebody has taken it on, or put it off."""
        return bool(self.incident.acknowledged_at) or self.is_snoozed


def incident_rows(user: Any, incidents: QuerySet[Incident], most: int, now: datetime.datetime) -> list[IncidentRow]:
    """The newest of the incidents, first those that nobody has taken on."""
    newest = incidents.select_related("last_run").defer(*(f"last_run__{name}" for name in HEAVY)).order_by("-pk")
    found = list(newest[:most])
    told = _told_of(found)
    may = allowed_jobs(user, "run_job", [incident.job_id for incident in found])
    rows = [
        IncidentRow(
            incident,
            told.get(incident.pk, []),
            may_act=may(incident.job_id),
            is_snoozed=bool(incident.snoozed_until and incident.snoozed_until > now),
        )
        for incident in found
    ]
    return sorted(rows, key=lambda row: row.quiet)


def _told_of(incidents: Sequence[Incident]) -> dict[int, list[Told]]:
    """By incident who got its messages; one query."""
    rows = Delivery.objects.filter(alert__incident__in=incidents).order_by()
    # By state as well, and chosen here: asked for SENT, a database may begin with all that ever was.
    grouped = rows.values_list("alert__incident_id", "recipient", "channel_name", "state")
    found: dict[int, list[Told]] = {}
    for pk, recipient, channel, state, times, last in grouped.annotate(Count("pk"), last=Max("ended_at")):
        if state == DeliveryState.SENT:
            found.setdefault(pk, []).append(Told(recipient or channel, times, last))
    return found
