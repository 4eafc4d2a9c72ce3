"""The jobs that a command line names."""

from collections.abc import Sequence

from django.core.management.base import CommandError

from jobs.models import Job


def named_jobs(names: Sequence[str]) -> list[Job]:
    """The jobs with these ids, or all of them when none is named. CommandError (exit 2) for an unknown one."""
    jobs = Job.objects.prefetch_related("steps", "presets")
    found = list(jobs.filter(pk__in=names) if names else jobs)
    if unknown := sorted(set(names) - {job.id for job in found}):
        raise CommandError(
            f"No such job: {', '.join(unknown)}. `manage.py listjobs` lists the jobs.",
            returncode=2,
        )
    return found
