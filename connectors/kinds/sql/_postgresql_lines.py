"""Into PostgreSQL by the lines that COPY reads, which the source's database writes itself."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import psycopg

from connectors.kinds.sql import _mysql_lines, _sqlite_lines
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._postgresql_copy import bad_row, into_table
from connectors.kinds.sql._route import Move, NoLine, undone_or_done


class Writer(NamedTuple):
    """How a database writes lines, some at a time with their number.

    `has_line` says whether PostgreSQL reads every value of a column as just that value, or refuses it.
    """

    lines_of: Callable[[Move], Iterator[tuple[bytes, int]]]
    has_line: Callable[[Column, Column], bool]
    # The format of COPY that they have.
    form: str


WRITERS = {
    "mysql": Writer(_mysql_lines.lines_of, _mysql_lines.has_line, "text"),
    "sqlite": Writer(_sqlite_lines.lines_of, _sqlite_lines.has_line, "csv"),
}


def has_line(source: Column, target: Column) -> bool:
    """Whether the source's database has a line for every value of the column."""
    return source.dialect in WRITERS and WRITERS[source.dialect].has_line(source, target)


def copy_lines(move: Move) -> None:
    """Lines as they come into COPY ... FROM STDIN."""
    source = WRITERS[move.source.dialect.name]

    def work() -> None:
        if move.fresh:
            # Fresh is what was made or emptied since the savepoint.
            move.target.raw.execute(f"TRUNCATE {move.into}")
        copy = into_table(move.into, move.names(), move.fresh, source.form)
        try:
            with (
                closing(source.lines_of(move)) as lines,  # type: ignore[type-var]
                move.target.raw.cursor() as writer,
                writer.copy(copy) as leaving,
            ):
                for data, rows in lines:
                    leaving.write(data)
                    move.on_rows(rows)
        except psycopg.Error as error:
            raise bad_row(error) from error

    undone_or_done(move, work, NoLine)
