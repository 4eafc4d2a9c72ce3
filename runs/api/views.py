"""The API's lists and details, and what can be done to a run."""

from typing import Any

from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connector
from jobs.definition import definition_of
from jobs.models import Job
from jobs.permissions import may_run, visible_jobs
from nomaflow_site.lib.paging import ByPrimaryKey, NewestFirst
from nomaflow_site.lib.sealing import mask
from runs.api.base import ApiView, Conflict, visible_job, visible_run
from runs.api.filters import RunFilter
from runs.api.serializers import (
    ConnectorSerializer,
    JobSerializer,
    ReplayBody,
    RestoreBody,
    RunDetailSerializer,
    RunSerializer,
    StepRunSerializer,
    TriggeredSerializer,
)
from runs.api.trigger import start
from runs.catalogue import HEAVY, attach_last_runs, with_counts
from runs.control import request_cancel
from runs.models import Run, StepRun
from runs.replay import NothingFailed, replay_overrides
from runs.restore import NothingKept, restoring
from runs.visibility import job_of, may_cancel_run, visible_runs


class JobList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """The jobs that the caller sees."""

    serializer_class = JobSerializer
    pagination_class = ByPrimaryKey
    filter_backends: list[Any] = []

    def get_queryset(self) -> Any:
        """By id, with counts."""
        return with_counts(visible_jobs(self.request.user))

    def paginate_queryset(self, queryset: Any) -> Any:
        """One page, each job with its last run."""
        return attach_last_runs(super().paginate_queryset(queryset))


class JobDetail(ApiView):
    """One job."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, job_id: str) -> Response:
        """The job as in the list, and its whole definition, shaped as in TOML, secrets masked."""
        job = visible_job(request.user, job_id)
        [listed] = attach_last_runs(with_counts(visible_jobs(request.user).filter(pk=job.pk)))
        return Response({**JobSerializer(listed).data, "definition": mask(definition_of(job))})


class RunList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """The runs that the caller sees, newest first."""

    serializer_class = RunSerializer
    pagination_class = NewestFirst
    filterset_class = RunFilter

    def get_queryset(self) -> Any:
        """Without the runs' JSON."""
        runs = visible_runs(self.request.user).select_related("parent", "replay_of")
        return runs.defer(*HEAVY, *(f"{name}__{heavy}" for name in ("parent", "replay_of") for heavy in HEAVY))


class RunDetail(ApiView):
    """One run."""

    @extend_schema(responses=RunDetailSerializer)
    def get(self, request: Request, run_id: str) -> Response:
        """The run with its steps, parameters and snapshot."""
        run = visible_run(request.user, run_id)
        prefetch_related_objects([run], Prefetch("step_runs", _attempts()))
        return Response(RunDetailSerializer(run).data)


class RunSteps(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """Every attempt of every step of a run, in order."""

    serializer_class = StepRunSerializer
    filter_backends: list[Any] = []
    queryset = StepRun.objects.none()

    class pagination_class(NewestFirst):
        """In the order they began."""

        ordering = "pk"

    def get_queryset(self) -> Any:
        """The run's attempts."""
        run = visible_run(self.request.user, self.kwargs["run_id"], light=True)
        return _attempts().filter(run=run)


def _attempts() -> QuerySet[StepRun]:
    return StepRun.objects.select_related("child").defer(*(f"child__{name}" for name in HEAVY))


class RunCancel(ApiView):
    """Stops a run."""

    @extend_schema(request=None, responses={202: RunSerializer, 409: OpenApiResponse(description="The run is over.")})
    def post(self, request: Request, run_id: str) -> Response:
        """Ask for the run's end; it follows within seconds."""
        run = visible_run(request.user, run_id, light=True)
        if not may_cancel_run(request.user, run):
            raise PermissionDenied(f"You may see run {run.run_id}, and not cancel it.")
        if not request_cancel(run, f"user:{request.user.get_username()}"):
            run.refresh_from_db(fields=["state"])
            raise Conflict(f"Run {run.run_id} is over: {run.state}.")
        return Response(RunSerializer(visible_run(request.user, run_id, light=True)).data, status=202)


def runnable(request: Request, run_id: str) -> tuple[Run, Job]:
    """A run, and its job, which the caller may run."""
    run = visible_run(request.user, run_id)
    job = job_of(run)
    if job is None:
        raise Conflict(f"Job {run.job_id!r} has been deleted; there is nothing to run again.")
    if not may_run(request.user, job):
        raise PermissionDenied(f"You may see job {job.pk!r}, and not run it.")
    return run, job


class RunReplay(ApiView):
    """Runs a run's job again with the same per-fire values."""

    @extend_schema(
        request=ReplayBody,
        responses={202: TriggeredSerializer, 409: OpenApiResponse(description="In flight, nothing failed, or no job.")},
    )
    def post(self, request: Request, run_id: str) -> Response:
        """Start the replay."""
        run, job = runnable(request, run_id)
        try:
            overrides = replay_overrides(run, **self.body(ReplayBody))
        except NothingFailed as error:
            raise Conflict(str(error)) from error
        return start(request.user, job, overrides=overrides, replay_of=run)


class RunRestore(ApiView):
    """Puts back the table that a copy step of the run has replaced and kept, by a run of the job with that step alone."""

    @extend_schema(
        request=RestoreBody,
        responses={202: TriggeredSerializer, 409: OpenApiResponse(description="In flight, nothing kept, or no job.")},
    )
    def post(self, request: Request, run_id: str) -> Response:
        """Start it."""
        run, job = runnable(request, run_id)
        try:
            definition, overrides = restoring(run, self.body(RestoreBody)["step"], timezone.now())
        except NothingKept as error:
            raise Conflict(str(error)) from error
        return start(request.user, job, definition=definition, overrides=overrides, replay_of=run)


class ConnectorList(ApiView, generics.ListAPIView):  # type: ignore[misc]
    """The connectors by name, for whoever sees a job or may see connectors."""

    serializer_class = ConnectorSerializer
    pagination_class = ByPrimaryKey
    filter_backends: list[Any] = []

    def get_queryset(self) -> Any:
        """All of them or none."""
        user = self.request.user
        if user.has_perm("connectors.view_connector") or visible_jobs(user).exists():
            return Connector.objects.all()
        return Connector.objects.none()
