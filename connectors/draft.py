"""What an endpoint is about to become: checked settings, and the stored secrets that may stay with them.

A stored secret is only ever sent where it was entered for. It stays when a form leaves it empty or an import brings back the
mask or the placeholder of an export, and it goes when a field changed that may lead it to another server.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.kind import Kind
from connectors.models import Endpoint
from connectors.placeholders import Path, marks_of
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.sealing import MASK, SEALED, CannotDecrypt, is_sealed


@dataclass(frozen=True)
class Draft:
    """What is about to be stored. `dropped` names stored secrets that are left behind because the `moved` fields changed."""

    config: dict[str, Any]
    secrets: dict[str, str]
    dropped: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def kind_named(model: type[Endpoint], name: str) -> Kind:
    """The kind of that name; ConfigError when there is none."""
    kinds = model.kinds()
    try:
        return kinds[name]
    except KeyError:
        message = f"There is no {model.noun()} type {name!r}; there are {', '.join(kinds)}."
        raise ConfigError({"type": [message]}) from None


def check_settings(
    model: type[Endpoint], kind: str, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """`settings` as typed configuration without defaults, and the secrets apart.

    `settings` are what a person gives: fields of the kind's form, or whatever the kind understands beside them (`url`).
    `${env:NAME}` may stand in place of any value. Raises ConfigError naming every fault, also for an unknown kind.
    """
    known = kind_named(model, kind)
    if _holds_sealed(settings):
        raise ConfigError(
            {"settings": [f"{SEALED!r} values are made by Nomaflow and can't be given; enter the secret itself."]}
        )
    canonical = known.form.canonical(known.normalize(settings))
    secrets = {name: canonical.pop(name) for name in sorted(known.form.secret_names()) if name in canonical}
    return canonical, secrets


def make_draft(
    model: type[Endpoint], stored: Endpoint | None, kind: str, settings: Mapping[str, Any], forget: Collection[str] = ()
) -> Draft:
    """The checked settings together with the stored secrets that they leave alone. Raises ConfigError.

    A secret that is left out, empty, `********` or its own export placeholder keeps what is stored, unless it is named in
    `forget` or the endpoint now leads elsewhere.
    """
    config, secrets = check_settings(model, kind, settings)
    draft = _draft(model, stored, kind, config, secrets, forget)
    form = kind_named(model, kind).form
    whole = {**form.defaults(), **form.flatten({**draft.config, **draft.secrets})}
    if faults := kind_named(model, kind).faults(whole):
        raise ConfigError(faults)
    return draft


def _draft(
    model: type[Endpoint],
    stored: Endpoint | None,
    kind: str,
    config: dict[str, Any],
    secrets: dict[str, str],
    forget: Collection[str],
) -> Draft:
    if stored is None:
        _refuse_masks({**config, **secrets}, "nothing is stored yet")
        return Draft(config, secrets)
    if stored.kind != kind:
        message = f"{stored.name!r} is of type {stored.kind} and can't become {kind}; make another {model.noun()}."
        raise ConfigError({"type": [message]})
    kept = stored_secrets(stored, given=bool(secrets))
    marks = marks_of(stored, kept)
    moved = moved_fields(stored, config, marks) + _moved_secrets(stored, secrets, kept, marks)
    if moved:
        _refuse_masks(config, f"{', '.join(moved)} changed")
        # A placeholder says "as before"; before was another destination, so now it is only what it reads: a variable.
        given = {name: secret for name, secret in secrets.items() if secret != MASK}
        return Draft(config, given, tuple(sorted(set(kept) - set(given) - set(forget))), tuple(moved))
    kept = {name: secret for name, secret in kept.items() if name not in forget}
    given = {
        name: secret for name, secret in secrets.items() if name not in kept or secret not in (MASK, marks.get((name,)))
    }
    config = _with_stored_values(config, stored.config, marks)
    _refuse_masks({**config, **given}, "nothing is stored there")
    return Draft(config, {**kept, **given})


def stored_secrets(stored: Endpoint, *, given: bool) -> dict[str, str]:
    """The stored secrets. Ones that can't be opened any more are taken for gone when new ones are `given`, else ConfigError."""
    try:
        return dict(stored.secrets)
    except CannotDecrypt as error:
        if given:
            return {}
        first = min(kind_named(type(stored), stored.kind).form.secret_names(), default="secrets")
        raise ConfigError({first: [str(error)]}) from error


def stored_names(stored: Endpoint) -> list[str]:
    """Which secrets are stored, as far as they can be opened."""
    try:
        return [name for name, secret in stored.secrets.items() if secret]
    except CannotDecrypt:
        return []


def moved_fields(stored: Endpoint, config: Mapping[str, Any], marks: Mapping[Path, str]) -> list[str]:
    """The fields that differ from the stored ones and may decide where secrets are sent."""
    before: Mapping[str, Any] = stored.config
    after: Mapping[str, Any] = _with_stored_values(config, before, marks)
    names = {*before, *after} - kind_named(type(stored), stored.kind).harmless
    return sorted(name for name in names if before.get(name) != after.get(name))


def _moved_secrets(
    stored: Endpoint, given: Mapping[str, str], kept: Mapping[str, str], marks: Mapping[Path, str]
) -> list[str]:
    """The secret addresses that get another value."""
    names = kind_named(type(stored), stored.kind).destinations & given.keys()
    return sorted(name for name in names if given[name] not in (MASK, marks.get((name,)), kept.get(name)))


def _with_stored_values(new: Any, old: Any, marks: Mapping[Path, str], path: Path = ()) -> Any:
    """`new` with every mask or placeholder replaced by the sealed value that `old` has at the same place."""
    if is_sealed(old):
        return old if new == MASK or new == marks.get(path) else new
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {key: _with_stored_values(item, old.get(key), marks, (*path, str(key))) for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        olds = [*old, *[None] * len(new)]
        return [_with_stored_values(item, olds[i], marks, (*path, str(i))) for i, item in enumerate(new)]
    return new


def _refuse_masks(values: Mapping[str, Any], why: str) -> None:
    """A mask that stands for nothing must not become the secret."""
    errors = {
        name: [f"{MASK} can't be kept, because {why}: enter the secret itself."]
        for name, value in values.items()
        if _holds(value, MASK)
    }
    if errors:
        raise ConfigError(errors)


def _holds(value: Any, text: str) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(item, text) for item in value.values())
    return any(_holds(item, text) for item in value) if isinstance(value, list) else bool(value == text)


def _holds_sealed(value: Any) -> bool:
    if isinstance(value, Mapping):
        return SEALED in value or any(_holds_sealed(item) for item in value.values())
    return (
        any(_holds_sealed(item) for item in value)
        if isinstance(value, Sequence) and not isinstance(value, str)
        else False
    )
