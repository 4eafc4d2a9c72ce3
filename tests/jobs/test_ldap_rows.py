"""Directory entries as rows: pure."""

import uuid
from typing import Any

import pytest

from jobs.ldap_rows import CannotMap, ColumnMap, rows_of, text_of

ANN = ("uid=ann", {"uid": ["ann"], "mail": ["a@x", "b@x"], "cn": ["Ann"]})


def rows(
    entries: list[Any], columns: dict[str, str], rules: dict[str, str] | None = None, **more: Any
) -> list[tuple[Any, ...]]:
    """The rows alone."""
    return rows_of(entries, ColumnMap(columns, rules or {}, **more)).rows


def test_the_first_value_is_taken_by_default_and_names_ignore_case() -> None:
    assert rows([ANN], {"UID": "id", "Mail": "mail", "phone": "phone", "dn": "dn"}) == [("ann", "a@x", None, "uid=ann")]


def test_values_can_be_joined() -> None:
    assert rows([ANN], {"uid": "id", "mail": "mails"}, {"mail": "join:; "}) == [("ann", "a@x; b@x")]


def test_values_can_become_rows() -> None:
    assert rows([ANN], {"uid": "id", "mail": "mail"}, {"mail": "rows"}) == [("ann", "a@x"), ("ann", "b@x")]


def test_only_one_attribute_of_an_entry_can_become_rows() -> None:
    both = ("cn=x", {"a": ["1", "2"], "b": ["1", "2"]})
    with pytest.raises(CannotMap, match="cn=x has several values of a and of b"):
        rows([both], {"a": "a", "b": "b"}, default="rows")


def test_an_entry_without_a_key_has_no_row_and_is_named() -> None:
    mapped = rows_of([ANN, ("ou=people", {"ou": ["people"]})], ColumnMap({"uid": "id"}, {}, keys=["id"]))
    assert (mapped.rows, mapped.skipped) == ([("ann",)], ["ou=people"])


def test_equal_rows_become_one_and_different_ones_with_one_key_are_refused() -> None:
    twin = ("uid=ann,ou=old", {"uid": ["ann"], "cn": ["Ann"]})
    assert rows([ANN, twin], {"uid": "id", "cn": "name"}, keys=["id"]) == [("ann", "Ann")]
    with pytest.raises(CannotMap, match=r"\(id\) = \('ann'\).*uid=ann and uid=ann,ou=old"):
        rows([ANN, twin], {"uid": "id", "dn": "dn"}, keys=["id"])


def test_guids_and_sids_read_as_people_write_them() -> None:
    guid = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
    sid = bytes([1, 2, 0, 0, 0, 0, 0, 5]) + (32).to_bytes(4, "little") + (544).to_bytes(4, "little")
    assert text_of("objectGUID", guid.bytes_le) == str(guid)
    assert text_of("objectSid", sid) == "S-1-5-32-544"


def test_other_bytes_become_base64() -> None:
    assert text_of("jpegPhoto", b"\xff\xd8") == "/9g="
