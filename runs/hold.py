"""Holding a run: the claim, the fencing token, and every write of the process that executes it.

A claim is one conditional UPDATE. From then on each write carries the token; a write that changes no row means that somebody
else owns the run by now, and raises Fenced: stop, touch nothing more. Writes are gathered and committed together when the next
thing begins, because a commit is the dearest part of a short step.
"""

import datetime
import secrets
import time
from typing import Any

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from jobs.models import Overlap
from jobs.plan import Plan, StepPlan
from nomaflow_site.lib.redact import Masker
from runs import dispatch
from runs.logs import LogWriter
from runs.models import Run, StepRun
from runs.signals import guard_warned, run_finished
from runs.states import ACTIVE, RunState

DATABASE_PAUSE = 0.5
PROGRESS_SECONDS = 1.0
# Policies under which a run waits until no other run of its job is under way.
QUEUEING = (Overlap.QUEUE, Overlap.REPLACE)
PROGRESS_FIELDS = ["done", "total", "progress_at"]
ENDING_FIELDS = ["state", "reason", "finished_at", "rows_affected", "output", "error", "child", *PROGRESS_FIELDS]


class Fenced(Exception):
    """Somebody else owns the run now."""


def lease() -> Any:
    """The database's time until which a worker that says nothing keeps its runs."""
    return Now() + datetime.timedelta(seconds=settings.NOMAFLOW_LEASE_SECONDS)


def claim(run_pk: int, owner: str) -> Run | None:
    """Take a run that is QUEUED and due; None when it isn't, or when it isn't its turn."""
    token = secrets.token_hex(16)
    free = Run.objects.filter(pk=run_pk, state=RunState.QUEUED, due_at__lte=Now()).filter(_has_its_turn())
    try:
        with transaction.atomic():
            changed = free.update(
                state=RunState.RUNNING,
                reason="",
                token=token,
                owner=owner,
                lease_until=lease(),
                started_at=Coalesce("started_at", Now()),
                claims=F("claims") + 1,
                turn=models.Case(models.When(overlap=Overlap.ALLOW, then=None), default=F("job_id")),
            )
    except IntegrityError:
        return None  # another run of the job took the only turn in the same moment
    return Run.objects.get(pk=run_pk) if changed else None


def _has_its_turn() -> Q:
    """A run that queues goes when no other run of the job is under way and no earlier one waits."""
    same_job = Run.objects.filter(job_id=OuterRef("job_id"), state__in=ACTIVE).exclude(pk=OuterRef("pk"))
    # Those that hold no turn were begun while the job still allowed overlapping runs.
    taken = same_job.filter(Q(turn=OuterRef("job_id")) | Q(started_at__isnull=False))
    earlier = same_job.filter(pk__lt=OuterRef("pk"), overlap__in=QUEUEING, started_at=None)
    waits = Q(overlap__in=QUEUEING, turn=None)
    return ~waits | (Q(~Exists(taken)) & Q(~Exists(earlier)))


