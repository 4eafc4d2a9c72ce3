"""Values that SQLite keeps as they are, read from the rows that a MariaDB or MySQL server writes as bytes.

The driver's own reading, value by value, would take longer than all the rest.
"""

from binascii import unhexlify
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._dialect import BadRow, Row
from connectors.kinds.sql._mysql_lines import COPY, FIELD, NULL, Reader, line, rows_of
from connectors.kinds.sql._postgresql_values import DIGITS
from connectors.kinds.sql._route import Move
from connectors.kinds.sql._sqlite_types import affinity_of

VALUES = Reader(COPY.instant, "{}")
TEXTS = ("text", "json", "uuid")
Made = Callable[[bytes], Any]


def made(source: Column, target: Column) -> Made | None:
    """What makes a value that SQLite keeps in `target` unchanged of what the server writes; None when that isn't sure."""
    affinity = affinity_of(target.type)
    numbers, texts = affinity in ("INTEGER", "NUMERIC"), affinity in ("TEXT", "BLOB")
    if line(source, "x") is None or source.type.startswith("bit"):
        return None
    if source.kind == "int" and numbers:
        return int if target.kind in ("int", "decimal") else _truth if target.kind == "bool" else None
    if source.kind == "decimal":
        exact = source.size is not None and source.size <= DIGITS
        if texts and target.kind == "text":
            return bytes.decode
        return float if exact and affinity in ("NUMERIC", "REAL") and target.kind == "decimal" else None
    if source.kind == "float":
        return float if affinity == "REAL" and target.kind == "float" else None
    if source.kind == "bytes":
        return unhexlify if target.kind == "bytes" else None
    if source.kind in TEXTS:
        return bytes.decode if texts and target.kind in (*TEXTS, "other") else None
    # Dates and times, none of which can be taken for a number.
    return bytes.decode if target.kind == source.kind else None


def _truth(number: bytes) -> bool:
    if number not in (b"0", b"1"):
        raise ValueError("it is neither true nor false")
    return number == b"1"


def casts(source: Column, target: Column) -> bool:
    """Whether `made` knows how."""
    return made(source, target) is not None


def batches(move: Move) -> Iterator[Sequence[Row]]:
    """The rows. NoLine when the server can't write one, BadRow for a number that is no truth value."""
    makers = [made(read, write) or bytes.decode for read, write in zip(move.reads, move.writes, strict=True)]
    waiting: list[Row] = []
    done = 0
    with closing(rows_of(move, VALUES)) as arriving:  # type: ignore[type-var]
        for some in arriving:
            # At once, while the server writes the next.
            waiting += _values(some, makers, move, done + len(waiting))
            while len(waiting) >= move.batch_size:
                yield waiting[: move.batch_size]
                done += move.batch_size
                del waiting[: move.batch_size]
    if waiting:
        yield waiting


def _values(rows: Sequence[bytes], makers: Sequence[Made], move: Move, before: int) -> Sequence[Row]:
    fields = FIELD.join(rows).split(FIELD)
    columns = []
    for at, make in enumerate(makers):
        column = fields[at :: len(makers)]
        try:
            columns.append([None if field == NULL else make(field) for field in column])
        except ValueError as error:
            raise _bad_row(column, make, move.writes[at].name, before) from error
    return list(zip(*columns, strict=True))


def _bad_row(column: Sequence[bytes], make: Made, name: str, before: int) -> BadRow:
    for number, field in enumerate(column, before):
        try:
            if field != NULL:
                make(field)
        except ValueError as error:
            return BadRow(str(error), number, name, field.decode())
    raise AssertionError("A value was a misfit once and isn't any more")
