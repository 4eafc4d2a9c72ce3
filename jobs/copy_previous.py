"""The table that an overwrite has replaced, kept for some days so that it can be restored.

Its name says of which table it is, when it was replaced and for how many days it's kept: whatever copies into the same table
next drops what is too old. `runs/restore.py` brings it back, by a copy like any other.
"""

import re
from datetime import UTC, datetime, timedelta

from connectors.kinds.sql import TableName, stash_of
from jobs.copy_target import Target
from jobs.steptype import StepFailed

PREFIX = "_nomaflow_previous_"
STAMP = "%Y%m%d%H%M%S%f"
ENDING = re.compile(r"_(\d{20})_(\d+)")


class Previous:
    """What stays of a target for `days` days from `now` on; nothing when `days` is None."""

    def __init__(self, target: Target, days: int | None, now: datetime) -> None:
        self.target, self.now = target, now
        self._prefix = PREFIX + stash_of(target.name)[-12:]
        if days and not target.dialect.keeps_previous:
            raise StepFailed(f"{target.dialect.label} can't keep the previous table; leave keep_previous out.")
        named = f"{self._prefix}_{now.astimezone(UTC).strftime(STAMP)}_{days}"
        self.name = TableName(target.name.schema, named) if days else None
        self.until = now + timedelta(days=days) if days else None
        # Whether it's there with the old rows.
        self.kept = False
        self._made = False

    def make_early(self) -> None:
        """Where making a table ends a transaction it's made before one begins."""
        if not self.target.dialect.transactional_ddl:
            self._make()

    def keep_rows(self) -> None:
        """Copy the rows that are about to be replaced, where the old table itself stays in its place."""
        if self.name is None:
            return
        if not self._made:
            self._make()
        quoted, session, dialect = self.target.dialect.table(self.name), self.target.session, self.target.dialect
        sql = f"INSERT INTO {quoted} SELECT * FROM {self.target.quoted}"
        session.call(lambda: dialect.execute(session.raw, sql))
        self.kept = True

    def _make(self) -> None:
        name, session, dialect = self.name, self.target.session, self.target.dialect
        if name is not None:
            session.call(lambda: dialect.make_like(session.raw, self.target.name, name))
            self._made = True

    def forget(self) -> None:
        """After a failure: drop what was made early."""
        if self._made and self.name is not None and not self.target.dialect.transactional_ddl:
            self._drop(self.name.table)

    def drop_expired(self) -> None:
        """Drop the tables of this target whose days are over."""
        session, dialect, schema = self.target.session, self.target.dialect, self.target.name.schema
        if not dialect.keeps_previous:
            return
        for name in session.call(lambda: dialect.tables(session.raw, schema, self._prefix)):
            ending = ENDING.fullmatch(name.removeprefix(self._prefix))
            if ending and expires(ending[1], int(ending[2])) <= self.now:
                self._drop(name)

    def _drop(self, name: str) -> None:
        quoted = self.target.dialect.table(TableName(self.target.name.schema, name))
        self.target.session.call(lambda: self.target.dialect.execute(self.target.session.raw, f"DROP TABLE {quoted}"))


def expires(stamp: str, days: int) -> datetime:
    """When a table that was replaced at that moment has been kept long enough."""
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC) + timedelta(days=days)
