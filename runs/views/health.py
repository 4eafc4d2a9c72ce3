"""Answers for monitors: no login, and nothing in them but words and ages."""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from runs.health import health


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
def scheduler(request: HttpRequest) -> JsonResponse:
    """Whether schedules fire: 200 for active and standby, 503 for error."""
    try:
        found = health()
    except DatabaseError:
        return JsonResponse({"status": "error", "detail": "The database can't be reached."}, status=503)
    body = {
        "status": found.scheduler,
        "scheduler_seen_seconds_ago": found.scheduler_age,
        "worker_seen_seconds_ago": found.worker_age,
    }
    return JsonResponse(body, status=503 if found.scheduler == "error" else 200)
