"""What happens to each row on its way from source to target, and what is said about the one that doesn't fit."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from connectors.kinds.sql import BadRow, Column, Misfit
from jobs.steptype import StepFailed

Change = Callable[[Any], Any]


def both(first: Change | None, second: Change | None) -> Change | None:
    """One change after the other; a NULL on the way stays one."""
    if first is None or second is None:
        return first or second

    def change(value: Any) -> Any:
        between = first(value)
        return None if between is None else second(between)

    return change


def change_rows(
    rows: Sequence[Sequence[Any]], changes: Sequence[Change | None], columns: Sequence[Column], before: int
) -> Sequence[Sequence[Any]]:
    """The rows with every change made. StepFailed naming row (counted from `before`), column and value of the first misfit."""
    active = [(index, change) for index, change in enumerate(changes) if change is not None]
    if not active or not rows:
        return rows
    values: list[Any] = list(zip(*rows, strict=True))
    try:
        for index, change in active:
            values[index] = [None if value is None else change(value) for value in values[index]]
    except Misfit:
        raise _first_misfit(rows, active, columns, before) from None
    return list(zip(*values, strict=True))


def _first_misfit(
    rows: Sequence[Sequence[Any]], active: Sequence[tuple[int, Change]], columns: Sequence[Column], before: int
) -> StepFailed:
    """Columns were changed one by one; what is told is the first row that doesn't fit."""
    for number, row in enumerate(rows, before + 1):
        for index, change in active:
            try:
                if row[index] is not None:
                    change(row[index])
            except Misfit as misfit:
                return StepFailed(describe(number, columns[index].name, row[index], str(misfit)))
    raise AssertionError("A value was a misfit once and isn't any more")


def describe(row: int | None, column: str | None, value: Any, reason: str) -> str:
    """`Row 3, column 'amount', value 1.239: ...` with as much as is known."""
    parts = [] if row is None else [f"row {row:,}"]
    parts += [] if column is None else [f"column {column!r}"]
    parts += [] if value is None else [f"value {_short(value)}"]
    where = ", ".join(parts)
    return f"{where[0].upper()}{where[1:]}: {reason}" if where else reason


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | bytes) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text):,} characters)"


def refused(error: BadRow, before: int, rows: Sequence[Sequence[Any]], columns: Sequence[Column]) -> StepFailed:
    """The failure for a row that the target's database refused, `before` rows having gone in earlier."""
    value = error.value
    names = [column.name for column in columns]
    if value is None and error.index is not None and error.column in names and error.index < len(rows):
        value = rows[error.index][names.index(error.column)]
    number = None if error.index is None else before + error.index + 1
    return StepFailed(describe(number, error.column, value, error.message))


def pace_of(done: int, total: int | None, seconds: float) -> str:
    """How fast it goes and how long it may still take: ` (25 %), 80,000 rows/s, 38 s left`; nothing before there is a pace."""
    if seconds <= 0 or not done:
        return ""
    rate = done / seconds
    share = f" ({done / total:.0%})".replace("%", " %") if total else ""
    left = f", {math.ceil((total - done) / rate):,} s left" if total and total > done else ""
    return f"{share}, {rate:,.0f} rows/s{left}"
