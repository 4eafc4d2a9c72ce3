"""Template tags of the log."""

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from runs.log_text import readable

register = template.Library()


@register.filter
def marked(text: str, sought: str) -> str | SafeString:
    """A line's text with control characters shown and what is sought marked, whatever its case."""
    shown = readable(text or "")
    if not sought:
        return shown
    pieces = enumerate(re.split(f"({re.escape(sought)})", shown, flags=re.IGNORECASE))
    shown_so = (format_html("<mark>{}</mark>", piece) if number % 2 else piece for number, piece in pieces)
    return format_html_join("", "{}", ((piece,) for piece in shown_so))
