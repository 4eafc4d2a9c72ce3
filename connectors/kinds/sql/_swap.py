"""A table that is loaded beside another one and then takes its place, for databases where that's quicker than moving its rows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._staging import stash_of

if TYPE_CHECKING:
    from connectors.kinds.sql._session import Session

# The name under which the old table goes, before the end of the stash's.
OLD = "_nomaflow_old_"
# Readers that are under way are waited for: so often, this long, with a pause in which others get through.
LOCK_ATTEMPTS = 30
LOCK_SECONDS = 1
PAUSE_SECONDS = 1


class Swap:
    """One exchange: `obstacles`, then `make`, the load, `finish`, `publish`; `clear` after whatever went wrong.

    Either everything happens inside the caller's transaction, or the caller commits the load before `publish`, which is then
    atomic by itself.
    """

    # Whether everything is one transaction of the caller's, whose end drops what was made.
    together: ClassVar[bool] = True
    # Whether each batch of the load is committed by itself.
    in_batches: ClassVar[bool] = False
    # How the stash of a new table is made.
    creating: ClassVar[str] = "CREATE TABLE"
    # Whether rows come into the target by no other way, and so can't be added to those that are there.
    only: bool = False

    def __init__(self, session: "Session", name: TableName) -> None:
        self.session, self.raw, self.dialect = session, session.raw, session.dialect
        self.name = name
        self.table = self.dialect.table(name)
        self.stash_name = TableName(name.schema, stash_of(name))
        self.stash = self.dialect.table(self.stash_name)
        # Rows that have come into the table meanwhile are no reason against an overwrite. For rows that are to be added, they are.
        self.only_if_empty = False

    def obstacles(self) -> list[str]:
        """Why the table has to stay, each a short sentence; empty when another may take its place."""
        raise NotImplementedError

    def make(self) -> list[str]:
        """Make the empty stash like the table, without what is better made after the load; what it couldn't be given."""
        raise NotImplementedError

    def finish(self) -> None:
        """After the load: indexes, keys, statistics. ConnectorError for a row that breaks a rule, Refused for all else."""

    def publish(self, keep: TableName | None) -> None:
        """Put the stash in the table's place, which goes, or stays under the name `keep`.

        Refused, with everything as before, when it can't be.
        """
        raise NotImplementedError

    def clear(self) -> None:
        """Drop what a copy has left that came to no end."""

    # --- where not everything is one transaction --------------------------------------------------------

    def appear(self) -> None:
        """Give the stash the name of the table, of which there is none yet."""
        raise NotImplementedError

    def clear_elsewhere(self) -> None:
        """`clear` by a connection of its own, after the session's is gone; never raises."""

    def say(self, statements: Iterable[str]) -> None:
        """Run statements one by one."""
        for sql in statements:
            self.session.call(lambda sql=sql: self.dialect.execute(self.raw, sql))  # type: ignore[misc]

    def ask(self, sql: str, bound: Any = None) -> list[Any]:
        """All rows of a query."""
        return self.session.call(lambda: list(self.dialect.execute(self.raw, sql, bound).fetchall()))
