"""Cancelling runs: the request, and the end of runs that nobody executes at the moment."""

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Overlap
from jobs.plan import plan_of
from runs.catalogue import HEAVY
from runs.hold import announce
from runs.logs import add_line
from runs.models import Run, StepRun
from runs.signals import run_finished
from runs.states import ACTIVE, RunState


def request_cancel(run: Run, by: str) -> bool:
    """Ask for the end of a run; False when it's over already. A second request changes nothing.

    A run that waits ends at once; one that runs is stopped by its worker within seconds. Child runs are cancelled with it.
    """
    active = Run.objects.filter(pk=run.pk, state__in=ACTIVE)
    # The first request is the one that counts, and whose name is kept.
    active.filter(cancel_requested_at=None).update(cancel_requested_at=Now(), cancel_requested_by=by)
    if not active.exists():
        return False
    _end_waiting(run.pk)
    run.refresh_from_db()
    for child in Run.objects.filter(parent=run, state__in=ACTIVE):
        request_cancel(child, by=f"its parent {run.run_id}")
    return True


def cancel_replaced(job_id: str) -> None:
    """Cancel every active run of the job that a newer one replaces. Whoever calls it, and however often: the newest stays."""
    active = Run.objects.filter(job_id=job_id, state__in=ACTIVE)
    newest = active.filter(overlap=Overlap.REPLACE).order_by("-pk").defer(*HEAVY).first()
    if newest is not None:
        for run in active.filter(pk__lt=newest.pk, cancel_requested_at=None).defer(*HEAVY):
            request_cancel(run, by=f"its replacement {newest.run_id}")


def _end_waiting(run_pk: int) -> None:
    """End a run that is QUEUED: not begun, waiting for a retry, or waiting for a child run."""
    with transaction.atomic():
        waiting = Run.objects.filter(pk=run_pk, state=RunState.QUEUED).exclude(cancel_requested_at=None)
        if not waiting.update(state=RunState.CANCELED, finished_at=Now(), due_at=Now(), turn=None):
            return
        run = Run.objects.get(pk=run_pk)
        end_without_worker(run, RunState.CANCELED, f"cancelled by {run.cancel_requested_by}")
    announce(run)


def end_without_worker(run: Run, state: RunState, reason: str) -> None:
    """Complete the records of a run that has just been ended by somebody who doesn't hold it: reason, steps, last line, news.

    The caller has moved the run to `state` in the same transaction, and announces it after the commit.
    """
    Run.objects.filter(pk=run.pk).update(reason=reason)
    run.reason = reason
    now = timezone.now()
    StepRun.objects.filter(run=run, state=RunState.RUNNING).update(
        state=state, reason=reason, finished_at=now, error="" if state is RunState.CANCELED else reason
    )
    reached = set(StepRun.objects.filter(run=run).values_list("number", flat=True))
    StepRun.objects.bulk_create(
        StepRun(
            run=run,
            number=step.number,
            attempt=0,
            name=step.name,
            type=step.type,
            state=RunState.CANCELED,
            reason=f"not run: {reason}",
            finished_at=now,
        )
        for step in plan_of(run.snapshot).steps
        if step.number not in reached
    )
    add_line(run, "WARNING" if state is RunState.CANCELED else "ERROR", f"run {state}: {reason}")
    run_finished.send_robust(sender=Run, run=run)
