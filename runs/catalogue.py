"""Jobs together with what happened to them last, in a constant number of queries."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from jobs.models import Job, Step
from runs.models import Run

# What a list shows of a run: without the snapshot and the parameters, which can be large.
HEAVY = ("snapshot", "overrides", "parameters")


def with_counts(jobs: QuerySet[Job]) -> QuerySet[Any]:
    """`jobs` with `step_count` and `last_run_pk` on each."""
    steps = Step.objects.filter(job=OuterRef("pk")).order_by().values("job").annotate(n=Count("pk")).values("n")
    newest = Run.objects.filter(job=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    return jobs.annotate(
        step_count=Coalesce(Subquery(steps, output_field=IntegerField()), 0), last_run_pk=Subquery(newest)
    )


def attach_last_runs(jobs: Iterable[Any]) -> list[Any]:
    """The jobs of `with_counts`, each with `last_run`: a Run or None. One query."""
    found = list(jobs)
    runs = Run.objects.defer(*HEAVY).in_bulk([job.last_run_pk for job in found if job.last_run_pk])
    for job in found:
        job.last_run = runs.get(job.last_run_pk)
    return found


def tags_of(jobs: QuerySet[Job]) -> list[str]:
    """Every tag of the jobs, sorted."""
    return sorted({str(tag) for tags in jobs.exclude(tags=[]).values_list("tags", flat=True) for tag in tags})
