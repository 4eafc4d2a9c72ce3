"""The log of a run's page."""

from typing import Any

from django.http import HttpRequest

from runs.models import LogLine, Run

LINES_ON_A_PAGE = 1000


def log_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    """The end of the run's log, or an earlier piece of it, for `runs/_log.html`."""
    before = _number(request.GET.get("before", ""))
    lines = _lines(run, before)
    return {
        "lines": lines,
        "earlier": lines[0].seq if lines and lines[0].seq > 1 else None,
        "last_seq": lines[-1].seq if lines else 0,
        "before": before,
    }


def _lines(run: Run, before: int | None) -> list[LogLine]:
    lines = LogLine.objects.filter(run=run).order_by("-seq")
    if before is not None:
        lines = lines.filter(seq__lt=before)
    return list(reversed(lines[:LINES_ON_A_PAGE]))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
