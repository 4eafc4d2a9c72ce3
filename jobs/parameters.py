"""Merging parameters and substituting `${...}`: pure, the same code for form, API, shell and engine."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nomaflow_site.lib.environment import EnvironmentRefused, variable

TOKEN = re.compile(r"\$\{([^{}]*)\}")
KINDS = ("kw", "out", "ctx", "env")
CTX_NAMES = (
    "run_id",
    "job_id",
    "step_name",
    "triggered_by",
    "session_user",
    "log_level",
    "attempt",
    "scheduled_at",
    "started_at",
)
# A field that grows beyond this by substitution is a mistake or an attack, not a configuration.
LONGEST = 1_000_000


class SubstitutionError(Exception):
    """A `${...}` that can't be replaced; the message names the token and what would have been right."""


@dataclass(frozen=True)
class Overrides:
    """Per-fire values: of a preset, or typed by whoever triggers the run."""

    params: Mapping[str, Any] = field(default_factory=dict)
    op_kwargs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    step_enabled: Mapping[str, bool] = field(default_factory=dict)
    log_level: str | None = None

    def over(self, lower: "Overrides") -> "Overrides":
        """These values on top of `lower`'s, key by key."""
        steps = {**lower.op_kwargs, **self.op_kwargs}
        return Overrides(
            params={**lower.params, **self.params},
            op_kwargs={s: {**lower.op_kwargs.get(s, {}), **self.op_kwargs.get(s, {})} for s in steps},
            step_enabled={**lower.step_enabled, **self.step_enabled},
            log_level=self.log_level or lower.log_level,
        )


def merge(
    job_params: Mapping[str, Any], op_kwargs: Mapping[str, Any], fire: Overrides, step_name: str
) -> dict[str, Any]:
    """One step's parameters. Later wins: job params, step op_kwargs, per-fire params, per-fire op_kwargs."""
    return {**job_params, **op_kwargs, **fire.params, **fire.op_kwargs.get(step_name, {})}


def tokens_in(value: Any) -> list[str]:
    """The inside of every `${...}` in a JSON value, in order."""
    if isinstance(value, str):
        return TOKEN.findall(value)
    if isinstance(value, Mapping):
        return [token for item in value.values() for token in tokens_in(item)]
    if isinstance(value, list | tuple):
        return [token for item in value for token in tokens_in(item)]
    return []


def token_fault(token: str) -> str | None:
    """Why the inside of a `${...}` can never be replaced, None when it may be: checked when a step is saved."""
    kind, _, name = token.partition(":")
    if kind not in KINDS or not name:
        return f"${{{token}}} is not a token; use {', '.join(f'${{{k}:NAME}}' for k in KINDS)}."
    if kind == "ctx" and name not in CTX_NAMES:
        return f"${{{token}}} names no fact of a run; there are {', '.join(CTX_NAMES)}."
    if kind == "out" and "." not in name:
        return f"${{{token}}} lacks the field; write ${{out:STEP.FIELD}}."
    return None


@dataclass(frozen=True)
class Sources:
    """Where substitution finds its values. `outputs` maps a step's name to its output."""

    params: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, Any]
    env: Mapping[str, str]
    env_rules: list[str]
    on_env: Callable[[str], None] = lambda value: None

    def value(self, token: str) -> Any:
        """What stands for the inside of one `${...}`. Raises SubstitutionError."""
        fault = token_fault(token)
        if fault:
            raise SubstitutionError(fault)
        kind, _, name = token.partition(":")
        return getattr(self, f"_{kind}")(token, name)

    def _kw(self, token: str, name: str) -> Any:
        if name not in self.params:
            raise SubstitutionError(f"${{{token}}}: there is no parameter {name!r}; there are {_names(self.params)}.")
        return self.params[name]

    def _ctx(self, token: str, name: str) -> Any:
        return self.facts.get(name)

    def _env(self, token: str, name: str) -> Any:
        try:
            value = variable(name, self.env, self.env_rules)
        except EnvironmentRefused as error:
            raise SubstitutionError(f"${{{token}}}: {error}") from None
        self.on_env(value)
        return value

    def _out(self, token: str, name: str) -> Any:
        # A step's name may hold dots itself: take the longest that has run.
        step = max((s for s in self.outputs if name.startswith(f"{s}.")), key=len, default=None)
        if step is None:
            raise SubstitutionError(f"${{{token}}}: no such step has run before; there are {_names(self.outputs)}.")
        value: Any = self.outputs[step]
        for part in name[len(step) + 1 :].split("."):
            value = _member(value, part, token)
        return value


def _names(mapping: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, mapping)) or "none"


def _member(value: Any, part: str, token: str) -> Any:
    if isinstance(value, Mapping) and part in value:
        return value[part]
    if isinstance(value, list) and part.lstrip("-").isdigit() and -len(value) <= int(part) < len(value):
        return value[int(part)]
    has = _names(value) if isinstance(value, Mapping) else f"a {type(value).__name__}"
    raise SubstitutionError(f"${{{token}}}: the output has no {part!r} there; it has {has}.")


def substitute(value: Any, sources: Sources) -> Any:
    """A copy of a JSON value with every token replaced, once: what a token stands for is not looked through again.

    A text that is exactly one token becomes the value itself, type and all. Raises SubstitutionError.
    """
    if isinstance(value, str):
        return _substitute_text(value, sources)
    if isinstance(value, Mapping):
        return {key: substitute(item, sources) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [substitute(item, sources) for item in value]
    return value


def _substitute_text(text: str, sources: Sources) -> Any:
    whole = TOKEN.fullmatch(text)
    if whole:
        return sources.value(whole[1])
    result = TOKEN.sub(lambda match: as_text(sources.value(match[1])), text)
    if len(result) > LONGEST:
        raise SubstitutionError(
            f"The text grew to {len(result):,} characters by substitution; {LONGEST:,} is the limit."
        )
    return result


def as_text(value: Any) -> str:
    """A value inside a longer text: texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
