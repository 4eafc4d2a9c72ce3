"""`manage.py beat`: fire the schedules."""

from typing import Any

from django.core.management.base import BaseCommand

from nomaflow_site.celery import app
from runs.beat import BeatLife


class Command(BaseCommand):
    """Start beat with our scheduler."""

    help = "Fire the schedules. Any number of beats may run: a moment fires once. Stop it with Ctrl-C or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until it's told to stop."""
        with BeatLife():
            app.Beat(scheduler_cls="runs.beat:Scheduler", quiet=True, loglevel="WARNING", max_interval=1).run()
