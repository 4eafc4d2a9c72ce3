"""The seam through which the floor that sends alerts says whom it can tell. Nothing is registered: anybody may be named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Why some of these recipients can't be told, in words; empty when all can.
Recipients = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Directory:
    """Whom alerts can reach. `checking(document)` gives the check; what an import's document brings counts as known.

    `known()` are the names that may stand for a place of their own, for a form to offer.
    """

    checking: Callable[[Mapping[str, Any]], Recipients]
    known: Callable[[], list[str]]


# Filled by `register_directory` when apps start.
DIRECTORIES: list[Directory] = []


def register_directory(directory: Directory) -> None:
    """Let jobs ask this one, and no other any more."""
    DIRECTORIES[:] = [directory]


def recipient_check(document: Mapping[str, Any] | None = None) -> Recipients:
    """The check of recipients as things stand now, or will once the document has been imported."""
    return DIRECTORIES[0].checking(document or {}) if DIRECTORIES else lambda recipients: []


def known_names() -> list[str]:
    """What may be named beside `#channel`, `@user` and addresses."""
    return DIRECTORIES[0].known() if DIRECTORIES else []
