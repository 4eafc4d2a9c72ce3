"""The newest runs of many jobs at once, and how long a job usually takes: two queries each, however many runs there are."""

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from jobs.models import Job
from runs.models import Run
from runs.states import RunState

RECENT = 20


@dataclass(frozen=True)
class Recent:
    """What a chart needs of a run. `seconds`: how long it ran; None where it never started."""

    run_id: str
    job_id: str
    state: str
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None

    @property
    def seconds(self) -> float | None:
        """Time from start to end; None while it runs and where it never ran."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max((self.finished_at - self.started_at).total_seconds(), 0.0)


@dataclass(frozen=True)
class Usual:
    """How long a job's newest successful runs took, in seconds: the median and the 95th percentile of `runs` of them."""

    p50: float
    p95: float
    runs: int


def newest_runs(job_ids: Sequence[str], most: int = RECENT) -> dict[str, list[Recent]]:
    """The newest `most` runs of each job, oldest first; jobs without runs are left out."""
    floors = _floors(job_ids, most)
    if not floors:
        return {}
    # One range of each job's index: OR-ed conditions by the hundred are too deep for SQLite.
    wanted = ", ".join(["(%s, %s)"] * len(floors))
    columns = "run.run_id, run.job_id, run.state, run.created_at, run.started_at, run.finished_at"
    typed = "CAST(wanted.floor AS bigint)"
    sql = f"""
        WITH wanted(job_id, floor) AS (VALUES {wanted})
        SELECT run.id, {columns} FROM {Run._meta.db_table} run
        JOIN wanted ON run.job_id = wanted.job_id AND run.id >= {typed}
        ORDER BY run.id
    """
    values = [value for pair in floors.items() for value in pair]
    found: dict[str, list[Recent]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for _, run_id, job_id, state, *moments in cursor.fetchall():
            created, started, finished = map(_moment, moments)
            assert created is not None
            found.setdefault(job_id, []).append(Recent(run_id, job_id, state, created, started, finished))
    return found


def usual_of(runs: Iterable[Recent]) -> Usual | None:
    """The usual duration by the successful ones of these runs; by all that ended where none succeeded; None without any."""
    ended = [(run.state, run.seconds) for run in runs if run.seconds is not None]
    lengths = sorted(seconds for state, seconds in ended if state == RunState.SUCCEEDED and seconds is not None)
    lengths = lengths or sorted(seconds for _, seconds in ended if seconds is not None)
    if not lengths:
        return None
    return Usual(percentile(lengths, 50), percentile(lengths, 95), len(lengths))


def usual_durations(job_ids: Sequence[str], most: int = RECENT) -> Mapping[str, Usual]:
    """How long each of the jobs usually takes, by its newest successful runs; by all that ended where none succeeded.

    Jobs without a run that ended are left out. Two queries, whose answers are a line for each job.
    """
    found = _lengths(job_ids, most, "run.state = 'SUCCEEDED'")
    found |= _lengths([job_id for job_id in job_ids if job_id not in found], most, "run.started_at IS NOT NULL")
    return {
        job_id: Usual(percentile(lengths, 50), percentile(lengths, 95), len(lengths))
        for job_id, lengths in found.items()
    }


# The database puts a job's lengths into one text: a row for each of them would take ten times as long.
_JOINED = {
    "postgresql": "string_agg(EXTRACT(EPOCH FROM finished_at - started_at)::text, ' ')",
    "sqlite": "group_concat(round((julianday(finished_at) - julianday(started_at)) * 86400, 3), ' ')",
}


def _lengths(job_ids: Sequence[str], most: int, condition: str) -> dict[str, list[float]]:
    """By job the lengths of its newest `most` ended runs that meet the condition, in seconds, shortest first."""
    if not job_ids:
        return {}
    sql = f"""
        SELECT job.id, (
            SELECT {_JOINED[connection.vendor]} FROM (
                SELECT started_at, finished_at FROM {Run._meta.db_table} run
                WHERE run.job_id = job.id AND run.finished_at IS NOT NULL AND {condition}
                ORDER BY run.id DESC LIMIT %s
            ) newest
        ) FROM {Job._meta.db_table} job WHERE job.id IN ({", ".join(["%s"] * len(job_ids))})
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [most, *job_ids])
        return {
            job_id: sorted(max(float(text), 0.0) for text in joined.split())
            for job_id, joined in cursor.fetchall()
            if joined
        }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of the ordered values don't exceed (nearest rank)."""
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def _floors(job_ids: Sequence[str], most: int) -> dict[str, int]:
    """The number of each job's `most`-newest run, 0 where it has fewer; only jobs with runs."""
    runs = Run.objects.filter(job=OuterRef("pk")).order_by("-pk").values("pk")
    jobs = Job.objects.filter(pk__in=job_ids).annotate(
        newest=Subquery(runs[:1]), floor=Coalesce(Subquery(runs[most - 1 : most]), 0)
    )
    return dict(jobs.exclude(newest=None).values_list("pk", "floor"))


def _moment(value: object) -> datetime.datetime | None:
    """A column of a raw query: SQLite has texts where PostgreSQL has moments."""
    if value is None or isinstance(value, datetime.datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=datetime.UTC)
    return datetime.datetime.fromisoformat(str(value)).replace(tzinfo=datetime.UTC)
