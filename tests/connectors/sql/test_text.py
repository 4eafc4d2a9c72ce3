"""Placeholders and statements in SQL text."""

import pytest

from connectors.definition import ConnectorError
from connectors.kinds.sql._text import bare, bind, first_word, only_reads, placeholders, single_statement


@pytest.mark.parametrize(("sql", "names"), [
    ("SELECT :a, :b, :a", ["a", "b"]),
    ("SELECT x::int, ':no', \":no\", a[1:2] -- :no\n/* :no */", []),
    ("SELECT $$ :no $$, $tag$ :no $tag$, '10:30'", []),
    ("SELECT :a::date", ["a"]),
    ("SET @v := 1", []),
])  # fmt: skip
def test_placeholders_are_found_outside_literals_and_comments(sql, names):
    assert placeholders(sql) == names


@pytest.mark.parametrize(("style", "text", "values"), [
    ("named", "SELECT ':a %', :a", {"a": 1}),
    ("pyformat", "SELECT ':a %%', %(a)s", {"a": 1}),
    ("qmark", "SELECT ':a %', ?", [1]),
])  # fmt: skip
def test_each_driver_gets_its_own_spelling(style, text, values):
    assert bind("SELECT ':a %', :a", {"a": 1}, style) == (text, values)


def test_a_text_without_placeholders_is_not_touched():
    assert bind("SELECT 7 % 4", {"unused": 1}, "pyformat") == ("SELECT 7 % 4", None)


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 1;", "SELECT ';' -- ;\n;", "-- note\nSELECT 1; -- done\n"])
def test_one_statement_is_one_statement(sql):
    assert single_statement(sql) == sql


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "", " ; ", "-- nothing"])
def test_none_and_two_are_refused(sql):
    with pytest.raises(ConnectorError):
        single_statement(sql)


def test_comments_and_semicolons_around_a_statement_are_taken_off():
    assert bare("/* a */ SELECT 1 /* kept */ + 1; -- end") == "SELECT 1 /* kept */ + 1"


def test_the_first_word_is_found_behind_comments_and_brackets():
    assert first_word("-- x\n ((SELECT 1))") == "select"


@pytest.mark.parametrize(("sql", "reads"), [
    ("SELECT 1", True),
    ("WITH q AS (SELECT 1) SELECT * FROM q", True),
    ("WITH q AS (DELETE FROM t RETURNING *) SELECT * FROM q", False),
    ("SELECT 1 INTO t", False),
    ("UPDATE t SET a = 1", False),
])  # fmt: skip
def test_only_what_surely_reads_is_streamed(sql, reads):
    assert only_reads(sql) is reads
