"""`manage.py worker`: execute runs."""

import logging
import warnings
from argparse import ArgumentParser
from typing import Any

from celery.exceptions import SecurityWarning
from django.conf import settings
from django.core.management.base import BaseCommand

from nomaflow_site.celery import app


class Command(BaseCommand):
    """Start a Celery worker with our settings."""

    help = "Execute runs: a Celery worker whose steps run in processes of their own. Stop it with Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The number of slots."""
        parser.add_argument("--slots", type=int, help="concurrent steps (default: NOMAFLOW_WORKER_SLOTS)")

    def handle(self, *args: Any, slots: int | None = None, **options: Any) -> None:
        """Run until it's told to stop."""
        if slots:
            settings.NOMAFLOW_WORKER_SLOTS = slots
        # Whether steps may run as root is the installation's choice (docs/settings.md); Celery would print a page about it.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        logging.getLogger("celery").setLevel(logging.INFO if settings.DEBUG else logging.WARNING)
        worker = app.Worker(
            pool="threads",
            concurrency=settings.NOMAFLOW_WORKER_SLOTS,
            hostname=None,
            loglevel="INFO" if settings.DEBUG else "WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        raise SystemExit(worker.exitcode or 0)
