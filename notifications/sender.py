"""The thread that settles alerts and sends what is due, in every worker and every beat.

It takes no worker slot, so that jobs which fill all slots for hours don't hold up an alert; and it doesn't need the broker.
"""

import contextlib
import datetime
import logging
import queue
import threading
import time
from collections import Counter

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from notifications import bell, delivery, routing, taking
from notifications.delivery import Attempt
from notifications.models import Delivery
from notifications.transport import Unsent

log = logging.getLogger(__name__)
# How often alerts of other processes, and deliveries that are to be tried again, are looked for, in seconds.
LOOK_SECONDS = 1.0
# Messages that one process sends at the same time.
MOST_AT_ONCE = 8
# A process that stops sends what is due for so long.
FLUSH_SECONDS = 5.0


class Sender:
    """Takes, sends, records. `turn` is one round; only the thread that calls it touches the database."""

    def __init__(self) -> None:
        self._in_flight: dict[int, Attempt] = {}
        self._results: queue.SimpleQueue[tuple[Attempt, str | Exception]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="alerts", daemon=True)
        self._kept_at = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is due within seconds, then end; what is being sent then is another sender's once its lease is over."""
        self._stopping.set()
        bell.ring()
        self._thread.join(FLUSH_SECONDS + 2)

    def _live(self) -> None:
        while not self._stopping.is_set():
            self._try_turn()
            bell.wait(LOOK_SECONDS)
        deadline = time.monotonic() + FLUSH_SECONDS
        while self._try_turn() and time.monotonic() < deadline:
            bell.wait(0.1)
        connection.close()

    def _try_turn(self) -> bool:
        try:
            return self.turn(timezone.now())
        except (OperationalError, InterfaceError) as error:
            log.warning("alerts can't be sent yet: %s", error)
        except Exception:
            log.exception("the sender of alerts failed and goes on")
        with contextlib.suppress(Exception):
            connection.close()
        return False

    def turn(self, now: datetime.datetime) -> bool:
        """One round: record, settle, take, send. Whether there is anything under way."""
        self._record_results(now)
        self._keep_leases()
        while routing.settle_some(now):
            pass
        in_flight = Counter(attempt.first.channel_id for attempt in self._in_flight.values())
        for taken in taking.take_due(now, MOST_AT_ONCE - len(self._in_flight), in_flight):
            self._begin([taken, *taking.take_beside(taken, now)], now)
        return bool(self._in_flight)

    def _begin(self, taken: list[Delivery], now: datetime.datetime) -> None:
        attempt = delivery.prepare(taken, now)
        if isinstance(attempt, Unsent):
            delivery.record(taken, attempt, now)
            bell.ring()
            return
        self._in_flight[attempt.first.pk] = attempt
        threading.Thread(target=self._send, args=(attempt,), name="alert", daemon=True).start()

    def _send(self, attempt: Attempt) -> None:
        self._results.put((attempt, attempt.make()))
        bell.ring()

    def _record_results(self, now: datetime.datetime) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                attempt, result = self._results.get_nowait()
                try:
                    delivery.record(attempt.deliveries, result, now, attempt.definition.hidden)
                except (OperationalError, InterfaceError):
                    # What has been sent must be written down, else it's sent again: at the next turn.
                    self._results.put((attempt, result))
                    raise
                except Exception:
                    # Its lease runs out, and it's taken again.
                    log.exception("the answer to %s could not be written down", attempt.first)
                del self._in_flight[attempt.first.pk]

    def _keep_leases(self) -> None:
        if self._in_flight and time.monotonic() - self._kept_at > settings.NOMAFLOW_LEASE_SECONDS / 4:
            taking.keep(each for attempt in self._in_flight.values() for each in attempt.deliveries)
            self._kept_at = time.monotonic()
