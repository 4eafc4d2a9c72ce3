"""Secrets at rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomaflow_site.lib.home import fresh_field_key
from nomaflow_site.lib.sealing import (
    MASK,
    CannotDecrypt,
    decrypt,
    encrypt,
    is_sealed,
    is_secret_name,
    mask,
    reseal,
    restore_masked,
    rotated,
    seal,
    sealed_paths,
    unseal,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "password", "api_key", "rows"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "API_KEY", "clientSecret", "Authorization", "X-Api-Key", "bind-password", "token"],
)
def test_secret_names_are_recognised(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["user", "tokens_used", "passwords_changed_at", "key", "secretary", "author"])
def test_harmless_names_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@given(JSON)
def test_unsealing_gives_back_what_was_sealed(value: Any) -> None:
    assert unseal(seal(value)) == value


@given(JSON)
def test_sealing_twice_is_sealing_once(value: Any) -> None:
    sealed = seal(value)
    assert seal(sealed) == sealed


def test_only_values_under_secret_names_are_sealed_with_their_type() -> None:
    sealed = seal({"user": "olga", "password": 4711, "inner": [{"token": "t"}], "api_key": "", "secret": True})
    assert sealed["user"] == "olga"
    assert (sealed["api_key"], sealed["secret"]) == ("", True)
    assert sorted(sealed_paths(sealed)) == [("inner", "0", "token"), ("password",)]
    assert unseal(sealed)["password"] == 4711


def test_a_token_in_place_of_a_secret_stays_readable() -> None:
    assert seal({"password": "${env:JOB_PASSWORD}"}) == {"password": "${env:JOB_PASSWORD}"}
    assert is_sealed(seal({"password": "x${env:JOB_PASSWORD}"})["password"])


def test_opened_secrets_are_announced() -> None:
    heard: list[str] = []
    unseal(seal({"password": "hunter22", "user": "olga"}), heard.append)
    assert heard == ["hunter22"]


def test_a_mask_hides_sealed_and_clear_secrets_and_keeps_tokens() -> None:
    value = {"password": "p", "token": "${env:X}", "user": "olga", "old": seal({"secret": "s"})["secret"]}
    assert mask(value) == {"password": MASK, "token": "${env:X}", "user": "olga", "old": MASK}


def test_an_untouched_mask_brings_back_what_was_stored() -> None:
    stored = seal({"a": {"password": "p"}, "list": [{"token": "t"}]})
    assert restore_masked(mask(stored), stored) == stored
    assert restore_masked({"a": {"password": "new"}}, stored) == {"a": {"password": "new"}}
    assert restore_masked({"b": MASK}, stored) == {"b": MASK}


def test_old_keys_still_open_and_the_first_key_writes(settings: Any) -> None:
    old, new = fresh_field_key(), fresh_field_key()
    settings.NOMAFLOW_FIELD_KEYS = [old]
    token, sealed = encrypt("text"), seal({"password": "p"})
    settings.NOMAFLOW_FIELD_KEYS = [new, old]
    assert decrypt(token) == "text"
    turned, resealed = rotated(token), reseal(sealed)
    assert rotated(turned) == turned
    assert reseal(resealed) == resealed
    settings.NOMAFLOW_FIELD_KEYS = [new]
    assert (decrypt(turned), unseal(resealed)) == ("text", {"password": "p"})


def test_a_lost_key_is_told_with_the_way_out(settings: Any) -> None:
    token = encrypt("text")
    settings.NOMAFLOW_FIELD_KEYS = [fresh_field_key()]
    with pytest.raises(CannotDecrypt, match="Put the key it was written with back into the ring"):
        decrypt(token)
