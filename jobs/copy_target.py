"""Where a copy writes: the target table, its creation, and the statements that bring gathered rows into it.

Gathered rows wait in a temporary table, which goes with its connection however the copy ends, and are published by a few
statements in one transaction: readers see the old rows until it commits.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace

from connectors.definition import ConnectorError
from connectors.kinds.sql import Column, Session, SqlClient, Staging, Swap, TableName, stash_of
from jobs.copy_source import Source, pick
from jobs.steptype import StepFailed


class Target:
    """A table behind a session. `wanted` below are the columns of the copy, named as they are to be in the target."""

    def __init__(self, client: SqlClient, session: Session, schema: str | None, table: str) -> None:
        self.session, self.dialect = session, session.dialect
        session.call(lambda: self.dialect.prepare_copy(session.raw))
        written = TableName(schema or client.schema, table)
        self.name = session.call(lambda: self.dialect.resolve(session.raw, written))
        self.quoted = self.dialect.table(self.name)
        self.known = self._read_columns(self.name)
        # The columns of the table as it is, or as it's going to be made.
        self.planned = self.known
        self.created = False
        self._widened: list[Column] = []
        self.swap = self.dialect.swap(session, self.name) if self.dialect.swap else None

    def _read_columns(self, name: TableName) -> list[Column]:
        return self.session.call(lambda: self.dialect.columns(self.session.raw, name))

    @property
    def exists(self) -> bool:
        """Whether the table is there already."""
        return bool(self.known)

    def refuse_self_copy(self, source: Source) -> None:
        """StepFailed when source and target are one table, by whatever connectors they're reached."""
        if source.name is None or not self.shares_database(source):
            return
        mine, other = map(str, (self.name, source.name))
        if (mine.casefold() == other.casefold()) if self.dialect.folds_case else (mine == other):
            raise StepFailed(f"{self.name} would be copied onto itself; name another target table or database.")

    def shares_database(self, source: Source) -> bool:
        """Whether source and target are in one database, by whatever connectors it's reached."""
        if source.dialect is not self.dialect:
            return False
        sessions = (self.session, source.session)
        mine, other = (session.call(lambda raw=session.raw: self.dialect.identity(raw)) for session in sessions)  # type: ignore[misc]
        return mine == other

    # --- columns ----------------------------------------------------------------------------------------------------

    def matching(self, wanted: Sequence[Column]) -> list[Column]:
        """The target's column for each of `wanted`. StepFailed naming those it doesn't have."""
        found = [pick(self.planned, column.name) for column in wanted]
        lost = [column.name for column, match in zip(wanted, found, strict=True) if match is None]
        if lost:
            raise StepFailed(
                f"Target {self.name} has no column {', '.join(map(repr, lost))}; it has "
                f"{', '.join(column.name for column in self.planned)}. Add it there, or pick or rename with `columns`."
            )
        return [match for match in found if match is not None]

    def primary_key(self) -> list[str]:
        """The table's own key columns."""
        return self.session.call(lambda: self.dialect.primary_key(self.session.raw, self.name))

    def key(self, asked: Sequence[str], columns: Sequence[Column]) -> list[str]:
        """The key of an upsert, as spelled in the target. StepFailed when there is none among the copied columns."""
        keys = list(asked) or self.primary_key()
        if not keys:
            raise StepFailed(f"Target {self.name} has no primary key; name the key with `key_columns`.")
        found = [pick(columns, key) for key in keys]
        lost = [key for key, match in zip(keys, found, strict=True) if match is None]
        if lost:
            raise StepFailed(f"The key column {', '.join(map(repr, lost))} is not among the copied columns.")
        return [match.name for match in found if match is not None]

    def type_for(self, column: Column, in_key: bool = False) -> str:
        """The type of a column that is to be made; a type of another database of this product may not be one of this."""
        own = column.dialect == self.dialect.name and bool(column.type)
        if own and not self.session.call(lambda: self.dialect.has_type(self.session.raw, column)):
            column = replace(column, type="")
        return self.dialect.type_name(column, in_key)

    # --- making -----------------------------------------------------------------------------------------------------

    def create(self, quoted: str, wanted: Sequence[Column], key: Sequence[str], creating: str = "CREATE TABLE") -> None:
        """Make a table with the nearest types of this database and a primary key."""
        lines = [
            f"{self.dialect.quote(c.name)} {self.type_for(c, c.name in key)}"
            + ("" if c.nullable and c.name not in key else " NOT NULL")
            for c in wanted
        ]
        lines += [f"PRIMARY KEY ({self.dialect.names(key)})"] if key else []
        self.session.call(lambda: self.dialect.execute(self.session.raw, f"{creating} {quoted} ({', '.join(lines)})"))

    def create_missing(self, wanted: Sequence[Column], key: Sequence[str]) -> None:
        """Make the target itself when it's not there."""
        if not self.exists:
            self.create(self.quoted, wanted, key)
            self.created = True
            self.known = self.planned = self._read_columns(self.name)

    def create_stash(self, wanted: Sequence[Column], key: Sequence[str]) -> str:
        """Make a temporary table like the target that is yet to be made; its quoted name."""
        stash = self.dialect.stash_table(self.name, stash_of(self.name))
        self.create(self.dialect.table(stash), wanted, key)
        self.planned = self._read_columns(stash)
        return self.dialect.table(stash)

    def plan(self, made: TableName, wanted: Sequence[Column]) -> list[Column]:
        """The columns of `wanted` in a table that was made for the target's place."""
        self.planned = self._read_columns(made)
        return self.matching(wanted)

    def widen(self, quoted: str, added: Sequence[Column]) -> None:
        """Give a table, the target or one like it, columns for what is new at the source.

        Where that ends the transaction, another one begins.
        """
        between = bool(added) and self.session.in_transaction and not self.dialect.transactional_ddl
        if between:
            self.session.commit()
        for column in added:
            named, spelled = self.dialect.quote(column.name), self.type_for(column)
            # Said aloud, because older servers make of a bare TIMESTAMP something else.
            sql = f"ALTER TABLE {quoted} {self.dialect.add_column} {named} {spelled} NULL"
            self.session.call(lambda sql=sql: self.dialect.execute(self.session.raw, sql))  # type: ignore[misc]
            if quoted == self.quoted:
                self._widened.append(column)
        if between:
            self.session.begin()

    def plan_wider(self, quoted: str, added: Sequence[Column]) -> None:
        """The target's columns as they're going to be, by a table that has been widened already."""
        if added:
            query = f"SELECT {self.dialect.names(column.name for column in added)} FROM {quoted}"
            more = self.session.call(lambda: self.dialect.query_columns(self.session.raw, query))
            self.planned = [*self.known, *more]

    def needs_swap(self) -> Swap:
        """The exchange of the target for another table, where the database can do it."""
        if self.swap is None:
            raise AssertionError(f"{self.dialect.label} can't put one table in the place of another")
        return self.swap

    def narrow(self) -> None:
        """After a failure: drop the columns that this copy has added, where the rollback doesn't."""
        for sql in self._narrowing() if self.session.raw is not None else []:
            self.session.call(lambda sql=sql: self.dialect.execute(self.session.raw, sql))  # type: ignore[misc]

    def narrow_elsewhere(self) -> None:
        """`narrow` after a cancel, by a connection of its own: on the copy's nothing more can be said. Never raises."""
        narrowing = self._narrowing()
        if narrowing:
            self.session.close()
            with (
                suppress(Exception),
                closing(self.dialect.connect({**self.session.settings, "bulk": False}, "nomaflow")) as raw,
            ):
                for sql in narrowing:
                    self.dialect.execute(raw, sql)

    def _narrowing(self) -> list[str]:
        added = [] if self.dialect.transactional_ddl else self._widened
        return [f"ALTER TABLE {self.quoted} DROP COLUMN {self.dialect.quote(column.name)}" for column in added]

    def keep_made(self) -> None:
        """What has been made and added until now stays, whatever happens."""
        if self._widened:
            self.known = self.planned = self._read_columns(self.name)
        self._widened, self.created = [], False

    def drop_created(self) -> None:
        """After a failure: drop the table that this copy has made, where the rollback doesn't."""
        if self.created and not self.dialect.transactional_ddl and self.session.raw is not None:
            self.session.call(lambda: self.dialect.execute(self.session.raw, f"DROP TABLE {self.quoted}"))

    def lock(self) -> None:
        """StepFailed when another copy is publishing into the same table."""
        if not self.session.call(lambda: self.dialect.lock_target(self.session.raw, self.name)):
            raise StepFailed(f"Another copy into {self.name} is running; start this one when it has ended.")

    def hold(self) -> None:
        """`lock` for several transactions."""
        if not self.session.call(lambda: self.dialect.hold_target(self.session.raw, self.name)):
            raise StepFailed(f"Another copy into {self.name} is running; start this one when it has ended.")

    def is_empty(self) -> bool:
        """Whether the table has no row."""
        return self.session.scalar(self.dialect.one_row(self.quoted)) is None

    def rows(self) -> int:
        """How many rows the table has."""
        return int(self.session.scalar(f"SELECT count(*) FROM {self.quoted}"))

    # --- publishing -------------------------------------------------------------------------------------------------

    def publish(self, mode: str, staging: Staging, stash: str) -> None:
        """Bring the rows of a staging table into the target, inside the open transaction."""
        if mode == "upsert":
            staging.upsert(stash)
        elif mode == "append":
            staging.insert_all(stash)
        else:
            self._replace(staging, stash)

    def _replace(self, staging: Staging, stash: str) -> None:
        referrers = self.session.call(lambda: self.dialect.referenced_by(self.session.raw, self.name))
        if not referrers:
            staging.delete_all()
            staging.insert_all(stash)
            return
        # Rows that others point at can't go and come back: what is missing goes, what differs changes, what is new comes.
        staging.keys = self.primary_key()
        if not staging.keys or not set(staging.keys) <= set(staging.columns):
            raise StepFailed(
                f"{self.name} is referenced by {', '.join(referrers)} and its primary key is not among the copied columns: "
                "its rows can't be replaced one by one. Copy the key too, or drop the reference."
            )
        staging.check_keys(stash)
        try:
            staging.delete_missing(stash)
        except ConnectorError as error:
            raise StepFailed(
                f"Rows of {self.name} that are no longer in the source are still referenced by "
                f"{', '.join(referrers)}: {error}"
            ) from error
        staging.update_changed(stash)
        staging.insert_new(stash)
