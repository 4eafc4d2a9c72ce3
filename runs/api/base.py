"""What all API views share: who calls, what a body may be, one answer for the unknown and the invisible."""

from collections.abc import Mapping
from typing import Any

from auditlog.context import auditlog_value
from django.http import QueryDict
from rest_framework.exceptions import APIException, MethodNotAllowed, NotFound, UnsupportedMediaType, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import Job
from jobs.permissions import visible_jobs
from runs.api.body import EmptyForm, EmptyMultipart, JSONBody, LengthRequired
from runs.api.fields import StrictSerializer, dotted, shown
from runs.api.identity import IDENTITIES
from runs.catalogue import HEAVY
from runs.models import Run
from runs.visibility import visible_runs


class ApiView(APIView):  # type: ignore[misc]
    """Token or session; JSON in, JSON out."""

    authentication_classes = IDENTITIES
    permission_classes = [IsAuthenticated]
    parser_classes = [JSONBody, EmptyForm, EmptyMultipart]

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Refuse a wrong method before anything else: the answer is the same for everybody."""
        if request.method.lower() not in self.http_method_names or not hasattr(self, request.method.lower()):
            raise MethodNotAllowed(request.method)
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            # Read as empty otherwise, and the values in it would be lost without a word.
            raise LengthRequired
        _audit_as(request.user)

    def body(self, kind: type[StrictSerializer]) -> dict[str, Any]:
        """The request's body, checked; ValidationError field by field."""
        data = self.request.data
        if not isinstance(data, Mapping):
            raise ValidationError({"body": [f"Expected a JSON object, found {shown(data)}."]})
        if isinstance(data, QueryDict):
            # DRF's stand-in for no body, or a form that the check of a session's CSRF token has read already.
            if set(data) - {"csrfmiddlewaretoken"}:
                raise UnsupportedMediaType(self.request.content_type)
            data = {}
        serializer = kind(data=data)
        if not serializer.is_valid():
            raise ValidationError(dotted(serializer.errors))
        return dict(serializer.validated_data)


def _audit_as(user: Any) -> None:
    # The audit trail's middleware has looked at the session only; the owner of a token is known from here on.
    try:
        auditlog_value.get()["actor"] = user
    except LookupError:
        pass


def visible_job(user: Any, job_id: str) -> Job:
    """The job; NotFound alike for one that isn't there and one that this person doesn't see."""
    job = None if "\0" in job_id else visible_jobs(user).filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job


def visible_run(user: Any, run_id: str, *, light: bool = False) -> Run:
    """The run; NotFound alike for one that isn't there and one that this person doesn't see. `light`: without its JSON."""
    runs = visible_runs(user).select_related("parent", "replay_of")
    if light:
        runs = runs.defer(*HEAVY, *(f"{name}__{heavy}" for name in ("parent", "replay_of") for heavy in HEAVY))
    run = None if "\0" in run_id else runs.filter(run_id=run_id).first()
    if run is None:
        raise NotFound
    return run


class Conflict(APIException):  # type: ignore[misc]
    """The state of things doesn't allow it now."""

    status_code = 409
    default_code = "conflict"


def in_flight(error: Exception, run: Run) -> Response:
    """409, naming the run in flight."""
    return Response({"detail": str(error), "run_id": run.run_id}, status=409)
