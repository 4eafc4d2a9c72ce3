"""Into SQLite by values that it keeps as they are, without a look at each: the source's database makes them so."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from connectors.kinds.sql import _mysql_values, _postgresql_values
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._dialect import BadRow, Row
from connectors.kinds.sql._route import Move, NoLine, Refused


class Giver(NamedTuple):
    """How a database gives its rows, `batch_size` at a time, and whether it has a value for all that a column may hold."""

    batches: Callable[[Move], Iterator[Sequence[Row]]]
    casts: Callable[[Column, Column], bool]


GIVERS = {
    "postgresql": Giver(_postgresql_values.batches, _postgresql_values.casts),
    "mysql": Giver(_mysql_values.batches, _mysql_values.casts),
}


def casts(source: Column, target: Column) -> bool:
    """Whether the source's database gives every value of the column as SQLite keeps it."""
    return source.dialect in GIVERS and GIVERS[source.dialect].casts(source, target)


def copy_values(move: Move) -> None:
    """Batch after batch."""
    target, names, done = move.target, [column.name for column in move.writes], 0
    together = target.raw.in_transaction
    if together:
        target.call(lambda: target.raw.execute("SAVEPOINT nomaflow_values"))
    try:
        with closing(GIVERS[move.source.dialect.name].batches(move)) as batches:  # type: ignore[type-var]
            for batch in batches:
                try:
                    target.load(move.into, names, batch)
                except BadRow as error:
                    index = None if error.index is None else done + error.index
                    raise BadRow(error.message, index, error.column, error.value) from error
                done += len(batch)
                move.on_rows(len(batch))
    except NoLine as error:
        # Outside a transaction it's a table of this copy alone, which was empty.
        undo = "ROLLBACK TO nomaflow_values" if together else f"DELETE FROM {move.into}"
        target.call(lambda: target.raw.execute(undo))
        raise Refused(str(error)) from error
    if together:
        target.call(lambda: target.raw.execute("RELEASE nomaflow_values"))
