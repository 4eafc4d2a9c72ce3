"""Beat's scheduler: holds the schedules in a heap, and at each moment records what is due instead of sending a message.

Any number of beats may run. Each looks at every schedule; whoever locks a schedule's row first records its moments, the others
find them recorded. Nobody has to be elected, and a beat that dies is not missed (docs/adr/0006).
"""

import datetime
import heapq
import itertools
import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone
from django_celery_beat.models import PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from runs import catchup, firing, janitor, nodes
from runs.companions import Companions
from runs.internal import ensure_internal_jobs
from runs.schedules import sync_all
from runs.timers import SET_BACK, Timer, load_timers

log = logging.getLogger(__name__)
# How often a saved schedule is looked for, in seconds.
CHANGE_SECONDS = 1.0
# Schedules recorded in one transaction: large enough to share its commit, small enough not to hold up who else writes.
BATCH = 100
# A schedule whose row another beat holds is looked at again after this, in seconds.
AGAIN_SECONDS = 0.5
LONGEST_PAUSE = 1.0
# A scheduler without a round for so long isn't scheduling.
STALE_SECONDS = 10.0
CATCH_UP_SECONDS = 1.0
# How long beat waits for somebody else's lock, and how long a beat that was stopped in the middle may hold its own.
LOCK_SECONDS, IDLE_SECONDS = 5, 10


class Rounds:
    """The heap of schedules, by the moment at which each wants to be looked at. Time is passed in."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime.datetime, int, Timer]] = []
        self._numbers = itertools.count()
        self._seen: datetime.datetime | None = None
        self._look_at = 0.0
        self._latest: datetime.datetime | None = None

    def turn(self, now: datetime.datetime) -> float:
        """Record what is due, at most one batch; the seconds until the next turn. Raises DatabaseError, with nothing lost."""
        self._read_if_changed(now)
        due = self._due(now)
        if not due:
            return max((self._heap[0][0] - now).total_seconds(), 0.0) if self._heap else float("inf")
        before = {timer.pk: timer.cursor for timer in due}
        try:
            firing.record_due(due, now)
        finally:
            for timer in due:
                self._put(timer, stuck=timer.cursor == before[timer.pk], now=now)
        return 0.0

    def _due(self, now: datetime.datetime) -> list[Timer]:
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= now and len(due) < BATCH:
            due.append(heapq.heappop(self._heap)[2])
        return due

    def _put(self, timer: Timer, stuck: bool, now: datetime.datetime) -> None:
        following = timer.following()
        if following is not None:
            at = max(following, now + datetime.timedelta(seconds=AGAIN_SECONDS)) if stuck else following
            heapq.heappush(self._heap, (at, next(self._numbers), timer))

    def _read_if_changed(self, now: datetime.datetime) -> None:
        """Read all schedules again when one was saved, asked once a second, or when the clock was set back."""
        set_back = self._latest is not None and self._latest - now > SET_BACK
        self._latest = now
        if set_back:
            log.warning("the clock was set back; schedules go on from %s", now)
        elif time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + CHANGE_SECONDS
        changed = PeriodicTasks.last_change()
        # Not "later than": two saves may commit in another order than their times, or come from hosts whose clocks differ.
        if set_back or changed != self._seen:
            self._heap = []
            for timer in load_timers(now):
                self._put(timer, stuck=False, now=now)
            self._seen = changed


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """django-celery-beat's scheduler with rounds of our own: nothing of it waits for the broker, and nothing is written back."""

    # The stock scheduler connects to the broker here, and all schedules wait until it answers. We send nothing.
    producer = None
    # When the last round ended, on the monotonic clock: beat is alive as long as this moves.
    ticked_at: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._rounds = Rounds()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """No entries of Celery's own."""

    def sync(self) -> None:
        """Nothing: how far a schedule has come is committed with its fires."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One round; a database that is away or locked is asked again, and nothing is lost meanwhile."""
        try:
            pause = self._rounds.turn(timezone.now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("moments can't be recorded yet: %s", error)
            connection.close()
            return LONGEST_PAUSE
        Scheduler.ticked_at = time.monotonic()
        return min(pause, LONGEST_PAUSE)


def be_patient(sender: Any, connection: Any, **kwargs: Any) -> None:
    """A table that somebody has locked makes beat try again, and a beat stopped in the middle doesn't lock out the others."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")


def _make_internal_jobs() -> None:
    try:
        ensure_internal_jobs()
    except Exception:
        # Retention can wait; everybody else's schedules can't.
        log.exception("Nomaflow's own jobs could not be made; schedules fire without them")


class BeatLife:
    """Beat's place in the list of processes, its heartbeat, and the sweeping that has to go on when no worker is left."""

    def __init__(self) -> None:
        self._id = nodes.new_node_id()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._companions = Companions()

    def __enter__(self) -> "BeatLife":
        connection_created.connect(be_patient, dispatch_uid="runs.beat.be_patient")
        connection.close()
        _make_internal_jobs()
        sync_all()
        self._thread.start()
        self._companions.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join(5)
        self._companions.stop()
        nodes.sign_out(self._id)

    def _live(self) -> None:
        while Scheduler.ticked_at is None:
            if self._stopped.wait(0.05):
                return
        keep_house_at = 0.0
        while True:
            try:
                if time.monotonic() >= keep_house_at:
                    keep_house_at = time.monotonic() + settings.NOMAFLOW_HEARTBEAT_SECONDS
                    self._keep_house()
                catchup.start_waiting(timezone.now())
            except Exception as error:
                log.warning("beat's housekeeping failed and will be tried again: %s", error)
                connection.close()
            if self._stopped.wait(min(CATCH_UP_SECONDS, settings.NOMAFLOW_HEARTBEAT_SECONDS)):
                break
        connection.close()

    def _keep_house(self) -> None:
        # A scheduler that hangs must not be called alive by a thread that doesn't.
        if time.monotonic() - (Scheduler.ticked_at or 0.0) < STALE_SECONDS:
            nodes.sign_of_life(self._id, nodes.BEAT)
        janitor.reap()
        janitor.notice_long()
        janitor.resend()
        janitor.forget_dead_nodes()
