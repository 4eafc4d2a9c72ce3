"""How whoever writes an alert in this process wakes the sender in it, where there is one; elsewhere it's found by looking."""

import threading

_bell = threading.Event()


def ring() -> None:
    """There is something to send."""
    _bell.set()


def wait(seconds: float) -> None:
    """Until somebody rings, at most so long."""
    if _bell.wait(seconds):
        _bell.clear()
