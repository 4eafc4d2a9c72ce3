"""The lines that PostgreSQL's COPY and MariaDB's LOAD DATA read, written by a MariaDB or MySQL server.

The server puts between the fields what is in no text, and Python does the rest: a server's REPLACE moves
all of a text that is left at every place that it changes.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple, cast

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._fit import fit
from connectors.kinds.sql._mysql_rows import Unbuffered
from connectors.kinds.sql._mysql_stream import Texts
from connectors.kinds.sql._route import Move, NoLine

PLAIN = (
    *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "year"),
    *("date", "time", "datetime", "uuid"),
)
TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json")
BLOBS = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
# Bytes that no text in UTF-8 has, and what they're written for: the end of a field, of a row, and NULL.
FIELD, ROW, NULL = b"\xff", b"\xfd", b"\xfe"
# In this order: what the last three are written for is not to be escaped.
ESCAPES = (
    *((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r")),
    *((FIELD, b"\t"), (ROW, b"\n"), (NULL, b"\\N")),
)


class Reader(NamedTuple):
    """What the reader of the lines takes for an instant and for bytes: SQL around the column, and around its digits."""

    instant: str
    bytes: str


COPY = Reader("CONCAT({}, '+00:00')", "CONCAT(X'5C78', {})")
LOAD = Reader("{}", "{}")


def line(column: Column, quoted: str, reader: Reader = COPY) -> str | None:
    """The expression in MariaDB's SQL that gives a value as the reader takes it, before anything is escaped.

    None where that isn't sure to be exact.
    """
    base = _base(column)
    if base in PLAIN:
        written = quoted
    elif base == "float":
        written = f"CAST({quoted} AS DOUBLE)"
    elif base == "bit":
        written = f"CAST({quoted} AS UNSIGNED)"
    elif base == "timestamp":
        written = reader.instant.format(quoted)
    elif base in BLOBS:
        written = reader.bytes.format(f"HEX({quoted})")
    elif base in TEXTS:
        written = f"CAST(CONVERT({quoted} USING utf8mb4) AS BINARY)"
    else:
        return None
    # A server answers NULL, too, when a text grows beyond max_allowed_packet. What is asked twice is made twice, so only then.
    return f"IFNULL({written}, IF({quoted} IS NULL, X'{NULL.hex()}', NULL))" if column.nullable else written


def _base(column: Column) -> str:
    match = re.match(r"[a-z]+", column.type.lower())
    return match[0] if match else ""


def loads_exactly(source: Column, target: Column) -> bool:
    """Whether LOAD DATA reads the line of every value as just that value, or refuses it."""
    if source.dialect != "mysql" or line(source, "x") is None or line(target, "x") is None:
        return False
    # A number for a set or enum could be meant as a place in its list.
    listed = _base(target) in ("enum", "set")
    return source.type == target.type or (not listed and source.kind == target.kind and fit(source, target) is None)


def has_line(source: Column, target: Column) -> bool:
    """Whether PostgreSQL reads the line of every value as just that value, or refuses it."""
    if source.dialect != "mysql" or line(source, "x") is None:
        return False
    as_fine = target.scale is None or (source.scale is not None and source.scale <= target.scale)
    as_long = target.size is None or (source.size is not None and source.size <= target.size)
    return {
        # A number beyond 1 is no boolean for PostgreSQL.
        "int": target.kind in ("int", "decimal", "bool") or (target.kind == "text" and target.size is None),
        "decimal": target.kind == "decimal" and as_fine,
        "float": target.kind == "float" and (source.size or 64) <= (target.size or 64),
        "date": target.kind == "date",
        "time": target.kind == "time" and as_fine,
        "datetime": target.kind == "datetime" and as_fine,
        # With the offset of UTC, which a timestamp without zone ignores: what it keeps is UTC.
        "instant": target.kind in ("instant", "datetime") and as_fine,
        "text": target.kind in ("uuid", "json") or (target.kind == "text" and as_long),
        "json": target.kind == "json" or (target.kind == "text" and target.size is None),
        "uuid": target.kind == "uuid" or (target.kind == "text" and (target.size or 36) >= 36),
        "bytes": target.kind == "bytes",
    }.get(source.kind, False)


def rows_of(move: Move, reader: Reader) -> Iterator[list[bytes]]:
    """Rows as the server sends them. NoLine when it has none for one of them."""
    quote = move.source.dialect.quote
    lines = [line(column, quote(column.name), reader) or quote(column.name) for column in move.reads]
    between = f", X'{FIELD.hex()}', "
    sql = move.select([f"CONCAT({between.join(lines)})"])
    with closing(move.source.raw.cursor(Unbuffered)) as cursor:
        move.source.call(lambda: cursor.execute(sql))
        texts = Texts(cursor)
        while batch := move.source.call(texts.batch):
            if None in batch:
                # The connection is of use to another route only when nothing is left to be read from it.
                while move.source.call(texts.batch):
                    pass
                raise NoLine("a row makes a line longer than the source's max_allowed_packet")
            yield cast(list[bytes], batch)


def lines_of(move: Move, reader: Reader = COPY) -> Iterator[tuple[bytes, int]]:
    """`rows_of` as lines of text, with their number."""
    with closing(rows_of(move, reader)) as batches:  # type: ignore[type-var]
        for batch in batches:
            yield escaped(ROW.join(batch) + ROW), len(batch)


def escaped(data: bytes) -> bytes:
    """The server's rows as lines of text."""
    for found, instead in ESCAPES:
        data = data.replace(found, instead)
    return data


def infile_of(move: Move) -> Iterator[tuple[bytes, int]]:
    """`lines_of` for LOAD DATA."""
    return lines_of(move, LOAD)
