"""The reference: a Celery task that does nothing, through the same broker and with the same settings, without Nomaflow."""

import time
from pathlib import Path

from celery import Celery
from django.conf import settings

import nomaflow_site.celery  # noqa: F401  (registers the scheme of the embedded broker)

app = Celery("raw")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
    broker_connection_retry_on_startup=True,
    task_default_queue="raw",
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
)


@app.task(name="raw.noop")  # type: ignore[untyped-decorator, unused-ignore]
def noop(path: str) -> None:
    """Leave the time at which it ran, in nanoseconds. Renamed into place, so that a reader never sees half a number."""
    draft = Path(path).with_suffix(".draft")
    draft.write_text(str(time.time_ns()))
    draft.rename(path)
