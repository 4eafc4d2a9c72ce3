"""Filters of the lists."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from runs.models import Fire, Run
from runs.states import Outcome, RunState

ANYBODY = "user"


class RunFilter(filters.FilterSet):  # type: ignore[misc]
    """`?job=&state=&state=&triggered_by=&created_after=&created_before=`; times as ISO 8601."""

    job = filters.CharFilter(field_name="job_id", max_length=100)
    state = filters.MultipleChoiceFilter(choices=RunState.choices, distinct=False)
    triggered_by = filters.CharFilter(
        method="by_trigger", max_length=160, help_text="cron, api, cli, user:<name>, or user for anybody."
    )
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Run
        fields: list[str] = []

    def by_trigger(self, runs: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        """An exact trigger, or every person."""
        if value == ANYBODY:
            return runs.filter(triggered_by__startswith=f"{ANYBODY}:")
        return runs.filter(triggered_by=value)


class FireFilter(filters.FilterSet):  # type: ignore[misc]
    """`?job=&preset=&outcome=&outcome=&open=true&scheduled_after=&scheduled_before=`; times as ISO 8601."""

    job = filters.CharFilter(field_name="job_id", max_length=100)
    preset = filters.CharFilter(max_length=100)
    outcome = filters.MultipleChoiceFilter(choices=Outcome.choices, distinct=False)
    open = filters.BooleanFilter(method="by_open", help_text="Missed, and neither run nor dismissed yet.")
    scheduled_after = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="gte")
    scheduled_before = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="lt")

    class Meta:
        model = Fire
        fields: list[str] = []

    def by_open(self, fires: QuerySet[Fire], name: str, value: bool) -> QuerySet[Fire]:
        """Misses to settle, or everything else."""
        chosen = {"outcome": Outcome.MISSED, "settled_at": None}
        return fires.filter(**chosen) if value else fires.exclude(**chosen)
