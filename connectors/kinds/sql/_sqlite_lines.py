"""The lines that PostgreSQL's COPY and MariaDB's LOAD DATA read, written by SQLite: CSV, with little differences.

SQLite's columns hold anything. What a value of its column usually looks like is written by SQLite's own SQL; every other value goes
through the same adapter as on the way of rows, one by one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, Misfit
from connectors.kinds.sql._fit import as_text
from connectors.kinds.sql._route import Move, NoLine

# Few enough for PostgreSQL to be busy with some while SQLite writes the next.
READ = 500
# Bytes that are held at once, as far as one row has no more.
MOST = 1_000_000
# Of a decimal number that every float keeps.
DIGITS = 15
DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
# Of a column of a MariaDB or MySQL server that LOAD DATA gives the value of a text to, as INSERT would.
LOADED = re.compile(
    r"(?:tiny|small|medium|big)?int|decimal|double|float|date\b|time\b|datetime|timestamp|uuid"
    r"|char|varchar|(?:medium|long)?text|json|varbinary|(?:medium|long)?blob"
)


class Reader(NamedTuple):
    """What the reader of the lines takes for NULL, for bytes (before their hexadecimal digits), and an instant's offset for."""

    null: str
    bytes: str
    keeps_offset: bool


COPY, LOAD = Reader("", "\\x", True), Reader("NULL", "", False)


def usual(target: Column, quoted: str, reader: Reader = COPY) -> tuple[str, str] | None:
    """What a value that goes into `target` usually looks like: a condition, and the text that is read as it."""
    integer, text, real = (f"typeof({quoted}) = '{kind}'" for kind in ("integer", "text", "real"))
    digits = 6 if target.scale is None else target.scale
    fits = "" if target.size is None else f" AND length({quoted}) <= {target.size}"
    match target.kind:
        case "int":
            return integer, quoted
        case "decimal":
            return f"{integer} OR ({real} AND {_short(quoted, target.scale)})", quoted
        case "float":
            # Of integers only those that a float keeps.
            return f"{integer} AND abs({quoted}) <= 9007199254740992", quoted
        case "bool":
            return f"{integer} AND {quoted} IN (0, 1)", quoted
        case "date":
            return f"{text} AND {quoted} GLOB '{DAY}'", quoted
        case "time":
            return f"{text} AND {_clock(quoted, '', digits)}", quoted
        case "datetime":
            return f"{text} AND {_clock(quoted, '????-??-??[ T]', digits)}", quoted
        case "instant":
            moment = quoted if reader.keeps_offset else f"substr({quoted}, 1, length({quoted}) - 6)"
            return f"{text} AND {_clock(quoted, '????-??-??[ T]', digits, '+00:00')}", moment
        case "text":
            return text + fits, _quoted(quoted)
        case "json" | "uuid" | "other":
            return text, _quoted(quoted)
        case "bytes":
            return f"typeof({quoted}) = 'blob'{fits}", f"'{reader.bytes}' || hex({quoted})"
    return None


def _short(quoted: str, scale: int | None) -> str:
    """Whether a float is a decimal number of `scale` digits after the point and 15 at most: SQLite writes these as they are."""
    if scale is None:
        return "0"
    # SQLite's round() spells the number and reads it again.
    whole = f"CAST({quoted} * 1e{scale} + iif({quoted} < 0, -0.5, 0.5) AS INTEGER)"
    return f"abs({quoted}) < 1e{DIGITS - scale} AND {whole} / 1e{scale} = {quoted}"


def _clock(quoted: str, before: str, digits: int, after: str = "") -> str:
    """Whether a time is written as most programs write it: all digits of its column, or whole seconds."""
    whole = f"{quoted} GLOB '{before}[0-9][0-9]:[0-9][0-9]:[0-9][0-9]{after}'"
    fraction = f"{quoted} GLOB '{before}??:??:??.{'[0-9]' * digits}{after}'"
    return f"({fraction} OR {whole})" if digits else whole


