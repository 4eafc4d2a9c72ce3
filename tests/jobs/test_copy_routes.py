"""The choice of a route, line by line."""

import pytest

from jobs.copy_routes import Facts, ways

EVERY = frozenset({"inside", "binary", "text", "attach", "infile", "lines", "values"})


def chosen(source: str, target: str, **facts: object) -> list[str]:
    plain = {"identical": False, "coerced": False, "adapted": False, "same_server": False, "carried": EVERY}
    return [way.route for way in ways(Facts(source, target, **{**plain, **facts}))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "target", "facts", "routes"),
    [
        ("postgresql", "postgresql", {"identical": True}, ["binary", "text", "rows"]),
        ("postgresql", "postgresql", {"identical": True, "carried": frozenset({"text"})}, ["text", "rows"]),
        ("postgresql", "postgresql", {}, ["text", "rows"]),
        ("postgresql", "postgresql", {"adapted": True}, ["rows"]),
        ("postgresql", "postgresql", {"identical": True, "coerced": True}, ["rows"]),
        ("postgresql", "postgresql", {"identical": True, "same_server": True}, ["inside", "binary", "text", "rows"]),
        ("postgresql", "postgresql", {"same_server": True}, ["text", "rows"]),
        ("mysql", "mysql", {"identical": True, "same_server": True}, ["inside", "rows"]),
        ("mysql", "mysql", {"identical": True, "same_server": True, "adapted": True}, ["inside", "rows"]),
        ("mysql", "mysql", {"identical": True}, ["infile", "rows"]),
        ("sqlite", "sqlite", {"identical": True}, ["attach", "rows"]),
        ("sqlite", "sqlite", {"adapted": True}, ["rows"]),
        ("mysql", "sqlite", {"adapted": True}, ["values", "rows"]),
        ("mysql", "sqlite", {"carried": frozenset()}, ["rows"]),
        ("mysql", "mysql", {"same_server": True}, ["infile", "rows"]),
        ("mysql", "mysql", {}, ["infile", "rows"]),
        ("sqlite", "mysql", {"adapted": True}, ["infile", "rows"]),
        ("sqlite", "mysql", {"adapted": True, "coerced": True}, ["rows"]),
        ("postgresql", "mysql", {"adapted": True}, ["infile", "rows"]),
        ("postgresql", "mysql", {"adapted": True, "coerced": True}, ["rows"]),
        ("postgresql", "mysql", {"adapted": True, "carried": frozenset()}, ["rows"]),
        ("mysql", "postgresql", {}, ["lines", "rows"]),
        ("mysql", "postgresql", {"adapted": True}, ["lines", "rows"]),
        ("mysql", "postgresql", {"adapted": True, "carried": frozenset()}, ["rows"]),
        ("postgresql", "sqlite", {"adapted": True}, ["values", "rows"]),
        ("postgresql", "oracle", {}, ["rows"]),
    ],
)
def test_the_fastest_way_that_is_open_comes_first_and_rows_last(source, target, facts, routes) -> None:
    assert chosen(source, target, **facts) == routes
