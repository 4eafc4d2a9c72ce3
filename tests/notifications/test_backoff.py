"""When a message is tried again."""

import pytest

from notifications.backoff import JITTER, LONGEST_WAIT, MOST_ATTEMPTS, WAITS, next_wait


@pytest.mark.parametrize("attempts", range(1, MOST_ATTEMPTS))
def test_waits_grow_and_differ_a_little(attempts: int) -> None:
    wait = next_wait(attempts)
    assert wait is not None
    assert WAITS[attempts - 1] * (1 - JITTER) <= wait <= min(WAITS[attempts - 1] * (1 + JITTER), LONGEST_WAIT)


def test_the_last_attempt_is_the_last_whatever_the_server_asks_for() -> None:
    assert next_wait(MOST_ATTEMPTS) is None
    assert next_wait(MOST_ATTEMPTS, retry_after=5) is None


def test_a_server_that_asks_for_patience_gets_it_within_reason() -> None:
    assert next_wait(1, retry_after=90) == 90
    assert next_wait(1, retry_after=10**9) == LONGEST_WAIT


def test_a_night_is_outlasted() -> None:
    assert sum(WAITS) > 12 * 3600
