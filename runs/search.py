"""One page of the list of runs, however rare what the filters leave is among a million.

Newest first, paged by primary key. A database that expects fifty matches soon reads the table from its end; where the jobs
asked for ran long ago it would read all of it. So the newest runs are looked through first, and then each job's own runs,
which an index holds in order.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from jobs.models import Job
from jobs.permissions import visible_jobs
from runs.catalogue import HEAVY
from runs.history import CLOCKS_APART, Filters, mentions, stored_pieces
from runs.models import Run
from runs.visibility import sees_all_runs

NEAR = 20_000
# How many runs a search in parameters reads for one page, and how many of those that may match are looked at closely.
LOOK_BACK = 10_000
MOST_CANDIDATES = 500
# Among the runs of several jobs it goes at most so far for them.
FARTHEST = 50_000


@dataclass(frozen=True)
class Page:
    """Runs, newest first. `older` and `newer`: what to ask `before` and `after` for the pages beside it; None at an end.

    `searched_to`: when the oldest run was created that a search in parameters came to; None where it came to the end.
    """

    runs: Sequence[Run]
    older: int | None = None
    newer: int | None = None
    searched_to: datetime.datetime | None = None


@dataclass(frozen=True)
class Scope:
    """Runs to choose from: with primary keys under `top`, and of `jobs`, unless these are None.

    `rare`: the other filters leave so few that an index of theirs is the shorter way.
    """

    runs: QuerySet[Run]
    jobs: Sequence[str] | None = None
    rare: bool = False
    top: int | None = None

    def under(self, pk: int | None) -> "Scope":
        """Those older than it as well; no bound for None."""
        lower = pk is not None and (self.top is None or pk < self.top)
        return replace(self, top=pk) if lower else self

    @property
    def by_job(self) -> bool:
        """Whether going job by job beats one query."""
        return self.jobs is not None and not self.rare and connection.vendor == "postgresql"

    @property
    def start(self) -> int:
        """Where a look back begins: under this key."""
        return self.top or (Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1

    def all(self) -> QuerySet[Run]:
        """As a plain query, newest first."""
        runs = self._bounded()
        return (runs if self.jobs is None else runs.filter(job__in=self.jobs)).order_by("-pk")

    def newest(self, most: int) -> list[Run]:
        """The newest of them."""
        return self._first(most, "-pk", Q(pk__gte=self.start - NEAR) if self.by_job else Q())

    def oldest_after(self, pk: int, most: int) -> list[Run]:
        """The oldest that are newer than that one, oldest first."""
        newer = replace(self, runs=self.runs.filter(pk__gt=pk))
        return newer._first(most, "pk", Q(pk__lte=pk + NEAR))

    def _first(self, most: int, order: str, near: Q) -> list[Run]:
        if not self.by_job:
            return list(self.all().defer(*HEAVY).order_by(order)[:most])
        found = list(self.all().filter(near).defer(*HEAVY).order_by(order)[:most])
        return found if len(found) == most else self._job_by_job(most, order)

    def _job_by_job(self, most: int, order: str) -> list[Run]:
        each = self._bounded().filter(job=OuterRef("pk")).order_by(order).values("pk")[:most]
        lists = Job.objects.filter(pk__in=self.jobs or ()).values_list(ArraySubquery(each), flat=True)
        pks = sorted((pk for pks in lists for pk in pks), reverse=order == "-pk")[:most]
        return list(Run.objects.filter(pk__in=pks).defer(*HEAVY).order_by(order))

    def _bounded(self) -> QuerySet[Run]:
        return self.runs if self.top is None else self.runs.filter(pk__lt=self.top)


def page_of(user: Any, filters: Filters, size: int, *, before: int | None = None, after: int | None = None) -> Page:
    """The newest runs that the person sees and the filters leave: those older than `before`, or next newer than `after`."""
    scope = _scope(user, filters).under(before)
    if filters.text:
        return _with_text(scope, filters.text, size)
    if after is None:
        found = scope.newest(size + 1)
        shown = found[:size]
        older = shown[-1].pk if len(found) > size else None
        return Page(shown, older, shown[0].pk if shown and before is not None else None)
    found = scope.oldest_after(after, size + 1)
    shown = found[:size][::-1]
    return Page(shown, shown[-1].pk if shown else after + 1, shown[0].pk if len(found) > size else None)


def _scope(user: Any, filters: Filters) -> Scope:
    bottom, top = _keys(filters)
    runs = filters.applied(Run.objects.all())
    runs = runs.filter(pk__gt=bottom) if bottom else runs
    one_job = bool(filters.job) and filters.job_beginning is None
    jobs = None if sees_all_runs(user) and (one_job or not filters.job) and not filters.tag else _jobs(user, filters)
    if filters.ended_only and (jobs is not None or one_job):
        # Says nothing new, but lets the database use the index of each job's finished runs.
        runs = runs.filter(finished_at__isnull=False)
    if jobs is not None and not jobs:
        return Scope(runs.none())
    # The filters name the one job already.
    return Scope(runs, None if one_job else jobs, filters.is_rare, top)


def _jobs(user: Any, filters: Filters) -> list[str]:
    """The jobs that the person sees and that the filters mean."""
    seen = visible_jobs(user)
    if filters.job_beginning is not None:
        seen = seen.filter(pk__startswith=filters.job_beginning)
    elif filters.job:
        seen = seen.filter(pk=filters.job)
    # JSON is searched as text by one database and as a value by the other: the tags of all jobs are few, and read here.
    return [pk for pk, tags in seen.values_list("pk", "tags") if not filters.tag or filters.tag in tags]


def _keys(filters: Filters) -> tuple[int, int | None]:
    """Between which primary keys the filters' times lie, as the two grow together: pages are in the order of the keys."""
    by_time = Run.objects.order_by("created_at").values_list("pk", flat=True)
    bottom, top = None, None
    if filters.created_from:
        bottom = by_time.filter(created_at__lt=filters.created_from - CLOCKS_APART).last()
    if filters.created_before:
        top = by_time.filter(created_at__gte=filters.created_before + CLOCKS_APART).first()
    return bottom or 0, top


def _with_text(scope: Scope, text: str, size: int) -> Page:
    """Matches among the next `LOOK_BACK` runs. No index helps here, so each page reads that many and says how far it came."""
    runs = scope.all()
    bottom = 0
    if scope.jobs is not None and not scope.rare:
        bottom = max(scope.start - FARTHEST, 0)
        runs = runs.filter(pk__gte=bottom)
    floor = runs.values_list("pk", flat=True)[LOOK_BACK - 1 : LOOK_BACK].first() or bottom
    candidates = list(_may_mention(runs.filter(pk__gte=floor), text).defer("snapshot")[:MOST_CANDIDATES])
    found = [run for run in candidates if mentions(run, text)]
    if len(found) > size:
        return Page(found[:size], found[size - 1].pk)
    end = candidates[-1].pk if len(candidates) == MOST_CANDIDATES else floor
    came_to = Run.objects.filter(pk__gte=end).order_by("pk").values_list("created_at", flat=True)
    return Page(found, end or None, searched_to=came_to.first() if end else None)


def _may_mention(runs: QuerySet[Run], text: str) -> QuerySet[Run]:
    """Those with the text anywhere in their stored parameters, names and seals included."""
    runs = runs.alias(given=Cast("parameters", TextField()), fired=Cast("overrides", TextField()))
    for piece in stored_pieces(text, ascii_only=connection.vendor == "sqlite"):
        runs = runs.filter(Q(given__icontains=piece) | Q(fired__icontains=piece))
    return runs
