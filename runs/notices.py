"""What everybody should know, on top of every page, as far as floors above tell it."""

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Notice:
    """One line: what is wrong, since when, what was said about it, and where to look. `kind` is its class on the page."""

    kind: str
    title: str
    text: str
    url: str
    link: str
    since: datetime.datetime | None = None


Teller = Callable[[Any, datetime.datetime], Iterable[Notice]]
# Filled by `register_notice` when apps start. Each is asked with every page: one cheap query where there is no news.
TELLERS: list[Teller] = []


def register_notice(teller: Teller) -> None:
    """Let pages tell what `teller(user, now)` gives, after what this floor tells; never asked for anonymous visitors."""
    if teller not in TELLERS:
        TELLERS.append(teller)


def told_to(user: Any, now: datetime.datetime) -> list[Notice]:
    """What floors above tell this person."""
    return [notice for teller in TELLERS for notice in teller(user, now)]
