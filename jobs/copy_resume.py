"""Rows that are added in parts, each of them committed: a copy that breaks off goes on after its last part when it's run again.

The parts follow a column whose values only grow (a running number, the time of an event). Rows with equal values are never parted
by a commit, so whatever is above the target's highest value is what's missing.
"""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

from connectors.kinds.sql import Column, Session
from jobs.copy_columns import Columns
from jobs.copy_source import Source, pick
from jobs.copy_target import Target
from jobs.steptype import StepFailed

NUMBERS, TIMES = ("int", "decimal"), ("date", "datetime", "instant")
# Whose times have an order of their own, and are read back from the text that they're written as.
TIMELY = ("postgresql", "mysql")


class Resume:
    """The parts of a copy into a table that is there, by the source's column `name`. StepFailed when that can't be used."""

    def __init__(self, source: Source, target: Target, columns: Columns, name: str) -> None:
        self.source, self.target = source, target
        self.read = source.column(name)
        named = [w.name for r, w in zip(columns.read, columns.wanted, strict=True) if r is self.read]
        if not named:
            raise StepFailed(f"The column {name!r} of resume_by is not among the copied columns.")
        written = pick(target.known, named[0])
        if written is None:
            raise StepFailed(f"Target {target.name} has no column {named[0]!r} to resume by; add and fill it first.")
        self.written = written
        self._refuse_disorder()
        self._refuse_nulls()
        self._low = _first(target.session, self._highest(target.session, self.written, target.quoted), self.written)

    @property
    def after(self) -> Any:
        """The value after which the next part begins; None before the first."""
        return self._low

    def parts(self, size: int) -> Iterator[str]:
        """Conditions for the source's rows, of `size` rows or more each; the next is asked for when one has arrived."""
        while True:
            above = self.rest()
            inner = self.source.select([self._quoted], above) + f" ORDER BY {self._quoted}"
            limited = self.source.dialect.first_rows(inner, size)
            high = _first(
                self.source.session, self._highest(self.source.session, self.read, f"({limited}) w"), self.read
            )
            if high is None:
                return
            yield " AND ".join([*above, f"{self._quoted} <= {self._literal(high)}"])
            self._low = high

    def rest(self) -> list[str]:
        """The condition for all rows that are missing yet; none when all are."""
        return [] if self._low is None else [f"{self._quoted} > {self._literal(self._low)}"]

    @property
    def _quoted(self) -> str:
        return self.source.dialect.quote(self.read.name)

    def _highest(self, session: Session, column: Column, origin: str) -> str:
        quoted = session.dialect.quote(column.name)
        return f"SELECT max({quoted}) AS {quoted} FROM {origin}"

    def _literal(self, value: Any) -> str:
        """A value in the source's SQL."""
        if self.read.kind in TIMES:
            # An offset is that of UTC, which is the session's time zone.
            return "'" + str(value).removesuffix("+00:00") + "'"
        if not Decimal(value).is_finite():
            raise StepFailed(f"{self.read.name} is {value} in a row; resume_by needs numbers that can be counted up.")
        return str(value)

    def _refuse_disorder(self) -> None:
        dialects = {self.source.dialect.name, self.target.dialect.name}
        known = (*NUMBERS, *TIMES) if dialects <= set(TIMELY) else ("int", "date") if "sqlite" in dialects else NUMBERS
        for column in (self.read, self.written):
            if column.kind not in known or column.kind != self.read.kind:
                raise StepFailed(
                    f"resume_by needs a column that both databases order alike: {self.read.name} is {self.read.type} at the "
                    f"source and {self.written.type} in the target; possible here, the same on both sides: {', '.join(known)}."
                )

    def _refuse_nulls(self) -> None:
        written = self.target.dialect.quote(self.written.name)
        for where, session, sql in (
            ("the source", self.source.session, self.source.select(["count(*)"], [f"{self._quoted} IS NULL"])),
            (
                f"{self.target.name}",
                self.target.session,
                f"SELECT count(*) FROM {self.target.quoted} WHERE {written} IS NULL",
            ),
        ):
            empty = int(session.scalar(sql))
            if empty:
                raise StepFailed(
                    f"{self.read.name} is NULL in {empty:,} rows of {where}; resume_by needs a value in each."
                )


def _first(session: Session, sql: str, column: Column) -> Any:
    """The only value of a query, as rows of a copy have it."""
    with closing(session.dialect.read(session.raw, sql, [column], 1)) as batches:
        batch = session.call(lambda: next(batches, None))
        # To its end: some connections can't be used for anything else before.
        session.call(lambda: next(batches, None))
    return batch[0][0] if batch else None
