"""Reading SQL text: one statement, and its `:name` placeholders in the spelling of a driver."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlparse
from sqlparse import lexer, tokens

from connectors.definition import ConnectorError

PLACEHOLDER = re.compile(r":([A-Za-z_]\w*)\Z")
# Statements that answer with rows and can therefore be streamed.
READS = ("select", "with", "values", "table")


def tokens_of(sql: str) -> Iterator[tuple[str | None, str]]:
    """Each token of `sql` as (name of the `:name` placeholder or None, text)."""
    for kind, text in lexer.tokenize(sql):
        match = PLACEHOLDER.match(text) if kind is tokens.Name.Placeholder else None
        yield (match[1] if match else None), text


def placeholders(sql: str) -> list[str]:
    """The names of the `:name` placeholders outside literals and comments, each once, in order."""
    return list(dict.fromkeys(name for name, _ in tokens_of(sql) if name))


def single_statement(sql: str) -> str:
    """`sql` itself when it holds exactly one statement. Raises ConnectorError when it's empty or holds several."""
    found = [part for part in sqlparse.split(sql) if bare(part)]
    if len(found) > 1:
        raise ConnectorError(
            f"Found {len(found)} statements, expected one; the second starts with {bare(found[1])[:40]!r}. "
            "Put each statement into a step of its own."
        )
    if not found:
        raise ConnectorError("The SQL text is empty; write one statement.")
    return sql


def bare(sql: str) -> str:
    """`sql` without comments around it and without the semicolon at its end."""
    significant = [(kind, text) for kind, text in lexer.tokenize(sql)]
    while significant and _idle(*significant[0]):
        significant.pop(0)
    while significant and (_idle(*significant[-1]) or significant[-1][1] == ";"):
        significant.pop()
    return "".join(text for _, text in significant)


def _idle(kind: Any, text: str) -> bool:
    # A hint (`/*+ ... */`, `/*! ... */`) looks like a comment to the lexer and isn't one to the server.
    return not text.strip() or (kind in tokens.Comment and not text.startswith(("/*+", "/*!"))) or text == ";"


def first_word(sql: str) -> str:
    """The first keyword in lower case, comments and brackets skipped; empty when there is none."""
    match = re.match(r"[\s(]*(\w+)", bare(sql))
    return match[1].lower() if match else ""


def bind(sql: str, params: Mapping[str, Any] | None, style: str) -> tuple[str, Any]:
    """The text and values for a driver whose placeholders are `named`, `pyformat` or `qmark`.

    Without params the text goes through as it is, and the values are None. Raises ConnectorError naming a placeholder that
    has no value.
    """
    if not params:
        return sql, None
    pieces, values, order = [], {}, []
    for name, text in tokens_of(sql):
        if name is None:
            pieces.append(text.replace("%", "%%") if style == "pyformat" else text)
            continue
        if name not in params:
            raise ConnectorError(f"The SQL uses :{name}, but params has {', '.join(map(repr, params))}; add it there.")
        values[name] = params[name]
        order.append(params[name])
        pieces.append({"named": f":{name}", "pyformat": f"%({name})s", "qmark": "?"}[style])
    # Without any placeholder the text must not be read for `%` at all.
    if not order:
        return sql, None
    return "".join(pieces), order if style == "qmark" else values


def only_reads(sql: str) -> bool:
    """Whether a statement surely answers with rows and changes nothing by itself, so that it may be streamed."""
    if first_word(sql) not in READS:
        return False
    words = {text.lower() for kind, text in lexer.tokenize(sql) if kind in tokens.Keyword}
    return not words & {"insert", "update", "delete", "merge", "into"}
