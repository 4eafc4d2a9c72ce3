"""The one way a run begins: button, API, schedule, shell, replay and chained jobs all come through here."""

import datetime
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.definition import definition_of
from jobs.models import Job, LogLevel, Overlap
from jobs.parameters import Overrides, merge
from jobs.plan import Plan, plan_of
from runs import dispatch
from runs.ids import new_run_id
from runs.models import Run
from runs.states import ACTIVE

ID_TRIES = 5


class RunInFlight(Exception):
    """The job allows one run at a time and there is one: `run`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(
            f"Job {run.job_id!r} already has a run in flight: {run.run_id} ({run.state.lower()}, triggered by "
            f"{run.triggered_by}). Wait for it, cancel it, or let the job queue or allow overlapping runs."
        )


class InvalidTrigger(Exception):
    """Per-fire values that can't be used. `errors` maps each key, such as `step_enabled.load`, to its messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{key}: {' '.join(messages)}" for key, messages in self.errors.items()))


def trigger_run(
    job: Job,
    *,
    triggered_by: str,
    requested_by: str = "",
    user: User | None = None,
    overrides: Overrides = Overrides(),  # noqa: B008 - frozen
    preset: str = "",
    scheduled_at: datetime.datetime | None = None,
    parent: Run | None = None,
    replay_of: Run | None = None,
    idempotency_key: str | None = None,
) -> Run:
    """A new QUEUED run of `job`, its wake-up sent once the transaction is committed.

    `preset`'s values lie under `overrides`. A key that was used before returns the run that it started.
    Raises InvalidTrigger for values that can't be used, RunInFlight where the job doesn't overlap.
    """
    if idempotency_key and (first := Run.objects.filter(idempotency_key=idempotency_key).first()):
        return first
    definition = definition_of(job)
    plan = plan_of(definition)
    fire = _with_preset(job, plan, overrides, preset)
    draft = Run(
        job=job,
        job_version=job.version,
        triggered_by=triggered_by,
        requested_by=requested_by,
        user=user,
        scheduled_at=scheduled_at,
        preset=preset,
        parent=parent,
        replay_of=replay_of,
        idempotency_key=idempotency_key,
        snapshot=definition,
        overrides=overrides_as_json(fire),
        parameters={step.name: merge(plan.params, step.op_kwargs, fire, step.name) for step in plan.steps},
        log_level=fire.log_level or job.log_level,
        overlap=job.overlap,
        step_count=len(plan.steps),
    )
    return _store(draft, job)


def _with_preset(job: Job, plan: Plan, overrides: Overrides, preset: str) -> Overrides:
    errors = override_errors(plan, overrides)
    if preset:
        saved = job.presets.filter(name=preset).first()
        if saved is None:
            known = ", ".join(job.presets.values_list("name", flat=True)) or "none"
            errors["preset"] = [f"Job {job.id!r} has no preset {preset!r}; its presets: {known}."]
        else:
            lower = Overrides(saved.params, saved.op_kwargs, saved.step_enabled, saved.log_level or None)
            overrides = overrides.over(lower)
    if not plan.steps:
        errors["steps"] = [f"Job {job.id!r} has no steps; add one before running it."]
    if errors:
        raise InvalidTrigger(errors)
    return overrides


def override_errors(plan: Plan, overrides: Overrides) -> dict[str, list[str]]:
    """What's wrong with per-fire values for this plan, by key; empty when they can be used."""
    errors: dict[str, list[str]] = {}
    names = [step.name for step in plan.steps]
    for field in ("op_kwargs", "step_enabled"):
        for name in getattr(overrides, field):
            if name not in names:
                errors[f"{field}.{name}"] = [f"There is no step {name!r}; the steps are {', '.join(names)}."]
    for name, kwargs in overrides.op_kwargs.items():
        if not isinstance(kwargs, Mapping):
            errors[f"op_kwargs.{name}"] = [f"Expected a table of names and values, found {kwargs!r}."]
    for name, enabled in overrides.step_enabled.items():
        if not isinstance(enabled, bool):
            errors[f"step_enabled.{name}"] = [f"Expected true or false, found {enabled!r}."]
    if overrides.log_level is not None and overrides.log_level not in LogLevel.values:
        errors["log_level"] = [f"Expected {' or '.join(LogLevel.values)}, found {overrides.log_level!r}."]
    return errors


def overrides_as_json(overrides: Overrides) -> dict[str, Any]:
    """Per-fire values as they're stored with the run."""
    return {
        "params": dict(overrides.params),
        "op_kwargs": {name: dict(kwargs) for name, kwargs in overrides.op_kwargs.items()},
        "step_enabled": dict(overrides.step_enabled),
        "log_level": overrides.log_level,
    }


def overrides_from_json(stored: Mapping[str, Any]) -> Overrides:
    """The way back."""
    return Overrides(
        stored.get("params") or {},
        stored.get("op_kwargs") or {},
        stored.get("step_enabled") or {},
        stored.get("log_level"),
    )


def _store(draft: Run, job: Job) -> Run:
    """Insert the run where the job's overlap policy lets it in. The unique `turn` decides, not the look before it."""
    for _ in range(ID_TRIES):
        draft.run_id = new_run_id()
        draft.created_at = timezone.now()
        draft.due_at = draft.sent_at = Now()
        draft.turn = job.id if job.overlap == Overlap.SKIP else None
        try:
            with transaction.atomic():
                if job.overlap == Overlap.SKIP:
                    _refuse_second(job)
                draft.save(force_insert=True)
                # The database's clock has just written these two; close enough for whoever looks at the object.
                draft.due_at = draft.sent_at = draft.created_at
                transaction.on_commit(lambda: dispatch.wake(draft.pk))
                return draft
        except IntegrityError:
            # Which constraint it was is asked of the rows, not of the error's text: a key used twice, a run that got in
            # first, or (once in a lifetime) an identifier that exists already.
            draft.pk = None
            if draft.idempotency_key:
                first = Run.objects.filter(idempotency_key=draft.idempotency_key).first()
                if first:
                    return first
            if job.overlap == Overlap.SKIP:
                _refuse_second(job)
    raise RuntimeError(f"no free run identifier for job {job.id!r} in {ID_TRIES} tries")


def _refuse_second(job: Job) -> None:
    active = Run.objects.filter(job=job, state__in=ACTIVE).order_by("pk").first()
    if active is not None:
        raise RunInFlight(active)
