"""What is said about the rows of a copy."""

import pytest

from connectors.kinds.sql import Column, Misfit
from jobs.copy_rows import change_rows, pace_of
from jobs.steptype import StepFailed


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


def small(value: int) -> int:
    if value > 9:
        raise Misfit("it is too large")
    return value + 1


COLUMNS = [Column(name, "integer", "int") for name in "abc"]


def test_values_change_and_nulls_stay() -> None:
    assert change_rows([(1, None, 3), (4, 5, 6)], [small, small, None], COLUMNS, 0) == [(2, None, 3), (5, 6, 6)]


def test_the_first_row_that_does_not_fit_is_told_whichever_column_comes_first() -> None:
    with pytest.raises(StepFailed, match=r"^Row 102, column 'b', value 10: it is too large$"):
        change_rows([(1, 1, 1), (1, 10, 1), (10, 1, 1)], [small, small, small], COLUMNS, 100)
