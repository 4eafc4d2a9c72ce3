"""What a run of a job would do, as far as that is known before it runs. Pure: nothing is executed, nothing is connected to."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.parameters import Overrides, Sources, SubstitutionError, merge, substitute
from jobs.paramrows import LABELS, Kind, row_of
from jobs.placeholders import walk_sealed
from jobs.plan import Plan, StepPlan, plan_of
from jobs.reading import Fault
from jobs.recipients import Recipients
from jobs.stepconfig import StepConfig
from jobs.steps import step_types
from jobs.validation import check_job
from jobs.words import duration
from nomaflow_site.lib.config import ConnectorField
from nomaflow_site.lib.environment import EnvironmentRefused, env_allowed, variable
from nomaflow_site.lib.sealing import MASK, mask

# Stands for a secret on its way through: the forms take it for a token and leave it alone, substitution doesn't.
SECRET = f"${{{MASK}"
# A token that is left in a text.
LEFT = re.compile(r"(\$\{[^{}]*\})")
# Facts that are known before a run begins.
KNOWN = ("job_id", "step_name", "log_level")


@dataclass(frozen=True)
class Place:
    """A connector as a check sees it: its kind, and in words where it leads."""

    kind: str
    where: str


@dataclass(frozen=True)
class Shown:
    """A parameter or a field: its value as text, secrets masked."""

    name: str
    value: str
    note: str = ""
    faults: tuple[str, ...] = ()

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The text in pieces, each with whether it's a token that only a run can fill."""
        return [(piece, number % 2 == 1) for number, piece in enumerate(LEFT.split(self.value)) if piece]

    @property
    def is_later(self) -> bool:
        """Whether some of it is known at run time only; a token that can't be filled isn't known then either."""
        return not self.faults and any(later for _, later in self.parts)

    @property
    def is_long(self) -> bool:
        """Whether it takes lines of its own."""
        return "\n" in self.value or len(self.value) > 100


@dataclass(frozen=True)
class CheckedStep:
    """A step as it would run. `faults` are those of no field in particular."""

    number: int
    name: str
    type: str
    enabled: bool
    limits: str
    params: tuple[Shown, ...]
    fields: tuple[Shown, ...]
    faults: tuple[str, ...] = ()
    # What could be found out by connecting, in the words of a button; empty where there's nothing. And what is needed for it.
    examines: str = ""
    kind: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_param_faults(self) -> bool:
        """Whether a parameter can't be filled."""
        return any(item.faults for item in self.params)

    @property
    def all_faults(self) -> list[str]:
        """Everything that would make it fail, each with its field's name; a step that is left out can't fail."""
        named = [f"{item.name}: {fault}" for item in (*self.params, *self.fields) for fault in item.faults]
        return [*named, *self.faults] if self.enabled else []


@dataclass(frozen=True)
class Known(Sources):
    """What substitution can know before the run; a token that only the run can fill stays as it is."""

    earlier: Collection[str] = ()

    def _ctx(self, token: str, name: str) -> Any:
        return self.facts[name] if name in KNOWN else f"${{{token}}}"

    def _env(self, token: str, name: str) -> Any:
        # Its value counts as secret, and the worker's may be another than ours: only whether it may be read is told.
        if not env_allowed(name, self.env_rules):
            try:
                variable(name, self.env, self.env_rules)
            except EnvironmentRefused as error:
                raise SubstitutionError(f"${{{token}}}: {error}") from None
        return f"${{{token}}}"

    def _out(self, token: str, name: str) -> Any:
        step = max((s for s in self.earlier if name.startswith(f"{s}.")), key=len, default=None)
        if step is None:
            raise SubstitutionError(f"${{{token}}} names no earlier step.")
        if step not in self.outputs:
            raise SubstitutionError(f"${{{token}}}: the step {step!r} is left out, so it has no output.")
        return f"${{{token}}}"


@dataclass(frozen=True)
class World:
    """What a check knows beside the job: connectors, calendars, which variables jobs may read, and whom alerts reach."""

    connectors: Mapping[str, Place]
    calendars: Collection[str]
    env: Mapping[str, str]
    env_rules: list[str]
    recipients: Recipients | None = None


@dataclass(frozen=True)
class Check:
    """A whole job. `faults` are those of the job itself and of its presets."""

    steps: tuple[CheckedStep, ...]
    faults: tuple[str, ...]

    @property
    def all_faults(self) -> list[str]:
        """What would go wrong, each with its step's name."""
        return [*self.faults, *(f"{step.name}: {fault}" for step in self.steps for fault in step.all_faults)]


def check_run(definition: Mapping[str, Any], fire: Overrides, world: World) -> Check:
    """What a run of the stored `definition` would do with the values of `fire`."""
    kinds = {name: place.kind for name, place in world.connectors.items()}
    faults = check_job(definition, connectors=kinds, calendars=world.calendars, recipients=world.recipients)
    plan = plan_of(_hidden(definition))
    fire = replace(fire, params=_hidden(fire.params), op_kwargs=_hidden(fire.op_kwargs))
    level = fire.log_level or definition.get("log_level", "INFO")
    steps: list[CheckedStep] = []
    for step in plan.steps:
        sources = _sources(plan, step, fire, world, steps, level)
        found = [fault for fault in faults if fault.step == step.name]
        steps.append(_step(plan, step, fire, sources, found, world))
    return Check(tuple(steps), tuple(_outside(fault) for fault in faults if not fault.step))


