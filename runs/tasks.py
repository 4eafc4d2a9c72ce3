"""What Celery calls. Arguments are numbers of runs only."""

from celery import shared_task, signals
from django.conf import settings

from runs import dispatch
from runs.worker import Worker

_worker: Worker | None = None


@shared_task(name=dispatch.ADVANCE, ignore_result=True)
def advance(run_pk: int) -> None:
    """Execute a run as far as it goes."""
    if _worker is not None:
        _worker.advance(run_pk)


@signals.worker_init.connect
def start_worker(sender: object = None, **kwargs: object) -> None:
    """Before the first message, from the main thread."""
    global _worker
    _worker = Worker(settings.NOMAFLOW_WORKER_SLOTS)
    _worker.start()


@signals.worker_shutting_down.connect
def drain_worker(**kwargs: object) -> None:
    """SIGTERM or Ctrl-C came: nothing new is begun."""
    if _worker is not None:
        _worker.drain()


@signals.worker_shutdown.connect
def stop_worker(**kwargs: object) -> None:
    """The last task has ended."""
    if _worker is not None:
        _worker.stop()
