"""Secrets at rest: a key ring, whole encrypted columns, and sealed values inside otherwise readable JSON.

A connector's secrets are one encrypted column (`EncryptedJSONField`). Parameters and step fields are readable JSON in which
only the values under secret-looking names are sealed, each as `{"$sealed": "<Fernet token>"}` (`SealedJSONField`). A sealed
value can be copied from a job to its run's snapshot without ever being opened; it's opened once, for the step process.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

SEALED = "$sealed"
MASK = "********"
SECRET_NAME = re.compile(
    r"(^|[_\-. ])(password|passwd|passphrase|pwd|secret|secrets|token|apikey|api[_\-]key|private[_\-]key|access[_\-]key"
    r"|authorization|credential|credentials|cookie)([_\-. ]|$)",
    re.IGNORECASE,
)
# A value that is one substitution token carries no secret itself: `${env:JOB_PASSWORD}` stays readable and exportable.
ONE_TOKEN = re.compile(r"^\$\{[^{}]+\}$")


class CannotDecrypt(Exception):
    """A stored secret can't be opened with any key of the ring."""


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def ring() -> MultiFernet:
    """The key ring of `NOMAFLOW_FIELD_KEYS`: the first key encrypts, all of them decrypt."""
    try:
        return _ring(tuple(settings.NOMAFLOW_FIELD_KEYS))
    except ValueError as error:
        raise ImproperlyConfigured(
            "NOMAFLOW_FIELD_KEYS holds a key that is not 32 url-safe base64 bytes. "
            "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from error


def encrypt(text: str) -> str:
    """`text` as a Fernet token of the ring's first key."""
    return ring().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text in a Fernet token; CannotDecrypt when no key of the ring fits."""
    try:
        return ring().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise CannotDecrypt(
            f"A stored secret can't be decrypted with any of the {len(settings.NOMAFLOW_FIELD_KEYS)} key(s) in "
            "NOMAFLOW_FIELD_KEYS. Put the key it was written with back into the ring, or enter the secret again."
        ) from error


def rotated(token: str) -> str:
    """The token encrypted under the ring's first key; the same token when it is already. CannotDecrypt when no key fits."""
    try:
        Fernet(settings.NOMAFLOW_FIELD_KEYS[0]).decrypt(token.encode())
        return token
    except InvalidToken:
        return encrypt(decrypt(token))


def is_sealed(value: object) -> bool:
    """Whether `value` is a sealed value as it's stored."""
    return isinstance(value, dict) and set(value) == {SEALED}


def is_secret_name(name: str) -> bool:
    """Whether values under `name` are kept sealed: password, api_key, client_secret, Authorization, ..."""
    # camelCase counts too: clientSecret, apiKey.
    return bool(SECRET_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))


def _walk(value: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """A copy of a JSON value with `change(name, leaf)` applied to every leaf; a sealed value is a leaf."""
    if is_sealed(value):
        return change(name, value)
    if isinstance(value, Mapping):
        return {key: _walk(item, change, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, change, name) for item in value]
    return change(name, value)


def seal(value: Any) -> Any:
    """A copy of a JSON value with every text or number under a secret-looking name sealed; already sealed ones stay."""

    def change(name: str, leaf: Any) -> Any:
        if is_sealed(leaf) or leaf in (None, "") or isinstance(leaf, bool) or not is_secret_name(name):
            return leaf
        if isinstance(leaf, str) and ONE_TOKEN.match(leaf):
            return leaf
        return {SEALED: encrypt(json.dumps(leaf))}

    return _walk(value, change)


def unseal(value: Any, on_secret: Callable[[str], None] = lambda secret: None) -> Any:
    """A copy with every sealed value opened; `on_secret` hears each opened text, so that it can be masked in logs."""

    def change(name: str, leaf: Any) -> Any:
        if not is_sealed(leaf):
            return leaf
        opened = json.loads(decrypt(leaf[SEALED]))
        on_secret(str(opened))
        return opened

    return _walk(value, change)


def mask(value: Any) -> Any:
    """A copy for people: sealed values, and clear ones under a secret-looking name, read `********`."""

    def change(name: str, leaf: Any) -> Any:
        if is_sealed(leaf):
            return MASK
        if leaf in (None, "") or isinstance(leaf, bool) or not is_secret_name(name):
            return leaf
        return leaf if isinstance(leaf, str) and ONE_TOKEN.match(leaf) else MASK

    return _walk(value, change)


def restore_masked(new: Any, old: Any) -> Any:
    """`new` with every `********` replaced by what `old` holds at the same place: an untouched secret of a form."""
    if new == MASK:
        return old if is_sealed(old) else new
    if isinstance(new, Mapping) and not is_sealed(new):
        old = old if isinstance(old, Mapping) and not is_sealed(old) else {}
        return {key: restore_masked(item, old.get(key)) for key, item in new.items()}
    if isinstance(new, list):
        olds = old if isinstance(old, list) else []
        return [restore_masked(item, olds[i] if i < len(olds) else None) for i, item in enumerate(new)]
    return new


def reseal(value: Any) -> Any:
    """A copy with every sealed value under the ring's first key; CannotDecrypt when no key fits one of them."""

    def change(name: str, leaf: Any) -> Any:
        return {SEALED: rotated(leaf[SEALED])} if is_sealed(leaf) else leaf

    return _walk(value, change)


def sealed_paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the sealed values are, as tuples of keys."""
    if is_sealed(value):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from sealed_paths(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from sealed_paths(item, (*path, str(index)))


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A JSON object kept as one Fernet token. In Python it's a dict; an empty dict is stored as an empty text."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        """The dict in the stored token; CannotDecrypt when no key fits."""
        return json.loads(decrypt(value)) if value else {}

    def to_python(self, value: Any) -> Any:
        """The dict itself."""
        return value if isinstance(value, dict) else {}

    def get_prep_value(self, value: Any) -> str:
        """The token to store."""
        return encrypt(json.dumps(value)) if value else ""

    def value_to_string(self, obj: models.Model) -> str:
        """What `dumpdata` gets: the token, never the secret."""
        return self.get_prep_value(self.value_from_object(obj))


class SealedJSONField(models.JSONField):  # type: ignore[type-arg]
    """Readable JSON whose values under secret-looking names are sealed whenever it's written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("encoder", DjangoJSONEncoder)
        super().__init__(*args, **kwargs)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Seal on the instance too, so that what was saved and what is held agree."""
        value = seal(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Seal values given to `update()` and `bulk_create()`."""
        return super().get_db_prep_value(value if hasattr(value, "as_sql") else seal(value), connection, prepared)
