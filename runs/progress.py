"""How far runs got, step by step: for lists and for the grid of runs and steps. One query for all of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runs.models import Run, StepRun
from runs.states import RunState


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps ended well or were left out on purpose; `failed_at` names the step that stopped the run."""

    done: int
    total: int
    failed_at: str = ""

    def __str__(self) -> str:
        """`7 / 7`, or `4 / 7, failed at F9202`."""
        return f"{self.done} / {self.total}" + (f", failed at {self.failed_at}" if self.failed_at else "")


def last_attempts(runs: Sequence[Run]) -> dict[int, list[StepRun]]:
    """By run the last attempt of each of its steps, in order; without what they printed and returned."""
    rows = StepRun.objects.filter(run__in=[run.pk for run in runs]).order_by("run_id", "number", "attempt")
    found: dict[int, dict[int, StepRun]] = {}
    for row in rows.only("run_id", "number", "attempt", "name", "state", "reason", "started_at", "finished_at"):
        found.setdefault(row.run_id, {})[row.number] = row
    return {run_pk: list(steps.values()) for run_pk, steps in found.items()}


def progress_of(total: int, attempts: Iterable[StepRun]) -> Progress:
    """How far a run of `total` steps got, by its last attempts."""
    done, failed_at = 0, ""
    for row in attempts:
        skipped = row.state == RunState.CANCELED and row.reason.startswith("skipped")
        done += row.state == RunState.SUCCEEDED or skipped
        if row.state == RunState.FAILED and not failed_at:
            failed_at = row.name
    return Progress(done, total, failed_at)


@dataclass(frozen=True)
class Pace:
    """How far an attempt has come by its own count, and how fast; None for what isn't known (yet)."""

    done: int
    total: int | None
    percent: float | None
    per_second: float | None
    seconds_left: float | None

    def __str__(self) -> str:
        """`120,000 of 480,000 (25 %), 80,000 a second, 5 s left` with as much as is known."""
        parts = [f"{self.done:,}" + ("" if self.total is None else f" of {self.total:,} ({self.percent:.0f} %)")]
        parts += [] if self.per_second is None else [f"{self.per_second:,.0f} a second"]
        parts += [f"{math.ceil(self.seconds_left):,} s left"] if self.seconds_left else []
        return ", ".join(parts)


def pace_of(step: StepRun) -> Pace | None:
    """The last that an attempt has said of its progress; None when it has said nothing."""
    if step.done is None or step.progress_at is None or step.started_at is None:
        return None
    seconds = (step.progress_at - step.started_at).total_seconds()
    rate = step.done / seconds if seconds > 0 and step.done else None
    left = max(step.total - step.done, 0) / rate if rate and step.total and step.finished_at is None else None
    percent = min(100 * step.done / step.total, 100) if step.total else None
    return Pace(step.done, step.total, percent, rate, left)


@dataclass(frozen=True)
class Cell:
    """One step of one run in the grid; None where the run didn't have the step."""

    run: Run
    attempt: StepRun | None


def grid(runs: Sequence[Run], attempts: dict[int, list[StepRun]]) -> list[tuple[str, list[Cell]]]:
    """A row per step name, in the order of the newest run first, with a cell per run in the order given."""
    by_name = {run.pk: {row.name: row for row in attempts.get(run.pk, [])} for run in runs}
    names = dict.fromkeys(name for run in reversed(runs) for name in by_name[run.pk])
    return [(name, [Cell(run, by_name[run.pk].get(name)) for run in runs]) for name in names]
