"""`manage.py up`: web, worker and beat as one command."""

import secrets
import socket
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from runs.processes import run_together


class Command(BaseCommand):
    """Start everything."""

    help = "Start web, worker and beat together; one that dies is restarted. Ctrl-C stops them."

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, start, wait, stop."""
        _refuse_taken_port()
        self._say("preparing the database")
        call_command("migrate", verbosity=0, interactive=False)
        self._first_account()
        self._ready_at: float | None = None
        run_together(["web", "worker", "beat"], Path(settings.BASE_DIR) / "manage.py", self._say, self._tell_when_ready)
        self._say("stopped")

    def _say(self, text: str) -> None:
        self.stdout.write(f"nomaflow: {text}")
        self.stdout.flush()

    def _first_account(self) -> None:
        """A fresh embedded installation gets one account, with a password that nobody knows beforehand."""
        users = get_user_model()
        if not settings.NOMAFLOW_EMBEDDED or users.objects.exists():
            return
        password = secrets.token_urlsafe(12)
        users.objects.create_superuser("admin", password=password)
        self._say(f"created the account 'admin' with the password {password} (shown once; change it in the admin)")

    def _tell_when_ready(self) -> None:
        if self._ready_at is None and _answers():
            self._ready_at = time.monotonic()
            self._say(f"ready at {settings.NOMAFLOW_BASE_URL}/  (Ctrl-C stops)")


def _refuse_taken_port() -> None:
    if _answers():
        raise CommandError(
            f"Something listens on {settings.NOMAFLOW_HOST}:{settings.NOMAFLOW_PORT} already. Stop it, or set NOMAFLOW_PORT."
        )


def _answers() -> bool:
    host = "127.0.0.1" if settings.NOMAFLOW_HOST in {"0.0.0.0", "::", ""} else settings.NOMAFLOW_HOST
    try:
        with socket.create_connection((host, settings.NOMAFLOW_PORT), timeout=0.2):
            return True
    except OSError:
        return False
