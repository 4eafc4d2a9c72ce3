"""What has come apart between the columns of a source and those of a table that it's copied into, and what is done about it.

| policy   | new at the source | gone from the source | of a type that can't go into the other |
|----------|-------------------|----------------------|----------------------------------------|
| `fail`   | fails | fails | fails |
| `add`    | added to the target, NULL in the rows that stay | left as it is: NULL in new rows | fails |
| `ignore` | left out | left as it is: NULL in new rows | each value decides |

A column that the target fills by itself (default, identity, generated) isn't missed. Where the step says by `columns` or a query
which ones it copies, no others are missed.
"""

from collections.abc import Iterable, Sequence
from logging import Logger
from typing import NamedTuple

from connectors.kinds.sql import Column, TableName
from jobs.copy_source import pick
from jobs.steptype import StepFailed

POLICIES = ("fail", "add", "ignore")
NUMBERS, TIMES = ("int", "decimal", "float", "bool"), ("date", "time", "datetime", "instant")
# What values of one kind can never be; everything else is looked at value by value.
APART = {
    **{number: {*TIMES, "uuid", "bytes"} for number in NUMBERS},
    **{moment: {*NUMBERS, "time", "uuid", "json"} for moment in ("datetime", "instant")},
    "date": {*NUMBERS, "time", "uuid", "json"},
    "time": {*NUMBERS, "date", "datetime", "instant", "uuid", "json"},
    "uuid": {*NUMBERS, *TIMES, "json"},
    "json": {*TIMES, "uuid"},
    "bytes": {*NUMBERS, *TIMES, "uuid", "json", "text"},
}


class Drift(NamedTuple):
    """The columns of which one side knows nothing, and pairs (source, target) whose types have nothing in common."""

    added: Sequence[Column]
    removed: Sequence[Column]
    retyped: Sequence[tuple[Column, Column]]


def drift_of(wanted: Sequence[Column], known: Sequence[Column], picked: bool) -> Drift:
    """`wanted`: the source's columns under their names in the target; `picked`: the step says itself which ones it copies."""
    pairs = [(column, pick(known, column.name)) for column in wanted]
    met = {match.name for _, match in pairs if match is not None}
    missed = [column for column in known if column.name not in met and not (column.generated or column.filled)]
    return Drift(
        [column for column, match in pairs if match is None],
        [] if picked else missed,
        [(column, match) for column, match in pairs if match is not None and _apart(column, match)],
    )


def _apart(source: Column, target: Column) -> bool:
    # SQLite's declared types promise nothing about its values, and keep none out.
    return "sqlite" not in (source.dialect, target.dialect) and target.kind in APART.get(source.kind, ())


def settle(drift: Drift, policy: str, picked: bool, target: TableName, log: Logger) -> Sequence[Column]:
    """The columns to leave out of the copy. StepFailed naming every column that the policy, or the table, doesn't take."""
    impossible = [column for column in drift.removed if not column.nullable]
    found = [
        *(f"{c.name} ({c.type or c.kind}) is new at the source" for c in drift.added if policy == "fail"),
        *(f"{c.name} ({c.type}) is not at the source any more" for c in drift.removed if policy == "fail"),
        *(f"{c.name} ({c.type}) is NOT NULL and the source has no such column" for c in impossible if policy != "fail"),
        *(
            f"{s.name} is {s.type or s.kind} at the source and {t.type} in the target"
            for s, t in drift.retyped
            if policy != "ignore"
        ),
        *(f"{c.name} was asked for by `columns`" for c in drift.added if policy == "ignore" and picked),
    ]
    if found:
        raise StepFailed(
            f"The columns of the source and of {target} don't match: {'; '.join(found)}. Nothing was changed. Change the "
            'target, pick or rename with `columns`, or choose schema_drift = "add" (makes room for new columns) or "ignore".'
        )
    if drift.removed:
        log.info("not at the source, NULL in new rows: %s", _names(drift.removed))
    if drift.added and policy == "add":
        log.warning("new at the source, added to %s: %s", target, _names(drift.added))
    if drift.added and policy == "ignore":
        log.info("new at the source, left out: %s", _names(drift.added))
    if drift.retyped:
        log.info("of another type at the source: %s", _names(column for column, _ in drift.retyped))
    return drift.added if policy == "ignore" else []


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(column.name for column in columns)
