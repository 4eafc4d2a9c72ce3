"""The kinds of channels, found by looking into this folder."""

import sys
from functools import cache

from nomaflow_site.lib.discovery import discover
from notifications.transport import Transport


@cache
def transports() -> dict[str, Transport]:
    """Every kind by its name."""
    return {name: kind() for name, kind in discover(sys.modules[__name__], Transport).items()}
