"""The one door by which connectors are written and handed out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from connectors.definition import Definition
from connectors.draft import check_settings, kind_named
from connectors.endpoints import find, resolved, store
from connectors.models import Connector, NamedQuery
from nomaflow_site.lib.config import ConfigError


def check_connector(kind: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a connector as typed configuration without defaults, and the secrets apart; see `check_settings`."""
    return check_settings(Connector, kind, settings)


def save_connector(
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    *,
    description: str = "",
    queries: Mapping[str, str] | None = None,
    forget: Collection[str] = (),
) -> Connector:
    """Create the connector or update the one of that name, in one transaction. Raises ConfigError naming every fault.

    Stored secrets stay when they are left out, empty or masked, unless they're named in `forget` or a field changed that may
    send them elsewhere (`Kind.harmless`). `queries` replace the stored ones; None leaves them alone.
    """
    with transaction.atomic():
        connector = store(Connector, name, kind, settings, forget=forget, description=description)
        if queries is not None:
            _save_queries(connector, queries)
        return connector


def definition_of(name: str) -> Definition:
    """The definition of a connector, secrets opened and `${env:...}` not yet filled.

    Raises ConnectorError naming similar connectors when there is none of that name, CannotDecrypt when a key is missing.
    """
    return find(Connector, name)


def resolve(definition: Definition, env: Mapping[str, str], rules: Sequence[str]) -> Definition:
    """The definition of a connector with every `${env:NAME}` filled; see `endpoints.resolved`."""
    return resolved(Connector, definition, env, rules)


def _save_queries(connector: Connector, queries: Mapping[str, str]) -> None:
    """Make the stored queries those of `queries`, touching only what differs."""
    if queries and not kind_named(Connector, connector.kind).has_queries:
        raise ConfigError({"queries": [f"A connector of type {connector.kind} has no named queries."]})
    before = {query.name: query for query in connector.queries.all()}
    for gone in before.keys() - queries.keys():
        before[gone].delete()
    errors: dict[str, list[str]] = {}
    for name, sql in queries.items():
        query = before.get(name) or NamedQuery(connector=connector, name=name)
        if query.pk and query.sql == sql:
            continue
        query.sql = sql if isinstance(sql, str) else ""
        try:
            query.clean_fields()
            query.save()
        except ValidationError as error:
            errors[f"queries.{name}"] = list(error.messages)
    if errors:
        raise ConfigError(errors)
