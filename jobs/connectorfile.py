"""Connectors in the file of import and export: `[[connectors]]` tables with the queries that they carry."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.catalogue import save_connector
from connectors.models import Connector
from jobs.endpointfile import apply_endpoint, endpoint_definition, endpoint_faults, name_fault, settings_in
from jobs.plainvalues import plain
from jobs.sections import Change, Tables
from jobs.tomltext import nested

# Keys of a table that aren't fields of its kind, beside those that every endpoint has.
OWN_KEYS = ("queries",)


def connector_definition(connector: Connector) -> dict[str, Any]:
    """The connector as one `[[connectors]]` table, secrets as placeholders."""
    definition = endpoint_definition(connector, {})
    if queries := {query.name: query.sql for query in connector.queries.all()}:
        definition["queries"] = queries
    return definition


def connector_toml(connector: Connector) -> str:
    """One `[[connectors]]` table as text."""
    return "\n".join(nested("connectors", connector_definition(connector)))


def connector_faults(tables: Tables) -> Iterator[str]:
    """Everything that's wrong with the tables, as lines for people."""
    return endpoint_faults(Connector, tables, OWN_KEYS, _query_faults)


def _query_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    queries = table.get("queries", {})
    if not isinstance(queries, dict) or not all(isinstance(sql, str) for sql in queries.values()):
        yield "queries", "Expected a table of names and SQL texts."
    else:
        yield from ((f"queries.{key}", problem) for key in queries if (problem := name_fault(key)))


def apply_connector(table: Mapping[str, Any]) -> Change:
    """Save one table that has been checked, and say what changed."""
    table = plain(table)

    def save() -> Connector:
        return save_connector(
            table["name"],
            table["type"],
            settings_in(table, OWN_KEYS),
            description=table.get("description", ""),
            queries=table.get("queries", {}),
        )

    return apply_endpoint(Connector, table["name"], save, connector_toml)