class Hold:
    """A run that this process executes."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self.run = run
        self.plan = plan
        self.masker = Masker()
        self.log = LogWriter(run, self.masker)
        self.is_fresh = run.claims == 1
        # A run that was never held before has no history: no need to ask.
        self.step_runs: list[StepRun] = [] if self.is_fresh else list(_history(run))
        self._changed: list[StepRun] = []
        self._new: list[StepRun] = []
        self._moved: StepRun | None = None
        self._flushed_at = 0.0

    # What happens to steps. Nothing is written before `commit`.

    def say(self, level: str, text: str, step: str = "", attempt: int = 0) -> None:
        """A marker of the framework's own in the run's log."""
        self.log.add(level, text, step=step, attempt=attempt)

    def warn(self, text: str, step: str, attempt: int) -> None:
        """A guard of the step warns: a line of the log, and news for the floors above."""
        text = self.masker.text(text)
        self.say("WARNING", f"guard: {text}", step, attempt)
        with transaction.atomic():
            guard_warned.send_robust(sender=Run, run=self.run, step=step, text=text)

    def begin_step(self, step: StepPlan, attempt: int, pid: int, host: str) -> StepRun:
        """The attempt's row, written before the step's code runs."""
        row = self._row(step, attempt, RunState.RUNNING, started_at=timezone.now(), pid=pid, host=host)
        self.say("INFO", f"step {step.name!r} ({step.type}) started", step.name, attempt)
        self.commit(current_step=step.number)
        return row

    def note_progress(self, done: int, total: int | None) -> None:
        """How far the step under way is; written with the next lines of the log."""
        # A step's own code may say anything; what is no number that a database keeps isn't shown.
        counts = [value for value in (done, total or 0) if isinstance(value, int) and 0 <= value < 2**63]
        if len(counts) == 2:
            row = self.step_runs[-1]
            row.done, row.total, row.progress_at = done, total or None, timezone.now()
            self._moved = row

    def note_child(self, row: StepRun) -> None:
        """The attempt goes on as a child run: `row.child` is written with the next commit."""
        self._changed.append(row)

    def end_step(self, row: StepRun, state: RunState, **values: Any) -> None:
        """How the attempt ended; masked here, whatever it holds."""
        row.state = state
        row.finished_at = timezone.now()
        for name, value in values.items():
            setattr(row, name, self.masker.value(value))
        self._changed.append(row)

    def leave_out(self, step: StepPlan, reason: str) -> None:
        """A row, attempt 0, for a step that doesn't run."""
        self._row(step, 0, RunState.CANCELED, reason=reason, finished_at=timezone.now())

    def _row(self, step: StepPlan, attempt: int, state: RunState, **values: Any) -> StepRun:
        row = StepRun(
            run=self.run, number=step.number, attempt=attempt, name=step.name, type=step.type, state=state, **values
        )
        self.step_runs.append(row)
        self._new.append(row)
        return row

    # Commits

    @property
    def is_due(self) -> bool:
        """Whether `flush` has something to write that has waited long enough."""
        waits = self._moved is not None and time.monotonic() - self._flushed_at >= PROGRESS_SECONDS
        return waits or self.log.is_due

    def flush(self) -> None:
        """Write the log and the progress that wait, while a step is under way."""
        with transaction.atomic():
            written = self.log.write()
            if self._moved is not None:
                self._moved.save(update_fields=PROGRESS_FIELDS)
        self.log.forget(written)
        self._moved, self._flushed_at = None, time.monotonic()

    def commit(self, **changes: Any) -> None:
        """Write all that waits, in one transaction, if the run is still ours. Raises Fenced when it isn't.

        A database that is away for a moment is waited for: what has been done must be recorded. Where it's away for longer
        than the lease, OperationalError comes through.
        """
        deadline = time.monotonic() + settings.NOMAFLOW_LEASE_SECONDS
        while True:
            try:
                self._commit(changes)
                return
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise
                connection.close()
                time.sleep(DATABASE_PAUSE)

    def _commit(self, changes: dict[str, Any]) -> None:
        with transaction.atomic():
            self._write_run(changes)
            for row in self._changed:
                if row not in self._new:
                    row.save(update_fields=ENDING_FIELDS)
            StepRun.objects.bulk_create(self._new)
            written = self.log.write()
            if self.run.is_over:
                run_finished.send_robust(sender=Run, run=self.run)
        self.log.forget(written)
        self._changed, self._new = [], []

    def _write_run(self, changes: dict[str, Any]) -> None:
        mine = Run.objects.filter(pk=self.run.pk, token=self.run.token, state=RunState.RUNNING)
        if not mine.update(**{"lease_until": lease(), **changes}):
            raise Fenced(f"{self.run.run_id} has another owner")
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self.run, name, value)

    def put_back(self, wait_seconds: float, reason: str, **changes: Any) -> None:
        """Back to QUEUED for a while: no slot is held. The job's turn is kept."""
        self.log.release_tail()
        self.commit(
            state=RunState.QUEUED,
            reason=self.masker.text(reason),
            due_at=Now() + datetime.timedelta(seconds=wait_seconds),
            sent_at=None,
            token="",
            owner="",
            lease_until=None,
            **changes,
        )

    def finish(self, state: RunState, reason: str) -> None:
        """The end of the run: steps that never ran get their row, who waits for this run is woken, the floors above hear it."""
        reached = {row.number for row in self.step_runs}
        why = f"not run: {reason}" if reason else "not run"
        for step in self.plan.steps:
            if step.number not in reached:
                self.leave_out(step, self.masker.text(why))
        self.say(_level(state), f"run {state}" + (f": {reason}" if reason else ""))
        self.log.release_tail()
        self.commit(
            state=state,
            reason=self.masker.text(reason),
            finished_at=timezone.now(),
            turn=None,
            token="",
            owner="",
            lease_until=None,
        )
        announce(self.run)


def _level(state: RunState) -> str:
    return {RunState.SUCCEEDED: "INFO", RunState.CANCELED: "WARNING"}.get(state, "ERROR")


def _history(run: Run) -> models.QuerySet[StepRun]:
    return run.step_runs.select_related("child").order_by("number", "attempt")


def announce(run: Run) -> None:
    """Wake everybody who waits for the end of `run`: its parent, the next in the job's queue."""
    if run.parent_id:
        wake_parent(run.parent_id)
    if run.overlap != Overlap.ALLOW:
        following = Run.objects.filter(job_id=run.job_id, state=RunState.QUEUED, due_at__lte=Now(), turn=None)
        pk = following.order_by("pk").values_list("pk", flat=True).first()
        if pk:
            dispatch.wake(pk)


def wake_parent(parent_pk: int) -> None:
    """The run that waits for a child goes on now."""
    if Run.objects.filter(pk=parent_pk, state=RunState.QUEUED).update(due_at=Now(), sent_at=Now()):
        dispatch.wake(parent_pk)
