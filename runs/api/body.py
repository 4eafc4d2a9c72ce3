"""Reading a request's body: JSON, bounded in size and depth, with nothing in it that the database can't hold."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

LARGEST_BODY = 1024 * 1024
DEEPEST = 50
# NUL and lone surrogates: valid JSON, refused by databases.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class TooLarge(APIException):  # type: ignore[misc]
    """The body is larger than what a trigger can need."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {LARGEST_BODY:,} bytes."
    default_code = "too_large"


class LengthRequired(APIException):  # type: ignore[misc]
    """A body without a length can't be told from no body."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the body with a Content-Length header, not in chunks."
    default_code = "length_required"


class JSONBody(BaseParser):  # type: ignore[misc]
    """`application/json`. Refuses with 413 and 400, and says what it found."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value; TooLarge or ParseError."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise TooLarge
        return read_json(raw)


class EmptyForm(BaseParser):  # type: ignore[misc]
    """A form without fields, as some clients send when they have nothing to say: no body. Any other form is refused."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """An empty dict; UnsupportedMediaType for a form that says something."""
        if b"=" in stream.read(LARGEST_BODY):
            raise UnsupportedMediaType(media_type)
        return {}


class EmptyMultipart(EmptyForm):
    """The same for `multipart/form-data`: a part is named in a header with an equals sign."""

    media_type = "multipart/form-data"


def read_json(raw: bytes) -> Any:
    """The value in `raw`; ParseError for anything but plain JSON that a database can store."""
    try:
        value = json.loads(
            raw.decode(), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
        )
    except RecursionError as error:
        raise ParseError(f"The JSON is nested deeper than {DEEPEST} levels.") from error
    except ValueError as error:
        raise ParseError(f"The body isn't JSON: {error}") from error
    fault = _fault(value)
    if fault:
        raise ParseError(fault)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key[:80]!r} is given twice")
        table[key] = value
    return table


def _fault(value: Any) -> str | None:
    """Why a parsed value can't be taken; None when it can. Walks level by level, so depth costs no stack."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str) and UNSTORABLE.search(item):
                return f"A text holds a NUL character or half a surrogate pair: {item[:80]!a}."
            if isinstance(item, Mapping):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
        if not below:
            return None
        level = below
    return f"The JSON is nested deeper than {DEEPEST} levels."
