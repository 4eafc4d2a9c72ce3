"""`POST /admin/jobs/<id>/run`: an outside scheduler or a pipeline starts a job."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from jobs.parameters import Overrides
from jobs.permissions import may_run
from runs.api.base import ApiView, in_flight, visible_job
from runs.api.serializers import TriggerBody, TriggeredSerializer
from runs.models import Run
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run

KEY = "Idempotency-Key"
LONGEST_KEY = 200


class TriggerView(ApiView):
    """Starts a run and answers at once; follow it under `url` or `log_url`."""

    @extend_schema(
        request=TriggerBody,
        parameters=[
            OpenApiParameter(
                KEY,
                str,
                OpenApiParameter.HEADER,
                description="Any text of yours; repeating it for the same job returns the first run.",
            )
        ],
        responses={
            202: TriggeredSerializer,
            400: OpenApiResponse(description="Messages by field."),
            403: OpenApiResponse(description="The job is visible to the caller, who may not run it."),
            404: OpenApiResponse(description="There is no such job, or the caller doesn't see it."),
            409: OpenApiResponse(description="A run is in flight; `run_id` names it."),
        },
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Start a run of the job."""
        job = visible_job(request.user, job_id)
        if not may_run(request.user, job):
            raise PermissionDenied(f"You may see job {job.pk!r}, and not run it.")
        given = self.body(TriggerBody)
        preset = given.pop("preset", "")
        key = _scoped_key(request, job)
        return start(request.user, job, overrides=Overrides(**given), preset=preset, idempotency_key=key)


def start(user: Any, job: Job, **values: Any) -> Response:
    """Trigger as the API does: 202 with the run, 409 while one is in flight, 400 for values that can't be used."""
    try:
        run: Run = trigger_run(job, triggered_by="api", requested_by=user.get_username(), user=user, **values)
    except RunInFlight as error:
        return in_flight(error, error.run)
    except InvalidTrigger as error:
        raise ValidationError(error.errors) from error
    return Response(TriggeredSerializer(run).data, status=202)


def _scoped_key(request: Request, job: Job) -> str | None:
    """The caller's key with caller and job in front, so that nobody meets another one's run by it."""
    key = request.headers.get(KEY)
    if key is None:
        return None
    if not key.isascii() or not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
        raise ValidationError({KEY: [f"Expected 1 to {LONGEST_KEY} printable ASCII characters."]})
    return f"{request.user.pk}:{job.pk}:{key}"
