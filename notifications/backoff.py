"""When a message that wasn't taken is sent again. Pure but for the dice."""

import random

# Seconds before the second attempt, the third, ...: some hours in all, so that a night's outage of a mail server is outlasted.
WAITS = (5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 21600)
MOST_ATTEMPTS = len(WAITS) + 1
# A server that asks for more patience than this isn't obeyed: its alert would be forgotten.
LONGEST_WAIT = 6 * 3600
JITTER = 0.2


def next_wait(attempts: int, retry_after: float | None = None) -> float | None:
    """Seconds until the next attempt after so many; None when it was the last. Never earlier than the server asked for."""
    if attempts >= MOST_ATTEMPTS:
        return None
    wait = WAITS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return min(max(wait, retry_after or 0.0), LONGEST_WAIT)
