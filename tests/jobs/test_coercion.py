"""The jde rules, value by value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kinds.sql import Column, Misfit
from jobs.coercion import Rules, coerce, julian_date


def column(kind: str = "decimal", scale: int | None = None, name: str = "COL") -> Column:
    return Column(name, "x", kind, size=15 if kind == "decimal" else None, scale=scale, dialect="oracle")


def after(value, *, rules: Rules | None = None, **of):
    _, coercion = coerce(column(**of), rules or Rules())
    return coercion.apply(value) if coercion else value


@pytest.mark.parametrize(("value", "expected"), [
    (124060, "2024-02-29"), ("124060", "2024-02-29"), (Decimal("99365"), "1999-12-31"), (0, None), ("   ", None),
])  # fmt: skip
def test_a_julian_date_is_an_iso_date(value, expected):
    assert julian_date(value) == expected


@pytest.mark.parametrize("value", [124367, 123366, 124000, -5, "tomorrow", 1.5])
def test_what_is_no_julian_date_is_a_misfit(value):
    with pytest.raises(Misfit):
        julian_date(value)


def test_names_become_lower_case():
    assert coerce(column(name="ABAN8"), Rules())[0].name == "aban8"


def test_scale_zero_becomes_an_integer():
    value = after(Decimal("42"), scale=0)
    assert (value, type(value), coerce(column(scale=0), Rules())[0].kind) == (42, int, "int")


def test_an_integer_beyond_64_bits_is_a_misfit():
    with pytest.raises(Misfit, match="64-bit"):
        after(Decimal(2**63), scale=0)


def test_a_scale_stays_exact_when_preserved():
    assert after(Decimal("12.50"), scale=2) == Decimal("12.50")


@pytest.mark.parametrize(("value", "expected"), [("12.99", 12), ("-12.99", -12), ("0.5", 0)])
def test_a_scale_is_cut_toward_zero_when_truncated(value, expected):
    assert after(Decimal(value), scale=2, rules=Rules(truncate=True)) == expected


@pytest.mark.parametrize("truncate", [False, True])
def test_an_implied_decimal_point_is_applied(truncate):
    rules = Rules(truncate=truncate, decimals={"col": 2})
    assert after(Decimal(1234567), scale=0, rules=rules) == Decimal("12345.67")


@given(st.integers(-(10**30), 10**30), st.integers(0, 20))
def test_an_implied_decimal_point_never_rounds(value, places):
    assert (
        after(value, rules=Rules(decimals={"col": places})) * 10**places == value or value > 10**27 or value < -(10**27)
    )


def test_padding_goes_at_the_right_and_nul_everywhere():
    assert after("  a\0b \t  \0 ", kind="text") == "  ab \t"


def test_padding_goes_at_both_ends_where_asked():
    assert after("  ab  ", kind="text", rules=Rules(strip_both=frozenset({"col"}))) == "ab"


def test_other_kinds_are_left_alone():
    assert coerce(column(kind="bytes"), Rules())[1] is None
