"""A run's timeline: what took time in it, row by row, and what was different from the last time it went well."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nomaflow_site.lib.sealing import mask
from runs.charts import Span, Timeline, timeline
from runs.models import Run, StepRun
from runs.states import RunState

# A gap between two attempts that's shorter than this isn't a wait that anybody chose.
LEAST_WAIT = 0.05


def timeline_of(run: Run, attempts: Sequence[StepRun], now: datetime.datetime) -> Timeline | None:
    """The wait for a worker, then each attempt with the wait before it; None before anything has begun."""
    return timeline([*_queued(run, now), *_attempts(attempts)], now, run.is_over)


def _queued(run: Run, now: datetime.datetime) -> Iterator[tuple[str, str, list[Span]]]:
    end = run.started_at or (run.finished_at if run.is_over else None)
    seconds = ((end or now) - run.created_at).total_seconds()
    # Milliseconds of every run's start are no news; a wait for a worker or for its turn is.
    if seconds >= 1 or run.started_at is None:
        yield (
            "",
            "waiting",
            [Span("waiting", "wait", run.created_at, end, f"Waited {seconds:,.1f} s for a worker or its turn")],
        )


def _attempts(attempts: Sequence[StepRun]) -> Iterator[tuple[str, str, list[Span]]]:
    ended: dict[int, datetime.datetime] = {}
    for row in attempts:
        if row.started_at is None:
            continue
        spans = []
        before = ended.get(row.number)
        if before and (row.started_at - before).total_seconds() > LEAST_WAIT:
            wait = (row.started_at - before).total_seconds()
            title = f"Waited {wait:,.1f} s before attempt {row.attempt} of {row.name}"
            spans.append(Span(row.name, "wait", before, row.started_at, title))
        label = row.name if row.attempt < 2 else f"{row.name} #{row.attempt}"
        spans.append(Span(row.name, row.state.lower(), row.started_at, row.finished_at, f"{label}: {row.state}"))
        if row.finished_at:
            ended[row.number] = row.finished_at
        yield row.name, label, spans


@dataclass(frozen=True)
class Difference:
    """A parameter of a step that is not what it was: `was` or `now` is None where it wasn't there."""

    step: str
    key: str
    was: Any
    now: Any


def last_good_run(run: Run) -> Run | None:
    """The newest successful run of the job before this one."""
    earlier = Run.objects.filter(job=run.job_id, state=RunState.SUCCEEDED, finished_at__isnull=False, pk__lt=run.pk)
    return earlier.defer("overrides").order_by("-pk").first()


def differences(run: Run, other: Run) -> list[Difference]:
    """Where the parameters of the two runs differ, masked; secrets are compared, and never shown."""
    found = []
    for step in dict.fromkeys([*other.parameters, *run.parameters]):
        was, now = _table(other.parameters.get(step)), _table(run.parameters.get(step))
        for key in dict.fromkeys([*was, *now]):
            if was.get(key) != now.get(key):
                found.append(Difference(step, key, mask({key: was.get(key)})[key], mask({key: now.get(key)})[key]))
    return found


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def first_error(attempts: Sequence[StepRun]) -> StepRun | None:
    """The attempt that failed the run: the last of the first step that failed for good."""
    last = {row.number: row for row in attempts}
    return next((row for _, row in sorted(last.items()) if row.state == RunState.FAILED), None)
