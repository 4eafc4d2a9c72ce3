"""What a page's address names, as far as the person sees it; 404 otherwise, so that the hidden and the absent look alike."""

from typing import Any

from django.http import Http404

from jobs.models import Job
from jobs.permissions import visible_jobs
from runs.models import Run
from runs.visibility import visible_runs


def job_or_404(user: Any, job_id: str) -> Job:
    """The job."""
    job = None if "\0" in job_id else visible_jobs(user).filter(pk=job_id).first()
    if job is None:
        raise Http404("There is no such job.")
    return job


def run_or_404(user: Any, run_id: str) -> Run:
    """The run, whole."""
    run = None if "\0" in run_id else visible_runs(user).filter(run_id=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    return run
