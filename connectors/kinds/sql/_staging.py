"""Changing a table by sets: rows go into a temporary table first, then a few statements compare and write.

Every function runs inside the caller's transaction and leaves committing to it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, TableName

if TYPE_CHECKING:
    from connectors.kinds.sql._session import Session

T = TypeVar("T")
BATCH = 1000


class UpsertCounts(NamedTuple):
    """What became of the rows of an upsert."""

    inserted: int
    updated: int
    unchanged: int


def stash_of(name: TableName) -> str:
    """The staging table's name: the same for the same target, short enough for every database."""
    return "_nomaflow_stash_" + hashlib.sha256(str(name).encode()).hexdigest()[:12]


class Staging:
    """A target table, some of its columns and its key, and the statements between it and a staging table."""

    def __init__(self, session: "Session", name: TableName, columns: list[str], keys: list[str]) -> None:
        self.session = session
        self.dialect = session.dialect
        self.name = name
        self.columns = columns
        self.keys = keys
        self.table = self.dialect.table(name)
        self.known = {c.name: c for c in session.call(lambda: self.dialect.columns(session.raw, name))}
        self._check()

    def _check(self) -> None:
        if not self.known:
            raise ConnectorError(f"There is no table {self.name} on this connector; create it first.")
        unknown = [c for c in dict.fromkeys([*self.columns, *self.keys]) if c not in self.known]
        if unknown:
            raise ConnectorError(
                f"Table {self.name} has no column {', '.join(map(repr, unknown))}; it has {', '.join(self.known)}."
            )
        lost = [key for key in self.keys if key not in self.columns]
        if lost:
            raise ConnectorError(
                f"The key column {', '.join(map(repr, lost))} of {self.name} is not among the columns."
            )

    # --- filling ----------------------------------------------------------------------------------------------------

    def create(self) -> str:
        """Make the empty staging table; its quoted name."""
        return self.session.call(
            lambda: self.dialect.stage(self.session.raw, self.name, self.columns, stash_of(self.name))
        )

    def drop(self, stash: str) -> None:
        """Drop the staging table."""
        self.session.call(lambda: self.dialect.unstage(self.session.raw, stash))

    def filled(self, rows: Iterable[Sequence[Any]], use: Callable[[str], T]) -> T:
        """The result of `use` with a staging table that holds `rows`; the table is dropped (or rolled back) after it."""
        stash = self.create()
        for batch in _batches(rows, BATCH):
            self.session.load(stash, self.columns, batch)
        result = use(stash)
        self.drop(stash)
        return result

    # --- statements -------------------------------------------------------------------------------------------------

    def upsert(self, stash: str) -> UpsertCounts:
        """Update rows that differ and insert new ones. Raises ConnectorError for a NULL or double key in the staging table."""
        self.check_keys(stash)
        total = int(self._scalar(f"SELECT count(*) FROM {stash}"))
        updated = self.update_changed(stash)
        inserted = self.insert_new(stash)
        return UpsertCounts(inserted, updated, total - inserted - updated)

    def check_keys(self, stash: str) -> None:
        """Raise ConnectorError with examples when a key is NULL or occurs more than once."""
        names = self.dialect.names(self.keys)
        nulls = " OR ".join(f"{self.dialect.quote(key)} IS NULL" for key in self.keys)
        empty = int(self._scalar(f"SELECT count(*) FROM {stash} WHERE {nulls}"))
        if empty:
            raise ConnectorError(f"The key ({', '.join(self.keys)}) is NULL in {empty:,} rows; every row needs one.")
        cursor = self._run(f"SELECT {names}, count(*) FROM {stash} GROUP BY {names} HAVING count(*) > 1")
        doubles = self.session.call(lambda: cursor.fetchmany(3))
        self.session.call(cursor.fetchall)
        if doubles:
            examples = "; ".join(f"({', '.join(map(repr, row[:-1]))}) {row[-1]} times" for row in doubles)
            raise ConnectorError(f"The key ({', '.join(self.keys)}) is not unique among the rows: {examples}.")

    def update_changed(self, stash: str) -> int:
        """Update the rows that are in both tables and differ."""
        others = [self.known[c] for c in self.columns if c not in self.keys]
        if not others:
            return 0
        changed = " OR ".join(self._differs(column) for column in others)
        sets = ", ".join(self.dialect.set_clause(column.name) for column in others)
        return self._change(self.dialect.update_from(self.table, stash, sets, self.match(), changed))

    def _differs(self, column: Column) -> str:
        quoted = self.dialect.quote(column.name)
        return self.dialect.differs(column, f"t.{quoted}", f"s.{quoted}")

    def insert_new(self, stash: str) -> int:
        """Insert the rows whose key is not in the table."""
        names = self.dialect.names(self.columns)
        return self._change(
            f"INSERT INTO {self.table} ({names}) {self.dialect.overriding} SELECT {self.dialect.names(self.columns, 's.')} "
            f"FROM {stash} s WHERE NOT EXISTS (SELECT 1 FROM {self.table} t WHERE {self.match()})"
        )

    def insert_all(self, stash: str) -> int:
        """Insert every row."""
        names = self.dialect.names(self.columns)
        return self._change(f"INSERT INTO {self.table} ({names}) {self.dialect.overriding} SELECT {names} FROM {stash}")

    def delete_all(self) -> int:
        """Delete every row of the table."""
        return self._change(f"DELETE FROM {self.table}")

    def delete_missing(self, stash: str) -> int:
        """Delete the table's rows whose key is not in the staging table."""
        return self._change(self.dialect.delete_where(self.table, self._absent(stash)))

    def missing(self, stash: str) -> tuple[int, int]:
        """How many rows of the table have no row in the staging table, and how many there are."""
        missing = self._scalar(f"SELECT count(*) FROM {self.table} t WHERE {self._absent(stash)}")
        return int(missing), int(self._scalar(f"SELECT count(*) FROM {self.table}"))

    def prune(self, stash: str, deactivate_column: str | None) -> int:
        """Delete, or switch off, the table's rows whose key is not in the staging table."""
        if deactivate_column is None:
            return self.delete_missing(stash)
        if deactivate_column not in self.known:
            raise ConnectorError(
                f"Table {self.name} has no column {deactivate_column!r}; it has {', '.join(self.known)}."
            )
        off = "false" if self.known[deactivate_column].kind == "bool" and self.dialect.name != "mssql" else "0"
        quoted = self.dialect.quote(deactivate_column)
        still_on = f"(t.{quoted} <> {off} OR t.{quoted} IS NULL)"
        return self._change(
            self.dialect.update_where(self.table, f"{quoted} = {off}", f"{self._absent(stash)} AND {still_on}")
        )

    def match(self) -> str:
        """The condition under which row `t` of the table and row `s` of the staging table have the same key."""
        return " AND ".join(f"t.{self.dialect.quote(key)} = s.{self.dialect.quote(key)}" for key in self.keys)

    def _absent(self, stash: str) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {stash} s WHERE {self.match()})"

    def _run(self, sql: str) -> Any:
        return self.session.call(lambda: self.dialect.execute(self.session.raw, sql))

    def _scalar(self, sql: str) -> Any:
        cursor = self._run(sql)
        return self.session.call(cursor.fetchall)[0][0]

    def _change(self, sql: str) -> int:
        def change() -> int:
            cursor = self.dialect.execute(self.session.raw, sql)
            self.dialect.check_warnings(self.session.raw, cursor)
            return max(int(cursor.rowcount), 0)

        return self.session.call(change)


def _batches(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
