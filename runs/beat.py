"""Beat's scheduler: decides by our cron, and records each moment itself instead of sending a message.

A fire is a row in the database, unique per job and moment, so any number of beats may run; the broker may be away meanwhile.
"""

import datetime
import logging
import threading
import time
from collections import deque
from typing import Any

from celery import schedules
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from jobs.cron import BadCron, Cron
from runs import firing, janitor, nodes
from runs.schedules import PREFIX, sync_all

log = logging.getLogger(__name__)
# How often a saved schedule is looked for, in seconds.
CHANGE_SECONDS = 1.0
# Moments recorded at most for one schedule after an outage.
MOST_MOMENTS = 1000
# A scheduler without a round for so long isn't scheduling.
STALE_SECONDS = 10.0


class ScheduleEntry(ModelEntry):  # type: ignore[misc]
    """One of our schedules as beat sees it. The headers hold cron expression, zone and job."""

    def __init__(self, model: PeriodicTask, app: Any = None) -> None:
        super().__init__(model, app=app)
        headers = self.options["headers"]
        self.job_id: str = headers["job"]
        self.cron = Cron(headers["cron"], headers["zone"])

    def is_due(self) -> schedules.schedstate:
        """Whether a moment has passed since the last look, and the seconds until the next."""
        now = timezone.now()
        following = self.cron.next(self.last_run_at)
        if following <= now:
            return schedules.schedstate(True, max((self.cron.next(now) - now).total_seconds(), 0))
        return schedules.schedstate(False, (following - now).total_seconds())

    def moments(self, now: datetime.datetime) -> list[datetime.datetime]:
        """The moments since the last look, oldest first."""
        return list(self.cron.between(self.last_run_at, now, limit=MOST_MOMENTS))


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Fires our schedules. Overrides what stalls or breaks in the stock one when a row is bad or the broker is away."""

    Entry = ScheduleEntry
    # The stock scheduler connects to the broker here, and all schedules wait until it answers. We send nothing.
    producer = None
    # When the last round ended, on the monotonic clock: beat is alive as long as this moves.
    ticked_at: float | None = None
    _next_check = 0.0
    _heap_invalidated = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unrecorded: deque[tuple[str, datetime.datetime]] = deque(maxlen=100_000)
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """No entries of Celery's own."""

    def enabled_models_qs(self) -> Any:
        """Our rows only."""
        return PeriodicTask.objects.filter(enabled=True, name__startswith=PREFIX)

    def all_as_schedule(self) -> dict[str, ScheduleEntry]:
        """Every schedule that can be read: one bad row doesn't silence the others."""
        entries = {}
        for model in self.enabled_models_qs().select_related("interval"):
            try:
                entries[model.name] = ScheduleEntry(model, app=self.app)
            except (BadCron, KeyError, ValueError) as error:
                log.error("schedule %s can't be used and does not fire: %s", model.name, error)
        return entries

    def schedule_changed(self) -> bool:
        """Whether something was saved; asked once a second at most."""
        now = time.monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + CHANGE_SECONDS
        return bool(super().schedule_changed())

    def schedules_equal(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the heap is still right: the stock comparison looks at every entry after every fire."""
        if self._heap_invalidated:
            self._heap_invalidated = False
            return False
        return args[0] is not None and len(args[0]) == len(args[1])

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> None:
        """Record the moments of one schedule; those that the database couldn't take are kept and tried again."""
        now = timezone.now()
        self._unrecorded.extend((entry.job_id, moment) for moment in entry.moments(now))
        self._record()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One round; first what is left over from a round in which the database was away."""
        self._record()
        pause = float(super().tick(*args, **kwargs))
        Scheduler.ticked_at = time.monotonic()
        return pause

    def _record(self) -> None:
        while self._unrecorded:
            job_id, moment = self._unrecorded[0]
            try:
                firing.fire(job_id, moment)
            except (DatabaseError, InterfaceError) as error:
                log.warning("a moment of %s can't be recorded yet: %s", job_id, error)
                connection.close()
                return
            except Exception:
                log.exception("%s at %s could not be fired", job_id, moment)
            self._unrecorded.popleft()


class BeatLife:
    """Beat's place in the list of processes, its heartbeat, and the sweeping that has to go on when no worker is left."""

    def __init__(self) -> None:
        self._id = nodes.new_node_id()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "BeatLife":
        sync_all()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join(5)
        nodes.sign_out(self._id)

    def _live(self) -> None:
        while Scheduler.ticked_at is None:
            if self._stopped.wait(0.05):
                return
        pause = 0.0
        while not self._stopped.wait(pause):
            pause = settings.NOMAFLOW_HEARTBEAT_SECONDS
            try:
                self._keep_house()
            except Exception as error:
                log.warning("beat's housekeeping failed and will be tried again: %s", error)
                connection.close()
        connection.close()

    def _keep_house(self) -> None:
        # A scheduler that hangs must not be called alive by a thread that doesn't.
        if time.monotonic() - (Scheduler.ticked_at or 0.0) < STALE_SECONDS:
            nodes.sign_of_life(self._id, nodes.BEAT)
        janitor.reap()
        janitor.resend()
        janitor.forget_dead_nodes()
