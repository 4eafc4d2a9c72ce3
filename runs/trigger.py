"""The one way a run begins: button, API, schedule, shell, replay and chained jobs all come through here."""

import datetime
from collections.abc import Callable, Mapping, Sequence
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
from runs.catalogue import HEAVY
from runs.control import cancel_replaced
from runs.ids import new_run_id
from runs.models import Run
from runs.states import ACTIVE, RunState

ID_TRIES = 5
# Runs of one job that may wait their turn; a schedule that is quicker than its runs must not fill the table.
MOST_WAITING = 100


class RunInFlight(Exception):
    """The job allows one run at a time and there is one: `run`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(
            f"Job {run.job_id!r} already has a run in flight: {run.run_id} ({run.state.lower()}, triggered by "
            f"{run.triggered_by}). Wait for it, cancel it, or let the job queue or allow overlapping runs."
        )


class QueueFull(RunInFlight):
    """The job queues its runs and too many wait already: `run` is the first of them."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.args = (
            f"Job {run.job_id!r} has {MOST_WAITING} runs waiting already, the first is {run.run_id}. Cancel some, let the job "
            "run less often, or choose another overlap policy.",
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
    definition: Mapping[str, Any] | None = None,
) -> Run:
    """A new QUEUED run of `job`, its wake-up sent once the transaction is committed.

    `preset`'s values lie under `overrides`. A key that was used before returns the run that it started. `definition` is what the
    run does instead of what the job says now.
    Raises InvalidTrigger for values that can't be used, RunInFlight where the job doesn't overlap or too many wait.
    """
    if idempotency_key and (first := Run.objects.filter(idempotency_key=idempotency_key).first()):
        return first
    draft = draft_run(job, overrides, preset, definition)
    draft.triggered_by, draft.requested_by, draft.user = triggered_by, requested_by, user
    draft.scheduled_at, draft.parent, draft.replay_of = scheduled_at, parent, replay_of
    draft.idempotency_key = idempotency_key
    return _store(draft)


def draft_run(
    job: Job,
    overrides: Overrides = Overrides(),  # noqa: B008 - frozen
    preset: str = "",
    definition: Mapping[str, Any] | None = None,
) -> Run:
    """A run as it would be stored, with the job's definition and each step's merged parameters. Raises InvalidTrigger."""
    definition = definition_of(job) if definition is None else definition
    plan = plan_of(definition)
    fire = _with_preset(job, plan, overrides, preset)
    return Run(
        job=job,
        job_version=job.version,
        preset=preset,
        snapshot=definition,
        overrides=overrides_as_json(fire),
        parameters={step.name: merge(plan.params, step.op_kwargs, fire, step.name) for step in plan.steps},
        log_level=fire.log_level or job.log_level,
        overlap=job.overlap,
        step_count=len(plan.steps),
        long_run_minutes=(job.alerts or {}).get("on_long_run_minutes"),
    )


def _with_preset(job: Job, plan: Plan, overrides: Overrides, preset: str) -> Overrides:
    errors = override_errors(plan, overrides)
    if preset:
        presets = {saved.name: saved for saved in job.presets.all()}
        saved = presets.get(preset)
        if saved is None:
            known = ", ".join(presets) or "none"
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


def store_runs(drafts: Sequence[Run]) -> list[Run | RunInFlight]:
    """Insert many runs at once, each that its job's overlap policy lets in; RunInFlight in the place of the others.

    For the schedules, which start a thousand runs in one second. Inside a transaction; wake-ups are sent after it, by a
    thread of their own, because a broker that is away must not hold up the next second's fires.
    """
    busy = {run.job_id: run for run in _active([d.job_id for d in drafts if d.overlap == Overlap.SKIP])}
    taken: dict[str, Run] = {}
    for draft in drafts:
        if draft.overlap == Overlap.SKIP and draft.job_id not in busy:
            taken.setdefault(draft.job_id, draft)
    plain = [d for d in drafts if taken.get(d.job_id) is d or d.overlap == Overlap.ALLOW]
    for draft in plain:
        _complete(draft)
    try:
        with transaction.atomic():
            Run.objects.bulk_create(plain)
    except IntegrityError:
        # Somebody came between the look and the insert: one by one, so that each gets its own answer.
        plain = []
    for draft in plain:
        _begin_life(draft)
    transaction.on_commit(lambda: dispatch.wake_soon([draft.pk for draft in plain]))
    stored = {id(draft) for draft in plain}
    return [draft if id(draft) in stored else _store_or_refuse(draft) for draft in drafts]


def _store_or_refuse(draft: Run) -> Run | RunInFlight:
    draft.pk = None
    try:
        return _store(draft, wake=lambda pk: dispatch.wake_soon([pk]))
    except RunInFlight as refusal:
        return refusal


def _store(draft: Run, wake: Callable[[int], object] | None = None) -> Run:
    """Insert the run where the job's overlap policy lets it in. The unique `turn` decides, not the look before it."""
    for _ in range(ID_TRIES):
        _complete(draft)
        try:
            with transaction.atomic():
                _refuse_second(draft)
                draft.save(force_insert=True)
                _begin_life(draft)
                transaction.on_commit(lambda: (wake or dispatch.wake)(draft.pk))
                if draft.overlap == Overlap.REPLACE:
                    # After the commit, when each of several at once sees the others: the newest stays.
                    transaction.on_commit(lambda: cancel_replaced(draft.job_id))
                return draft
        except IntegrityError:
            # Which constraint it was is asked of the rows, not of the error's text: a key used twice, a run that got in
            # first, or (once in a lifetime) an identifier that exists already.
            draft.pk = None
            if draft.idempotency_key:
                first = Run.objects.filter(idempotency_key=draft.idempotency_key).first()
                if first:
                    return first
            _refuse_second(draft)
    raise RuntimeError(f"no free run identifier for job {draft.job_id!r} in {ID_TRIES} tries")


def _complete(draft: Run) -> None:
    draft.run_id = new_run_id()
    draft.created_at = timezone.now()
    draft.due_at = draft.sent_at = Now()
    draft.turn = draft.job_id if draft.overlap == Overlap.SKIP else None


def _begin_life(draft: Run) -> None:
    # The database's clock has just written these two; close enough for whoever looks at the object.
    draft.due_at = draft.sent_at = draft.created_at


def _refuse_second(draft: Run) -> None:
    """RunInFlight where a second run isn't let in, or where the queue is full."""
    if draft.overlap == Overlap.SKIP and (active := _active([draft.job_id])):
        raise RunInFlight(active[0])
    if draft.overlap == Overlap.QUEUE:
        waiting = Run.objects.filter(job_id=draft.job_id, state=RunState.QUEUED, started_at=None)
        found = list(waiting.only("run_id", "job_id").order_by("pk")[:MOST_WAITING])
        if len(found) == MOST_WAITING:
            raise QueueFull(found[0])


def _active(job_ids: Sequence[str]) -> list[Run]:
    """The oldest run in flight of each job."""
    if not job_ids:
        return []
    runs = Run.objects.filter(job__in=job_ids, state__in=ACTIVE).defer(*HEAVY).order_by("-pk")
    return list({run.job_id: run for run in runs}.values())
