"""One table of a SQLite file in the place of another: both renamed in one transaction, after SQLite's own recipe for such changes.

The stash is filled in transactions of a batch each, so that nobody is kept out of the file for as long as a source takes to
answer. Views go by name. Triggers hear of changes, and rows that others reference can't go: both keep the table in its place.
"""

import re
from contextlib import closing, suppress
from typing import Any

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._route import Refused
from connectors.kinds.sql._swap import Swap

# The table's name in the text of its definition, as SQLite keeps it; what follows is copied.
NAMED = re.compile(
    r"""CREATE TABLE\s+(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s("`\['/-]+)""", re.I
)
OBSTACLES = """
SELECT 'it is not an ordinary table' FROM main.sqlite_master m
  WHERE lower(m.name) = lower(:table) AND (m.type <> 'table' OR m.sql NOT LIKE 'CREATE TABLE%')
UNION ALL SELECT 'it has the trigger ' || m.name FROM main.sqlite_master m
  WHERE m.type = 'trigger' AND lower(m.tbl_name) = lower(:table)
UNION ALL SELECT DISTINCT m.name || ' references it' FROM main.sqlite_master m JOIN pragma_foreign_key_list(m.name) f
  WHERE m.type = 'table' AND lower(f."table") = lower(:table)
"""
DEFINITION = "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND lower(name) = lower(?)"
INDEXES = (
    "SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND lower(tbl_name) = lower(?) AND sql IS NOT NULL"
)
# Names in other tables and views stay as they're written, and rows of others aren't touched while their table is away.
RENAMING = ("PRAGMA foreign_keys = OFF", "PRAGMA legacy_alter_table = ON")
RENAMED = ("PRAGMA legacy_alter_table = OFF", "PRAGMA foreign_keys = ON")


class SQLiteSwap(Swap):
    """The lock of the whole file is only held for the exchange itself."""

    together = False
    in_batches = True

    def obstacles(self) -> list[str]:
        """See the query of the same name."""
        if self.name.schema != "main":
            return ["it is not in the file itself"]
        found = [reason for (reason,) in self.ask(OBSTACLES, {"table": self.name.table})]
        unread = self._definition() is not None and NAMED.match(self._definition() or "") is None
        return found + (["its definition can't be read"] if unread else [])

    def _definition(self) -> str | None:
        rows = self.ask(DEFINITION, [self.name.table])
        return rows[0][0] if rows else None

    def make(self) -> list[str]:
        """By the text of the table's own definition; indexes have names that only one can have, they follow."""
        self.clear()
        self._made_from = self._definition() or ""
        try:
            self.say([NAMED.sub(lambda _: f"CREATE TABLE {self.stash}", self._made_from, count=1)])
        except ConnectorError as error:
            return [f"a copy of it can't be made: {error}"]
        return []

    def publish(self, keep: TableName | None) -> None:
        """Drop or rename the one, rename the other, make the indexes."""
        self.say([*RENAMING, "BEGIN IMMEDIATE"])
        try:
            if self._definition() != self._made_from or self.obstacles():
                raise Refused(f"{self.name} has been changed meanwhile")
            if self.only_if_empty and self.ask(self.dialect.one_row(self.table)):
                raise Refused(f"{self.name} isn't empty any more")
            self._exchange(keep)
            self.say(["COMMIT"])
        except BaseException:
            with suppress(Exception):
                self.raw.rollback()
            raise
        finally:
            with suppress(Exception):
                self.say(RENAMED)

    def _exchange(self, keep: TableName | None) -> None:
        quote, table = self.dialect.quote, self.name.table
        indexes = self.ask(INDEXES, [table])
        counters = self._counter(table)
        known = self.ask("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_stat1'")
        analysed = bool(known and self.ask("SELECT 1 FROM main.sqlite_stat1 WHERE lower(tbl) = lower(?)", [table]))
        self.say(f"DROP INDEX main.{quote(name)}" for name, _ in indexes)
        self.say([f"ALTER TABLE {self.table} RENAME TO {quote(keep.table)}" if keep else f"DROP TABLE {self.table}"])
        self.say([f"ALTER TABLE {self.stash} RENAME TO {quote(table)}", *(sql for _, sql in indexes)])
        if counters:
            self.ask(
                "UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE lower(name) = lower(?)", [counters[0], table]
            )
            if not self._counter(table):
                self.ask("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", [table, counters[0]])
        if analysed:
            self.say(["PRAGMA analysis_limit = 1000", f"ANALYZE {self.table}"])

    def _counter(self, table: str) -> list[int]:
        """The last number that AUTOINCREMENT gave."""
        if not self.ask("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'"):
            return []
        return [
            seq for (seq,) in self.ask("SELECT seq FROM main.sqlite_sequence WHERE lower(name) = lower(?)", [table])
        ]

    def appear(self) -> None:
        """One statement is one transaction."""
        self.say([*RENAMING, f"ALTER TABLE {self.stash} RENAME TO {self.dialect.quote(self.name.table)}", *RENAMED])

    def clear(self) -> None:
        """Tables of that name are ours alone."""
        self.session.call(lambda: self._drop(self.raw))

    def _drop(self, raw: Any) -> None:
        # Asked first: to drop what isn't there takes the lock of the file all the same.
        if raw.execute(DEFINITION, [self.stash_name.table]).fetchone():
            raw.execute(f"DROP TABLE {self.stash}")

    def clear_elsewhere(self) -> None:
        """When others hold the file it's left to the next copy."""
        with suppress(Exception), closing(self.dialect.connect(self.session.settings, "nomaflow clear")) as raw:
            self._drop(raw)
