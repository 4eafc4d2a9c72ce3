"""Executing a run: claim, prepare, perform, judge, record, announce.

`advance` is what a wake-up asks for. It may come late, twice, or to several workers at once: the claim decides. A run is
advanced until it ends, waits for a retry, or waits for a child run; waiting holds no slot.
"""

import datetime
import logging
import os
from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone

from jobs import retry
from jobs.models import Overlap
from jobs.parameters import Overrides, Sources, SubstitutionError, merge, substitute
from jobs.plan import StepPlan, plan_of
from nomaflow_site.lib.sealing import CannotDecrypt, unseal
from runs import flow
from runs.children import ChildRefused, ending_of_child, start_child
from runs.control import cancel_replaced, request_cancel
from runs.executor.supervisor import Ending, How
from runs.hold import Fenced, Hold, claim, wake_parent
from runs.models import Run, StepRun
from runs.states import RunState
from runs.trigger import InvalidTrigger, RunInFlight, overrides_from_json

log = logging.getLogger(__name__)


class Performer(Protocol):
    """Who runs a step's code: in a worker, a supervised child process."""

    owner: str

    def perform(self, hold: Hold, step: StepPlan, attempt: int, request: dict[str, Any], timeout: float) -> Ending:
        """Run one attempt, its row begun, and say how it ended."""

    def enter(self, hold: Hold) -> None:
        """The run is held from now on: keep its lease, look for cancel requests."""

    def leave(self, hold: Hold) -> None:
        """The run isn't held any more."""

    def must_stop(self) -> bool:
        """Whether this process is shutting down: finish the step, not the run."""

    def cancelled_by(self, hold: Hold) -> str:
        """Who has asked to cancel the run, as far as this process knows; empty when nobody has."""


def advance(run_pk: int, performer: Performer) -> None:
    """Execute a run as far as it goes now, if it's there to be taken."""
    run = claim(run_pk, performer.owner)
    if run is None:
        _make_way(run_pk)
        return
    hold = Hold(run, plan_of(run.snapshot))
    performer.enter(hold)
    try:
        _announce_start(hold)
        while _advance_once(hold, performer):
            pass
    except Fenced:
        log.warning("%s was taken over by another worker; this one stops", run.run_id)
    except Exception as error:
        # A defect of ours, or the database is away. The run must not stay RUNNING because of it; where even that can't
        # be written, the lease expires and the reaper ends it.
        log.exception("%s could not be executed", run.run_id)
        _end_after_defect(hold, error)
    finally:
        performer.leave(hold)


def _make_way(run_pk: int) -> None:
    """A replacement that finds its place taken asks for it again: who inserted it may have died before asking."""
    waiting = Run.objects.filter(pk=run_pk, state=RunState.QUEUED, overlap=Overlap.REPLACE, started_at=None)
    for job_id in waiting.values_list("job_id", flat=True):
        cancel_replaced(job_id)


def _announce_start(hold: Hold) -> None:
    if hold.is_fresh:
        run = hold.run
        who = f" for {run.requested_by}" if run.requested_by and run.requested_by not in run.triggered_by else ""
        hold.say("INFO", f"run {run.run_id} of job {run.job_id!r} started, triggered by {run.triggered_by}{who}")


def _end_after_defect(hold: Hold, error: Exception) -> None:
    for row in hold.step_runs:
        if row.state == RunState.RUNNING:
            hold.end_step(row, RunState.FAILED, error="the framework failed, not the step")
    try:
        hold.finish(RunState.FAILED, f"internal error: {type(error).__name__}; the worker's own log has the details")
    except Exception:
        log.exception("%s could not be ended either; its lease will expire", hold.run.run_id)


