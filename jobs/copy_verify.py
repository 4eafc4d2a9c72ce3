"""Whether the rows that have arrived are the rows of the source, asked of both databases."""

from collections.abc import Sequence
from logging import Logger
from typing import Any, NamedTuple

from connectors.kinds.sql import Checksum, Column, Session, form_of
from jobs.copy_source import Source
from jobs.steptype import StepFailed


class Compared(NamedTuple):
    """A column on both sides and the form in which its values are compared."""

    read: Column
    written: Column
    form: str


class Verifying:
    """The checksums of one copy, whose source shows the same rows from `begin` on."""

    def __init__(self, source: Source, session: Session, log: Logger) -> None:
        for dialect in (source.dialect, session.dialect):
            if dialect.checksum is None:
                raise StepFailed(f'{dialect.label} has no checksum of rows here; use verify = "count".')
        self.source, self.session, self.log = source, session, log

    def begin(self) -> None:
        """From now on the source's session sees the rows of this moment."""
        self.source.session.begin_snapshot()

    def check(self, reads: Sequence[Column], table: str, written: Sequence[Column]) -> None:
        """StepFailed naming the columns of `table` that aren't as they were read, or can't be found out."""
        forms = [(read, column, form_of(read, column)) for read, column in zip(reads, written, strict=True)]
        compared = [Compared(read, column, form) for read, column, form in forms if form]
        without = [column.name for _, column, form in forms if not form]
        if without:
            self.log.warning("the checksum can't compare, for want of a common form: %s", ", ".join(without))
        if not compared:
            raise StepFailed('No column of this copy can be compared by a checksum; use verify = "count".')
        if self._source_sum(compared) == self._written_sum(compared, table):
            self.log.info("the checksums of %s columns of source and target are the same", len(compared))
            return
        differing = [
            column.written.name
            for column in compared
            if self._source_sum([column]) != self._written_sum([column], table)
        ]
        what = (
            f"column {', '.join(map(repr, differing))}"
            if differing
            else "the rows as a whole, each column by itself doesn't"
        )
        raise StepFailed(
            f"The checksum of {what} differs between source and target; nothing was published. Look for what changes values "
            "on the way in: a collation, a trigger, a type that rounds."
        )

    def _source_sum(self, compared: Sequence[Compared]) -> int:
        session = self.source.session
        checksum = _of(session)
        quoted = session.dialect.quote
        values = [checksum.value(c.form, c.read, quoted(c.read.name)) for c in compared]
        return _asked(session, self.source.select([checksum.total(values)]))

    def _written_sum(self, compared: Sequence[Compared], table: str) -> int:
        checksum, quoted = _of(self.session), self.session.dialect.quote
        values = [checksum.value(c.form, c.written, quoted(c.written.name)) for c in compared]
        return _asked(self.session, f"SELECT {checksum.total(values)} FROM {table}")


def _of(session: Session) -> Checksum:
    kind = session.dialect.checksum
    if kind is None:
        raise AssertionError(f"{session.dialect.label} has no checksum")
    return kind(session.raw)


def _asked(session: Session, sql: str) -> int:
    def ask() -> Any:
        return session.dialect.execute(session.raw, sql).fetchone()

    return int(session.call(ask)[0] or 0)
