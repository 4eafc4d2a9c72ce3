"""What happens below, written into the outbox. Called inside the transactions of the floors below."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from jobs.signals import job_saved
from notifications import outbox
from runs.signals import fires_skipped, guard_warned, run_finished, run_is_long

log = logging.getLogger(__name__)


def _beside(note: Callable[..., None]) -> Callable[..., None]:
    """In a savepoint of its own: a defect of ours costs an alert and says so, it never costs the run its end."""

    def listen(sender: Any, signal: Any = None, **news: Any) -> None:
        try:
            with transaction.atomic():
                note(**news)
        except Exception:
            log.exception("an alert could not be written down: %s", news)
            _say_so(news)

    return listen


def _say_so(news: Mapping[str, Any]) -> None:
    run = news.get("run")
    about = run or next(iter(news.get("fires") or ()), None)
    try:
        with transaction.atomic():
            outbox.note_defect(about.job_id if about else news["job_id"], run)
    except Exception:
        log.exception("and that could not be written down either")


LISTENERS: list[tuple[Signal, Callable[..., None]]] = [
    (run_finished, outbox.note_end),
    (run_is_long, outbox.note_long),
    (guard_warned, outbox.note_guard),
    (fires_skipped, outbox.note_fires),
    (job_saved, outbox.note_switch),
]


def connect() -> None:
    """Listen. Once per process, when apps start."""
    for signal, note in LISTENERS:
        signal.connect(_beside(note), weak=False, dispatch_uid=f"notifications.{note.__name__}")
