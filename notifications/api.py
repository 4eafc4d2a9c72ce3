"""`/api/v1/deliveries/` and `/api/v1/incidents/`: what was told to whom, what fails, and what can be done about it."""

import datetime
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import delivery as deliveries
from notifications import incidents
from notifications.events import DeliveryState, Event
from notifications.ledger import why_not_again
from notifications.models import Delivery, Incident
from notifications.visibility import may_act_on, visible_deliveries, visible_incidents
from runs.api.base import ApiView, Conflict
from runs.api.fields import StrictSerializer
from runs.api.serializers import absolute
from runs.catalogue import HEAVY

LONGEST_SNOOZE = 30 * 24 * 60


class AttemptSerializer(serializers.Serializer):  # type: ignore[misc]
    """One attempt to deliver, and what the other side answered."""

    at = serializers.DateTimeField()
    answer = serializers.CharField()


class DeliverySerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A message for one recipient. The `uid` is the same in every attempt, and in the message itself."""

    event = serializers.ChoiceField(source="alert.event", choices=Event.choices)
    job_id = serializers.CharField(source="alert.job_id")
    run_id = serializers.CharField(source="alert.run.run_id", default=None, allow_null=True)
    channel = serializers.CharField(source="channel_name")
    fallback_of = serializers.IntegerField(source="fallback_of_id", allow_null=True)
    resend_of = serializers.IntegerField(source="resend_of_id", allow_null=True)
    url = serializers.SerializerMethodField(help_text="The run's page; null where the event has no run.")

    class Meta:
        model = Delivery
        fields = [
            "id",
            "uid",
            "event",
            "job_id",
            "run_id",
            "channel",
            "recipient",
            "state",
            "attempts",
            "created_at",
            "due_at",
            "ended_at",
            "answer",
            "fallback_of",
            "resend_of",
            "requested_by",
            "url",
        ]

    def get_url(self, delivery: Delivery) -> str | None:
        """The run's page."""
        run = delivery.alert.run
        return absolute("runs:run", run.run_id) if run else None


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its attempts, the first one first; of very many only the last ones."""

    history = AttemptSerializer(many=True)

    class Meta:
        model = Delivery
        fields = [*DeliverySerializer.Meta.fields, "history"]


class IncidentSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A job that fails, from its first failure until it succeeds or somebody closes it. `told`: how many failures were told."""

    last_run_id = serializers.CharField(source="last_run.run_id", default=None, allow_null=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Incident
        fields = [
            "id",
            "job_id",
            "opened_at",
            "failures",
            "last_failed_at",
            "last_run_id",
            "reason",
            "told",
            "told_at",
            "acknowledged_at",
            "acknowledged_by",
            "snoozed_until",
            "snoozed_by",
            "closed_at",
            "closed_by",
            "url",
        ]

    def get_url(self, incident: Incident) -> str:
        """The place on the page of notifications, where open ones stand."""
        return f"{absolute('notifications:overview')}#incident-{incident.pk}"


class SnoozeBody(StrictSerializer):
    """For how long."""

    minutes = serializers.IntegerField(min_value=1, max_value=LONGEST_SNOOZE, required=False, default=60)


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]
    """`?job=&run=&event=&state=&state=&channel=&recipient=&created_after=&created_before=`; times as ISO 8601."""

    job = filters.CharFilter(field_name="alert__job_id", max_length=100)
    run = filters.CharFilter(field_name="alert__run__run_id", max_length=20)
    event = filters.MultipleChoiceFilter(field_name="alert__event", choices=Event.choices, distinct=False)
    state = filters.MultipleChoiceFilter(choices=DeliveryState.choices, distinct=False)
    channel = filters.CharFilter(field_name="channel_name", max_length=100)
    recipient = filters.CharFilter(max_length=320)
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Delivery
        fields: list[str] = []


class IncidentFilter(filters.FilterSet):  # type: ignore[misc]
    """`?job=&open=true&opened_after=&opened_before=`; times as ISO 8601."""

    job = filters.CharFilter(field_name="job_id", max_length=100)
    open = filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull", help_text="Neither over nor closed yet.")
    opened_after = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")
    opened_before = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="lt")

    class Meta:
        model = Incident
        fields: list[str] = []


def _deliveries(user: Any) -> QuerySet[Delivery]:
    heavy = ("alert__facts", "alert__wanted", *(f"alert__run__{name}" for name in HEAVY))
    return visible_deliveries(user).select_related("alert__run").defer(*heavy)


def _incidents(user: Any) -> QuerySet[Incident]:
    return visible_incidents(user).select_related("last_run").defer(*(f"last_run__{name}" for name in HEAVY))


