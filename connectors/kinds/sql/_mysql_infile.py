"""From PostgreSQL into MariaDB and MySQL: COPY's text format is what LOAD DATA reads, all but two escapes.

LOAD DATA LOCAL turns errors into warnings: a load with one, or with fewer rows than were sent, is undone.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pymysql
from pymysql.connections import Connection, MySQLResult

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._postgresql_copy import chunks
from connectors.kinds.sql._route import Move, Refused, undone_or_done
from connectors.kinds.sql._text import bare

PACKET = 64 * 1024
INTS = ("tinyint", "smallint", "mediumint", "int", "bigint")
TEXTS = ("char", "varchar", "text", "mediumtext", "longtext", "json", "uuid")
BLOBS = ("varbinary", "blob", "mediumblob", "longblob")
FORMAT = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'"
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
# LOAD DATA would read `\f` and `\v` as the letters.
RAW = {b"f": b"\f", b"v": b"\v"}


class Loading(Connection):
    """Answers LOAD DATA LOCAL with `feed`, once, whatever file the server asks for; no file is ever opened."""

    feed: Iterator[bytes] | None = None

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        # As the driver's own, with our kind of result.
        self._result = None
        result = _Fed(self)
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows


class _Fed(MySQLResult):
    def _read_load_local_packet(self, first_packet: Any) -> None:
        result: Any = self
        connection = result.connection
        feed, connection.feed = connection.feed, None
        failure: Exception | None = None
        if feed is None:
            failure = pymysql.OperationalError("The server asked for a file, which it doesn't get")
        try:
            for data in feed or ():
                for start in range(0, len(data), PACKET):
                    connection.write_packet(data[start : start + PACKET])
        except Exception as error:
            failure = error
        if connection._sock is None:
            raise failure or pymysql.OperationalError(2013, "Lost connection to server during LOAD DATA")
        # A cancel has gone past this line: an end of file would make it look like a whole load.
        connection.write_packet(b"")
        answer = connection._read_packet()
        if failure is not None:
            raise failure
        result._read_ok_packet(answer)


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


def copy_infile(move: Move) -> None:
    """COPY ... TO STDOUT into LOAD DATA LOCAL INFILE, with no file between."""
    raw, session = move.target.raw, move.target
    if not isinstance(raw, Loading) or not session.scalar("SELECT @@local_infile"):
        raise Refused("the server doesn't take LOAD DATA LOCAL (its local_infile is off)")
    sent = [0]

    def work() -> None:
        with closing(_feed(move, sent)) as feed, raw.cursor() as cursor:
            raw.feed = feed
            cursor.execute(_statement(move))
            session.dialect.check_warnings(raw, cursor)
            if cursor.rowcount != sent[0]:
                raise ConnectorError(f"{sent[0]:,} rows were sent and {cursor.rowcount:,} arrived")

    undone_or_done(move, work)


def _statement(move: Move) -> str:
    targets, sets = [], []
    for number, (read, write) in enumerate(zip(move.reads, move.writes, strict=True)):
        quoted = move.target.dialect.quote(write.name)
        targets.append(f"@nomaflow_{number}" if read.kind == "bytes" else quoted)
        if read.kind == "bytes":
            sets.append(f"{quoted} = UNHEX(@nomaflow_{number})")
    setting = f" SET {', '.join(sets)}" if sets else ""
    return f"LOAD DATA LOCAL INFILE 'nomaflow' INTO TABLE {move.into} {FORMAT} ({', '.join(targets)}){setting}"


def _feed(move: Move, sent: list[int]) -> Generator[bytes, None, None]:
    """COPY's lines; `sent` counts them."""
    quote = move.source.dialect.quote
    pairs = zip(move.reads, move.writes, strict=True)
    select = move.select([rendered(read, write, quote(read.name)) or quote(read.name) for read, write in pairs])
    try:
        with move.source.raw.cursor() as reader, reader.copy(f"COPY ({bare(select)}) TO STDOUT") as arriving:
            for data, rows in chunks(arriving):
                yield unescaped(data)
                sent[0] += rows
                move.on_rows(rows)
    except psycopg.Error as error:
        raise ConnectorError(move.source.told(error)) from error


def unescaped(data: bytes) -> bytes:
    """COPY's lines as LOAD DATA reads them."""
    if b"\\f" not in data and b"\\v" not in data:
        return data
    return ESCAPE.sub(lambda match: RAW.get(match[1], match[0]), data)