def _advance_once(hold: Hold, performer: Performer) -> bool:
    """Make the next move. False when the run has ended or waits."""
    move = flow.next_move(
        hold.plan,
        hold.run.overrides.get("step_enabled") or {},
        [_attempt(row) for row in hold.step_runs],
        cancelled_by=hold.run.cancel_requested_by or performer.cancelled_by(hold),
        past_deadline=_seconds_left(hold) <= 0,
    )
    match move:
        case flow.Finish(state, reason):
            _finish(hold, state, reason)
            return False
        case flow.Skip(step, reason):
            hold.leave_out(step, reason)
            hold.say("INFO", f"step {step.name!r} {reason}", step.name)
            return True
        case flow.JudgeChild(step, attempt):
            return _judge_child(hold, step, _row(hold, step, attempt), performer)
        case flow.Perform(step, attempt):
            if performer.must_stop():
                hold.put_back(0, "waiting for another worker: this one is stopping")
                return False
            return _perform(hold, step, attempt, performer)


def _attempt(row: StepRun) -> flow.Attempt:
    return flow.Attempt(row.number, row.attempt, RunState(row.state))


def _row(hold: Hold, step: StepPlan, attempt: int) -> StepRun:
    return next(row for row in hold.step_runs if (row.number, row.attempt) == (step.number, attempt))


def _seconds_left(hold: Hold) -> float:
    if hold.run.started_at is None:
        return hold.plan.timeout_seconds
    elapsed: datetime.timedelta = timezone.now() - hold.run.started_at
    return hold.plan.timeout_seconds - elapsed.total_seconds()


# Prepare


def _perform(hold: Hold, step: StepPlan, attempt: int, performer: Performer) -> bool:
    try:
        request = prepare(hold, step, attempt)
    except (SubstitutionError, CannotDecrypt) as error:
        # The attempt failed before there was a process; it has its row all the same.
        row = hold.begin_step(step, attempt, os.getpid(), "")
        return _record(hold, step, row, Ending(How.FAILED, error=f"step {step.name!r}: {error}"), performer)
    timeout = min(step.timeout_seconds, _seconds_left(hold))
    ending = performer.perform(hold, step, attempt, request, timeout)
    row = _row(hold, step, attempt)
    return _record(hold, step, row, ending, performer)


def prepare(hold: Hold, step: StepPlan, attempt: int) -> dict[str, Any]:
    """Everything the step's process needs to know: parameters merged, tokens replaced, secrets opened and noted for masking."""
    run = hold.run
    fire: Overrides = overrides_from_json(run.overrides)
    params = unseal(merge(hold.plan.params, step.op_kwargs, fire, step.name), hold.masker.add)
    facts = _facts(run, step, attempt)
    sources = Sources(
        params=params,
        outputs={row.name: row.output for row in hold.step_runs if row.state == RunState.SUCCEEDED},
        facts=facts,
        env=os.environ,
        env_rules=settings.NOMAFLOW_JOB_ENV,
        on_env=hold.masker.add,
    )
    # Parameters may hold ${env:...}, ${ctx:...} and ${out:...} themselves, but not each other: one pass, no recursion.
    sources = Sources(**{**vars(sources), "params": substitute(params, sources)})
    return {
        "type": step.type,
        "config": substitute(unseal(dict(step.config), hold.masker.add), sources),
        "params": dict(sources.params),
        "facts": facts,
        "previous": {row.name: {"state": row.state, "output": row.output} for row in hold.step_runs},
        "plugins": [str(folder) for folder in settings.NOMAFLOW_PLUGINS],
    }


def _facts(run: Run, step: StepPlan, attempt: int) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "step_name": step.name,
        "attempt": attempt,
        "triggered_by": run.triggered_by,
        "session_user": run.requested_by or run.triggered_by.removeprefix("user:"),
        "log_level": run.log_level,
        "scheduled_at": run.scheduled_at.isoformat() if run.scheduled_at else None,
        "started_at": (run.started_at or timezone.now()).isoformat(),
    }


# Judge and record