def _outside(fault: Fault) -> str:
    where = f"preset {fault.preset}: " if fault.preset else ""
    return f"{where}{fault.field}: {fault.message}"


def _hidden(value: Any) -> Any:
    return walk_sealed(value, lambda path, sealed: SECRET)


def _sources(plan: Plan, step: StepPlan, fire: Overrides, world: World, before: list[CheckedStep], level: str) -> Known:
    return Known(
        params=merge(plan.params, step.op_kwargs, fire, step.name),
        outputs={earlier.name: {} for earlier in before if earlier.enabled},
        facts={"job_id": plan.job_id, "step_name": step.name, "log_level": level},
        env=world.env,
        env_rules=world.env_rules,
        earlier=[earlier.name for earlier in before],
    )


def _step(
    plan: Plan, step: StepPlan, fire: Overrides, sources: Known, faults: list[Fault], world: World
) -> CheckedStep:
    kind = step_types().get(step.type)
    params, values = _params(plan, step, fire, sources)
    sources = replace(sources, params=values)
    fields, rest = _fields(step, sources, faults, world)
    known = {name: _filled(value, sources)[0] for name, value in step.config.items()}
    # What only a run knows can't be asked for before.
    is_known = "${" not in json.dumps(known, default=str)
    return CheckedStep(
        number=step.number + 1,
        name=step.name,
        type=kind.label if kind else f"unknown type {step.type}",
        enabled=fire.step_enabled.get(step.name, step.enabled),
        limits=_limits(plan, step),
        params=tuple(params),
        fields=tuple(fields),
        faults=tuple(rest),
        examines=kind.examines if kind and is_known else "",
        kind=step.type,
        values=known,
    )


def _params(plan: Plan, step: StepPlan, fire: Overrides, sources: Known) -> tuple[list[Shown], dict[str, Any]]:
    """The merged parameters as they're shown, and as fields get them."""
    shown, values = [], {}
    origins = {
        "the job": plan.params,
        "this step": step.op_kwargs,
        "the preset": fire.params,
        "the preset, for this step": fire.op_kwargs.get(step.name, {}),
    }
    for name, given in sources.params.items():
        value, fault = _filled(given, sources)
        values[name] = value
        origin = [where for where, table in origins.items() if name in table][-1]
        row = row_of(name, MASK if value == SECRET else value)
        shown.append(_shown(name, value, f"{LABELS[Kind(row.kind)]}, from {origin}", fault))
    return shown, values


def _filled(value: Any, sources: Known) -> tuple[Any, tuple[str, ...]]:
    try:
        return substitute(value, sources), ()
    except SubstitutionError as error:
        return value, (str(error),)


def _fields(step: StepPlan, sources: Known, faults: list[Fault], world: World) -> tuple[list[Shown], list[str]]:
    """The step's own fields as they're shown, and the faults of no field that is shown."""
    if step.type not in step_types():
        return [], [f"There is no step type {step.type!r}."]
    filled = {name: _filled(value, sources) for name, value in step.config.items()}
    config = StepConfig(step.type, {name: value for name, (value, _) in filled.items()}, {})
    kinds = {name: place.kind for name, place in world.connectors.items()}
    messages: dict[str, list[str]] = {name: list(why) for name, (_, why) in filled.items() if why}
    for place, message in [
        *_messages(config),
        *config.connector_faults(kinds),
        *((f.field, f.message) for f in faults),
    ]:
        known = messages.setdefault(place, [])
        # The job's check says the same of what needed no substitution.
        if message not in known and not any(_token(message) and _token(message) == _token(old) for old in known):
            known.append(message)
    flat = config.form.flatten({name: value for name, (value, _) in filled.items()})
    shown = []
    for name, value in flat.items():
        spelled = config.form.spell(name)
        why = messages.pop(spelled, []) + (messages.pop(name, []) if name != spelled else [])
        note = _leads_to(config.form.base_fields.get(name), value, world)
        shown.append(_shown(spelled, value, note, tuple(why)))
    return shown, [f"{field}: {message}" for field, found in messages.items() for message in found]


def _messages(config: StepConfig) -> Iterator[tuple[str, str]]:
    yield from ((field, " ".join(messages)) for field, messages in config.errors.items())


def _token(message: str) -> str:
    """The token that a message begins with; empty for other messages."""
    return message[: message.index("}") + 1] if message.startswith("${") and "}" in message else ""


def _leads_to(field: Any, value: Any, world: World) -> str:
    if not isinstance(field, ConnectorField) or value not in world.connectors:
        return ""
    place = world.connectors[value]
    return f"{place.kind}: {place.where}" if place.where else place.kind


def _shown(name: str, value: Any, note: str, faults: tuple[str, ...]) -> Shown:
    value = mask({name: value})[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=_indent(value))
    text = text.replace(SECRET, MASK)
    return Shown(name, text, note, faults)


def _indent(value: Any) -> int | None:
    return 2 if isinstance(value, dict | list) and len(str(value)) > 60 else None


def _limits(plan: Plan, step: StepPlan) -> str:
    """Timeout and retry in force, in words."""
    attempts = step.retry.get("attempts") or 1
    wait = duration(step.retry.get("base_seconds", 60))
    grows = ", doubling" if step.retry.get("backoff") == "exponential" else ""
    tries = f"tried {attempts} times, {wait} apart{grows}" if attempts > 1 else "not tried again"
    return f"stopped after {duration(min(step.timeout_seconds, plan.timeout_seconds))}; {tries}"
