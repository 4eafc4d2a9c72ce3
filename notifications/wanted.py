"""What a job wants told: its alerts block, typed, and which event each option chooses. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from notifications.events import Event


@dataclass(frozen=True)
class Wanted:
    """A job's alerts block with its defaults. `declared` is False where only the tags of a job are looked for by a rule."""

    declared: bool = False
    tags: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    on_failure: bool = True
    on_success: bool = False
    on_cancel: bool = False
    on_long_run_minutes: int | None = None
    on_missed: bool = True
    on_skipped: bool = False
    on_guard: bool = True
    on_switch: bool = False
    on_recovery: bool = False
    after_failures: int = 1
    repeat_minutes: int = 60

    def chooses(self, event: Event) -> bool:
        """Whether somebody is to be told of such an event."""
        return bool(getattr(self, OPTIONS[event], False))


# A job that isn't allowed to start has failed, whatever it's called in the ledger of fires.
OPTIONS = {
    Event.FAILED: "on_failure",
    Event.LONG_RUNNING: "on_long_run_minutes",
    Event.SUCCEEDED: "on_success",
    Event.CANCELED: "on_cancel",
    Event.GUARD: "on_guard",
    Event.MISSED: "on_missed",
    Event.SKIPPED: "on_skipped",
    Event.SWITCHED_ON: "on_switch",
    Event.SWITCHED_OFF: "on_switch",
    Event.RECOVERED: "on_recovery",
}
_OWN = frozenset(OPTIONS.values()) | {"after_failures", "repeat_minutes"}


def wanted_of(alerts: Mapping[str, Any] | None, tags: Iterable[str]) -> Wanted:
    """An alerts block as it's stored, or None where the job has none."""
    given = {key: value for key, value in (alerts or {}).items() if key in _OWN and value is not None}
    recipients = tuple(map(str, (alerts or {}).get("recipients") or ()))
    return Wanted(declared=alerts is not None, tags=tuple(map(str, tags)), recipients=recipients, **given)
