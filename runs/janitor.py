"""Recovery: runs whose worker died, wake-ups that were lost. Plain functions; any process may call them at any time."""

import datetime
import logging

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from jobs.plan import StepPlan, plan_of
from runs import dispatch, flow
from runs.control import end_without_worker
from runs.hold import announce
from runs.logs import add_line
from runs.models import Run, StepRun, WorkerNode
from runs.signals import run_is_long
from runs.states import ACTIVE, RunState

log = logging.getLogger(__name__)
# A wake-up that nobody has acted on for so many sweeps is sent again.
RESEND_SWEEPS = 2
BATCH = 100
FORGET_NODES_SECONDS = 24 * 3600


def reap() -> int:
    """End or take back every run whose lease has expired; how many there were."""
    expired = Run.objects.filter(state=RunState.RUNNING, lease_until__lt=Now()).order_by("pk")[:BATCH]
    return sum(_reap_one(run) for run in expired)


def _reap_one(run: Run) -> bool:
    lost = StepRun.objects.filter(run=run, state=RunState.RUNNING).order_by("-number", "-attempt").first()
    verdict = _verdict(run, lost)
    with transaction.atomic():
        # Still the same holder, still silent? Otherwise somebody else was faster, or it has come back.
        ours = Run.objects.filter(pk=run.pk, token=run.token, state=RunState.RUNNING, lease_until__lt=Now())
        if isinstance(verdict, flow.End):
            if not ours.update(state=verdict.state, finished_at=Now(), turn=None, token="", lease_until=None):
                return False
            run = Run.objects.get(pk=run.pk)
            end_without_worker(run, verdict.state, verdict.reason)
        else:
            if not ours.update(
                state=RunState.QUEUED,
                reason=verdict.reason,
                due_at=Now(),
                sent_at=Now(),
                token="",
                owner="",
                lease_until=None,
                lost_count=F("lost_count") + 1,
            ):
                return False
            if lost is not None:
                StepRun.objects.filter(pk=lost.pk).update(
                    state=RunState.FAILED, finished_at=Now(), error=verdict.reason, reason="lost worker"
                )
            add_line(run, "WARNING", f"{verdict.reason}; the run goes on")
            transaction.on_commit(lambda: dispatch.wake(run.pk))
    log.warning("%s: %s", run.run_id, verdict.reason)
    if isinstance(verdict, flow.End):
        announce(run)
    return True


def _verdict(run: Run, lost: StepRun | None) -> flow.End | flow.Repeat:
    reason = f"lost worker: {run.owner} has not been heard of for {settings.NOMAFLOW_LEASE_SECONDS:g} s"
    if run.cancel_requested_by:
        return flow.End(RunState.CANCELED, f"cancelled by {run.cancel_requested_by}; {reason}")
    if lost is None:
        # Nothing was being executed: the run can go on as if nothing had happened, unless that happens again and again.
        if run.lost_count + 1 >= flow.MOST_LOSSES:
            return flow.End(RunState.FAILED, f"{reason}, for the third time in this run")
        return flow.Repeat(reason)
    return flow.judge_loss(_step(run, lost), f"{reason} during step {lost.name!r}", run.lost_count)


def _step(run: Run, row: StepRun) -> StepPlan:
    return plan_of(run.snapshot).steps[row.number]


def notice_long() -> int:
    """Tell the floors above of runs in flight for longer than their job expects, each once; how many there were.

    A run that waits to be started is in flight, too: nobody else would say that no worker takes it.
    """
    watched = Run.objects.filter(state__in=ACTIVE, long_run_minutes__isnull=False, long_noticed_at=None)
    ages = watched.values_list("pk", "long_run_minutes", Coalesce("started_at", "created_at"), Now())
    overdue = [pk for pk, minutes, since, now in ages if now - since >= datetime.timedelta(minutes=minutes)]
    return sum(_notice_long(pk) for pk in overdue)


def _notice_long(pk: int) -> bool:
    with transaction.atomic():
        # Several processes look; the one that writes the time tells.
        if not Run.objects.filter(pk=pk, state__in=ACTIVE, long_noticed_at=None).update(long_noticed_at=Now()):
            return False
        run_is_long.send_robust(sender=Run, run=Run.objects.get(pk=pk))
        return True


def resend(most: int = BATCH) -> int:
    """Send a wake-up for runs that are due and have none, or whose wake-up nobody acted on; how many were sent."""
    stale = Now() - datetime.timedelta(seconds=settings.NOMAFLOW_SWEEP_SECONDS * RESEND_SWEEPS)
    forgotten = Q(sent_at=None) | Q(sent_at__lt=F("due_at")) | Q(sent_at__lt=stale)
    due = Run.objects.filter(forgotten, state=RunState.QUEUED, due_at__lte=Now()).order_by("due_at")
    sent = 0
    for pk in list(due.values_list("pk", flat=True)[:most]):
        # Several processes sweep; the one that moves `sent_at` sends.
        if Run.objects.filter(forgotten, pk=pk, state=RunState.QUEUED).update(sent_at=Now()):
            if not dispatch.wake(pk):
                break  # the broker is away: each further try could take its whole timeout, and leases have to be renewed
            sent += 1
    return sent


def forget_dead_nodes() -> None:
    """Remove workers and beats that have been silent for a day."""
    WorkerNode.objects.filter(seen_at__lt=Now() - datetime.timedelta(seconds=FORGET_NODES_SECONDS)).delete()
