"""What is said about the rows of a copy."""

import pytest

from jobs.copy_rows import pace_of


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (250_000, 1_000_000, 2.5, " (25 %), 100,000 rows/s, 8 s left"),
        (1_000_000, 1_000_000, 10, " (100 %), 100,000 rows/s"),
        (1_200_000, 1_000_000, 10, " (120 %), 120,000 rows/s"),
        (10_000, None, 0.5, ", 20,000 rows/s"),
        (0, 100, 1, ""),
        (10, 100, 0, ""),
    ],
)
def test_the_pace_says_share_rate_and_what_is_left(done: int, total: int | None, seconds: float, words: str) -> None:
    assert pace_of(done, total, seconds) == words
