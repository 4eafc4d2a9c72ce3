"""Endpoints in the file of import and export: one `[[...]]` table each, `name`, `type` and the kind's own fields flat."""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from connectors.draft import make_draft
from connectors.models import NAME, Endpoint
from connectors.placeholders import exported_settings
from jobs.plainvalues import plain, value_faults
from jobs.sections import Change, Tables
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.sealing import sealed_paths

E = TypeVar("E", bound=Endpoint)
# What is wrong with a model's own keys of a table, as (field, message).
OwnFaults = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]


def endpoint_definition(endpoint: Endpoint, own: Mapping[str, Any]) -> dict[str, Any]:
    """The endpoint as one table, secrets as placeholders, with the model's `own` keys."""
    definition: dict[str, Any] = {"name": endpoint.name, "type": endpoint.kind}
    if endpoint.description:
        definition["description"] = endpoint.description
    return {**definition, **own, **exported_settings(endpoint)}


def kinds_in(tables: Tables) -> dict[str, str]:
    """The endpoints that the tables name: kind by name."""
    return {str(table.get("name")): str(table.get("type")) for table in tables}


def settings_in(table: Mapping[str, Any], own_keys: Collection[str]) -> dict[str, Any]:
    """The fields of the kind in a table."""
    return {key: value for key, value in table.items() if key not in ("name", "type", "description", *own_keys)}


def endpoint_faults(
    model: type[Endpoint], tables: Tables, own_keys: Collection[str], own_faults: OwnFaults
) -> Iterator[str]:
    """Everything that's wrong with the tables, as lines for people."""
    counts = Counter(str(table.get("name")) for table in tables)
    for name, count in counts.items():
        if count > 1:
            yield f"{model.noun()} {name!r}: name: The file has this {model.noun()} {count} times."
    for table in tables:
        for field, message in _faults(model, plain(table), own_keys, own_faults):
            yield f"{model.noun()} {str(table.get('name', '?'))!r}: {field}: {message}"


def _faults(
    model: type[Endpoint], table: Mapping[str, Any], own_keys: Collection[str], own_faults: OwnFaults
) -> Iterator[tuple[str, str]]:
    if sealed := [".".join(path) for path in sealed_paths(table)]:
        yield sealed[0], "Sealed values can't be imported."
        return
    if problems := list(value_faults(table)):
        yield from problems
        return
    name, kind = table.get("name"), table.get("type")
    if problem := name_fault(name):
        yield "name", problem
    if not isinstance(table.get("description", ""), str):
        yield "description", f"Expected a text, found {table['description']!r}."
    yield from own_faults(table)
    if kind not in model.kinds():
        yield "type", f"Found {kind!r}, expected one of {', '.join(model.kinds())}."
        return
    stored = model._default_manager.filter(name=name).first()
    try:
        # With what's stored: a secret's placeholder stands for it, and an endpoint can't become another kind.
        make_draft(model, stored, str(kind), settings_in(table, own_keys))
    except ConfigError as error:
        yield from ((field, " ".join(messages)) for field, messages in error.errors.items())


def name_fault(name: Any) -> str | None:
    """Why this can't be a name; None when it can."""
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        return f"Expected a text of 1 to 100 characters, found {name!r}."
    try:
        NAME(name)
    except ValidationError as error:
        return f"{error.messages[0]} Found {name!r}."
    return None


def apply_endpoint(model: type[E], name: str, save: Callable[[], E], toml: Callable[[E], str]) -> Change:
    """Save one table that has been checked, and say what changed. `toml` spells the stored one as the file does."""
    rows: QuerySet[E] = model._default_manager.all()  # type: ignore[assignment]
    stored = rows.filter(name=name).first()
    before, secrets = (toml(stored).splitlines(), stored.secrets) if stored else ([], {})
    saved = rows.get(pk=save().pk)
    # Placeholders look alike whatever they stand for, so a changed secret is told by name.
    names = sorted(name for name in saved.secrets if stored and saved.secrets[name] != secrets.get(name))
    diff = [
        *difflib.unified_diff(before, toml(saved).splitlines(), "stored", "file", lineterm=""),
        *(f"~{name} (secret)" for name in names),
    ]
    return Change(model.noun(), saved.name, "added" if stored is None else "changed" if diff else "unchanged", diff)
