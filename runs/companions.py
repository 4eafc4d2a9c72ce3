"""What floors above let run beside the executing of runs and the firing of schedules, in the same processes."""

import logging
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)


class Companion(Protocol):
    """Something with a thread of its own. It never raises for what its work meets, and stops within seconds."""

    def start(self) -> None:
        """Begin; the process is ready."""

    def stop(self) -> None:
        """End: what can be finished within seconds is finished."""


# Filled by `register_companion` when apps start.
FACTORIES: list[Callable[[], Companion]] = []


def register_companion(factory: Callable[[], Companion]) -> None:
    """Let every worker and every beat have one."""
    FACTORIES.append(factory)


class Companions:
    """Those of one process."""

    def __init__(self) -> None:
        self._all: list[Companion] = []

    def start(self) -> None:
        """Start one of each."""
        self._all = [factory() for factory in FACTORIES]
        for companion in self._all:
            companion.start()

    def stop(self) -> None:
        """Stop them; one that can't doesn't keep the process."""
        for companion in self._all:
            try:
                companion.stop()
            except Exception:
                log.exception("%s did not stop cleanly", companion)
