"""One pass over one definition: every part typed, every fault noted with its place."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.cron import BadCron, Cron, zone_of
from jobs.definition import CALENDAR_DEFAULTS, COMMON_STEP_KEYS, MISFIRE_DEFAULTS
from jobs.jobform import ALERT_DEFAULTS, AlertFields, JobFields, PresetFields, RetryFields, StepFields
from jobs.parameters import token_fault, tokens_in
from jobs.plainvalues import has_null, value_faults
from jobs.recipients import Recipients
from jobs.stepconfig import StepConfig
from jobs.steps import step_types
from nomaflow_site.lib.config import ConfigError, ConfigForm

JOB_TABLES = ("retry", "alerts", "steps", "presets")
DEFAULT_RETRY = {"attempts": 1, "backoff": "fixed", "base_seconds": 60}
# What `step_defaults` may hold beside the fields of the step types; a step's own name, type and switch can't be shared.
SHARED_KEYS = ("timeout_seconds", "rerun_if_lost", "retry", "op_kwargs")
LONGEST_TAG = 50

# The connectors that steps may name: their kinds by name, or names alone, or None where nobody can say.
Connectors = Mapping[str, str] | Container[str] | None
# The names of the calendars that schedules may use, or None where nobody can say.
Calendars = Container[str] | None


@dataclass(frozen=True)
class Fault:
    """One thing that's wrong with a definition. `step` and `preset` are empty where it's about the job itself."""

    job: str
    step: str
    field: str
    message: str
    preset: str = ""

    def __str__(self) -> str:
        where = f", step {self.step!r}" if self.step else f", preset {self.preset!r}" if self.preset else ""
        return f"job {self.job!r}{where}: {self.field}: {self.message}"


class Reading:
    """One pass over one definition, collecting faults on the way."""

    def __init__(
        self, job_id: str, connectors: Connectors, calendars: Calendars = None, recipients: Recipients | None = None
    ) -> None:
        self.job_id = job_id
        self.connectors = connectors
        self.calendars = calendars
        # None where nobody can say whom alerts reach.
        self.recipients = recipients
        self.faults: list[Fault] = []

    def fault(self, field: str, message: str, step: str = "", preset: str = "") -> None:
        """Note one."""
        self.faults.append(Fault(self.job_id, step, field, message, preset))

    def values(self, given: Mapping[str, Any]) -> None:
        """Report everything that can't be kept, each at its step or preset."""
        parts: list[tuple[Any, dict[str, str]]] = []
        head = dict(given)
        for key, place in (("steps", "step"), ("presets", "preset")):
            if _is_list_of_tables(head.get(key)):
                parts += [(part, {place: str(part.get("name", "?"))}) for part in head.pop(key)]
        for part, where in [(head, {}), *parts]:
            for path, message in value_faults(part):
                self.fault(path, message, **where)

    def fields(
        self, form: type[ConfigForm], given: Mapping[str, Any], prefix: str = "", **where: str
    ) -> dict[str, Any]:
        """The typed values of a form's fields; a faulty one is reported and keeps its default."""
        try:
            return form.check(given, tokens=False)
        except ConfigError as error:
            for name, messages in error.errors.items():
                self.fault(f"{prefix}{name}", " ".join(messages), **where)
            sound = {name: value for name, value in given.items() if name not in error.errors}
            return {**form.defaults(), **{name: value for name, value in sound.items() if name in form.base_fields}}

    def job(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The whole job, canonical."""
        given = _without_nulls(given)
        own = {key: value for key, value in given.items() if key not in JOB_TABLES}
        self.unknown_keys(own, [*JobFields.base_fields, *JOB_TABLES])
        job = self.fields(JobFields, {key: own[key] for key in JobFields.base_fields if key in own})
        self.schedule(job["schedule"], job["timezone"])
        job = self.calendar(job)
        job = _without(MISFIRE_DEFAULTS, job)
        self.tags(job["tags"])
        self.parameters("params", job["params"])
        for token in tokens_in(job["params"]):
            if problem := token_fault(token):
                self.fault("params", problem)
        job["step_defaults"] = defaults = self.step_defaults(job["step_defaults"] or {})
        job["retry"] = DEFAULT_RETRY | self.retry(given.get("retry", {}))
        if "alerts" in given:
            job["alerts"] = self.alerts(given["alerts"])
        job["steps"] = self.steps(given.get("steps", []), defaults)
        job["presets"] = self.presets(given.get("presets", []), job["steps"], job["timezone"])
        return job

    def unknown_keys(self, given: Iterable[str], known: list[str], prefix: str = "", **where: str) -> None:
        """A fault for every key that nothing reads."""
        for key in given:
            if key not in known:
                self.fault(f"{prefix}{key}", f"Unknown key; this takes {', '.join(known)}.", **where)

    def schedule(self, expression: str | None, zone: str | None, **where: str) -> None:
        """Refuse a wrong expression or zone, each under its own field."""
        try:
            zone_of(zone or "")
        except BadCron as error:
            self.fault("timezone", str(error).removeprefix("timezone: "), **where)
        try:
            if expression:
                Cron(expression)
        except BadCron as error:
            self.fault("schedule", str(error), **where)

    def calendar(self, typed: dict[str, Any], **where: str) -> dict[str, Any]:
        """The table without what names no calendar; a calendar that isn't there is a fault."""
        for field in ("include_calendar", "exclude_calendar"):
            name = typed[field]
            if name and self.calendars is not None and name not in self.calendars:
                self.fault(field, f"There is no calendar {name!r}; make it first, or leave the field empty.", **where)
        if typed["on_excluded"] != "skip" and not typed["exclude_calendar"]:
            self.fault("on_excluded", "Only a schedule with an exclude_calendar has excluded days to move.", **where)
        return _without(CALENDAR_DEFAULTS, {**typed, **{field: typed[field] or "" for field in CALENDAR_DEFAULTS}})

    def tags(self, tags: Any) -> None:
        """Texts that a comma list can hold."""
        self.texts("tags", tags)
        for tag in filter(lambda tag: isinstance(tag, str), tags or []):
            if "," in tag or tag != tag.strip() or len(tag) > LONGEST_TAG:
                self.fault("tags", f"Found {tag!r}, expected at most {LONGEST_TAG} characters without commas.")

    def texts(self, field: str, items: Any) -> None:
        """A list of texts, none of them twice."""
        if not all(isinstance(item, str) for item in items or []):
            self.fault(field, f"Found {items!r}, expected texts only.")
        elif twice := [item for item, count in Counter(items or []).items() if count > 1]:
            self.fault(field, f"Listed twice: {', '.join(twice)}.")

    def parameters(self, field: str, table: Any, **where: str) -> None:
        """Refuse a null, which TOML has no word for."""
        if has_null(table or {}):
            self.fault(field, "Holds a null, which TOML can't keep; leave the name out.", **where)

    def retry(self, given: Any, prefix: str = "retry", **where: str) -> dict[str, Any]:
        """A retry policy, only what was said of it."""
        if not isinstance(given, Mapping):
            self.fault(prefix, f"Expected a table, found {given!r}.", **where)
            return {}
        return RetryFields.unflatten(self.fields(RetryFields, given, f"{prefix}.", **where))

    def alerts(self, given: Any) -> dict[str, Any]:
        """The alerts block with its defaults."""
        if not isinstance(given, Mapping):
            self.fault("alerts", f"Expected a table, found {given!r}.")
            return {}
        alerts = self.fields(AlertFields, given, "alerts.")
        recipients = alerts["recipients"] or []
        self.texts("alerts.recipients", recipients)
        if self.recipients and all(isinstance(item, str) for item in recipients):
            for message in self.recipients(recipients):
                self.fault("alerts.recipients", message)
        return _without(ALERT_DEFAULTS, _without_nulls({**alerts, "recipients": recipients}))

    def step_defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults without what nothing could take."""
        fields = {name for kind in step_types().values() for name in (*kind.form.base_fields, *kind.form.nested)}
        self.unknown_keys(given, [*SHARED_KEYS, *sorted(fields)], "step_defaults.")
        sound = {key: value for key, value in given.items() if key in SHARED_KEYS or key in fields}
        common = {key: sound[key] for key in SHARED_KEYS if key in sound and key != "retry"}
        before = len(self.faults)
        typed = self.fields(StepFields, {"name": "-", "type": "-", **common}, "step_defaults.")
        if "retry" in sound:
            typed["retry"] = self.retry(sound["retry"], "step_defaults.retry")
        self.parameters("step_defaults", {key: value for key, value in sound.items() if key == "op_kwargs"})
        if len(self.faults) > before:
            return {key: value for key, value in sound.items() if key not in SHARED_KEYS}
        return {key: typed.get(key, value) for key, value in sound.items()}

    def steps(self, given: Any, defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The steps in order; a step may use outputs of those before it."""
        if not _is_list_of_tables(given):
            self.fault("steps", "Expected a list of tables.")
            return []
        if not given:
            self.fault("steps", "A job needs at least one step.")
        steps: list[dict[str, Any]] = []
        for step in given:
            steps.append(self.step(_without_nulls(step), defaults, [earlier["name"] for earlier in steps]))
        self.no_doubles("step", steps)
        return steps

    def no_doubles(self, what: str, tables: list[dict[str, Any]]) -> None:
        """Refuse two steps or presets of one name."""
        for name, count in Counter(str(table["name"]) for table in tables).items():
            if count > 1:
                self.fault("name", f"{count} {what}s of the job have this name.", **{what: name})

    def step(self, given: Mapping[str, Any], defaults: Mapping[str, Any], earlier: list[str]) -> dict[str, Any]:
        """One step, without what would hold anyway."""
        name = str(given.get("name", f"number {len(earlier) + 1}"))
        typed = self.fields(StepFields, {k: given[k] for k in StepFields.base_fields if k in given}, step=name)
        self.parameters("op_kwargs", typed["op_kwargs"], step=name)
        self.shadowed(given, typed, defaults, name)
        step = {"name": typed["name"] or name, "type": typed["type"]}
        step |= {k: typed[k] for k in ("enabled", "timeout_seconds", "rerun_if_lost") if typed[k] != _default(k)}
        if retry := self.retry(given.get("retry", {}), step=name):
            step["retry"] = retry
        if typed["type"] in step_types():
            step |= self.config(typed["type"], given, defaults, name)
        elif typed["type"]:
            self.fault("type", f"Found {typed['type']!r}, expected one of {', '.join(step_types())}.", step=name)
        if typed["op_kwargs"]:
            step["op_kwargs"] = typed["op_kwargs"]
        self.tokens({key: value for key, value in step.items() if key != "name"}, earlier, name)
        return step

    def shadowed(
        self, given: Mapping[str, Any], typed: Mapping[str, Any], defaults: Mapping[str, Any], name: str
    ) -> None:
        """A step can't go back to the built-in value where `step_defaults` has another one: it's stored as "not set"."""
        for key in ("timeout_seconds", "rerun_if_lost"):
            if key in given and typed[key] == _default(key) and defaults.get(key, typed[key]) != typed[key]:
                message = (
                    f"{given[key]!r} is what an unset value is, so step_defaults.{key} would win; take it out there."
                )
                self.fault(key, message, step=name)

    def config(
        self, type_name: str, given: Mapping[str, Any], defaults: Mapping[str, Any], name: str
    ) -> dict[str, Any]:
        """The fields of the step's type."""
        own = {key: value for key, value in given.items() if key not in COMMON_STEP_KEYS}
        config = StepConfig(type_name, own, defaults)
        for field, messages in config.errors.items():
            self.fault(field, " ".join(messages), step=name)
        for field, message in config.connector_faults(self.connectors):
            self.fault(field, message, step=name)
        return config.canonical

    def tokens(self, step: Mapping[str, Any], earlier: list[str], name: str) -> None:
        """Refuse a `${...}` that can never be replaced."""
        for field, value in step.items():
            for token in tokens_in(value):
                problem = token_fault(token) or _out_fault(token, earlier)
                if problem:
                    self.fault(field, problem, step=name)

    def presets(self, given: Any, steps: list[dict[str, Any]], timezone: str) -> list[dict[str, Any]]:
        """The presets by name."""
        if not _is_list_of_tables(given):
            self.fault("presets", "Expected a list of tables.")
            return []
        names = [step["name"] for step in steps]
        presets = [self.preset(_without_nulls(preset), names, timezone) for preset in given]
        self.no_doubles("preset", presets)
        return sorted(presets, key=lambda preset: str(preset["name"]))

    def preset(self, given: Mapping[str, Any], steps: list[str], timezone: str) -> dict[str, Any]:
        """One preset."""
        name = str(given.get("name", "?"))
        typed = self.fields(PresetFields, given, preset=name)
        zone = typed["timezone"] or timezone
        self.schedule(typed["schedule"], zone, preset=name)
        self.parameters("params", [typed["params"], typed["op_kwargs"]], preset=name)
        self.by_step("op_kwargs", typed["op_kwargs"], _is_table, "a table of names and values", steps, name)
        self.by_step("step_enabled", typed["step_enabled"], _is_switch, "true or false", steps, name)
        preset = {"name": typed["name"] or name, "timezone": zone}
        keys = ("schedule", "log_level", "params", "op_kwargs", "step_enabled")
        preset |= {key: typed[key] for key in keys if typed[key]}
        preset |= self.calendar({key: typed[key] for key in CALENDAR_DEFAULTS}, preset=name)
        return preset if typed["enabled"] else {**preset, "enabled": False}

    def by_step(
        self, field: str, table: Any, fits: Callable[[Any], bool], words: str, steps: list[str], preset: str
    ) -> None:
        """A table by step name: the steps are there and the values fit."""
        for step, value in (table or {}).items():
            if step not in steps:
                self.fault(field, f"There is no step {step!r}; the steps are {', '.join(steps)}.", preset=preset)
            elif not fits(value):
                self.fault(field, f"{step}: expected {words}, found {value!r}.", preset=preset)


def _without_nulls(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _without(defaults: Mapping[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in defaults or value != defaults[key]}


def _default(key: str) -> Any:
    return StepFields.base_fields[key].initial


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _out_fault(token: str, earlier: list[str]) -> str | None:
    kind, _, name = token.partition(":")
    if kind != "out" or any(name.startswith(f"{step}.") for step in earlier):
        return None
    return f"${{{token}}} names no earlier step; before this one come {', '.join(earlier) or 'none'}."
