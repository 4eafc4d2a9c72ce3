"""What connectors and channels have in common: how an endpoint is stored, found by its name, and filled from the environment."""

import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from connectors.definition import ConnectorError, Definition
from connectors.draft import check_settings, make_draft
from connectors.models import Endpoint
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.environment import EnvironmentRefused, fill, variable
from nomaflow_site.lib.sealing import ONE_TOKEN, CannotDecrypt, seal

logger = logging.getLogger(__name__)
E = TypeVar("E", bound=Endpoint)


def store(
    model: type[E], name: str, kind: str, settings: Mapping[str, Any], *, forget: Collection[str] = (), **values: Any
) -> E:
    """Create the endpoint or update the one of that name, with `values` for the model's own fields; other columns stay.

    To be called in a transaction. Stored secrets stay when they are left out, empty or masked, unless they're named in
    `forget` or a field changed that may send them elsewhere (`Kind.harmless`). Raises ConfigError naming every fault.
    """
    rows: QuerySet[E] = model._default_manager.all()  # type: ignore[assignment]
    stored = rows.select_for_update().filter(name=name).first()
    draft = make_draft(model, stored, kind, settings, forget)
    if draft.dropped:
        changed, dropped = ", ".join(draft.moved), ", ".join(draft.dropped)
        logger.warning(
            "%s %s: %s changed, so the stored %s was dropped; enter it again", model.noun(), name, changed, dropped
        )
    endpoint = stored or model(name=name, kind=kind)
    _empty_unreadable(endpoint)
    # Sealed here already, so that whoever listens to the save never sees it in clear.
    values |= {"config": seal(draft.config), "secrets": draft.secrets}
    for field, value in values.items():
        setattr(endpoint, field, value)
    _check_fields(endpoint)
    endpoint.save(update_fields=[*values, "updated_at"] if stored else None)
    return endpoint


def find(model: type[Endpoint], name: str) -> Definition:
    """The definition of the endpoint of that name, secrets opened and `${env:...}` not yet filled.

    Raises ConnectorError naming similar ones when there is none of that name, CannotDecrypt when a key is missing.
    """
    try:
        return model._default_manager.defer(None).get(name=name).definition()
    except model.DoesNotExist:
        names = list(model._default_manager.values_list("name", flat=True))
        similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = (
            f"Did you mean {', '.join(similar)}?" if similar else f"There are: {', '.join(names[:20]) or 'none yet'}."
        )
        raise ConnectorError(f"There is no {model.noun()} named {name!r}. {hint}") from None
    except CannotDecrypt as error:
        raise CannotDecrypt(f"{model.noun().capitalize()} {name!r}: {error}") from error


def resolved(model: type[Endpoint], definition: Definition, env: Mapping[str, str], rules: Sequence[str]) -> Definition:
    """The definition with every `${env:NAME}` filled from `env`, as far as `rules` (NOMAFLOW_JOB_ENV) allow.

    What came from the environment counts as secret and joins `hidden`. Raises ConnectorError.
    """
    found: list[str] = []
    name = f"{model.noun().capitalize()} {definition.name!r}"

    def read(variable_name: str) -> str:
        found.append(variable(variable_name, env, rules))
        return found[-1]

    try:
        settings = fill(definition.settings, read)
        if not found:
            return definition
        config, secrets = check_settings(model, definition.kind, settings)
    except EnvironmentRefused as error:
        raise ConnectorError(f"{name}: {error}") from None
    except ConfigError as error:
        raise ConnectorError(f"{name} can't be used with this environment: {error}") from None
    hidden = [text for text in definition.hidden if not ONE_TOKEN.match(text)] + found + list(secrets.values())
    return replace(definition, config=config, secrets=secrets, hidden=tuple(dict.fromkeys(hidden)))


def _empty_unreadable(endpoint: Endpoint) -> None:
    """Secrets that no key opens are replaced now; the audit trail reads the old row, and must be able to."""
    try:
        _ = endpoint.secrets
    except CannotDecrypt:
        type(endpoint)._default_manager.filter(pk=endpoint.pk).update(secrets={})


def _check_fields(endpoint: Endpoint) -> None:
    try:
        endpoint.clean_fields(exclude=["config", "secrets"])
    except ValidationError as error:
        raise ConfigError({field: list(messages) for field, messages in error.message_dict.items()}) from error
