"""Connectors in the file of import and export: `[[connectors]]` tables, `name`, `type` and the kind's own fields flat."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from connectors.catalogue import connector_settings, save_connector
from connectors.draft import make_draft
from connectors.kinds import kinds
from connectors.models import NAME, Connector
from jobs.plainvalues import plain, value_faults
from jobs.sections import Change, Tables
from jobs.tomltext import nested
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.sealing import sealed_paths

# Keys of a table that aren't fields of its kind.
OWN_KEYS = ("name", "type", "description", "queries")


def connector_definition(connector: Connector) -> dict[str, Any]:
    """The connector as one `[[connectors]]` table, secrets as placeholders."""
    definition: dict[str, Any] = {"name": connector.name, "type": connector.kind}
    if connector.description:
        definition["description"] = connector.description
    definition |= connector_settings(connector)
    if queries := {query.name: query.sql for query in connector.queries.all()}:
        definition["queries"] = queries
    return definition


def connector_toml(connector: Connector) -> str:
    """One `[[connectors]]` table as text."""
    return "\n".join(nested("connectors", connector_definition(connector)))


def kinds_in(tables: Tables) -> dict[str, str]:
    """The connectors that the tables name: kind by name."""
    return {str(table.get("name")): str(table.get("type")) for table in tables}


def connector_faults(tables: Tables) -> Iterator[str]:
    """Everything that's wrong with the tables, as lines for people."""
    counts = Counter(str(table.get("name")) for table in tables)
    for name, count in counts.items():
        if count > 1:
            yield f"connector {name!r}: name: The file has this connector {count} times."
    for table in tables:
        for field, message in _faults(plain(table)):
            yield f"connector {str(table.get('name', '?'))!r}: {field}: {message}"


def _faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if sealed := [".".join(path) for path in sealed_paths(table)]:
        yield sealed[0], "Sealed values can't be imported."
        return
    if problems := list(value_faults(table)):
        yield from problems
        return
    name, kind, queries = table.get("name"), table.get("type"), table.get("queries", {})
    if problem := _name_fault(name):
        yield "name", problem
    if not isinstance(table.get("description", ""), str):
        yield "description", f"Expected a text, found {table['description']!r}."
    if not isinstance(queries, dict) or not all(isinstance(sql, str) for sql in queries.values()):
        yield "queries", "Expected a table of names and SQL texts."
    else:
        yield from ((f"queries.{key}", problem) for key in queries if (problem := _name_fault(key)))
    if kind not in kinds():
        yield "type", f"Found {kind!r}, expected one of {', '.join(kinds())}."
        return
    try:
        # With what's stored: a secret's placeholder stands for it, and a connector can't become another kind.
        make_draft(Connector.objects.filter(name=name).first(), str(kind), _settings(table))
    except ConfigError as error:
        yield from ((field, " ".join(messages)) for field, messages in error.errors.items())


def _name_fault(name: Any) -> str | None:
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        return f"Expected a text of 1 to 100 characters, found {name!r}."
    try:
        NAME(name)
    except ValidationError as error:
        return f"{error.messages[0]} Found {name!r}."
    return None


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in OWN_KEYS}


def apply_connector(table: Mapping[str, Any]) -> Change:
    """Save one table that has been checked, and say what changed."""
    table = plain(table)
    stored = Connector.objects.filter(name=table["name"]).first()
    before, secrets = (connector_toml(stored).splitlines(), stored.secrets) if stored else ([], {})
    saved = save_connector(
        table["name"],
        table["type"],
        _settings(table),
        description=table.get("description", ""),
        queries=table.get("queries", {}),
    )
    saved = Connector.objects.get(pk=saved.pk)
    after = connector_toml(saved).splitlines()
    # Placeholders look alike whatever they stand for, so a changed secret is told by name.
    names = sorted(name for name in saved.secrets if stored and saved.secrets[name] != secrets.get(name))
    diff = [
        *difflib.unified_diff(before, after, "stored", "file", lineterm=""),
        *(f"~{name} (secret)" for name in names),
    ]
    return Change("connector", saved.name, "added" if stored is None else "changed" if diff else "unchanged", diff)
