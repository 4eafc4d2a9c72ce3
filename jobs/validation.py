"""Is a job's definition right? Every fault in it by name, and the definition as it's stored.

The admin, the import, `checkjobs` and the API read definitions here, so that they refuse the same things in the same words.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.plainvalues import plain
from jobs.reading import Calendars, Connectors, Fault, Reading
from jobs.recipients import Recipients

__all__ = ["Calendars", "Connectors", "Fault", "InvalidJob", "Recipients", "check_job", "read_job"]


class InvalidJob(Exception):
    """A definition that can't be saved, with everything that's wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(map(str, self.faults)))


def check_job(
    definition: Mapping[str, Any],
    *,
    connectors: Connectors = None,
    calendars: Calendars = None,
    recipients: Recipients | None = None,
) -> list[Fault]:
    """Everything that's wrong with a definition; empty when it can be saved and run."""
    return read_job(definition, connectors=connectors, calendars=calendars, recipients=recipients)[1]


def read_job(
    definition: Mapping[str, Any],
    *,
    connectors: Connectors = None,
    calendars: Calendars = None,
    recipients: Recipients | None = None,
) -> tuple[dict[str, Any], list[Fault]]:
    """The definition as `definition_of` gives it back once it's stored, and its faults; only without faults is it whole."""
    reading = Reading(str(definition.get("id", "?")), connectors, calendars, recipients)
    given = plain(definition)
    reading.values(given)
    if reading.faults:
        return given, reading.faults
    return reading.job(given), reading.faults