def _quoted(quoted: str) -> str:
    """As CSV has it: whatever is in quotes is a text, and what is empty without them is NULL."""
    return f"""'"' || replace({quoted}, '"', '""') || '"'"""


def has_line(source: Column, target: Column) -> bool:
    """Every value is looked at."""
    return usual(target, "x") is not None


def loads_exactly(source: Column, target: Column) -> bool:
    """Every value is looked at, but LOAD DATA must take a text for what it says."""
    return LOADED.match(target.type) is not None and usual(target, "x") is not None


def infile_of(move: Move) -> Iterator[tuple[bytes, int]]:
    """`lines_of` for LOAD DATA."""
    return lines_of(move, LOAD)


def lines_of(move: Move, form: Reader = COPY) -> Iterator[tuple[bytes, int]]:
    """As SQLite writes them. NoLine for a value that doesn't fit."""
    source, raw = move.source, move.source.raw
    adapter, pairs = move.target.dialect.adapter, list(zip(move.reads, move.writes, strict=True))
    cells = _Cells([adapter(read, write) for read, write in pairs], form)
    raw.create_function("nomaflow_cell", 2, cells.written, deterministic=True)
    sql = move.select(
        [_cell(number, source.dialect.quote(read.name), write, form) for number, (read, write) in enumerate(pairs)]
    )
    floats = [number for number, (_, write) in enumerate(pairs) if _any_float(write)]
    made, raw.text_factory = raw.text_factory, bytes
    try:
        with closing(source.call(lambda: raw.execute(sql))) as reader:
            count = READ
            while batch := source.call(lambda: reader.fetchmany(count)):  # noqa: B023  called at once
                # SQLite would take far longer to join them.
                data = b"\n".join(map(b",".join, _spelled(batch, floats))) + b"\n"
                yield data, len(batch)
                count = max(1, min(READ, len(batch) * MOST // len(data)))
    except ConnectorError as error:
        raise NoLine(cells.misfit or str(error)) from error
    finally:
        raw.text_factory = made


def _cell(number: int, quoted: str, target: Column, form: Reader) -> str:
    condition, text = usual(target, quoted, form) or ("0", "''")
    real = f"WHEN typeof({quoted}) = 'real' THEN {quoted} " if _any_float(target) else ""
    other = f"WHEN {quoted} IS NULL THEN '{form.null}' ELSE nomaflow_cell({number}, {quoted})"
    return f"CASE WHEN {condition} THEN CAST({text} AS TEXT) {real}{other} END"


def _any_float(target: Column) -> bool:
    """Whether the column keeps every float that SQLite does."""
    return target.kind == "float" and target.size == 64


def _spelled(batch: Sequence[Sequence[Any]], floats: Sequence[int]) -> Iterable[Sequence[bytes]]:
    """The rows with their floats as texts, by Python: SQLite spells no more than 15 digits surely."""
    if not floats:
        return batch
    columns = list(zip(*batch, strict=True))
    for at in floats:
        columns[at] = tuple(repr(value).encode() if value.__class__ is float else value for value in columns[at])
    return zip(*columns, strict=True)


class _Cells:
    """Values that are not what their column usually holds."""

    def __init__(self, changes: list[Callable[[Any], Any] | None], form: Reader) -> None:
        self._changes, self._form = changes, form
        self.misfit = ""

    def written(self, number: int, value: Any) -> str:
        """As the reader takes it."""
        change = self._changes[number]
        try:
            changed = value if change is None else change(value)
        except Misfit as misfit:
            self.misfit = f"a value doesn't fit: {misfit}"
            raise
        if isinstance(changed, bytes):
            return self._form.bytes + changed.hex()
        if isinstance(changed, bool):
            return "t" if changed else "f"
        text = changed if isinstance(changed, str) else as_text(changed)
        return '"' + text.replace('"', '""') + '"'
