"""Where a copy reads: a table or a query, its columns and its rows."""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from connectors.kinds.sql import Column, Session, SqlClient, TableName, bare, single_statement
from jobs.steptype import StepFailed


class Source:
    """A table or query behind a session that is ready for exact reading."""

    def __init__(self, client: SqlClient, session: Session, config: dict[str, Any]) -> None:
        self.session, self.dialect = session, session.dialect
        self.where = bare(config["where"] or "")
        self.query = bare(client.query_text(config["source__query"])) if config["source__query"] else None
        # A condition by which only a part of the rows is read.
        self.window = ""
        self.name: TableName | None = None
        session.call(lambda: self.dialect.prepare_copy(session.raw))
        if self.query is None:
            written = TableName(config["source__schema"] or client.schema, config["source__table"])
            self.name = session.call(lambda: self.dialect.resolve(session.raw, written))
        self.columns = self._columns()

    def _columns(self) -> list[Column]:
        raw = self.session.raw
        if self.name is not None:
            name = self.name
            columns = self.session.call(lambda: self.dialect.columns(raw, name))
            if not columns:
                raise StepFailed(
                    f"There is no table {name} at the source, or it has no columns; check the connector, schema and name."
                )
            return columns
        query = single_statement(self.query or "")
        columns = self.session.call(lambda: self.dialect.query_columns(raw, query))
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StepFailed(
                f"The source query has two columns named {', '.join(map(repr, twice))}; rename one with AS."
            )
        return columns

    def column(self, name: str) -> Column:
        """The column of that name, or the only one that differs from it in case. StepFailed naming the ones there are."""
        found = pick(self.columns, name)
        if found is None:
            raise StepFailed(
                f"The source has no column {name!r}; it has {', '.join(column.name for column in self.columns)}."
            )
        return found

    @property
    def whole_table(self) -> TableName | None:
        """The table that is read from its first row to its last, when it is one."""
        return None if self.where or self.window else self.name

    def select(self, expressions: Iterable[str], more: Sequence[str] = ()) -> str:
        """The statement that answers with these expressions over the columns; `more` are conditions beside those of the source."""
        return single_statement(f"SELECT {', '.join(expressions)} {self._from(more)}")

    def shaped(self, said: Sequence[str]) -> Callable[[Sequence[str]], str]:
        """`select` over rows of these expressions, each with its name."""
        rows = self.select(said)
        return lambda expressions: f"SELECT {', '.join(expressions)} FROM ({rows}\n) r"

    def _from(self, more: Sequence[str] = ()) -> str:
        # The line ends keep a `--` comment in somebody's text from swallowing what follows.
        origin = self.dialect.table(self.name) if self.name is not None else f"({self.query}\n) q"
        conditions = [f"({self.where}\n)" if self.where else "", self.window, *more]
        return f"FROM {origin}" + (f" WHERE {' AND '.join(filter(None, conditions))}" if any(conditions) else "")

    def total(self, more: Sequence[str] = ()) -> int | None:
        """How many rows a table has; a query is not run twice to find out."""
        return int(self.session.scalar(self.select(["count(*)"], more))) if self.name is not None else None

    def batches(self, columns: Sequence[Column], size: int) -> Generator[list[Any], None, None]:
        """The rows, `size` at a time; a cancel stops the statement on the server."""
        reading = self.dialect.read(self.session.raw, self.select(map(self.dialect.selected, columns)), columns, size)
        try:
            while batch := self.session.call(lambda: next(reading, None)):
                yield batch
        finally:
            reading.close()


def pick(columns: Sequence[Column], name: str) -> Column | None:
    """The column with exactly this name, or else the only one that differs from it in case alone."""
    exact = [column for column in columns if column.name == name]
    folded = exact or [column for column in columns if column.name.casefold() == name.casefold()]
    return folded[0] if len(folded) == 1 else None
