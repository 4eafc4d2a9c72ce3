"""Into MariaDB and MySQL by the lines that LOAD DATA reads, which the source's database writes itself.

LOAD DATA LOCAL turns errors into warnings: a load with one, or with fewer rows than were sent, is undone.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pymysql
from pymysql.connections import Connection, MySQLResult

from connectors.definition import ConnectorError
from connectors.kinds.sql import _mysql_lines, _postgresql_infile, _sqlite_lines
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._route import Move, Refused, undone_or_done

PACKET = 64 * 1024
TEXT = "FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'"
# NULL is a word without quotes.
CSV = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY X'0A'"


class Writer(NamedTuple):
    """How a database writes lines, some at a time with their number.

    `loads_exactly` says whether LOAD DATA reads every value of a column as just that value, or refuses it.
    """

    lines_of: Callable[[Move], Iterator[tuple[bytes, int]]]
    loads_exactly: Callable[[Column, Column], bool]
    form: str


WRITERS = {
    "postgresql": Writer(_postgresql_infile.lines_of, _postgresql_infile.loads_exactly, TEXT),
    "mysql": Writer(_mysql_lines.infile_of, _mysql_lines.loads_exactly, TEXT),
    "sqlite": Writer(_sqlite_lines.infile_of, _sqlite_lines.loads_exactly, CSV),
}


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


def loads_exactly(source: Column, target: Column) -> bool:
    """Whether the source's database has a line for every value of the column."""
    return source.dialect in WRITERS and WRITERS[source.dialect].loads_exactly(source, target)


def copy_infile(move: Move) -> None:
    """The lines into LOAD DATA LOCAL INFILE, with no file between."""
    raw, session = move.target.raw, move.target
    if not isinstance(raw, Loading) or not session.scalar("SELECT @@local_infile"):
        raise Refused("the server doesn't take LOAD DATA LOCAL (its local_infile is off)")
    source, sent = WRITERS[move.source.dialect.name], 0

    def feed(lines: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
        nonlocal sent
        for data, rows in lines:
            yield data
            sent += rows
            move.on_rows(rows)

    def work() -> None:
        with closing(source.lines_of(move)) as lines, raw.cursor() as cursor:  # type: ignore[type-var]
            raw.feed = feed(lines)
            cursor.execute(_statement(move, source.form))
            session.dialect.check_warnings(raw, cursor)
            if cursor.rowcount != sent:
                raise ConnectorError(f"{sent:,} rows were sent and {cursor.rowcount:,} arrived")

    undone_or_done(move, work)


def _statement(move: Move, form: str) -> str:
    targets, sets = [], []
    for number, column in enumerate(move.writes):
        quoted, variable = move.target.dialect.quote(column.name), f"@nomaflow_{number}"
        taken = _taken(column, variable)
        targets.append(variable if taken else quoted)
        sets += [f"{quoted} = {taken}"] if taken else []
    setting = f" SET {', '.join(sets)}" if sets else ""
    return f"LOAD DATA LOCAL INFILE 'nomaflow' INTO TABLE {move.into} CHARACTER SET utf8mb4 {form} ({', '.join(targets)}){setting}"


def _taken(column: Column, variable: str) -> str | None:
    """What a column is given where that isn't the field itself."""
    if column.kind == "bytes":
        return f"UNHEX({variable})"
    # The digits of a field would be taken for the bits.
    return f"CAST({variable} AS UNSIGNED)" if column.type.startswith("bit") else None
