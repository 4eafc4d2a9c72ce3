"""The alerts of one run, on its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notifications.ledger import Row, with_parts
from notifications.models import Alert, Delivery
from notifications.visibility import may_act_on
from runs.models import Run
from runs.sections import Section

# A run has few: one for its end, one for its length, some of its guards.
MOST_ALERTS = 30
MOST_DELIVERIES = 200


@dataclass(frozen=True)
class Told:
    """An alert and what became of it."""

    alert: Alert
    rows: list[Row]

    @property
    def is_open(self) -> bool:
        """Whether something about it is still to come."""
        return self.alert.settled_at is None or any(row.is_open for row in self.rows)


def alerts_of(user: Any, run: Run) -> Mapping[str, Any] | None:
    """What the run's alerts section shows; nothing without alerts."""
    alerts = list(Alert.objects.filter(run=run).order_by("pk")[:MOST_ALERTS])
    if not alerts:
        return None
    may = may_act_on(user, run.job_id)
    by_alert: dict[int, list[Row]] = {}
    found = with_parts(Delivery.objects.filter(alert__in=alerts)).order_by("pk")[:MOST_DELIVERIES]
    for delivery in found:
        by_alert.setdefault(delivery.alert_id, []).append(Row(delivery, may))
    told = [Told(alert, by_alert.get(alert.pk, [])) for alert in alerts]
    return {"told": told, "is_open": any(each.is_open for each in told), "back": run.get_absolute_url()}


SECTION = Section("notifications/_run_section.html", alerts_of)
