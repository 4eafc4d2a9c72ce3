"""Merging parameters and substituting tokens."""

from typing import Any

import pytest

from jobs.parameters import Overrides, Sources, SubstitutionError, merge, substitute, token_fault
from nomaflow_site.lib.environment import env_allowed

FACTS = {"run_id": "run_a8c4d", "job_id": "nightly", "attempt": 1, "scheduled_at": None}


def sources(**changes: Any) -> Sources:
    values: dict[str, Any] = {
        "params": {"n": 5, "name": "Olga", "list": [1, 2], "nested": {"a": 1}},
        "outputs": {"load": {"rows": 7, "first_row": {"id": 3}, "items": [{"k": "v"}]}, "load.more": {"rows": 8}},
        "facts": FACTS,
        "env": {"JOB_REGION": "eu", "NOMAFLOW_SECRET_KEY": "s", "HOME": "/x"},
        "env_rules": ["JOB_*"],
    }
    return Sources(**{**values, **changes})


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (({"k": 1}, {}, Overrides()), 1),
        (({"k": 1}, {"k": 2}, Overrides()), 2),
        (({"k": 1}, {"k": 2}, Overrides(params={"k": 3})), 3),
        (({"k": 1}, {"k": 2}, Overrides(params={"k": 3}, op_kwargs={"s": {"k": 4}})), 4),
        (({"k": 1}, {"k": 2}, Overrides(op_kwargs={"other": {"k": 4}})), 2),
    ],
)
def test_of_the_four_layers_the_later_wins(layers: tuple[Any, Any, Overrides], expected: int) -> None:
    job_params, op_kwargs, fire = layers
    assert merge(job_params, op_kwargs, fire, "s") == {"k": expected}


def test_values_typed_for_a_fire_go_over_a_presets_key_by_key() -> None:
    preset = Overrides(params={"a": 1, "b": 1}, op_kwargs={"s": {"x": 1}}, step_enabled={"s": False}, log_level="DEBUG")
    typed = Overrides(params={"b": 2}, op_kwargs={"s": {"y": 2}})
    assert typed.over(preset) == Overrides({"a": 1, "b": 2}, {"s": {"x": 1, "y": 2}}, {"s": False}, "DEBUG")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${kw:n}", 5),
        ("${kw:list}", [1, 2]),
        ("n is ${kw:n}", "n is 5"),
        ("${kw:nested}!", '{"a": 1}!'),
        ("${out:load.rows}", 7),
        ("${out:load.first_row.id}", 3),
        ("${out:load.items.0.k}", "v"),
        ("${out:load.more.rows}", 8),
        ("${ctx:run_id}/${ctx:attempt}", "run_a8c4d/1"),
        ("${ctx:scheduled_at}", None),
        ("${env:JOB_REGION}", "eu"),
        ("no token, $5 and {x}", "no token, $5 and {x}"),
    ],
)
def test_a_token_becomes_its_value_and_alone_keeps_its_type(text: str, expected: Any) -> None:
    assert substitute(text, sources()) == expected


def test_tokens_are_replaced_wherever_a_text_stands() -> None:
    assert substitute({"a": ["${kw:n}", {"b": "${kw:name}"}]}, sources()) == {"a": [5, {"b": "Olga"}]}


def test_what_a_token_stands_for_is_not_looked_through_again() -> None:
    assert substitute("${kw:t}", sources(params={"t": "${env:JOB_REGION}"})) == "${env:JOB_REGION}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${kw:missing}", "there is no parameter 'missing'"),
        ("${out:later.rows}", "no such step has run"),
        ("${out:load.nothing}", "has no 'nothing'"),
        ("${out:load}", "lacks the field"),
        ("${ctx:weather}", "names no fact"),
        ("${foo:x}", "is not a token"),
        ("${}", "is not a token"),
        ("${env:HOME}", "may not read"),
        ("${env:NOMAFLOW_SECRET_KEY}", "may not read"),
        ("${env:JOB_UNSET}", "is not set"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_token(text: str, words: str) -> None:
    with pytest.raises(SubstitutionError) as error:
        substitute(text, sources())
    assert words in str(error.value)
    assert text in str(error.value)


def test_a_text_may_not_grow_without_bound() -> None:
    with pytest.raises(SubstitutionError, match="limit"):
        substitute("${kw:big}${kw:big}", sources(params={"big": "x" * 600_000}))


@pytest.mark.parametrize("name", ["NOMAFLOW_FIELD_KEYS", "nomaflow_field_keys", "DJANGO_SETTINGS_MODULE", "SECRET_KEY"])
def test_the_frameworks_own_variables_are_refused_whatever_is_listed(name: str) -> None:
    assert not env_allowed(name, ["*", name, "NOMAFLOW_*"])


@pytest.mark.parametrize(("name", "allowed"), [("JOB_A", True), ("JOBS", False), ("REGION", True), ("REGION2", False)])
def test_variables_are_allowed_by_name_or_prefix(name: str, allowed: bool) -> None:
    assert env_allowed(name, ["JOB_*", "REGION"]) is allowed


def test_a_good_token_has_no_fault() -> None:
    assert [token_fault(t) for t in ("kw:x", "out:s.f", "ctx:job_id", "env:JOB_X")] == [None] * 4


def test_environment_values_are_told_to_whoever_masks_them() -> None:
    heard: list[str] = []
    substitute("${env:JOB_REGION}", sources(on_env=heard.append))
    assert heard == ["eu"]
