"""What fires in a week: from the ledger up to now, as expected after it. Few queries, however many fires there are.

Schedules that fire more than a few times on some day are read as one entry a day.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from django.db.models import Case, Count, IntegerField, Max, Min, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from jobs.models import Job
from jobs.upcoming import TICK, Expected, expected_fires
from runs.ledger import Balance, balance_of
from runs.models import Fire
from runs.states import FINAL, STARTED, Cause, Outcome
from runs.week import Day, place_of

# A day has blocks for each fire of a schedule up to so many, one band for more.
FEW_A_DAY = 6
MOST = 20_000
Key = tuple[str, str]


class Entry(NamedTuple):
    """One fire, or `count` of a schedule up to `until`, on a day by its number. `outcome`: what became of it, '' before that.

    `run_id`, `state`, `began` and `seconds` are its run's, as far as there is one; a run that goes on has taken so long so far.
    `mixed`: of several fires only some came to this outcome, the worst of theirs.
    """

    at: datetime.datetime
    job_id: str
    preset: str
    day: int
    count: int = 1  # type: ignore[assignment]  # in the place of tuple.count
    until: datetime.datetime | None = None
    outcome: str = ""
    reason: str = ""
    run_id: str = ""
    state: str = ""
    began: datetime.datetime | None = None
    seconds: float | None = None
    frozen: str = ""
    off: bool = False
    mixed: bool = False

    @property
    def key(self) -> Key:
        """Whose schedule it is."""
        return self.job_id, self.preset

    @property
    def ahead(self) -> bool:
        """Whether it's to come, and will as things stand."""
        return not (self.outcome or self.frozen or self.off)


@dataclass(frozen=True)
class Week:
    """The entries in order, the schedules that are bands, and by number of day what the ledger says in all."""

    entries: list[Entry]
    frequent: set[Key]
    balances: dict[int, Balance]


@dataclass(frozen=True)
class _Group:
    """Fires of a schedule on one day with one outcome."""

    job_id: str
    preset: str
    day: int
    outcome: Outcome
    cause: Cause
    rows: int
    moments: int
    first: datetime.datetime
    last: datetime.datetime

    @property
    def key(self) -> Key:
        return self.job_id, self.preset


def week_of(jobs: QuerySet[Job], fires: QuerySet[Fire], days: Sequence[Day], now: datetime.datetime) -> Week:
    """What `jobs` and the ledger's `fires` have on these days."""
    start, end = _moment(days[0].start), _moment(days[-1].end)
    groups = _groups(fires, days, start, min(now, end)) if start < now else []
    expected = _expected(jobs, days, max(now, start - TICK), end - TICK) if now < end else []
    frequent = _frequent(groups) | _frequent_ahead(expected)
    entries = [
        *_past(fires, groups, frequent, days, now),
        *_bands(groups, frequent),
        *_ahead(expected, frequent),
    ]
    entries.sort(key=itemgetter(0, 1, 2))
    return Week(entries, frequent, _balances(groups))


# What the ledger has


def _groups(
    fires: QuerySet[Fire], days: Sequence[Day], start: datetime.datetime, end: datetime.datetime
) -> list[_Group]:
    # By comparison, as no database knows how the days of a zone are cut; and quicker.
    cuts = [When(scheduled_at__lt=_moment(day.end), then=Value(number)) for number, day in enumerate(days)]
    rows = (
        _inside(fires, start, end)
        .values_list("job_id", "preset", Case(*cuts, output_field=IntegerField()), "outcome", "cause")
        .annotate(
            rows=Count("pk"),
            moments=Sum("count"),
            first=Min("scheduled_at"),
            last=Max(Coalesce("until", "scheduled_at")),
        )
    )
    return [
        _Group(job_id, preset, day, Outcome(outcome), Cause(cause), *rest)
        for job_id, preset, day, outcome, cause, *rest in rows
    ]


def _frequent(groups: Iterable[_Group]) -> set[Key]:
    rows: Counter[tuple[Key, int]] = Counter()
    for group in groups:
        rows[group.key, group.day] += group.rows
    return {key for (key, _), count in rows.items() if count > FEW_A_DAY}


