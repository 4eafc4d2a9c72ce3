"""The page of notifications."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.permissions import visible_jobs
from notifications.alerting import alerting_jobs, silent_jobs


@login_required
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Which jobs alert whom, and which alert nobody."""
    jobs = visible_jobs(request.user)
    context = {"section": "notifications", "alerting": alerting_jobs(jobs), "silent": silent_jobs(jobs)}
    return render(request, "notifications/overview.html", context)
