"""The lines that LOAD DATA reads, written by PostgreSQL: COPY's text format, all but two escapes."""

import re
from collections.abc import Iterator

import psycopg

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._postgresql_copy import chunks
from connectors.kinds.sql._route import Move
from connectors.kinds.sql._text import bare

INTS = ("tinyint", "smallint", "mediumint", "int", "bigint")
TEXTS = ("char", "varchar", "text", "mediumtext", "longtext", "json", "uuid")
BLOBS = ("varbinary", "blob", "mediumblob", "longblob")
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
# LOAD DATA would read `\f` and `\v` as the letters.
RAW = {b"f": b"\f", b"v": b"\v"}


def rendered(source: Column, target: Column, quoted: str) -> str | None:
    """The expression in PostgreSQL's SQL whose text LOAD DATA reads as the same value; None when that isn't sure."""
    match = re.match(r"[a-z]+", target.type.lower())
    base = match[0] if match else ""
    if (source.kind, base) in {("date", "date"), ("datetime", "datetime")} and _as_fine(source, target):
        return _in_years(quoted, quoted)
    if source.kind == "instant" and base in ("datetime", "timestamp") and _as_fine(source, target):
        return _in_years(quoted, f"({quoted} AT TIME ZONE 'UTC')")
    exact = {
        "int": base in INTS,
        "bool": base in INTS,
        "decimal": base == "decimal" and source.scale is not None and source.scale <= (target.scale or 0),
        "float": base == "double" or (base == "float" and source.size == 32),
        "time": base == "time" and _as_fine(source, target),
        "text": base in TEXTS[:5] and _as_long(source.size, target),
        "json": base in TEXTS[:6] and _as_long(None, target),
        "uuid": base == "uuid" or (base in TEXTS[:5] and _as_long(36, target)),
        "other": base in TEXTS[:5] and _as_long(None, target),
        "bytes": base in BLOBS,
    }
    if not exact.get(source.kind):
        return None
    return {"bool": f"{quoted}::int", "bytes": f"encode({quoted}, 'hex')"}.get(source.kind, quoted)


def _as_fine(source: Column, target: Column) -> bool:
    """Whether the target keeps all digits of a second."""
    return source.kind == "date" or (6 if source.scale is None else source.scale) <= (target.scale or 0)


def _as_long(size: int | None, target: Column) -> bool:
    return target.size is None or (size is not None and size <= target.size)


def _in_years(quoted: str, written: str) -> str:
    """What is no date of the years 1 to 9999 is spelled so that the server can't take a part of it for one."""
    inside = f"{quoted} >= '0001-01-01' AND {quoted} < '10000-01-01'"
    return f"CASE WHEN {inside} THEN {written}::text ELSE '!' || {quoted}::text END"


def loads_exactly(source: Column, target: Column) -> bool:
    """Whether `rendered` knows how."""
    return source.dialect == "postgresql" and rendered(source, target, "x") is not None


def lines_of(move: Move) -> Iterator[tuple[bytes, int]]:
    """As the server sends them, with the number of rows in each piece."""
    quote = move.source.dialect.quote
    pairs = zip(move.reads, move.writes, strict=True)
    select = move.select([rendered(read, write, quote(read.name)) or quote(read.name) for read, write in pairs])
    try:
        with move.source.raw.cursor() as reader, reader.copy(f"COPY ({bare(select)}) TO STDOUT") as arriving:
            for data, rows in chunks(arriving):
                yield unescaped(data), rows
    except psycopg.Error as error:
        raise ConnectorError(move.source.told(error)) from error


def unescaped(data: bytes) -> bytes:
    """COPY's lines as LOAD DATA reads them."""
    if b"\\f" not in data and b"\\v" not in data:
        return data
    return ESCAPE.sub(lambda match: RAW.get(match[1], match[0]), data)
