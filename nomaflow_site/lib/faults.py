"""Named places at which a test can kill or stop the process, so that it hits the exact line. Inert unless FAULT_PLAN is set."""

import os
import signal
from collections import Counter

# "firing.before_commit=3" kills the third time that place is reached, "...=3:stop" stops the process there instead; several
# plans are separated by commas.
_plan = dict(part.split("=") for part in os.environ.get("FAULT_PLAN", "").split(",") if part)
_reached: Counter[str] = Counter()


def faultpoint(name: str) -> None:
    """Die here by SIGKILL, or stand still by SIGSTOP, if that's what the plan says."""
    if _plan:
        _reached[name] += 1
        wanted, _, how = _plan.get(name, "").partition(":")
        if wanted == str(_reached[name]):
            os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)
