"""How an entry of the week reads and looks: its words, its classes, its place in time. Pure."""

import datetime
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from jobs.words import seconds_in_words
from runs.states import ICONS, OUTCOMES, Outcome, RunState
from runs.week import Day, clock
from runs.weekfires import Entry

TINTS = 8
NOT_MEASURED = "no runs measured yet"


class Shown(NamedTuple):
    """An entry on its day. `seconds`: how long it took or usually takes; `clash`: the connector that it collides on, or ''.

    `owner`: its job and preset; `band`: the same for a frequent schedule, '' for the others.
    """

    entry: Entry
    day: Day
    seconds: float | None
    clash: str | None
    band: str
    tint: str
    start: float
    end: float
    owner: str

    @property
    def name(self) -> str:
        """What stands on it."""
        return f"{self.icon} {self.owner}" if self.icon else self.owner

    @property
    def state(self) -> str:
        """The class of what became of it; '' for what is to come."""
        if self.entry.outcome in (Outcome.RAN, Outcome.LATE, Outcome.CAUGHT_UP) and self.entry.state:
            return self.entry.state.lower()
        if self.entry.outcome:
            return OUTCOMES[self.entry.outcome][0]
        return "off" if self.entry.off else "frozen" if self.entry.frozen else ""

    @property
    def icon(self) -> str:
        """Its sign, beside its word."""
        if self.entry.state:
            return ICONS[self.entry.state]
        if self.entry.outcome:
            return OUTCOMES[self.entry.outcome][1]
        return "○" if self.entry.off else "⊘" if self.entry.frozen else ""

    @property
    def word(self) -> str:
        """What became of it, or will."""
        if self.entry.outcome:
            said = f"{'some ' if self.entry.mixed else ''}{Outcome(self.entry.outcome).label}"
            unwell = self.entry.state and self.entry.state != RunState.SUCCEEDED
            return f"{said}, {RunState(self.entry.state).label.lower()}" if unwell else said
        return "off" if self.entry.off else "frozen" if self.entry.frozen else "to come"

    @property
    def time(self) -> str:
        """By the clock of its day; with the offset's name where that one changes."""
        first = self._clock(self.entry.at)
        if self.entry.until is None:
            return first
        last = "later" if self.entry.until.timestamp() >= self.day.end else self._clock(self.entry.until)
        return f"{first}–{last}, {self.entry.count:,} times"

    def _clock(self, at: datetime.datetime) -> str:
        shown = clock(self.day.reading(at.timestamp()))
        return f"{shown} {at.astimezone(self.day.zone):%Z}" if self.day.change else shown

    @property
    def takes(self) -> str:
        """How long, in words."""
        if self.entry.run_id and self.seconds is not None:
            return f"{'so far' if self.entry.state == RunState.RUNNING else 'took'} {seconds_in_words(self.seconds)}"
        if self.entry.outcome:
            return ""
        return NOT_MEASURED if self.seconds is None else f"usually {seconds_in_words(self.seconds)}"

    @property
    def note(self) -> str:
        """Why, and with what it collides."""
        clash = "" if self.clash is None else f"overlaps on {self.clash}" if self.clash else "overlaps"
        return "; ".join(filter(None, (self.entry.frozen or self.entry.reason, clash)))

    @property
    def kind(self) -> str:
        """The classes of its mark."""
        clash = () if self.clash is None else ("clash", "shared") if self.clash else ("clash",)
        return " ".join((f"past {self.state}" if self.entry.outcome else self.state or self.tint, *clash))

    @property
    def title(self) -> str:
        """Everything, for whoever points at it."""
        said = (f"{self.day.date:%a} {self.time}", self.word, self.takes, self.note)
        return f"{self.owner}: {', '.join(filter(None, said))}"

    @property
    def link(self) -> str:
        """Its run's page, or its job's, from the site's root."""
        return f"runs/{self.entry.run_id}/" if self.entry.run_id else f"jobs/{self.entry.job_id}/"


def shown(entry: Entry, day: Day, seconds: float | None, clash: str | None, frequent: bool, tint: str) -> Shown:
    """The entry with its place in time; where nothing is known of its length it ends as it begins."""
    start = entry.at.timestamp()
    end = entry.until.timestamp() if entry.until else start
    owner = f"{entry.job_id} · {entry.preset}" if entry.preset else entry.job_id
    return Shown(entry, day, seconds, clash, owner if frequent else "", tint, start, end + (seconds or 0), owner)


def tints(tags: Iterable[str]) -> dict[str, str]:
    """The class of each tag's colour: its own as long as there are enough, and much the same whatever other tags there are."""
    found: dict[str, int] = {}
    for tag in sorted(set(tags)):
        own = zlib.crc32(tag.encode()) % TINTS
        free = [number for number in range(TINTS) if number not in found.values()]
        found[tag] = own if own in free or not free else min(free, key=lambda number: (number - own) % TINTS)
    return {tag: f"tint-{number}" for tag, number in found.items()}
