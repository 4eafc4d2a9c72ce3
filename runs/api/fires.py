"""The ledger of fires, and what can be done about missed ones."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from nomaflow_site.lib.paging import NewestFirst
from runs.api.base import ApiView
from runs.api.filters import FireFilter
from runs.api.serializers import FireSerializer, SettleBody, SettledSerializer
from runs.catalogue import HEAVY
from runs.catchup import dismiss, run_missed
from runs.models import Fire
from runs.visibility import runnable_fires, visible_fires


class FireList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """Every scheduled moment of the jobs that the caller sees, and what became of it; the newest first."""

    serializer_class = FireSerializer
    filterset_class = FireFilter

    class pagination_class(NewestFirst):
        """By the time they were scheduled for."""

        ordering = ("-scheduled_at", "-pk")  # type: ignore[assignment]

    def get_queryset(self) -> Any:
        """Without the runs' JSON."""
        return visible_fires(self.request.user).select_related("run").defer(*(f"run__{name}" for name in HEAVY))


class _Settle(ApiView):
    def chosen(self, request: Request) -> QuerySet[Fire]:
        """The fires that the body names."""
        body = self.body(SettleBody)
        fires = runnable_fires(request.user)
        return fires if body["all"] else fires.filter(pk__in=body["fires"])

    @staticmethod
    def answer(settled: int) -> Response:
        """How many there were."""
        return Response(SettledSerializer({"settled": settled}).data)


class FiresRun(_Settle):
    """Runs missed fires, a few at a time."""

    @extend_schema(request=SettleBody, responses=SettledSerializer)
    def post(self, request: Request) -> Response:
        """Let them be caught up."""
        return self.answer(run_missed(self.chosen(request), by=f"user:{request.user.get_username()}"))


class FiresDismiss(_Settle):
    """Takes missed fires off the list; the ledger keeps them."""

    @extend_schema(request=SettleBody, responses=SettledSerializer)
    def post(self, request: Request) -> Response:
        """Dismiss them."""
        return self.answer(dismiss(self.chosen(request), by=f"user:{request.user.get_username()}"))
