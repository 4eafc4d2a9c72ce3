"""One process that executes runs: its fork server, the runs it holds, and its housekeeping thread."""

import contextlib
import datetime
import logging
import os
import random
import socket
import threading
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection, connections
from django.utils import timezone

from connectors.catalogue import definition_of, resolve
from connectors.definition import ConnectorError
from jobs.plan import StepPlan
from jobs.steps import step_types
from nomaflow_site.lib.sealing import CannotDecrypt
from runs import engine, janitor, nodes
from runs.companions import Companions
from runs.executor.spawn import ForkServer, SpawnFailed
from runs.executor.supervisor import Ending, How, run_child
from runs.hold import Hold, lease
from runs.models import Run
from runs.retention import prune_batch
from runs.states import RunState

log = logging.getLogger(__name__)
# How often cancel requests are looked for while something runs, and due retries always, in seconds.
LOOK_SECONDS = 0.25
DUE_SECONDS = 1.0
# A worker told to stop lets steps in flight go on for this long.
DRAIN_SECONDS = 10.0
# A worker that can't renew its leases stops its steps when this share of the lease is over.
FENCE_AFTER = 0.6
MOST_DATABASE_TROUBLE = 5.0
# A thread's database connection serves many runs.
KEEP_CONNECTION_SECONDS = 600


class Flight:
    """A run held by this process: what its supervising thread has to be told."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.cancelled_by = ""
        self.interrupt: How | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def stop(self, how: How) -> None:
        """End the step that is being executed, if there is one; called from other threads."""
        self.interrupt = how
        # Never write to a descriptor that was closed, and so may be somebody else's by now.
        with self._lock:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writer, b"!")

    def close(self) -> None:
        """Give the descriptors back."""
        with self._lock:
            self._closed = True
            os.close(self.reader)
            os.close(self._writer)


class StepWatcher:
    """Listens to one step for its run: log lines, progress, connectors, pruning; passes on what the flight is told."""

    def __init__(self, flight: Flight, step: StepPlan, attempt: int) -> None:
        self._flight = flight
        self._hold = flight.hold
        self._step = step
        self._attempt = attempt
        self._trouble_since: float | None = None

    @property
    def wake(self) -> int:
        """Readable when the flight is told to stop."""
        return self._flight.reader

    def line(self, level: str, at: float, text: str) -> None:
        """One line of the step; whole batches are written at once, so that memory stays small and the step is held back."""
        moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
        self._hold.log.add(level, text, step=self._step.name, attempt=self._attempt, at=moment)
        if self._hold.log.is_full:
            self._write()

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """Progress is a line of the log, too, unless the step has written one of its own."""
        self._hold.note_progress(done, total)
        if said:
            return
        of = f" of {total:,} ({done / total:.0%})" if total else ""
        self._hold.say("INFO", f"progress: {done:,}{of}", self._step.name, self._attempt)

    def connector(self, name: str) -> dict[str, Any]:
        """A connector's definition for the step, its secrets masked in the log from now on."""
        try:
            found = resolve(definition_of(name), os.environ, settings.NOMAFLOW_JOB_ENV)
        except (ConnectorError, CannotDecrypt) as error:
            return {"refused": str(error)}
        for secret in found.hidden:
            self._hold.masker.add(secret)
        return {"connector": {**vars(found), "hidden": list(found.hidden)}}

    def guard(self, text: str) -> dict[str, Any]:
        """Record a warning of the step's guard; a database that is away doesn't fail the step, the log has the warning."""
        try:
            self._hold.warn(text, self._step.name, self._attempt)
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            log.warning("%s: a guard warning could not be passed on: %s", self._hold.run.run_id, error)
            self._hold.say("WARNING", "the warning above could not be passed on", self._step.name, self._attempt)
        return {"noted": True}

    def prune(self, before: str) -> dict[str, Any]:
        """Remove one batch of old runs for a step of an internal type, and for no other: a plugin may speak on the socket, too."""
        if not _is_internal(self._step.type):
            return {"refused": f"A step of type {self._step.type!r} may not remove runs; a 'prune_runs' step does."}
        try:
            return {"pruned": vars(prune_batch(datetime.datetime.fromisoformat(before)))}
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            log.warning("%s: a batch of old runs could not be removed: %s", self._hold.run.run_id, error)
            return {"refused": f"The database did not remove a batch of old runs: {str(error) or type(error).__name__}"}

    def tick(self) -> How | None:
        """Write the log when it's due, and say whether the step has to stop."""
        if self._hold.is_due:
            self._write()
        return self._flight.interrupt

    def _write(self) -> None:
        """Write log lines; a database that is away for a moment doesn't fail the step, the lines wait."""
        try:
            self._hold.flush()
            self._trouble_since = None
        except OperationalError:
            now = time.monotonic()
            self._trouble_since = self._trouble_since or now
            connection.close()
            if now - self._trouble_since > MOST_DATABASE_TROUBLE:
                raise


