"""What the live log reads from the database: one look for all watched runs, and pages of what was written before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import close_old_connections, connection
from django.db.models import OuterRef, Subquery

from runs.log_text import readable
from runs.models import LogLine, Run, StepRun
from runs.states import FINAL

# Lines of one look over all runs; more follow at once.
MOST_LINES = 5000
PAGE_LINES = 1000


@dataclass(frozen=True)
class Event:
    """One server-sent event, encoded once for all followers. `seq` is the line's number, 0 for anything else."""

    data: bytes
    seq: int = 0


@dataclass(frozen=True)
class Look:
    """What one look found, by run: its new lines in order, how it stands (absent when it's gone), where a first look starts.

    `cut`: there were more lines than one look takes.
    """

    lines: Mapping[int, list[Event]]
    standings: Mapping[int, Any]
    over: frozenset[int]
    starts: Mapping[int, int]
    cut: bool


def look_again(after: Mapping[int, int | None]) -> Look:
    """`look_at` for a thread that lives long: a connection that is old or was lost is replaced before or after it."""
    close_old_connections()
    try:
        return look_at(after)
    except Exception:
        connection.close()
        raise


def look_at(after: Mapping[int, int | None]) -> Look:
    """The news of the runs in `after`, whose values are the last lines told; None for a run not looked at before."""
    # Before the lines: a run that's over by now can't get lines that this look misses, except its writer's very last.
    standings = _standings(list(after))
    over = {pk for pk in after if pk not in standings or standings[pk][0] in FINAL}
    starts = _last_lines([pk for pk, seq in after.items() if seq is None])
    lines = _new_lines({pk: seq for pk, seq in after.items() if seq is not None})
    grouped: dict[int, list[Event]] = {}
    for line in lines:
        grouped.setdefault(line.run_id, []).append(event_of(line))
    return Look(grouped, standings, frozenset(over), starts, len(lines) == MOST_LINES)


def page(run_pk: int, after: int, last: int) -> list[Event]:
    """The run's lines after number `after` up to `last`, at most PAGE_LINES. Leaves no connection open."""
    if after >= last:
        return []
    close_old_connections()
    try:
        lines = LogLine.objects.filter(run=run_pk, seq__gt=after, seq__lte=last).order_by("seq")
        return [event_of(line) for line in lines[:PAGE_LINES]]
    finally:
        connection.close()


def close() -> None:
    """Close the connection of the thread that this is called on."""
    connection.close()


def event_of(line: LogLine) -> Event:
    """The line as an event: its text readable, its JSON on one line whatever the text holds."""
    data = json.dumps(
        {
            "seq": line.seq,
            "at": line.at.isoformat(timespec="milliseconds"),
            "level": line.level,
            "step": readable(line.step),
            "attempt": line.attempt,
            "text": readable(line.text),
        }
    )
    return Event(f"event: line\nid: {line.seq}\ndata: {data}\n\n".encode(), line.seq)


def _standings(pks: list[int]) -> dict[int, tuple[Any, ...]]:
    columns = ("state", "reason", "current_step", "started_at", "finished_at", "cancel_requested_at", "due_at")
    standings = {row[0]: row[1:] for row in Run.objects.filter(pk__in=pks).values_list("pk", *columns)}
    columns = ("number", "attempt", "state", "reason", "rows_affected", "started_at", "finished_at")
    for row in StepRun.objects.filter(run__in=pks).order_by("pk").values_list("run_id", *columns):
        if row[0] in standings:
            standings[row[0]] += (row[1:],)
    return standings


def _last_lines(pks: list[int]) -> dict[int, int]:
    if not pks:
        return {}
    last = LogLine.objects.filter(run=OuterRef("pk")).order_by("-seq").values("seq")[:1]
    rows = Run.objects.filter(pk__in=pks).annotate(last=Subquery(last)).values_list("pk", "last")
    return {pk: seq or 0 for pk, seq in rows}


def _new_lines(after: Mapping[int, int]) -> list[LogLine]:
    """The lines after each run's own number, in one query; ORs by the hundred are too deep for SQLite."""
    if not after:
        return []
    watched = ", ".join(["(%s, %s)"] * len(after))
    # In turn, not run by run: of two runs that write a lot, neither waits for the other.
    sql = f"""
        WITH watched(run_id, told) AS (VALUES {watched})
        SELECT line.* FROM {LogLine._meta.db_table} line
        JOIN watched ON line.run_id = watched.run_id AND line.seq > watched.told
        ORDER BY line.seq - watched.told, line.run_id LIMIT {MOST_LINES}
    """
    return list(LogLine.objects.raw(sql, [value for pair in after.items() for value in pair]))
