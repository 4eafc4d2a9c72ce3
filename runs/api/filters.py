"""Filters of the lists."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from runs.models import Run
from runs.states import RunState

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