def _past(
    fires: QuerySet[Fire],
    groups: Iterable[_Group],
    frequent: set[Key],
    days: Sequence[Day],
    now: datetime.datetime,
) -> Iterable[Entry]:
    """The single fires of schedules that fire seldom, each with its run."""
    if not (seldom := {key for key in (group.key for group in groups) if key not in frequent}):
        return
    # A job's own schedule may be seldom and its preset's frequent: what is too much is left out below.
    always = {job_id for job_id, _ in frequent} - {job_id for job_id, _ in seldom}
    inside = _inside(fires, _moment(days[0].start), min(now, _moment(days[-1].end)))
    rows = inside.exclude(job_id__in=always).values_list(*_ROW)[:MOST]
    for at, job_id, preset, outcome, reason, count, until, *run in rows:
        if (job_id, preset) in seldom:
            run_id, state, began, ended = run
            seconds = ((ended or now) - began).total_seconds() if began and (ended or state not in FINAL) else None
            day = place_of(days, at.timestamp()) or 0
            yield Entry(
                at, job_id, preset, day, count, until, outcome, reason, run_id or "", state or "", began, seconds
            )


_ROW = (
    *("scheduled_at", "job_id", "preset", "outcome", "reason", "count", "until"),
    *("run__run_id", "run__state", "run__started_at", "run__finished_at"),
)


def _bands(groups: Iterable[_Group], frequent: set[Key]) -> Iterable[Entry]:
    """One entry for each day and outcome of a frequent schedule."""
    found: dict[tuple[Key, int], list[_Group]] = {}
    for group in groups:
        if group.key in frequent:
            found.setdefault((group.key, group.day), []).append(group)
    for ((job_id, preset), day), own in found.items():
        worst = max((group.outcome for group in own), key=_ORDER.index)
        balance = _balance(own)
        first, last = min(group.first for group in own), max(group.last for group in own)
        # One that started late or was caught up ran as well.
        mixed = worst not in STARTED and any(group.outcome != worst for group in own)
        yield Entry(first, job_id, preset, day, balance.expected, last, worst, str(balance), mixed=mixed)


# From what is well to what needs a look.
_ORDER = (*STARTED, Outcome.WAITING, Outcome.SKIPPED, Outcome.MISSED)


def _balances(groups: Iterable[_Group]) -> dict[int, Balance]:
    by_day: dict[int, list[_Group]] = {}
    for group in groups:
        by_day.setdefault(group.day, []).append(group)
    return {day: _balance(own) for day, own in by_day.items()}


def _balance(groups: Iterable[_Group]) -> Balance:
    sums: Counter[tuple[Outcome, Cause]] = Counter()
    for group in groups:
        sums[group.outcome, group.cause] += group.moments
    return balance_of((outcome, cause, count) for (outcome, cause), count in sums.items())


# What is expected


def _expected(
    jobs: QuerySet[Job], days: Sequence[Day], after: datetime.datetime, last: datetime.datetime
) -> list[tuple[int, Expected]]:
    """By number of day, stretches of dense schedules cut where a day ends."""
    cuts = [_moment(day.start) for day in days[1:]]
    found = expected_fires(jobs, after, last, MOST, off=True, cuts=cuts)
    return [(place_of(days, fire.scheduled_at.timestamp()) or 0, fire) for fire in found]


def _frequent_ahead(expected: Iterable[tuple[int, Expected]]) -> set[Key]:
    fires: Counter[tuple[str, str, int]] = Counter()
    for day, fire in expected:
        fires[fire.job_id, fire.preset, day] += fire.count
    return {(job_id, preset) for (job_id, preset, _), count in fires.items() if count > FEW_A_DAY}


def _ahead(expected: Iterable[tuple[int, Expected]], frequent: set[Key]) -> Iterable[Entry]:
    found: dict[tuple[str, str, int, str], list[Expected]] = defaultdict(list)
    for day, fire in expected:
        if (fire.job_id, fire.preset) in frequent:
            found[fire.job_id, fire.preset, day, fire.frozen].append(fire)
        else:
            yield Entry(fire.scheduled_at, fire.job_id, fire.preset, day, frozen=fire.frozen, off=fire.off)
    for (job_id, preset, day, frozen), own in found.items():
        last, count = own[-1].until or own[-1].scheduled_at, sum(fire.count for fire in own)
        yield Entry(own[0].scheduled_at, job_id, preset, day, count, last, frozen=frozen, off=own[0].off)


def _inside(fires: QuerySet[Fire], start: datetime.datetime, end: datetime.datetime) -> QuerySet[Fire]:
    return fires.filter(scheduled_at__gte=start, scheduled_at__lt=end).order_by()


def _moment(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
