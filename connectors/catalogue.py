"""The one door by which connectors are written and handed out."""

import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from connectors.definition import ConnectorError, Definition
from connectors.draft import check_connector, kind_named, make_draft
from connectors.models import Connector, NamedQuery
from connectors.placeholders import connector_settings
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.environment import EnvironmentRefused, fill, variable
from nomaflow_site.lib.sealing import ONE_TOKEN, CannotDecrypt, seal

__all__ = ["check_connector", "connector_settings", "definition_of", "resolve", "save_connector"]

logger = logging.getLogger(__name__)


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
        stored = Connector.objects.select_for_update().defer("secrets").filter(name=name).first()
        draft = make_draft(stored, kind, settings, forget)
        if draft.dropped:
            changed, dropped = ", ".join(draft.moved), ", ".join(draft.dropped)
            logger.warning(
                "connector %s: %s changed, so the stored %s was dropped; enter it again", name, changed, dropped
            )
        connector = stored or Connector(name=name, kind=kind)
        _empty_unreadable(connector)
        connector.description = description
        # Sealed here already, so that whoever listens to the save never sees it in clear.
        connector.config, connector.secrets = seal(draft.config), draft.secrets
        _check_fields(connector)
        connector.save()
        if queries is not None:
            _save_queries(connector, queries)
        return connector


def definition_of(name: str) -> Definition:
    """The definition of a connector, secrets opened and `${env:...}` not yet filled.

    Raises ConnectorError naming similar connectors when there is none of that name, CannotDecrypt when a key is missing.
    """
    try:
        return Connector.objects.get(name=name).definition()
    except Connector.DoesNotExist:
        names = list(Connector.objects.values_list("name", flat=True))
        similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = (
            f"Did you mean {', '.join(similar)}?" if similar else f"There are: {', '.join(names[:20]) or 'none yet'}."
        )
        raise ConnectorError(f"There is no connector named {name!r}. {hint}") from None
    except CannotDecrypt as error:
        raise CannotDecrypt(f"Connector {name!r}: {error}") from error


def resolve(definition: Definition, env: Mapping[str, str], rules: Sequence[str]) -> Definition:
    """The definition with every `${env:NAME}` filled from `env`, as far as `rules` (NOMAFLOW_JOB_ENV) allow.

    What came from the environment counts as secret and joins `hidden`. Raises ConnectorError.
    """
    found: list[str] = []

    def read(name: str) -> str:
        found.append(variable(name, env, rules))
        return found[-1]

    try:
        settings = fill(definition.settings, read)
        if not found:
            return definition
        config, secrets = check_connector(definition.kind, settings)
    except EnvironmentRefused as error:
        raise ConnectorError(f"Connector {definition.name!r}: {error}") from None
    except ConfigError as error:
        raise ConnectorError(f"Connector {definition.name!r} can't be used with this environment: {error}") from None
    hidden = [text for text in definition.hidden if not ONE_TOKEN.match(text)] + found + list(secrets.values())
    return replace(definition, config=config, secrets=secrets, hidden=tuple(dict.fromkeys(hidden)))


def _empty_unreadable(connector: Connector) -> None:
    """Secrets that no key opens are replaced now; the audit trail reads the old row, and must be able to."""
    try:
        _ = connector.secrets
    except CannotDecrypt:
        Connector.objects.filter(pk=connector.pk).update(secrets={})


def _check_fields(connector: Connector) -> None:
    try:
        connector.clean_fields(exclude=["config", "secrets"])
    except ValidationError as error:
        raise ConfigError({field: list(messages) for field, messages in error.message_dict.items()}) from error


def _save_queries(connector: Connector, queries: Mapping[str, str]) -> None:
    """Make the stored queries those of `queries`, touching only what differs."""
    if queries and not kind_named(connector.kind).has_queries:
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
