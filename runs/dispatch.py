"""The only place that speaks to Celery: sends wake-ups. A lost one costs time, never a run."""

import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from typing import Any

from nomaflow_site.celery import app

ADVANCE = "runs.advance"
log = logging.getLogger(__name__)
_local = threading.local()
_waiting: "queue.SimpleQueue[int]" = queue.SimpleQueue()
_background: threading.Thread | None = None
_lock = threading.Lock()


def wake(run_pk: int) -> bool:
    """Ask the workers to advance a run now. False when the broker can't be reached; the sweeper asks again then."""
    try:
        app.send_task(ADVANCE, args=[run_pk], producer=_producer(), retry=False, ignore_result=True)
    except Exception as error:
        # Whatever the broker's client raises: the run is safe in the database, and its trigger was answered.
        log.warning("no wake-up sent for run %s, the broker can't be reached: %s", run_pk, error)
        _forget()
        return False
    return True


def wake_soon(run_pks: Sequence[int]) -> None:
    """Ask from a thread of its own: who fires a thousand schedules can't wait for the broker, or for its being away."""
    global _background
    if not run_pks:
        return
    with _lock:
        if _background is None or not _background.is_alive():
            _background = threading.Thread(target=_wake_waiting, name="wake-ups", daemon=True)
            _background.start()
    for run_pk in run_pks:
        _waiting.put(run_pk)


def _wake_waiting() -> None:
    while True:
        if not wake(_waiting.get()):
            # The broker is away: trying each of them would take as long as all of its timeouts. The sweeper has them.
            with contextlib.suppress(queue.Empty):
                while True:
                    _waiting.get_nowait()


def _producer() -> Any:
    """A producer of this thread. Without retries: a broker that is down must not make a trigger wait."""
    if getattr(_local, "producer", None) is None:
        options = {**app.conf.broker_transport_options, "max_retries": 0, "socket_timeout": 3}
        _local.connection = app.connection_for_write(transport_options=options, connect_timeout=3)
        _local.producer = app.amqp.Producer(_local.connection, auto_declare=False)
    return _local.producer


def _forget() -> None:
    connection = getattr(_local, "connection", None)
    _local.producer = _local.connection = None
    if connection is not None:
        try:
            connection.close()
        except Exception as error:
            log.debug("closing the broken broker connection: %s", error)