def _is_internal(type_name: str) -> bool:
    kind = step_types().get(type_name)
    return kind is not None and kind.internal


class Worker:
    """Executes runs in this process. `start` it, call `advance` from as many threads as there are slots, `stop` it."""

    def __init__(self, slots: int) -> None:
        self.owner = nodes.new_node_id()
        self._slots = slots
        self._forks = ForkServer(settings.NOMAFLOW_HOME)
        self._flights: dict[int, Flight] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._housekeeping = threading.Thread(target=self._keep_house, name="housekeeping", daemon=True)
        self._renewed_at = time.monotonic()
        self._companions = Companions()

    # Life

    def start(self) -> None:
        """Start the fork server (from this thread: steps die with it) and the housekeeping."""
        connections.settings["default"]["CONN_MAX_AGE"] = KEEP_CONNECTION_SECONDS
        self._forks.start()
        nodes.sign_in(self.owner, nodes.WORKER, self._slots)
        self._housekeeping.start()
        self._companions.start()

    def drain(self) -> None:
        """Take no further steps; those in flight get some seconds to end, then they're interrupted."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        threading.Thread(target=self._interrupt_later, daemon=True).start()

    def _interrupt_later(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._flights and time.monotonic() < deadline:
            if self._stopped.wait(0.1):
                return
        for flight in self._all_flights():
            flight.stop(How.INTERRUPTED)

    def stop(self) -> None:
        """End the housekeeping and the fork server. The runs have been drained before."""
        self._stopping.set()
        self._stopped.set()
        self._housekeeping.join(5)
        self._forks.stop()
        self._companions.stop()
        with contextlib.suppress(Exception):
            nodes.sign_out(self.owner)

    # What the engine asks for

    def advance(self, run_pk: int) -> None:
        """Execute a run as far as it goes; see `runs.engine.advance`."""
        if not self._stopping.is_set():
            close_old_connections()
            engine.advance(run_pk, self)

    def enter(self, hold: Hold) -> None:
        """Keep the run's lease from now on."""
        with self._lock:
            self._flights[hold.run.pk] = Flight(hold)

    def leave(self, hold: Hold) -> None:
        """The run has ended or waits."""
        with self._lock:
            self._flights.pop(hold.run.pk).close()

    def must_stop(self) -> bool:
        """Whether the process is being stopped."""
        return self._stopping.is_set()

    def cancelled_by(self, hold: Hold) -> str:
        """Who asked to cancel the run."""
        return self._flights[hold.run.pk].cancelled_by

    def perform(self, hold: Hold, step: StepPlan, attempt: int, request: dict[str, Any], timeout: float) -> Ending:
        """Run the attempt in a child process and watch it to its end."""
        flight = self._flights[hold.run.pk]
        flight.interrupt = How.CANCELLED if flight.cancelled_by else None
        host = socket.gethostname()[:120]
        try:
            child = self._forks.spawn()
        except SpawnFailed as error:
            hold.begin_step(step, attempt, os.getpid(), host)
            return Ending(How.FAILED, error=f"no process could be started for the step: {error}")
        watcher = StepWatcher(flight, step, attempt)
        ending = run_child(child, watcher, request, timeout, lambda pid: hold.begin_step(step, attempt, pid, host))
        if not any((row.number, row.attempt) == (step.number, attempt) for row in hold.step_runs):
            hold.begin_step(step, attempt, os.getpid(), host)
        return ending

    # Housekeeping

    def _all_flights(self) -> list[Flight]:
        with self._lock:
            return list(self._flights.values())

    def _keep_house(self) -> None:
        renew_at = sweep_at = due_at = 0.0
        while not self._stopped.wait(LOOK_SECONDS):
            now = time.monotonic()
            try:
                if now >= renew_at:
                    self._renew()
                    renew_at = now + settings.NOMAFLOW_HEARTBEAT_SECONDS
                self._look_for_cancels()
                if now >= due_at:
                    janitor.resend(most=self._free_slots() * 2)
                    due_at = now + DUE_SECONDS
                if now >= sweep_at:
                    janitor.reap()
                    janitor.notice_long()
                    # Several workers shouldn't all sweep in the same moment for ever.
                    sweep_at = now + settings.NOMAFLOW_SWEEP_SECONDS * random.uniform(0.6, 1.0)
            except Exception as error:
                log.warning("housekeeping failed and will be tried again: %s", error)
                with contextlib.suppress(Exception):
                    connection.close()
                self._fence_if_overdue()
        connection.close()

    def _free_slots(self) -> int:
        return max(self._slots - len(self._flights), 0)

    def _renew(self) -> None:
        nodes.sign_of_life(self.owner, nodes.WORKER, self._slots)
        held = {flight.hold.run.pk: flight for flight in self._all_flights()}
        if held:
            mine = Run.objects.filter(owner=self.owner, state=RunState.RUNNING)
            mine.update(lease_until=lease())
            tokens = dict(mine.filter(pk__in=held).values_list("pk", "token"))
            for pk, flight in held.items():
                # Gone from us while we were silent: what it still does must stop before its next write.
                if pk in self._flights and tokens.get(pk) not in (None, flight.hold.run.token):
                    flight.stop(How.INTERRUPTED)
        self._renewed_at = time.monotonic()

    def _fence_if_overdue(self) -> None:
        """Nobody can say that we're alive: stop before somebody else takes our runs."""
        if time.monotonic() - self._renewed_at > settings.NOMAFLOW_LEASE_SECONDS * FENCE_AFTER:
            for flight in self._all_flights():
                flight.stop(How.INTERRUPTED)

    def _look_for_cancels(self) -> None:
        held = {flight.hold.run.pk: flight for flight in self._all_flights() if not flight.cancelled_by}
        if not held:
            return
        asked = Run.objects.filter(pk__in=held, cancel_requested_at__isnull=False, state=RunState.RUNNING)
        for pk, by in asked.values_list("pk", "cancel_requested_by"):
            held[pk].cancelled_by = by
            held[pk].stop(How.CANCELLED)


def run_until_over(worker: Worker, run: Run, poll_seconds: float = 0.2) -> None:
    """Execute one run, and what it waits for, in this thread until it's over: where there is no worker."""
    while True:
        worker.advance(run.pk)
        run.refresh_from_db()
        if run.is_over:
            return
        child = Run.objects.filter(parent=run, state__in=[RunState.QUEUED, RunState.RUNNING]).first()
        if child is not None:
            run_until_over(worker, child, poll_seconds)
        else:
            until_due = (run.due_at - timezone.now()).total_seconds()
            time.sleep(min(max(until_due, 0.01), poll_seconds))
