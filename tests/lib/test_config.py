"""Typed configuration: the same fields from a page, from TOML and after substitution."""

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError

from nomaflow_site.lib.config import (
    CodeField,
    ConfigError,
    ConfigForm,
    ListField,
    SecretField,
    TableField,
    ValueField,
    toml_lines,
)


class Example(ConfigForm):
    """One field of each sort."""

    nested = ("source",)

    source__table = forms.CharField()
    source__schema = forms.CharField(required=False)
    size = forms.IntegerField(required=False, initial=100)
    ratio = forms.FloatField(required=False)
    check_it = forms.BooleanField(required=False, initial=True)
    mode = forms.ChoiceField(choices=[("a", "a"), ("b", "b")], initial="a")
    sql = CodeField(required=False)
    password = SecretField(required=False)
    params = TableField(required=False)
    names = ListField(required=False)
    codes = ListField(required=False, numbers=True)
    body = ValueField(required=False)


PLAIN: dict[str, Any] = {"source": {"table": "t"}}


def test_defaults_are_filled_in_and_left_out_again() -> None:
    checked = Example.check(PLAIN, tokens=False)
    assert (checked["source__table"], checked["size"], checked["check_it"], checked["mode"]) == ("t", 100, True, "a")
    assert Example.canonical({**PLAIN, "size": 100, "check_it": True, "mode": "a"}) == PLAIN


def test_choices_that_look_empty_are_kept() -> None:
    config = {**PLAIN, "size": 0, "check_it": False}
    assert Example.canonical(config) == config


def test_what_is_canonical_stays_so() -> None:
    config = {
        "source": {"table": "t", "schema": "s"},
        "size": 5,
        "ratio": 0.5,
        "check_it": False,
        "mode": "b",
        "sql": " select 1\n",
        "password": " p ",
        "params": {"n": 1, "inner": {"x": [1, 2]}},
        "names": ["a", "b"],
        "codes": [200, 404],
        "body": {"k": [None, 1]},
    }
    assert Example.canonical(config) == config
    assert Example.canonical(Example.canonical(config)) == config


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, "source.table: This field is required"),
        ({**PLAIN, "sise": 1}, "sise: Unknown key; this takes source.table"),
        ({"source": {"table": "t", "tabel": "x"}}, "source.tabel: Unknown key"),
        ({**PLAIN, "size": "many"}, "size: Enter a whole number"),
        ({**PLAIN, "size": True}, "size: Expected a whole number, found True"),
        ({**PLAIN, "check_it": "no"}, "check_it: Expected true or false"),
        ({**PLAIN, "mode": "c"}, "mode: Select a valid choice"),
        ({**PLAIN, "mode": 1}, "mode: Expected a text"),
        ({**PLAIN, "params": "a = "}, "params: Write one `name = value` a line"),
        ({**PLAIN, "codes": ["x"]}, "codes: Write one whole number a line"),
        ({**PLAIN, "names": {"a": 1}}, "names: Expected a list"),
    ],
)
def test_faults_are_named_as_in_toml(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Example.check(config, tokens=False)
    assert fault in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Example.check({"size": "many", "mode": "c"}, tokens=False)
    assert set(caught.value.errors) == {"source.table", "size", "mode"}


@pytest.mark.parametrize("field", ["size", "ratio", "check_it", "mode", "sql", "names", "codes", "body"])
def test_a_token_may_stand_in_any_field_before_substitution_only(field: str) -> None:
    config = {**PLAIN, field: "${kw:value}"}
    assert Example.canonical(config) == config
    if field in {"size", "ratio", "check_it", "mode", "codes"}:
        with pytest.raises(ConfigError):
            Example.check(config, tokens=False)


def test_texts_of_a_page_become_typed_values() -> None:
    typed = {
        "source__table": "t",
        "size": "5",
        "mode": "b",
        "params": 'n = 1\ns = "x"',
        "names": "a\n\nb",
        "codes": "200\n404",
        "body": '{"k": 1}',
    }
    form = Example(typed)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["params"] == {"n": 1, "s": "x"}
    assert (form.cleaned_data["names"], form.cleaned_data["codes"], form.cleaned_data["body"]) == (
        ["a", "b"],
        [200, 404],
        {"k": 1},
    )
    assert form.cleaned_data["check_it"] is False


def test_a_secret_is_not_rendered() -> None:
    form = Example(initial={"password": "canary", "source__table": "t"})
    assert "canary" not in form.as_p()
    assert Example.secret_names() == {"password"}


def test_tables_survive_the_way_to_a_page_and_back() -> None:
    table = {"n": 1, "f": 1.5, "yes": True, "text": 'quo"te\nline', "list": [1, "a"], "inner": {"k": "v"}}
    assert TableField().to_python(toml_lines(table)) == table


def test_braces_that_are_not_json_stay_text() -> None:
    assert ValueField().to_python("{not json") == "{not json"
    assert ValueField().to_python("[1, 2]") == [1, 2]


def test_a_text_nested_without_end_is_refused_or_stays_a_text():
    deep = "[" * 100_000
    with pytest.raises(ValidationError):
        TableField().clean(f"a = {deep}")
    assert ValueField().clean(deep) == deep
