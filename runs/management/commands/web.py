"""`manage.py web`: serve pages and API."""

from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

# An open live log would otherwise hold up the stop for ever.
STOP_SECONDS = 3


class Command(BaseCommand):
    """Start uvicorn with our application."""

    help = "Serve the pages and the API. Stop it with Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default=settings.NOMAFLOW_HOST, help="default: NOMAFLOW_HOST")
        parser.add_argument("--port", type=int, default=settings.NOMAFLOW_PORT, help="default: NOMAFLOW_PORT")

    def handle(self, *args: Any, host: str = "", port: int = 0, **options: Any) -> None:
        """Run until it's told to stop."""
        uvicorn.run(
            "nomaflow_site.asgi:application",
            host=host,
            port=port,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
            log_level="info" if settings.DEBUG else "warning",
            access_log=settings.DEBUG,
        )
