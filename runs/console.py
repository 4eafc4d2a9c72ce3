"""Following a run in the shell, and printing tables: rich on a terminal, plain text or JSON elsewhere."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from nomaflow_site.lib.sealing import mask
from runs.models import LogLine, Run
from runs.states import RunState

POLL_SECONDS = 0.1
EXIT_CODES = {RunState.SUCCEEDED: 0, RunState.FAILED: 1, RunState.CANCELED: 3}


def exit_code(run: Run) -> int:
    """0 SUCCEEDED, 1 FAILED, 3 CANCELED."""
    return EXIT_CODES[RunState(run.state)]


def follow(run: Run, write: Callable[[str], None]) -> None:
    """Write every line of the run's log, from the first, until the run is over."""
    seen = 0
    while True:
        run.refresh_from_db(fields=["state", "reason", "finished_at", "started_at", "current_step"])
        over = run.is_over
        for line in LogLine.objects.filter(run=run, seq__gt=seen).order_by("seq").iterator():
            write(format_line(line))
            seen = line.seq
        if over:
            return
        time.sleep(POLL_SECONDS)


def format_line(line: LogLine) -> str:
    """`12:00:00.123 INFO    step  text`."""
    where = f"{line.step}#{line.attempt}" if line.attempt > 1 else line.step
    return f"{line.at:%H:%M:%S}.{line.at.microsecond // 1000:03d} {line.level:<7} {where:<20} {line.text}"


def step_lines(run: Run) -> list[str]:
    """One line per attempt: state, name, duration, rows, error."""
    lines = []
    for row in run.step_runs.all():
        took = (
            f"{(row.finished_at - row.started_at).total_seconds():.2f} s" if row.started_at and row.finished_at else "-"
        )
        rows = f"{row.rows_affected:,} rows" if row.rows_affected is not None else ""
        attempt = f" #{row.attempt}" if row.attempt > 1 else ""
        detail = row.error or row.reason
        lines.append(f"{row.state:<10} {row.name + attempt:<28} {took:>10} {rows:>14}  {detail}".rstrip())
    return lines


def run_as_json(run: Run) -> dict[str, Any]:
    """A run with its steps, for scripts; secrets masked."""
    return {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "state": run.state,
        "reason": run.reason,
        "triggered_by": run.triggered_by,
        "requested_by": run.requested_by,
        "created_at": _iso(run.created_at),
        "started_at": _iso(run.started_at),
        "finished_at": _iso(run.finished_at),
        "parameters": mask(run.parameters),
        "steps": [
            {
                "number": row.number,
                "name": row.name,
                "type": row.type,
                "attempt": row.attempt,
                "state": row.state,
                "started_at": _iso(row.started_at),
                "finished_at": _iso(row.finished_at),
                "rows_affected": row.rows_affected,
                "output": mask(row.output),
                "error": row.error,
                "reason": row.reason,
            }
            for row in run.step_runs.all()
        ],
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], stream: Any) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    console = Console(file=stream)
    if not console.is_terminal:
        for row in [columns, *rows]:
            stream.write("\t".join(str(cell) for cell in row) + "\n")
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    console.print(table)


def print_json(value: Any, stream: Any) -> None:
    """Indented JSON and a newline."""
    stream.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
