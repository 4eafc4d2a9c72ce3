"""The lines that PostgreSQL's COPY reads, written by a MariaDB or MySQL server."""

import re
from collections.abc import Iterator
from contextlib import closing

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._mysql_rows import Unbuffered
from connectors.kinds.sql._mysql_stream import Texts
from connectors.kinds.sql._route import Move, NoLine

PLAIN = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "date", "time", "datetime", "uuid")
TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json")
BLOBS = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
# In hexadecimal, because a session may read backslashes either way: what is escaped, and by what.
ESCAPES = (("5C", "5C5C"), ("09", "5C74"), ("0A", "5C6E"), ("0D", "5C72"))


def line(column: Column, quoted: str) -> str | None:
    """The expression in MariaDB's SQL that gives a value as COPY reads it; None where that isn't sure to be exact."""
    match = re.match(r"[a-z]+", column.type.lower())
    base = match[0] if match else ""
    if base in PLAIN:
        written = quoted
    elif base == "float":
        written = f"CAST({quoted} AS DOUBLE)"
    elif base == "timestamp":
        written = f"CONCAT({quoted}, '+00:00')"
    elif base in BLOBS:
        written = f"CONCAT(X'5C5C78', HEX({quoted}))"
    elif base in TEXTS:
        written = f"CAST(CONVERT({quoted} USING utf8mb4) AS BINARY)"
        for found, instead in ESCAPES:
            written = f"REPLACE({written}, X'{found}', X'{instead}')"
    else:
        return None
    # Not IFNULL around the value: a server answers NULL, too, when a text grows beyond max_allowed_packet.
    return f"IF({quoted} IS NULL, X'5C4E', {written})"


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


def lines_of(move: Move) -> Iterator[tuple[bytes, int]]:
    """As the server sends them. NoLine when it has none for a row."""
    quote = move.source.dialect.quote
    lines = [line(column, quote(column.name)) or quote(column.name) for column in move.reads]
    sql = move.select(["CONCAT(" + ", X'09', ".join(lines) + ", X'0A')"])
    with closing(move.source.raw.cursor(Unbuffered)) as reader:
        move.source.call(lambda: reader.execute(sql))
        texts = Texts(reader)
        while batch := move.source.call(texts.batch):
            if None in batch:
                # The connection is of use to another route only when nothing is left to be read from it.
                while move.source.call(texts.batch):
                    pass
                raise NoLine("a row makes a line longer than the source's max_allowed_packet")
            yield b"".join(filter(None, batch)), len(batch)
