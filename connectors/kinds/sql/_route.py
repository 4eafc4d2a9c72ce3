"""Ways for rows from one database into another that don't lead through Python's values.

A route belongs to the dialect of the target. It's tried before any row has been written by another way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, TableName

if TYPE_CHECKING:
    from connectors.kinds.sql._session import Session


class Refused(ConnectorError):
    """A route can't be gone to its end, and whatever it has written is undone; the message says why."""


class NoLine(ConnectorError):
    """A row that a source can't write in the form in which the target would read it."""


@dataclass(frozen=True)
class Move:
    """Rows that are to go from the open session `source` into the table with the quoted name `into` of `target`."""

    source: "Session"
    target: "Session"
    # The statement that answers with these expressions, in the source's SQL, over all rows of the copy.
    select: Callable[[Sequence[str]], str]
    # The table that the rows are, when they're all of one.
    table: TableName | None
    # As they are at the source and in the target, in the same order.
    reads: Sequence[Column]
    writes: Sequence[Column]
    into: str
    # The table was made in this transaction, and nobody else can see it.
    fresh: bool
    batch_size: int
    # Called with the number of rows that have arrived since the last call.
    on_rows: Callable[[int], None]

    def plain(self) -> str:
        """The statement that answers with the columns as they're usually selected."""
        return self.select([self.source.dialect.selected(column) for column in self.reads])

    def names(self) -> str:
        """The target's columns, quoted, with commas between them."""
        return self.target.dialect.names(column.name for column in self.writes)


class Route(NamedTuple):
    """`move` raises Refused, BadRow with an index counted from the first row, or ConnectorError.

    `carries` says of a source column and its target column whether every value surely arrives exact, or is refused.
    """

    move: Callable[[Move], None]
    carries: Callable[[Column, Column], bool] = lambda source, target: True
    # Whether the target's session reads the source's table, which may have changed since the source's session has seen it.
    reads_itself: bool = False
    # Whether it takes nothing but all rows of one table.
    whole: bool = False


def copy_inside(move: Move) -> None:
    """By one statement of a server that holds both tables; it tells nothing before it's done."""
    source, target = move.source.dialect, move.target.dialect
    select = move.select([source.quote(column.name) for column in move.reads])

    def work() -> None:
        sql = f"INSERT INTO {move.into} ({move.names()}) {target.overriding} {select}"
        cursor = target.execute(move.target.raw, sql)
        target.check_warnings(move.target.raw, cursor)
        move.on_rows(max(int(cursor.rowcount), 0))

    undone_or_done(move, work)


def undone_or_done(move: Move, work: Callable[[], None], error: type[ConnectorError] = ConnectorError) -> None:
    """Do `work` inside the open transaction; after `error` it's undone, for another route to do better or to name the row."""
    session = move.target

    def say(sql: str) -> None:
        session.call(lambda: session.dialect.execute(session.raw, sql))

    say("SAVEPOINT nomaflow_route")
    try:
        session.call(work)
    except error as reason:
        say("ROLLBACK TO SAVEPOINT nomaflow_route")
        say("RELEASE SAVEPOINT nomaflow_route")
        raise Refused(str(reason)) from reason
    say("RELEASE SAVEPOINT nomaflow_route")