def visible_delivery(user: Any, pk: int) -> Delivery:
    """The delivery; NotFound alike for one that isn't there and one that this person doesn't see."""
    delivery = _deliveries(user).filter(pk=pk).first()
    if delivery is None:
        raise NotFound
    return delivery


def visible_incident(user: Any, pk: int) -> Incident:
    """The incident; NotFound alike for one that isn't there and one that this person doesn't see."""
    incident = _incidents(user).filter(pk=pk).first()
    if incident is None:
        raise NotFound
    return incident


class DeliveryList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """What was told to whom about the jobs that the caller sees, newest first."""

    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter

    def get_queryset(self) -> Any:
        """Without the attempts."""
        return _deliveries(self.request.user).defer("history")


class DeliveryDetail(ApiView):
    """One delivery."""

    @extend_schema(responses=DeliveryDetailSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The delivery with its attempts."""
        return Response(DeliveryDetailSerializer(visible_delivery(request.user, pk)).data)


class DeliveryResend(ApiView):
    """Sends a message once more."""

    @extend_schema(
        request=None,
        responses={
            202: DeliverySerializer,
            403: OpenApiResponse(description="The job is visible to the caller, who may not run it."),
            409: OpenApiResponse(description="It's still being sent, or its channel is gone."),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        """Write a new delivery, which is sent within seconds."""
        delivery = visible_delivery(request.user, pk)
        _check_may_act(request, delivery.alert.job_id)
        if why := why_not_again(delivery):
            raise Conflict(f"Not sent again: {why}.")
        again = deliveries.resend(delivery, by=request.user.get_username())
        return Response(DeliverySerializer(visible_delivery(request.user, again.pk)).data, status=202)


class IncidentList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """The incidents of the jobs that the caller sees, newest first."""

    serializer_class = IncidentSerializer
    filterset_class = IncidentFilter

    def get_queryset(self) -> Any:
        """With their last run."""
        return _incidents(self.request.user)


class IncidentDetail(ApiView):
    """One incident."""

    @extend_schema(responses=IncidentSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The incident."""
        return Response(IncidentSerializer(visible_incident(request.user, pk)).data)


class _Act(ApiView):
    def act(self, request: Request, pk: int, verb: Callable[..., bool], **values: Any) -> Response:
        """Let the verb act on the incident, and show it as it is then; Conflict for a closed one."""
        incident = visible_incident(request.user, pk)
        _check_may_act(request, incident.job_id)
        if not verb(incident, by=request.user.get_username(), **values):
            raise Conflict(f"Incident {pk} is closed.")
        return Response(IncidentSerializer(visible_incident(request.user, pk)).data)


ACTED = {
    200: IncidentSerializer,
    403: OpenApiResponse(description="The job is visible to the caller, who may not run it."),
    409: OpenApiResponse(description="The incident is closed."),
}


class IncidentAcknowledge(_Act):
    """Takes an incident on: it's silent until the job succeeds."""

    @extend_schema(request=None, responses=ACTED)
    def post(self, request: Request, pk: int) -> Response:
        """Acknowledge it."""
        return self.act(request, pk, incidents.acknowledge)


class IncidentSnooze(_Act):
    """Puts an incident off: it's silent for some time."""

    @extend_schema(request=SnoozeBody, responses=ACTED)
    def post(self, request: Request, pk: int) -> Response:
        """Snooze it for so many minutes, 60 where none are given."""
        until = timezone.now() + datetime.timedelta(minutes=self.body(SnoozeBody)["minutes"])
        return self.act(request, pk, incidents.snooze, until=until)


class IncidentClose(_Act):
    """Closes an incident: the next failure opens another."""

    @extend_schema(request=None, responses=ACTED)
    def post(self, request: Request, pk: int) -> Response:
        """Close it."""
        return self.act(request, pk, incidents.close)


def _check_may_act(request: Request, job_id: str) -> None:
    if not may_act_on(request.user, job_id):
        raise PermissionDenied(f"You may see job {job_id!r}, and not run it.")


urlpatterns = [
    path("deliveries/", DeliveryList.as_view(), name="api-deliveries"),
    path("deliveries/<int:pk>/", DeliveryDetail.as_view(), name="api-delivery"),
    path("deliveries/<int:pk>/resend/", DeliveryResend.as_view(), name="api-delivery-resend"),
    path("incidents/", IncidentList.as_view(), name="api-incidents"),
    path("incidents/<int:pk>/", IncidentDetail.as_view(), name="api-incident"),
    path("incidents/<int:pk>/acknowledge/", IncidentAcknowledge.as_view(), name="api-incident-acknowledge"),
    path("incidents/<int:pk>/snooze/", IncidentSnooze.as_view(), name="api-incident-snooze"),
    path("incidents/<int:pk>/close/", IncidentClose.as_view(), name="api-incident-close"),
]
