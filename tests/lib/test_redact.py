"""Masking secrets in text."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomaflow_site.lib.redact import Masker

SECRET = 'hunter"22 & <more>'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        SECRET.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    ],
)
def test_the_usual_spellings_are_masked(written: str) -> None:
    assert Masker([SECRET]).text(f"login with {written}.") == "login with ********."


@pytest.mark.parametrize("lead", ["", "a", "ab"])
def test_a_secret_inside_base64_is_masked_at_every_alignment(lead: str) -> None:
    encoded = base64.b64encode(f"{lead}{SECRET}:tail".encode()).decode()
    masked = Masker([SECRET]).text(encoded)
    assert "********" in masked
    assert encoded[6:18] not in masked


def test_a_basic_authorization_header_is_masked() -> None:
    header = base64.b64encode(b"olga:correct-horse").decode()
    assert "********" in Masker(["correct-horse"]).text(f"Authorization: Basic {header}")


def test_the_credentials_of_an_authorization_header_are_masked_without_their_scheme_too() -> None:
    masker = Masker(["Bearer tiger-lily-42", "horse battery"])
    assert masker.text("no access for tiger-lily-42") == "no access for ********"
    assert masker.text("a battery of tests") == "a battery of tests"


def test_of_two_secrets_the_longer_one_goes_whole() -> None:
    assert Masker(["secret", "secret-and-more"]).text("secret-and-more secret") == "******** ********"


def test_each_line_of_a_key_is_masked() -> None:
    pem = "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----"
    assert Masker([pem]).text("found ijklmnop here") == "found ******** here"


def test_short_texts_are_left_alone() -> None:
    assert Masker(["10", "yes"]).text("10 rows, yes") == "10 rows, yes"


def test_values_and_keys_of_json_are_masked() -> None:
    masker = Masker(["canary"])
    assert masker.value({"a canary": ["x canary", 5, None]}) == {"a ********": ["x ********", 5, None]}


@given(st.text(min_size=5), st.text(), st.text())
def test_no_secret_survives_in_any_text(secret: str, before: str, after: str) -> None:
    assert secret not in Masker([secret]).text(before + secret + after).replace("*", "") or set(secret) <= {"*"}
