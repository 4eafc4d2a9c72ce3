"""Sections of the run page that floors above fill."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runs.models import Run


@dataclass(frozen=True)
class Section:
    """A template below the run's steps, and what it shows: `context(user, run)`, None to leave the section out.

    It's part of what the page renews while the run goes on, and afterwards while it has an element with `data-open`.
    """

    template: str
    context: Callable[[Any, Run], Mapping[str, Any] | None]


# Filled by `register_section` when apps start.
SECTIONS: list[Section] = []


def register_section(section: Section) -> None:
    """Let the run page have another section."""
    if section not in SECTIONS:
        SECTIONS.append(section)


def sections_of(user: Any, run: Run) -> list[tuple[str, Mapping[str, Any]]]:
    """(template, what it shows) of each section that has something to show."""
    found = [(section.template, section.context(user, run)) for section in SECTIONS]
    return [(template, shown) for template, shown in found if shown is not None]
