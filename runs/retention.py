"""Retention: what ended long ago is removed, one bounded batch at a time. Any process may call this at any time.

Never removed: a run that isn't over, one whose parent or child run isn't, each job's last success and last failure, and what
floors above still need.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from runs.models import Fire, LogLine, Run
from runs.states import ACTIVE, Outcome, RunState

# Of one batch, over all tables: small enough that nobody notices its locks.
MOST_ROWS = 1000
MOST_RUNS = 100


@dataclass(frozen=True)
class Counts:
    """How many rows of what were removed."""

    runs: int = 0
    steps: int = 0
    log_lines: int = 0
    fires: int = 0
    alerts: int = 0


# Which runs floors above still need, as a condition on runs that is asked for anew each time; and what else of theirs goes by
# its age: `(before, most)` removes at most so many rows and says how many.
KEEPERS: list[Callable[[], Q]] = []
OTHERS: list[Callable[[datetime.datetime, int], int]] = []


def register_retention(keeper: Callable[[], Q], other: Callable[[datetime.datetime, int], int]) -> None:
    """Let a floor above keep runs that it needs, and have its own old rows removed."""
    KEEPERS.append(keeper)
    OTHERS.append(other)


def prune_batch(before: datetime.datetime, most: int = MOST_ROWS) -> Counts:
    """Remove about `most` rows of what ended before that time; all counts are 0 when nothing is left.

    Each batch stands for itself: killed in the middle, it hasn't happened, and the next call goes on.
    """
    with transaction.atomic():
        oldest = _lock_oldest(before)
        if not oldest:
            return _delete_what_else(before, most)
        if oldest[0].lines > most:
            return Counts(log_lines=_delete_first_lines(oldest[0], most))
        return _delete_runs(_that_fit(oldest, most), before)


def removable(before: datetime.datetime) -> QuerySet[Run]:
    """The runs that retention may remove, as a query."""
    # That it has ended is said although its state says so: it's the condition of the index `run_job_last`.
    newer = Run.objects.filter(
        job=OuterRef("job"), state=OuterRef("state"), finished_at__isnull=False, pk__gt=OuterRef("pk")
    )
    active = Run.objects.filter(state__in=ACTIVE)
    # Under one NOT: of two, PostgreSQL makes joins, which compare each old run with all live ones where it expects few.
    is_needed = Q(Exists(active.filter(pk=OuterRef("parent")))) | Q(Exists(active.filter(parent=OuterRef("pk"))))
    for keeper in KEEPERS:
        is_needed |= keeper()
    # The states are named by what they aren't: else SQLite looks runs up by state, and sorts all there are.
    return Run.objects.filter(
        ~Q(state__in=ACTIVE),
        ~Q(state__in=[RunState.SUCCEEDED, RunState.FAILED]) | Q(Exists(newer)),
        ~is_needed,
        finished_at__lt=before,
    )


@dataclass(frozen=True)
class _Old:
    """A run that may go. `lines`: how many it may have, counted from `first_seq` on."""

    pk: int
    steps: int
    first_seq: int
    lines: int


def _lock_oldest(before: datetime.datetime) -> list[_Old]:
    """The runs that ended first; none of their heavy columns is read."""
    lines = LogLine.objects.filter(run=OuterRef("pk")).values("seq")
    # Lines have no gaps in their numbers and go from the first on: two looks at an index count a million of them.
    counted = removable(before).annotate(
        first=Subquery(lines.order_by("seq")[:1]), last=Subquery(lines.order_by("-seq")[:1])
    )
    # A row that somebody else has locked is left to the next batch.
    locked = counted.select_for_update(skip_locked=True, of=("self",)).order_by("finished_at")
    rows = locked.values_list("pk", "step_count", "first", "last")[:MOST_RUNS]
    return [_Old(pk, steps, first or 1, last - first + 1 if last else 0) for pk, steps, first, last in rows]


def _that_fit(oldest: list[_Old], most: int) -> list[int]:
    """The first of these runs, as many as have `most` rows together; at least one."""
    chosen: list[int] = []
    rows = 0
    for run in oldest:
        rows += run.lines + run.steps + 1
        if chosen and rows > most:
            break
        chosen.append(run.pk)
    return chosen


def _delete_first_lines(run: _Old, most: int) -> int:
    """A long log goes in parts before its run does."""
    return LogLine.objects.filter(run=run.pk, seq__range=(run.first_seq, run.first_seq + most - 1)).delete()[0]


def _delete_runs(pks: list[int], before: datetime.datetime) -> Counts:
    fires = _settled(before).filter(run__in=pks).delete()[0]
    # By the ORM, which knows what has to go along and what only forgets the run, in the apps above, too.
    _, gone = Run.objects.filter(pk__in=pks).only("pk").delete()
    above = sum(count for label, count in gone.items() if not label.startswith("runs."))
    return Counts(gone.get("runs.Run", 0), gone.get("runs.StepRun", 0), gone.get("runs.LogLine", 0), fires, above)


def _delete_what_else(before: datetime.datetime, most: int) -> Counts:
    """Old moments, and then old rows of floors above, once there is no old run left."""
    fires = _delete_fires(_without_run(before), most)
    alerts = 0
    for other in OTHERS:
        alerts += other(before, most - fires - alerts) if fires + alerts < most else 0
    return Counts(fires=fires, alerts=alerts)


def _settled(before: datetime.datetime) -> QuerySet[Fire]:
    """Old moments of which nothing is to come any more."""
    old = Q(until=None) | Q(until__lt=before)
    return Fire.objects.filter(old, scheduled_at__lt=before).exclude(outcome=Outcome.WAITING)


def _without_run(before: datetime.datetime) -> QuerySet[Fire]:
    """Old moments whose run is gone, or that never had one."""
    return _settled(before).filter(run=None).order_by("scheduled_at")


def _delete_fires(fires: QuerySet[Fire], most: int) -> int:
    pks = list(fires.select_for_update(skip_locked=True).values_list("pk", flat=True)[:most])
    return Fire.objects.filter(pk__in=pks).delete()[0]
