"""Sealed values of a definition on their way out: placeholders in an export, and back again at the import. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from nomaflow_site.lib.sealing import MASK, is_sealed

Path = tuple[str, ...]
CHANGED = f"{MASK} (changed)"


def walk_sealed(value: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """A copy with `change(path, sealed)` in place of every sealed value. Steps and presets stand in a path by name."""
    if is_sealed(value):
        return change(path, value)
    if isinstance(value, Mapping):
        return {key: walk_sealed(item, change, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [walk_sealed(item, change, (*path, _place(path, i, item))) for i, item in enumerate(value)]
    return value


def _place(path: Path, index: int, item: Any) -> str:
    named = path in (("steps",), ("presets",)) and isinstance(item, Mapping) and "name" in item
    return str(item["name"]) if named else str(index)


def sealed_at(definition: Mapping[str, Any]) -> dict[Path, Any]:
    """Every sealed value by its path."""
    found: dict[Path, Any] = {}
    walk_sealed(definition, lambda path, sealed: found.setdefault(path, sealed))
    return found


def placeholders(definition: Mapping[str, Any]) -> dict[Path, str]:
    """What an export writes in place of each sealed value: `${env:JOB_<ID>_<PATH>}`, no two of them alike."""
    found: dict[Path, str] = {}
    for path in sealed_at(definition):
        words = "_".join((str(definition["id"]), *path))
        name = f"JOB_{re.sub(r'[^A-Za-z0-9]+', '_', words).upper()}"
        taken = sum(1 for other in found.values() if re.fullmatch(rf"\$\{{env:{name}(__\d+)?\}}", other))
        found[path] = f"${{env:{name}__{taken + 1}}}" if taken else f"${{env:{name}}}"
    return found


def exportable(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with placeholders in place of its secrets."""
    names = placeholders(definition)
    return dict(walk_sealed(definition, lambda path, sealed: names[path]))


def readable(definition: Mapping[str, Any], changed_from: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The definition with its secrets masked; one that differs from `changed_from`'s reads as changed."""
    old = sealed_at(changed_from) if changed_from else {}
    return dict(
        walk_sealed(definition, lambda path, sealed: CHANGED if old.get(path, sealed) != sealed else MASK),
    )


def keep_secrets(new: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`new` with the stored secret wherever it holds the placeholder that an export of `stored` has there."""
    sealed = sealed_at(stored)
    expected = placeholders(stored)

    def back(value: Any, path: Path) -> Any:
        if isinstance(value, str) and expected.get(path) == value:
            return sealed[path]
        if isinstance(value, Mapping):
            return {key: back(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [back(item, (*path, _place(path, i, item))) for i, item in enumerate(value)]
        return value

    return dict(back(new, ()))
