"""One table of MariaDB or MySQL in the place of another: RENAME of both in one statement.

Views and grants go by name and stay. What RENAME would leave with the old table (triggers, foreign keys) keeps the table in its
place, as does whatever CREATE TABLE ... LIKE doesn't copy. DDL ends a transaction, so the stash is a table that all can see.
"""

import re
from contextlib import closing, suppress
from typing import Any

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._route import Refused
from connectors.kinds.sql._swap import LOCK_ATTEMPTS, LOCK_SECONDS, OLD, PAUSE_SECONDS, Swap

OBSTACLES = """
SELECT CONCAT('it is not an ordinary table but a ', LOWER(table_type)) FROM information_schema.tables
  WHERE table_schema = %(schema)s AND table_name = %(table)s AND table_type <> 'BASE TABLE'
UNION ALL SELECT CONCAT('it has the trigger ', trigger_name) FROM information_schema.triggers
  WHERE event_object_schema = %(schema)s AND event_object_table = %(table)s
UNION ALL SELECT CONCAT(table_schema, '.', table_name, ' references it') FROM information_schema.key_column_usage
  WHERE referenced_table_schema = %(schema)s AND referenced_table_name = %(table)s
UNION ALL SELECT CONCAT('it references ', referenced_table_name) FROM information_schema.referential_constraints
  WHERE constraint_schema = %(schema)s AND table_name = %(table)s
"""
COUNTER = re.compile(r" AUTO_INCREMENT=(\d+)")
# No right to make, rename or drop tables; a lock that wasn't given in time.
DENIED, BUSY = (1044, 1142), 1205


class MySQLSwap(Swap):
    """Outside of transactions; what RENAME does is one step for everybody else."""

    together = False

    @property
    def old(self) -> TableName:
        """The name under which the table is dropped."""
        return TableName(self.name.schema, OLD + self.stash_name.table[-12:])

    def obstacles(self) -> list[str]:
        """See the query of the same name."""
        return [str(reason) for (reason,) in self.ask(OBSTACLES, self.name._asdict())]

    def make(self) -> list[str]:
        """With all its indexes; what the copy's definition lacks is what it couldn't be given."""
        self.clear()
        try:
            self.say([f"CREATE TABLE {self.stash} LIKE {self.table}"])
        except ConnectorError as error:
            if self._number(error) in DENIED:
                return [str(error)]
            raise
        lacking = [line for line in self._lines(self.table) if line not in self._lines(self.stash)]
        return [f"a copy of it has no {line.strip(' ,)')}" for line in lacking]

    def _lines(self, table: str) -> list[str]:
        """The table's definition, but for its name and the next number of its counter."""
        return COUNTER.sub("", self._definition(table)).splitlines()[1:]

    def _definition(self, table: str) -> str:
        return str(self.ask(f"SHOW CREATE TABLE {table}")[0][1])

    def finish(self) -> None:
        """The counter goes on where it was; statistics."""
        counter = COUNTER.search(self._definition(self.table))
        self.say([f"ALTER TABLE {self.stash} AUTO_INCREMENT = {counter[1]}"] if counter else [])
        self.ask(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {self.stash}")

    def publish(self, keep: TableName | None) -> None:
        """As soon as no transaction that has read the table is open; for a minute it's tried between others."""
        old = self.dialect.table(keep or self.old)
        self._renamed(f"RENAME TABLE {self.table} TO {old}, {self.stash} TO {self.table}")
        if not keep:
            self.say([f"DROP TABLE {old}"])

    def appear(self) -> None:
        """The table is there now, where there was none."""
        self._renamed(f"RENAME TABLE {self.stash} TO {self.table}")

    def _renamed(self, sql: str) -> None:
        self.say([f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}"])
        for attempt in range(LOCK_ATTEMPTS):
            if attempt:
                self.ask(f"SELECT SLEEP({PAUSE_SECONDS})")
            try:
                self.say([sql])
            except ConnectorError as error:
                if self._number(error) in DENIED:
                    raise Refused(str(error)) from error
                if self._number(error) != BUSY:
                    raise
            else:
                return
        seconds = LOCK_ATTEMPTS * (LOCK_SECONDS + PAUSE_SECONDS)
        raise Refused(f"for {seconds} s other transactions that have read it didn't end")

    def _number(self, error: ConnectorError) -> int:
        arguments = error.__cause__.args if error.__cause__ else ()
        return int(arguments[0]) if arguments and isinstance(arguments[0], int) else 0

    def clear(self) -> None:
        """Tables of that name are ours alone."""
        with suppress(ConnectorError):  # without the right to drop there's nothing of ours
            self.session.call(lambda: self._drop(self.raw))

    def _drop(self, raw: Any) -> None:
        self.dialect.execute(raw, f"DROP TABLE IF EXISTS {self.stash}")
        if self.dialect.columns(raw, self.name):
            self.dialect.execute(raw, f"DROP TABLE IF EXISTS {self.dialect.table(self.old)}")

    def clear_elsewhere(self) -> None:
        """The server lets go of the stash when it has undone the load; it isn't waited for long, the next copy clears up too."""
        with suppress(Exception):
            raw = self.dialect.connect({**self.session.settings, "bulk": False}, "nomaflow clear")
            with closing(raw):
                self.dialect.execute(raw, f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
                self._drop(raw)
