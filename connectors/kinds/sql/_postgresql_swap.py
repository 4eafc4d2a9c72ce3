"""One table of PostgreSQL in the place of another: all in one transaction, with what depends on it carried over.

What is carried: owner, grants, storage options, defaults, identity and serial sequences, comments, indexes, keys, checks,
foreign keys to others, replica identity, and the views that read the table. A table of which something else depends, or where
something hears of every change (triggers, rules, publications), stays in its place.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._postgresql_carried import EXCHANGE, FINISH, LET_GO, MAKE, OBSTACLES, REFERENCES, VIEWS
from connectors.kinds.sql._route import Refused
from connectors.kinds.sql._swap import LOCK_ATTEMPTS, LOCK_SECONDS, OLD, PAUSE_SECONDS, Swap

# Somebody who waits for us while we wait for him must not be the one whose transaction is cancelled as a deadlock.
PATIENCE = (
    "SELECT set_config('lock_timeout', least(%s, setting::int / 2)::text, true) FROM pg_settings "
    "WHERE name = 'deadlock_timeout'"
)
# PostgreSQL sends an autovacuum home for whoever has waited for it through a whole deadlock_timeout. It never waits for us.
LONG_PATIENCE = (
    "SELECT set_config('lock_timeout', (setting::int + 500)::text, true) FROM pg_settings "
    "WHERE name = 'deadlock_timeout'"
)
# Whether all who hold the table, or keep keys from being added to those that it references, only tidy up; NULL when nobody does.
HOLDERS = """
SELECT bool_and(mode = 'ShareUpdateExclusiveLock') FROM pg_locks
  WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (relation = to_regclass(%s) OR (mode NOT IN ('AccessShareLock', 'RowShareLock') AND relation IN (
      SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass(%s))))
"""


class PostgreSQLSwap(Swap):
    """Inside one transaction, readers go on until the last moment."""

    def obstacles(self) -> list[str]:
        """See the query of the same name."""
        return self._written(OBSTACLES)

    def make(self) -> list[str]:
        """With columns, defaults, identity, checks and comments of the table."""
        self.say(self._written(MAKE))
        return []

    def finish(self) -> None:
        """Indexes and keys one by one; then statistics, without which the first queries after the exchange are planned blindly."""
        with self._undone_if_refused():
            self.say([*self._written(FINISH), f"ANALYZE {self.stash}"])

    def publish(self, keep: TableName | None) -> None:
        """As soon as no reader is in the middle of something; for a minute it's tried between others."""
        tidied = False
        for attempt in range(LOCK_ATTEMPTS):
            if attempt:
                self.say([f"SELECT pg_sleep({PAUSE_SECONDS})"])
            try:
                with self._undone_if_refused():
                    self._exchange(keep, tidied)
                return
            except _Busy:
                tidied = bool(self.ask(HOLDERS, [self.table] * 2)[0][0])
        seconds = LOCK_ATTEMPTS * (LOCK_SECONDS + PAUSE_SECONDS)
        raise Refused(f"for {seconds} s other transactions that have read it didn't end")

    def _exchange(self, keep: TableName | None, tidied: bool) -> None:
        old = keep.table if keep else OLD + self.stash_name.table[-12:]
        if tidied:
            self.ask(LONG_PATIENCE)
        else:
            self.ask(PATIENCE, [round(LOCK_SECONDS * 1000)])
        lock = f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE"
        self.say([*self._written(REFERENCES), *self._written(VIEWS), lock])
        # What has come to depend on the table since the copy began is seen now, and can't come any more.
        obstacles = self.obstacles()
        if obstacles:
            raise Refused("; ".join(obstacles))
        self.say(self._written(EXCHANGE, old))
        left = self.dialect.table(TableName(self.name.schema, old))
        self.say(self._written(LET_GO, left) if keep else [f"DROP TABLE {left}"])

    def clear(self) -> None:
        """Only needed where the transaction goes on: its end drops what it has made."""
        self.say([f"DROP TABLE IF EXISTS {self.stash}"])

    def _written(self, sql: str, old: str = "") -> list[str]:
        """The first column of a query's rows: texts in which every name has its schema, whatever the search path is."""
        names = {"table": self.table, "stash": self.stash, "short": self.stash_name.table, "old": old}

        def read() -> list[str]:
            cursor = psycopg.ClientCursor(self.raw)
            path = cursor.execute("SELECT current_setting('search_path')").fetchone()
            cursor.execute("SELECT set_config('search_path', 'pg_catalog', true)")
            rows = cursor.execute(sql, names).fetchall()
            cursor.execute("SELECT set_config('search_path', %s, true)", path)
            return [row[0] for row in rows]

        return self.session.call(read)

    @contextmanager
    def _undone_if_refused(self) -> Iterator[None]:
        """What fails in between is undone, and told in the words of the caller's table."""
        self.say(["SAVEPOINT nomaflow_swap"])
        try:
            yield
        except ConnectorError as error:
            self.say(["ROLLBACK TO SAVEPOINT nomaflow_swap", "RELEASE SAVEPOINT nomaflow_swap"])
            if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise _Busy from error
            text = str(error).replace(self.stash_name.table, self.name.table)
            broken = isinstance(error.__cause__, psycopg.errors.IntegrityError)
            raise (ConnectorError if broken else Refused)(text) from error
        self.say(["RELEASE SAVEPOINT nomaflow_swap"])


class _Busy(Exception):
    """Somebody else holds the table."""
