"""Values that SQLite keeps as they are, cast by PostgreSQL and sent in binary."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._dialect import BadRow, Row
from connectors.kinds.sql._route import Move
from connectors.kinds.sql._sqlite_types import affinity_of
from connectors.kinds.sql._text import bare

# Rows in one message of the server.
CHUNK = 1000
# Digits that a double keeps of every decimal number.
DIGITS = 15


def cast(source: Column, target: Column, quoted: str) -> str | None:
    """The expression in PostgreSQL's SQL whose value SQLite keeps in `target` unchanged; None when that isn't sure."""
    affinity = affinity_of(target.type)
    numbers, texts = affinity in ("INTEGER", "NUMERIC"), affinity in ("TEXT", "BLOB")
    if source.kind == "decimal":
        exact = source.size is not None and source.size <= DIGITS
        if texts and target.kind == "text":
            return f"{quoted}::text"
        return f"{quoted}::float8" if exact and affinity in ("NUMERIC", "REAL") and target.kind == "decimal" else None
    if source.kind == "float" and affinity == "REAL" and target.kind == "float":
        # As a decimal number of few digits, not as the double that its four bytes are.
        return f"{quoted}::text::float8" if source.size == 32 else quoted
    if source.kind == "instant" and target.kind == "instant":
        inside = f"{quoted} >= '0001-01-01' AND {quoted} < '10000-01-01'"
        return f"CASE WHEN {inside} THEN ({quoted} AT TIME ZONE 'UTC')::text || '+00:00' ELSE {quoted}::text END"
    if source.type.startswith("bit"):
        return None
    carried = {
        "int": (numbers and target.kind in ("int", "decimal"), quoted),
        "bool": (numbers and target.kind in ("bool", "int"), f"{quoted}::int"),
        "bytes": (target.kind == "bytes", quoted),
        # None of these can be taken for a number.
        **dict.fromkeys(("date", "time", "datetime"), (target.kind == source.kind, f"{quoted}::text")),
        **dict.fromkeys(
            ("text", "json", "uuid", "other"),
            (texts and target.kind in ("text", "json", "uuid", "other"), f"{quoted}::text"),
        ),
    }
    fits, written = carried.get(source.kind, (False, ""))
    return written if fits else None


def casts(source: Column, target: Column) -> bool:
    """Whether `cast` knows how."""
    return cast(source, target, "x") is not None


def batches(move: Move) -> Iterator[Sequence[Row]]:
    """The rows. BadRow for a NaN, which SQLite would make NULL."""
    source, quote = move.source, move.source.dialect.quote
    pairs = list(zip(move.reads, move.writes, strict=True))
    select = move.select([cast(read, write, quote(read.name)) or quote(read.name) for read, write in pairs])
    names = [column.name for column in move.writes]
    doubles = [n for n, (read, _) in enumerate(pairs) if read.kind in ("float", "decimal")]
    done = 0
    with closing(source.raw.cursor()) as cursor, closing(cursor.stream(bare(select), binary=True, size=CHUNK)) as rows:
        while batch := source.call(lambda: list(islice(rows, move.batch_size))):
            _refuse_nan(batch, doubles, names, done)
            yield batch
            done += len(batch)


def _refuse_nan(batch: Sequence[Any], doubles: Sequence[int], names: Sequence[str], before: int) -> None:
    for at in doubles:
        # Nothing else differs from itself.
        odd = [number for number, row in enumerate(batch) if row[at] != row[at]]
        if odd:
            raise BadRow("SQLite has no NaN, it would become NULL", before + odd[0], names[at], "NaN")
