"""One page of the list of runs, however rare what the filters leave is among a million.

Newest first, paged by primary key. A database that expects fifty matches soon reads the table from its end; where the jobs
asked for ran long ago it would read all of it. So the newest runs are looked through first, and then each job's own runs,
which an index holds in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
LOOK_BACK = 20_000
MOST_CANDIDATES = 500
# Among the runs of several jobs it reads at most this much of the table.
FARTHEST = 100_000


@dataclass(frozen=True)
class Page:
    """Runs, newest first. `older` and `newer`: what to ask `before` and `after` for the pages beside it; None at an end.

    `searched_to`: the run at which a search in parameters stopped, before the end; `older` goes on from there.
    """

    runs: Sequence[Run]
    older: int | None = None
    newer: int | None = None
    searched_to: Run | None = None


@dataclass(frozen=True)
class Scope:
    """Runs to choose from; only those of `jobs` unless it's None. Its methods keep to the order of primary keys."""

    runs: QuerySet[Run]
    jobs: Sequence[str] | None

    def older_than(self, pk: int | None) -> "Scope":
        """Those before it; all for None."""
        return self if pk is None else Scope(self.runs.filter(pk__lt=pk), self.jobs)

    def first(self, most: int, *, start: int | None, upwards: bool = False) -> list[Run]:
        """The newest, or with `upwards` the oldest; `start`: where the look begins, None for the newest run."""
        order = "pk" if upwards else "-pk"
        if self.jobs is None or connection.vendor != "postgresql":
            return list(self.all().defer(*HEAVY).order_by(order)[:most])
        near = self.all().filter(**_near(start, upwards)).defer(*HEAVY).order_by(order)
        found = list(near[:most])
        return found if len(found) == most else self._job_by_job(most, order)

    def all(self) -> QuerySet[Run]:
        """As a plain query."""
        return self.runs if self.jobs is None else self.runs.filter(job__in=self.jobs)

    def _job_by_job(self, most: int, order: str) -> list[Run]:
        each = self.runs.filter(job=OuterRef("pk")).order_by(order).values("pk")[:most]
        lists = Job.objects.filter(pk__in=self.jobs or ()).values_list(ArraySubquery(each), flat=True)
        pks = sorted((pk for pks in lists for pk in pks), reverse=order == "-pk")[:most]
        return list(Run.objects.filter(pk__in=pks).defer(*HEAVY).order_by(order))


def page_of(user: Any, filters: Filters, size: int, *, before: int | None = None, after: int | None = None) -> Page:
    """The newest runs that the person sees and the filters leave: those older than `before`, or next newer than `after`."""
    scope = _scope(user, filters)
    if filters.text:
        return _with_text(scope, filters.text, size, before)
    if after is None:
        found = scope.older_than(before).first(size + 1, start=before)
        shown = found[:size]
        older = shown[-1].pk if len(found) > size else None
        return Page(shown, older, shown[0].pk if shown and before is not None else None)
    found = Scope(scope.runs.filter(pk__gt=after), scope.jobs).first(size + 1, start=after, upwards=True)
    shown = found[:size][::-1]
    return Page(shown, shown[-1].pk if shown else after + 1, shown[0].pk if len(found) > size else None)


def _scope(user: Any, filters: Filters) -> Scope:
    runs = _within_time(filters.applied(Run.objects.all()), filters)
    all_seen = sees_all_runs(user)
    if all_seen and not filters.tag and filters.job_beginning is None:
        return Scope(runs, None)
    seen = visible_jobs(user)
    if filters.job:
        seen = seen.filter(
            **{"pk": filters.job} if filters.job_beginning is None else {"pk__startswith": filters.job_beginning}
        )
    # JSON is searched as text by one database and as a value by the other: the tags of all jobs are few, and read here.
    chosen = [pk for pk, tags in seen.values_list("pk", "tags") if not filters.tag or filters.tag in tags]
    return Scope(runs, None) if chosen == [filters.job] else Scope(runs if chosen else runs.none(), chosen)


def _within_time(runs: QuerySet[Run], filters: Filters) -> QuerySet[Run]:
    """With bounds of the primary key for those of the time, as the two grow together: pages are in the key's order."""
    by_time = Run.objects.order_by("created_at").values_list("pk", flat=True)
    if filters.created_from:
        earlier = by_time.filter(created_at__lt=filters.created_from - CLOCKS_APART).last()
        runs = runs.filter(pk__gt=earlier or 0)
    if filters.created_before:
        later = by_time.filter(created_at__gte=filters.created_before + CLOCKS_APART).first()
        runs = runs.filter(pk__lt=later) if later else runs
    return runs


def _near(start: int | None, upwards: bool) -> dict[str, int]:
    if upwards:
        return {"pk__lte": (start or 0) + NEAR}
    newest = start or Run.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return {"pk__gte": newest - NEAR}


def _with_text(scope: Scope, text: str, size: int, before: int | None) -> Page:
    """Matches among the next `LOOK_BACK` runs. No index helps here, so each page reads that many and says how far it came."""
    runs = scope.older_than(before).all().order_by("-pk")
    if scope.jobs is not None:
        runs = runs.filter(pk__gte=_near(before, upwards=False)["pk__gte"] - FARTHEST + NEAR)
    floor = runs.defer(*HEAVY)[LOOK_BACK - 1 : LOOK_BACK].first()
    within = runs.filter(pk__gte=floor.pk) if floor else runs
    candidates = list(_may_mention(within, text).defer("snapshot")[:MOST_CANDIDATES])
    found = [run for run in candidates if mentions(run, text)]
    if len(found) > size:
        return Page(found[:size], found[size - 1].pk)
    end = candidates[-1] if len(candidates) == MOST_CANDIDATES else floor
    return Page(found, end.pk if end else None, searched_to=end)


def _may_mention(runs: QuerySet[Run], text: str) -> QuerySet[Run]:
    """Those with the text anywhere in their stored parameters, names and seals included."""
    runs = runs.alias(given=Cast("parameters", TextField()), fired=Cast("overrides", TextField()))
    for piece in stored_pieces(text, ascii_only=connection.vendor == "sqlite"):
        runs = runs.filter(Q(given__icontains=piece) | Q(fired__icontains=piece))
    return runs
