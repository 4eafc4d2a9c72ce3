"""How times, durations, states and log text read on the pages."""

import datetime
import json
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from nomaflow_site.lib.sealing import mask
from runs import log_text

register = template.Library()
ICONS = {"QUEUED": "◷", "RUNNING": "▶", "SUCCEEDED": "✓", "FAILED": "✕", "CANCELED": "⊘"}


@register.filter
def when(moment: datetime.datetime | None) -> str | SafeString:
    """A moment as a `<time>` element in UTC; a dash for none."""
    if moment is None:
        return "–"
    utc = moment.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}">{}</time>', utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    )


@register.filter
def clock(moment: datetime.datetime | None) -> str:
    """A moment's time of day in UTC, with milliseconds."""
    return moment.astimezone(datetime.UTC).time().isoformat(timespec="milliseconds") if moment else ""


@register.filter
def iso(moment: datetime.datetime | None) -> str:
    """A moment for a machine."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds") if moment else ""


@register.filter
def took(timed: Any) -> str:
    """How long something with `started_at` and `finished_at` took, or has taken so far."""
    if timed.started_at is None:
        return "–"
    return seconds_in_words(((timed.finished_at or timezone.now()) - timed.started_at).total_seconds())


def seconds_in_words(seconds: float) -> str:
    """`850 ms`, `12.3 s`, `4 min 05 s`, `3 h 07 min`."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


@register.filter
def icon(state: str) -> str:
    """A state's sign, beside its word."""
    return ICONS.get(state, "·")


@register.filter
def readable(text: str) -> str:
    """Text of a job or a log with control characters shown."""
    return log_text.readable(text or "")


@register.filter
def masked(value: Any) -> str:
    """A JSON value for reading, secrets masked."""
    return log_text.readable(json.dumps(mask(value), indent=2, ensure_ascii=False))
