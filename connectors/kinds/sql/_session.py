"""One connection and the verbs on it: what a transaction gives to a step, and what copying is built on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._dialect import BadRow, Dialect, Row, Settings
from connectors.kinds.sql._staging import Staging, UpsertCounts
from connectors.kinds.sql._text import bind, placeholders, single_statement

T = TypeVar("T")


class Session:
    """A live connection. Opening it connects; `close` gives it back. Errors of the driver arrive as ConnectorError."""

    def __init__(self, dialect: Dialect, settings: Settings, application: str) -> None:
        self.dialect = dialect
        self.settings = settings
        self.in_transaction = False
        self.raw = self._connect(application)

    def _connect(self, application: str) -> Any:
        try:
            return self.dialect.connect(self.settings, application)
        except self.dialect.errors() as error:
            raise ConnectorError(
                f"Can't connect to {self.dialect.label} at {self.dialect.place(self.settings)}: {self.message(error)}"
            ) from error

    def message(self, error: Exception) -> str:
        """What the driver said, without the password."""
        text, password = self.dialect.message(error), self.settings.get("password")
        return text.replace(password, "********") if password and len(password) > 3 else text

    def call(self, work: Callable[[], T]) -> T:
        """Do `work`, which talks to the server: cancelled with the step, driver errors as ConnectorError."""
        try:
            return self.dialect.watch(self.raw, self.settings, work)
        except self.dialect.errors() as error:
            raise ConnectorError(self.told(error)) from error
        except BadRow as error:
            if isinstance(error.__cause__, Exception) and self.dialect.is_lost(self.raw, error.__cause__):
                raise ConnectorError(self.told(error.__cause__)) from error
            raise

    def told(self, error: Exception) -> str:
        """The message, naming the place when the connection is gone."""
        if not self.dialect.is_lost(self.raw, error):
            return self.message(error)
        place = self.dialect.place(self.settings)
        return f"The connection to {self.dialect.label} at {place} broke off: {self.message(error)}"

    # --- verbs ------------------------------------------------------------------------------------------------------

    def run(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """The driver's cursor after one statement."""
        if not self.dialect.runs_blocks:
            single_statement(sql)
        text, bound = bind(sql, params, self.dialect.paramstyle)
        try:
            return self.call(lambda: self.dialect.execute(self.raw, text, bound))
        except ConnectorError as error:
            raise _with_hint(error, sql, params) from error

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> int:
        """Run one statement; the number of rows it affected, 0 where the database doesn't say."""
        cursor = self.run(sql, params)
        # A statement with RETURNING is only done once its rows have been fetched.
        fetched = len(self.call(cursor.fetchall)) if cursor.description else 0
        affected = max(int(cursor.rowcount), fetched)
        cursor.close()
        return affected

    def scalar(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, None when there is none."""
        cursor = self.run(sql, params)
        row = self.call(cursor.fetchone) if cursor.description else None
        self.call(cursor.close)
        return row[0] if row else None

    def fetch_all(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows as dicts."""
        cursor = self.run(sql, params)
        rows = self.call(cursor.fetchall) if cursor.description else []
        names = column_names(cursor)
        cursor.close()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def open_stream(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """The driver's cursor after one statement, rows still on the server as far as the driver can."""
        if not self.dialect.runs_blocks:
            single_statement(sql)
        text, bound = bind(sql, params, self.dialect.paramstyle)
        try:
            return self.call(lambda: self.dialect.open_stream(self.raw, text, bound, self.in_transaction))
        except ConnectorError as error:
            raise _with_hint(error, sql, params) from error

    def stream(
        self, sql: str, params: Mapping[str, Any] | None = None, batch_size: int = 1000
    ) -> Iterator[dict[str, Any]]:
        """Rows as dicts, fetched `batch_size` at a time."""
        cursor = self.open_stream(sql, params)
        if not cursor.description:
            return
        names = column_names(cursor)
        while batch := self.call(lambda: cursor.fetchmany(batch_size)):
            for row in batch:
                yield dict(zip(names, row, strict=True))
        self.call(cursor.close)

    # --- sets of rows -----------------------------------------------------------------------------------------------

    def upsert(
        self,
        schema: str | None,
        table: str,
        columns: Sequence[str],
        key_columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
    ) -> UpsertCounts:
        """Insert new rows, update those that differ, leave the others; by set, through a temporary table.

        Raises ConnectorError when the table or a column doesn't exist, a key is NULL or occurs twice.
        """
        staging = Staging(self, TableName(schema, table), list(columns), list(key_columns))
        return staging.filled(rows, lambda stash: staging.upsert(stash))

    def missing_count(
        self, schema: str | None, table: str, key_columns: Sequence[str], keys: Iterable[Sequence[Any]]
    ) -> tuple[int, int]:
        """How many rows of the table have a key that is not in `keys`, and how many rows there are."""
        staging = Staging(self, TableName(schema, table), list(key_columns), list(key_columns))
        return staging.filled(keys, lambda stash: staging.missing(stash))

    def prune(
        self,
        schema: str | None,
        table: str,
        key_columns: Sequence[str],
        keys: Iterable[Sequence[Any]],
        deactivate_column: str | None = None,
    ) -> int:
        """Delete the rows whose key is not in `keys`, or set `deactivate_column` to false; the number of rows changed."""
        staging = Staging(self, TableName(schema, table), list(key_columns), list(key_columns))
        return staging.filled(keys, lambda stash: staging.prune(stash, deactivate_column))

    def load(self, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """Insert a batch; BadRow when the database refuses a row. `fresh`: the table was made in this transaction."""
        self.call(lambda: self.dialect.load(self.raw, into, columns, rows, fresh))

    # --- life -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a transaction."""
        self.call(lambda: self.dialect.begin(self.raw))
        self.in_transaction = True

    def begin_snapshot(self) -> None:
        """Start a transaction that sees the rows of this moment to its end."""
        self.call(lambda: self.dialect.begin_snapshot(self.raw))
        self.in_transaction = True

    def commit(self) -> None:
        """Keep the transaction."""
        self.call(lambda: self.dialect.commit(self.raw))
        self.in_transaction = False

    def rollback(self) -> None:
        """Undo the transaction; a connection that is gone has undone it already."""
        self.in_transaction = False
        try:
            self.dialect.rollback(self.raw)
        except Exception:
            self.close()

    def close(self) -> None:
        """Disconnect; whatever was not committed is undone. Safe to call twice."""
        raw, self.raw = self.raw, None
        if raw is not None:
            try:
                raw.close()
            except Exception:  # it was gone already, which is what was wanted
                pass

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            # After a cancel nothing more is said on a connection that may be in the middle of an answer: hang up.
            if self.in_transaction and self.raw is not None and (kind is None or issubclass(kind, Exception)):
                self.rollback() if kind else self.commit()
        finally:
            self.close()


def column_names(cursor: Any) -> list[str]:
    """The names of a result's columns; a second `n` becomes `n_2`, so that no value is lost in a dict."""
    names: list[str] = []
    for column in cursor.description or ():
        name, count = column[0], 2
        while name in names:
            name, count = f"{column[0]}_{count}", count + 1
        names.append(name)
    return names


def _with_hint(error: ConnectorError, sql: str, params: Mapping[str, Any] | None) -> ConnectorError:
    """The error, pointing at placeholders that nobody gave values for."""
    missing = [] if params else placeholders(sql)
    if not missing:
        return error
    return ConnectorError(f"{error} (the SQL has :{', :'.join(missing)}, and no params were given)")
