"""Rules by which a copy changes the values of a column: their names, which a source's database may have SQL for."""

from enum import StrEnum
from typing import NamedTuple


class RuleKind(StrEnum):
    """What is made of a value; jobs/coercion.py has each of them in Python."""

    # No NUL characters, and no spaces at the right or at both ends.
    RIGHT = "right"
    BOTH = "both"
    # A number cut toward zero to a 64-bit integer.
    CUT = "cut"
    # A decimal without digits after the point is a 64-bit integer.
    WHOLE = "whole"
    # A whole number with its last digits after the point.
    POINT = "point"
    # A number of the form CYYDDD as a date.
    JULIAN = "julian"


class Rule(NamedTuple):
    """`places` is the number of digits after the point for POINT."""

    kind: RuleKind
    places: int = 0
