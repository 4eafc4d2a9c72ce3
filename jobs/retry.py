"""When a failed step is tried again. Pure."""

from collections.abc import Mapping

# Doubling forever would pass the end of the calendar; nobody waits longer than a month for a retry on purpose.
LONGEST_WAIT = 30 * 24 * 3600.0
# What another system may ask for with Retry-After: a bound, so that it can't park our runs for years.
LONGEST_ASKED = 24 * 3600.0


def next_wait(policy: Mapping[str, object], attempt: int, retry_after: float | None = None) -> float | None:
    """Seconds to wait before the next attempt; None when there is none left.

    `policy` is {"attempts", "backoff", "base_seconds"}, each optional; `attempt` is the one that just failed, from 1.
    `retry_after`: seconds the other side asked to wait: lengthens the wait, never shortens it.
    """
    if attempt >= _number(policy.get("attempts"), 1):
        return None
    wait = _number(policy.get("base_seconds"), 60)
    if policy.get("backoff") == "exponential":
        wait *= 2.0 ** min(attempt - 1, 64)
    return max(min(wait, LONGEST_WAIT), min(retry_after or 0.0, LONGEST_ASKED))


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
