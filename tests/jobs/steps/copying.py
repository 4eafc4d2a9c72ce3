"""A database of any dialect as a source or target of the copy tests."""

import logging
import sqlite3
from decimal import Decimal
from importlib import import_module
from itertools import product
from typing import Any

from connectors.definition import Definition
from jobs.steps.sql_copy import SqlCopy, SqlCopyForm
from jobs.testing import fake_ctx

DATABASES = ("sqlite", "postgresql", "mariadb")
PAIRS = list(product(DATABASES, DATABASES))
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    "mariadb": "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'",
}


class Place:
    """One empty database, reached by its driver for preparing and looking, and by a connector for copying."""

    def __init__(self, kind: str, url: str, connection: Any) -> None:
        self.kind, self.url, self.connection = kind, url, connection

    @property
    def definition(self) -> Definition:
        return Definition(self.kind, "sql", config={"url": self.url})

    def run(self, sql: str, values: Any = None) -> Any:
        cursor = self.connection.cursor()
        cursor.execute(sql, values) if values is not None else cursor.execute(sql)
        return cursor

    def insert(self, table: str, rows: list[tuple]) -> None:
        mark = "?" if self.kind in ("sqlite", "duckdb") else "%s"
        # A cursor of DuckDB is another connection.
        together = self.kind != "duckdb"
        if together:
            self.run("BEGIN")
        for row in rows:
            self.run(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(row))})", list(row))
        if together:
            self.run("COMMIT")

    def rows(self, sql: str) -> list[tuple]:
        return [tuple(row) for row in self.run(sql).fetchall()]

    def goods(self, table: str) -> list[tuple]:
        rows = self.rows(f"SELECT id, name, price FROM {table} ORDER BY id")
        return [(i, name, None if price is None else Decimal(str(price))) for i, name, price in rows]

    def tables(self) -> set[str]:
        return {row[0] for row in self.rows(TABLES[self.kind])}


def place(request: Any, kind: str, folder: Any, side: str = "x") -> Place:
    """An empty database of that kind, closed when the test ends."""
    if kind == "sqlite":
        path = folder / f"{side}.db"
        connection: Any = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        url = f"sqlite:///{path}"
    elif kind == "duckdb":
        connection = import_module("duckdb").connect(str(folder / f"{side}.duckdb"))
        url = f"duckdb:///{folder / side}.duckdb"
    else:
        server = request.getfixturevalue(kind)
        url = server.create_database()
        connection = server.connect(url)
    request.addfinalizer(connection.close)
    return Place(kind, url, connection)


class _Progress(logging.Handler):
    """Tells how many rows a batch's line in the log speaks of."""

    def __init__(self, tell: Any) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "copied %s%s rows%s" and record.args:
            self._tell(int(str(record.args[0]).replace(",", "")))  # type: ignore[index]


def copy(
    source: Place,
    target: Place,
    table: str | None,
    into: str,
    *,
    query: str = "",
    on_progress: Any = None,
    **config: Any,
) -> Any:
    """The step's result; `on_progress` hears the number of rows so far after each batch."""
    ctx = fake_ctx(connectors={"from": source.definition, "to": target.definition})
    heard = _Progress(on_progress) if on_progress else logging.NullHandler()
    ctx.log.addHandler(heard)
    ctx.log.setLevel("INFO")
    asked = {"connector": "from", **({"table": table} if table else {"query": query})}
    checked = SqlCopyForm.check({**config, "source": asked, "target": {"connector": "to", "table": into}}, tokens=False)
    try:
        return SqlCopy().run(ctx, checked)
    finally:
        ctx.log.removeHandler(heard)


def routes(caplog: Any) -> list[str]:
    """The routes that were begun, by the log."""
    return [record.args[0] for record in caplog.records if record.msg.startswith("rows go by")]
