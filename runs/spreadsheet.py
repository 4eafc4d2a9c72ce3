"""Runs as CSV, for a spreadsheet: times in ISO 8601 and UTC, and no cell that a spreadsheet would take for a formula."""

import csv
import datetime
import io
from collections.abc import Iterable, Sequence
from typing import Any

from runs.models import Run
from runs.progress import last_attempts, progress_of

COLUMNS = (
    "run_id",
    "job",
    "state",
    "triggered_by",
    "requested_by",
    "preset",
    "scheduled_at",
    "created_at",
    "started_at",
    "finished_at",
    "seconds",
    "steps",
    "reason",
)
# What makes a spreadsheet calculate instead of show.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_head() -> str:
    """The line with the names."""
    return _text([COLUMNS])


def csv_rows(runs: Sequence[Run]) -> str:
    """A line per run. One query, for their steps."""
    attempts = last_attempts(runs)
    return _text(_cells(run, str(progress_of(run.step_count, attempts.get(run.pk, [])))) for run in runs)


def _cells(run: Run, steps: str) -> list[str]:
    ended = run.finished_at and run.started_at
    seconds = f"{(run.finished_at - run.started_at).total_seconds():.3f}" if ended else ""  # type: ignore[operator]
    times = [_iso(at) for at in (run.scheduled_at, run.created_at, run.started_at, run.finished_at)]
    texts = [run.run_id, run.job_id, run.state, run.triggered_by, run.requested_by, run.preset]
    return [harmless(cell) for cell in (*texts, *times, seconds, steps, run.reason)]


def harmless(cell: str) -> str:
    """The cell with an apostrophe before what would be a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _iso(moment: datetime.datetime | None) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds") if moment else ""


def _text(rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()
