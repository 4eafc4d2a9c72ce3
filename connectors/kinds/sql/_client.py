"""What a step gets for a `sql` connector."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from connectors.definition import ConnectorError
from connectors.kinds.sql._dialect import Dialect, Settings
from connectors.kinds.sql._session import Session, column_names


class SqlClient:
    """A database behind a connector. It connects on first use; each plain verb is a transaction of its own."""

    def __init__(
        self, dialect: Dialect, settings: Settings, queries: Mapping[str, str], application: str, name: str
    ) -> None:
        self.dialect = dialect
        self.name = name
        self._settings = settings
        self._queries = queries
        self._application = application
        self._session: Session | None = None

    @property
    def schema(self) -> str | None:
        """The connector's schema, None when it has none."""
        return self._settings.get("schema") or None

    def session(self, *, must_exist: bool = False, bulk: bool = False) -> Session:
        """A connection of its own; the caller closes it. `must_exist` refuses to create a SQLite file by opening it.

        `bulk` makes it one that can be fed a whole load, where the database has such a thing.
        """
        return Session(self.dialect, {**self._settings, "must_exist": must_exist, "bulk": bulk}, self._application)

    def _shared(self) -> Session:
        if self._session is None or self._session.raw is None:
            self._session = self.session()
        return self._session

    def query_text(self, query: str) -> str:
        """The SQL of a named query, or `query` itself when it's SQL. ConnectorError for a single word that names no query."""
        if query.strip() in self._queries:
            return self._queries[query.strip()]
        if re.fullmatch(r"\s*[\w-]+\s*", query):
            known = ", ".join(sorted(self._queries)) or "none"
            raise ConnectorError(
                f"Connector {self.name!r} has no query named {query.strip()!r}; it has {known}. Write SQL, or add the query."
            )
        return query

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> int:
        """Run one statement and commit; the number of rows it affected. `:name` in it is bound to `params["name"]`."""
        return self._shared().execute(sql, params)

    def scalar(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, None when there is none."""
        return self._shared().scalar(sql, params)

    def fetch_all(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows as dicts with the driver's values."""
        return self._shared().fetch_all(sql, params)

    def stream(
        self, sql: str, params: Mapping[str, Any] | None = None, batch_size: int = 1000
    ) -> Iterator[dict[str, Any]]:
        """Rows as dicts, fetched as they're used: memory stays small, and other statements may run in between."""
        with self._streaming() as session:
            yield from session.stream(sql, params, batch_size)

    @contextmanager
    def cursor(self, sql: str, params: Mapping[str, Any] | None = None) -> Iterator[tuple[Session, Any, list[str]]]:
        """One statement being read or done: its session, the driver's cursor and the names of its columns."""
        with self._streaming() as session:
            cursor = session.open_stream(sql, params)
            yield session, cursor, column_names(cursor)

    @contextmanager
    def _streaming(self) -> Iterator[Session]:
        if self.dialect.stream_shares:
            yield self._shared()
        else:
            with self.session() as session:
                yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The same verbs in one transaction: committed at the end, undone when anything is raised, cancel included."""
        with self.session() as session:
            session.begin()
            yield session

    def close(self) -> None:
        """Disconnect; safe to call twice."""
        if self._session is not None:
            self._session.close()
            self._session = None
