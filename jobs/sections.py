"""What an import consists of: the changes it makes, the faults that stop it, and lists that floors above add to the file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Tables = list[Mapping[str, Any]]


class BadFile(Exception):
    """A file that can't be imported; `faults` are lines for people, each naming job, step and field."""

    def __init__(self, faults: Iterable[object]) -> None:
        self.faults = [str(fault) for fault in faults]
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True)
class Change:
    """What an import does to one thing: `change` is added, changed or unchanged; `diff` a unified diff, secrets masked."""

    kind: str
    name: str
    change: str
    diff: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A top-level `[[name]]` list of the file that a floor above reads and writes.

    `check(tables, document)` gives faults as lines for people. `apply(tables, by)` saves them and says what changed; it's
    called inside the import's transaction, also for a dry run, which is rolled back. `export()` is the TOML text of all of
    it, secrets as placeholders. `before_jobs`: jobs name what is in it, so it comes before them in the file and is applied
    before them.
    """

    name: str
    check: Callable[[Tables, Mapping[str, Any]], list[str]]
    apply: Callable[[Tables, str], list[Change]]
    export: Callable[[], str]
    before_jobs: bool = False


# Filled by `register_section` when apps start.
SECTIONS: dict[str, Section] = {}


def register_section(section: Section) -> None:
    """Let the file have another list. Of those on the same side of the jobs, the first registered is applied first."""
    SECTIONS[section.name] = section