def _record(hold: Hold, step: StepPlan, row: StepRun, ending: Ending, performer: Performer) -> bool:
    """Write down what the ending means. True when the run goes on at once."""
    who = hold.run.cancel_requested_by or performer.cancelled_by(hold)
    verdict = flow.judge(
        step,
        row.attempt,
        ending,
        retry.next_wait,
        cancelled_by=who,
        losses=hold.run.lost_count,
        seconds_left=_seconds_left(hold),
    )
    tell = (step.name, row.attempt)
    match verdict:
        case flow.GoOn():
            hold.end_step(row, RunState.SUCCEEDED, output=ending.output, rows_affected=ending.rows)
            hold.say("INFO", _success(row), *tell)
            return True
        case flow.Wait():
            return _start_child(hold, step, row, ending, performer)
        case flow.Retry(reason, wait):
            hold.end_step(row, RunState.FAILED, error=reason, reason=f"retry in {wait:g} s")
            hold.say("WARNING", f"attempt {row.attempt} failed: {reason}; next attempt in {wait:g} s", *tell)
            hold.put_back(wait, f"waiting {wait:g} s before attempt {row.attempt + 1} of step {step.name!r}")
            return False
        case flow.Repeat(reason):
            hold.end_step(row, RunState.FAILED, error=reason, reason="lost; the step may be repeated")
            hold.say("WARNING", f"attempt {row.attempt} was lost: {reason}; the step is repeated", *tell)
            hold.put_back(0, f"repeating step {step.name!r}", lost_count=hold.run.lost_count + 1)
            return False
        case flow.End(state, reason):
            told = reason if ending.how is not How.FAILED else ""
            hold.end_step(row, state, error="" if state is RunState.CANCELED else reason, reason=told)
            hold.say("WARNING" if state is RunState.CANCELED else "ERROR", f"step {step.name!r}: {reason}", *tell)
            _finish(hold, state, reason if state is RunState.CANCELED else f"step {step.name!r}: {reason}")
            return False


def _finish(hold: Hold, state: RunState, reason: str) -> None:
    """End the run; a child run that is still waited for is cancelled with it."""
    for row in hold.step_runs:
        if row.state == RunState.RUNNING:
            if row.child is not None:
                request_cancel(row.child, by=f"its parent {hold.run.run_id}")
            hold.end_step(row, state, reason=reason)
    hold.finish(state, reason)


def _success(row: StepRun) -> str:
    rows = f", {row.rows_affected:,} rows" if row.rows_affected is not None else ""
    seconds = (timezone.now() - row.started_at).total_seconds() if row.started_at else 0
    return f"step {row.name!r} SUCCEEDED in {seconds:.2f} s{rows}"


# Child runs


def _start_child(hold: Hold, step: StepPlan, row: StepRun, ending: Ending, performer: Performer) -> bool:
    wanted = ending.child_job or {}
    try:
        row.child = start_child(hold.run, wanted)
    except (ChildRefused, RunInFlight, InvalidTrigger) as error:
        return _record(hold, step, row, Ending(How.FAILED, error=str(error)), performer)
    hold.note_child(row)
    hold.say("INFO", f"waiting for {row.child.run_id} of job {row.child.job_id!r}", step.name, row.attempt)
    return _wait_for_child(hold, row.child)


def _wait_for_child(hold: Hold, child: Run) -> bool:
    # The deadline wakes the run should the child outlast it; normally the child's end does.
    hold.put_back(max(_seconds_left(hold), 0), f"waiting for {child.run_id} (job {child.job_id!r})")
    _catch_up_with_child(hold.run, child)
    return False


def _judge_child(hold: Hold, step: StepPlan, row: StepRun, performer: Performer) -> bool:
    if row.child is not None and not row.child.is_over:
        return _wait_for_child(hold, row.child)
    return _record(hold, step, row, ending_of_child(row), performer)


def _catch_up_with_child(run: Run, child: Run) -> None:
    """A child quicker than its parent's last commit found nobody to wake."""
    if Run.objects.filter(pk=child.pk, finished_at__isnull=False).exists():
        wake_parent(run.pk)
