"""Parameters as rows and back: nothing may change its type on the way."""

import pytest

from jobs.paramrows import BadRow, Kind, Row, read_row, read_rows, row_of, rows_of, to_the_letter
from jobs.plainvalues import same
from nomaflow_site.lib.sealing import MASK

VALUES = {
    "whole": 10,
    "pointed": 1.0,
    "tiny": 1e-9,
    "huge": 2**62,
    "digits": "10",
    "date": "2026-01-01",
    "word": "true",
    "empty": "",
    "on": True,
    "off": False,
    "lines": "select 1\nfrom t\n",
    "windows": "a\r\nb",
    "list": [1, 1.0, "1", True, []],
    "table": {"deep": {"x": [{"y": 1.5}]}, "secret_token": MASK},
    "target_connector": "reporting",
    "connector": "${kw:x}",
    "api_key": MASK,
}


def test_every_value_comes_back_as_it_was():
    back, faults = read_rows(rows_of(VALUES))
    assert faults == {}
    assert same(to_the_letter(back, VALUES), VALUES)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("n", 10, Kind.NUMBER),
        ("n", "10", Kind.TEXT),
        ("n", True, Kind.SWITCH),
        ("n", [], Kind.TABLE),
        ("source_connector", "reporting", Kind.CONNECTOR),
        ("source_connector", "${kw:other}", Kind.TEXT),
        ("api_key", MASK, Kind.SECRET),
    ],
)
def test_a_value_names_its_type(name, value, kind):
    assert row_of(name, value).kind == kind


@pytest.mark.parametrize("name", [" padded", "two\nlines", "tab\tbed"])
def test_a_name_that_no_input_keeps_is_not_offered_in_rows(name):
    assert rows_of({name: 1}) is None


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), (" 10 ", 10), ("-3", -3), ("1.0", 1.0), ("1e3", 1000.0), (".5", 0.5)]
)
def test_a_number_keeps_its_point(text, value):
    assert same(read_row(Row("n", Kind.NUMBER, text)), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [('["a"]', ["a"]), ('{"a": 1}', {"a": 1}), ("{a = 1}", {"a": 1}), ("[2026-01-01]", ["2026-01-01"])],
)
def test_a_list_or_table_is_read_as_json_or_toml(text, value):
    assert read_row(Row("t", Kind.TABLE, text)) == value


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("n", Kind.NUMBER, "1,5"), "found '1,5', expected a number"),
        (Row("n", Kind.NUMBER, "nan"), "expected a number"),
        (Row("n", Kind.NUMBER, "9" * 5000), "expected a number"),
        (Row("n", Kind.NUMBER, "1e999"), "expected a number"),
        (Row("n", Kind.NUMBER, "\uff11"), "expected a number"),
        (Row("n", Kind.SWITCH, "maybe"), "expected yes or no"),
        (Row("t", Kind.TABLE, "no table"), "expected a list"),
        (Row("t", Kind.TABLE, "[" * 100_000), "expected a list"),
        (Row("t", Kind.TABLE, "1\ny = 2"), "expected a list"),
        (Row("n", Kind.CONNECTOR, "reporting"), "ends in it"),
        (Row("n", Kind.SECRET, "s3cret"), "kept sealed"),
        (Row("n", "odd", "x"), "found the type 'odd'"),
    ],
)
def test_what_does_not_fit_its_type_is_refused_with_what_was_found(row, words):
    with pytest.raises(BadRow, match=words):
        read_row(row)


def test_a_secret_left_empty_stands_for_the_stored_one():
    assert read_row(Row("api_key", Kind.SECRET)) == MASK


def test_rows_without_a_name_or_with_one_twice_are_faults_and_blank_ones_are_nothing():
    values, faults = read_rows(
        [Row("a", value="1"), Row(), Row(value="x"), Row("a", value="2"), Row("b", removed=True)]
    )
    assert values == {"a": "1"}
    assert faults.keys() == {2, 3}
