"""When a failed step is tried again."""

import pytest

from jobs.retry import LONGEST_ASKED, LONGEST_WAIT, next_wait

FIXED = {"attempts": 3, "backoff": "fixed", "base_seconds": 60}
EXPONENTIAL = {**FIXED, "attempts": 5, "backoff": "exponential"}


def test_fixed_waits_the_same_time_until_the_attempts_are_used_up():
    assert [next_wait(FIXED, attempt) for attempt in (1, 2, 3, 4)] == [60, 60, None, None]


def test_exponential_doubles_the_second_wait_and_quadruples_the_third():
    assert [next_wait(EXPONENTIAL, attempt) for attempt in (1, 2, 3, 4, 5)] == [60, 120, 240, 480, None]


def test_without_a_policy_nothing_is_tried_again():
    assert next_wait({}, 1) is None


@pytest.mark.parametrize(("asked", "wait"), [(300.0, 300.0), (5.0, 60.0), (None, 60.0)])
def test_being_asked_to_wait_lengthens_a_wait_and_never_shortens_it(asked, wait):
    assert next_wait(FIXED, 1, asked) == wait


def test_waits_have_an_end_whoever_asks_for_them():
    assert next_wait(FIXED, 1, 1e12) == LONGEST_ASKED
    assert next_wait({"attempts": 100, "backoff": "exponential", "base_seconds": 86400}, 99) == LONGEST_WAIT


def test_retry_after_grants_no_attempt_beyond_the_last():
    assert next_wait(FIXED, 3, 10.0) is None
