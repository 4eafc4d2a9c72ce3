"""Mask secrets in text on its way out. Best effort by nature: whoever writes a step can always spell a secret backwards."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from nomaflow_site.lib.sealing import MASK

# Shorter texts occur by chance ("10", "yes"): masking them would garble the log and give the secret away by its gaps.
SHORTEST = 5
SCHEMES = frozenset({"apikey", "basic", "bearer", "key", "splunk", "token"})


def _base64_forms(secret: bytes) -> set[str]:
    """What `secret` looks like inside a base64 text at each of the three alignments, without the ambiguous edges."""
    forms = set()
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + secret).decode().rstrip("=")
        start = -(-lead * 8 // 6)
        end = (lead + len(secret)) * 8 // 6
        forms.add(text[start:end])
    return {form for form in forms if len(form) >= SHORTEST + 3}


def _forms(secret: str) -> set[str]:
    """The ways a secret may be written: as it is, escaped for URL, JSON, HTML, SQL, encoded, and line by line."""
    forms = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        secret.replace("'", "''"),
        repr(secret)[1:-1],
    }
    forms |= _base64_forms(secret.encode())
    scheme, _, credentials = secret.partition(" ")
    if credentials and scheme.lower() in SCHEMES:
        # The value of an Authorization header: whoever quotes it leaves the scheme away.
        forms |= _forms(credentials)
    if "\n" in secret:
        forms |= {line.strip() for line in secret.splitlines()}
    return {form for form in forms if len(form) >= SHORTEST}


class Masker:
    """Replaces every known secret in a text. Add secrets as they're handed out; not thread-safe: one per run."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.longest = 0
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask `secret` from now on, in each of its usual encodings. Texts under five characters can't be masked."""
        new = _forms(secret) - self._forms
        if not new:
            return
        self._forms |= new
        self.longest = max(map(len, self._forms))
        # Longest first: of two secrets where one contains the other, the whole one goes.
        self._pattern = re.compile("|".join(re.escape(form) for form in sorted(self._forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """`text` with every secret replaced by `********`."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """A JSON value with every secret in its texts and keys replaced."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value
