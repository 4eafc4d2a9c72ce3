"""The `sql` kind of connector: databases. Each dialect is one module in this folder."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.definition import ConnectorError, Definition
from connectors.kind import Kind
from connectors.kinds.sql._checksum import Checksum, form_of
from connectors.kinds.sql._client import SqlClient
from connectors.kinds.sql._column import Column, Misfit, TableName
from connectors.kinds.sql._dialect import BadRow
from connectors.kinds.sql._dialects import dialect_of, dialects
from connectors.kinds.sql._form import SqlForm, from_url
from connectors.kinds.sql._json import json_row, json_value
from connectors.kinds.sql._route import Move, Refused, Route
from connectors.kinds.sql._rule import Rule, RuleKind
from connectors.kinds.sql._session import Session
from connectors.kinds.sql._staging import Staging, UpsertCounts, stash_of
from connectors.kinds.sql._swap import Swap
from connectors.kinds.sql._text import bare, first_word, single_statement
from nomaflow_site.lib.config import ConfigError

__all__ = [
    "BadRow",
    "Checksum",
    "Column",
    "Misfit",
    "Move",
    "Refused",
    "Route",
    "Rule",
    "RuleKind",
    "Session",
    "SqlClient",
    "SqlForm",
    "SqlKind",
    "Staging",
    "Swap",
    "TableName",
    "UpsertCounts",
    "bare",
    "first_word",
    "form_of",
    "json_row",
    "json_value",
    "single_statement",
    "stash_of",
]


class SqlKind(Kind):
    """SQLite, PostgreSQL, MariaDB/MySQL; Oracle, SQL Server and DuckDB with their extras."""

    name = "sql"
    label = "SQL database"
    form = SqlForm
    has_queries = True

    def __init__(self) -> None:
        # A broken dialect stops the start, and drivers are imported once, before step processes are forked.
        dialects()

    def normalize(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """`url` spelled out; see `from_url`."""
        return from_url(settings)

    def settled(self, definition: Definition, home: Path) -> Definition:
        """A SQLite file's relative path as an absolute one."""
        settings = from_url(definition.settings)
        database = str(settings.get("database") or "")
        if settings.get("dialect") != "sqlite" or not database or database.startswith((":", "file:")):
            return definition
        config = {name: value for name, value in settings.items() if name not in definition.secrets}
        return replace(definition, config={**config, "database": str(home / database)})

    def open(self, definition: Definition, application: str) -> SqlClient:
        """A client that connects on first use."""
        try:
            settings = SqlForm.check(from_url(definition.settings), tokens=False)
        except ConfigError as error:
            raise ConnectorError(f"Connector {definition.name!r} can't be used: {error}") from error
        return SqlClient(dialect_of(settings["dialect"]), settings, definition.queries, application, definition.name)

    def test(self, definition: Definition) -> str:
        """`PostgreSQL 15.18, connected in 4 ms`. A SQLite file is not created by being tested."""
        client = self.open(definition, "nomaflow test")
        started = time.perf_counter()
        with client.session(must_exist=True) as session:
            version = session.call(lambda: client.dialect.server_version(session.raw))
        return f"{version}, connected in {(time.perf_counter() - started) * 1000:.0f} ms"
