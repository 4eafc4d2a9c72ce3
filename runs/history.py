"""The filters of the list of runs: one value, read from an address, said in words, written back, and applied to runs."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from jobs.cron import BadCron, zone_of
from nomaflow_site.lib.sealing import MASK, mask
from runs.models import Run
from runs.states import ACTIVE, FINAL, RunState

TRIGGERS = {"cron": "a schedule", "user": "a person", "api": "the API", "cli": "the shell"}
PERSON = "user:"
UTC = "UTC"
LONGEST = {"job": 101, "tag": 100, "user": 150, "from": 40, "to": 40, "tz": 64, "text": 200}
# A job's id that ends so stands for every id that begins with it.
ANY_END = "*"
# The clocks of web servers and workers may differ; no two of them by more than this.
CLOCKS_APART = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Chip:
    """One filter in words, and the query string that leaves it out."""

    label: str
    without: str


@dataclass(frozen=True)
class Filters:
    """What is asked for. Texts are as typed; `faults` says what is wrong with them, and with any fault nothing matches."""

    states: tuple[str, ...] = ()
    job: str = ""
    tag: str = ""
    trigger: str = ""
    user: str = ""
    since: str = ""
    until: str = ""
    zone: str = UTC
    text: str = ""
    created_from: datetime.datetime | None = None
    created_before: datetime.datetime | None = None
    faults: tuple[str, ...] = field(default=(), compare=False)

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return bool(self.pairs())

    @property
    def has_rarer(self) -> bool:
        """Whether one of those that a form may fold away is set, or something is wrong."""
        return bool(self.tag or self.trigger or self.user or self.since or self.until or self.faults)

    @property
    def ended_only(self) -> bool:
        """Whether only runs that are over are asked for."""
        return bool(self.states) and all(state in FINAL for state in self.states)

    @property
    def is_rare(self) -> bool:
        """Whether state, trigger or person leave few of many runs."""
        active_only = bool(self.states) and all(state in ACTIVE for state in self.states)
        return bool(self.user or self.trigger not in ("", "cron") or active_only)

    @property
    def job_beginning(self) -> str | None:
        """What the jobs' ids begin with; None where one job or any is asked for."""
        return self.job.removesuffix(ANY_END) if self.job.endswith(ANY_END) else None

    def pairs(self) -> list[tuple[str, str]]:
        """The filters as an address has them, without the empty ones."""
        singles = [
            ("job", self.job),
            ("tag", self.tag),
            ("trigger", self.trigger),
            ("user", self.user),
            ("from", self.since),
            ("to", self.until),
            ("text", self.text),
        ]
        found = [("state", state) for state in self.states] + [(name, value) for name, value in singles if value]
        # A zone alone filters nothing, but times without one are read in it.
        return [*found, ("tz", self.zone)] if self.zone != UTC and (self.since or self.until) else found

    def query(self, **more: object) -> str:
        """The query string, with `more` behind it."""
        return urlencode([*self.pairs(), *((name, str(value)) for name, value in more.items())], safe="*")

    def chips(self) -> list[Chip]:
        """Each filter in words, with the way to the list without it."""
        words = [(f"state {state}", {"states": tuple(s for s in self.states if s != state)}) for state in self.states]
        singles = [
            ("job", f"job {self.job}", self.job),
            ("tag", f"tag {self.tag}", self.tag),
            ("trigger", f"triggered by {TRIGGERS.get(self.trigger, self.trigger)}", self.trigger),
            ("user", f"asked for by {self.user}", self.user),
            ("since", f"from {self.since} {self.zone}", self.since),
            ("until", f"to {self.until} {self.zone}", self.until),
            ("text", f"parameters with “{self.text}”", self.text),
        ]
        chips = [Chip(label, replace(self, **without).query()) for label, without in words]  # type: ignore[arg-type]
        return chips + [Chip(label, replace(self, **{name: ""}).query()) for name, label, value in singles if value]  # type: ignore[arg-type]

    def applied(self, runs: QuerySet[Run]) -> QuerySet[Run]:
        """Those of the runs that match in all but tag, beginning of the job's id, and parameters."""
        if self.faults:
            return runs.none()
        if self.job and self.job_beginning is None:
            runs = runs.filter(job=self.job)
        if self.states:
            runs = runs.filter(state__in=self.states)
        if self.user:
            runs = runs.filter(requested_by=self.user, requested_by__gt="")
        runs = self._by_trigger(runs)
        if self.created_from:
            runs = runs.filter(created_at__gte=self.created_from)
        return runs.filter(created_at__lt=self.created_before) if self.created_before else runs

    def _by_trigger(self, runs: QuerySet[Run]) -> QuerySet[Run]:
        if not self.trigger:
            return runs
        if self.trigger == "user":
            return runs.filter(triggered_by__startswith=PERSON)
        return runs.filter(triggered_by=self.trigger)


def read_filters(query: QueryDict) -> Filters:
    """The filters in an address. What can't be understood is a fault that names it, never an error."""
    faults: list[str] = []
    texts = {name: _text(query, name, longest, faults) for name, longest in LONGEST.items()}
    states = tuple(dict.fromkeys(state for state in query.getlist("state") if state))
    faults += [_expected("state", state, list(RunState.values)) for state in states if state not in RunState.values]
    trigger = query.get("trigger", "")
    if trigger and trigger not in TRIGGERS:
        faults.append(_expected("trigger", trigger, list(TRIGGERS)))
    zone = texts["tz"] or UTC
    bounds: dict[str, datetime.datetime | None] = {"from": None, "to": None}
    try:
        known = zone_of(zone)
        bounds = {name: _moment(name, texts[name], known, faults) for name in bounds}
    except BadCron as error:
        faults.append(str(error))
    if bounds["from"] and bounds["to"] and bounds["from"] >= bounds["to"]:
        faults.append(f"from: found {texts['from']}, which is not before {texts['to']}; nothing can lie between them.")
    return Filters(
        states=tuple(state for state in states if state in RunState.values),
        job=texts["job"],
        tag=texts["tag"],
        trigger=trigger if trigger in TRIGGERS else "",
        user=texts["user"],
        since=texts["from"],
        until=texts["to"],
        zone=zone,
        text=texts["text"],
        created_from=bounds["from"],
        created_before=bounds["to"],
        faults=tuple(faults),
    )


def _text(query: QueryDict, name: str, longest: int, faults: list[str]) -> str:
    text = str(query.get(name, "")).strip()
    if len(text) > longest:
        faults.append(f"{name}: found {len(text):,} characters, expected {longest} at most.")
    elif "\0" in text:
        faults.append(f"{name}: found a NUL character, which no run has.")
    else:
        return text
    return ""


def _expected(name: str, found: str, known: Sequence[str]) -> str:
    return f"{name}: found {found[:40]!r}, expected one of {', '.join(known)}."


def _moment(name: str, text: str, zone: datetime.tzinfo, faults: list[str]) -> datetime.datetime | None:
    """A day's beginning, or its end for `to`, or a moment, on the clocks of the zone unless it names its own."""
    if not text:
        return None
    try:
        return _day(name, text, zone) or _time(text, zone)
    except (ValueError, OverflowError):
        faults.append(f"{name}: found {text!r}, expected a day or a time such as 2026-03-29 or 2026-03-29 14:30.")
        return None


def _day(name: str, text: str, zone: datetime.tzinfo) -> datetime.datetime | None:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    # `to` a day means that day too.
    day += datetime.timedelta(days=name == "to")
    return datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)


def _time(text: str, zone: datetime.tzinfo) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(datetime.UTC)


def mentions(run: Run, text: str) -> bool:
    """Whether a name, a value, or `name=value` of what the run was given has the text in it, whatever its case.

    Of a secret only the name can be found.
    """
    wanted = text.casefold()
    return any(wanted in line.casefold() for line in _given(run))


def stored_pieces(text: str, *, ascii_only: bool) -> list[str]:
    """What the stored JSON of every run that mentions the text has in it."""
    return [json.dumps(piece, ensure_ascii=ascii_only)[1:-1] for piece in text.split("=") if piece]


def _given(run: Run) -> list[str]:
    tables = [*run.parameters.values(), run.overrides.get("params"), *(run.overrides.get("op_kwargs") or {}).values()]
    return [line for table in tables if isinstance(table, Mapping) for line in _lines(mask(table))]


def _lines(value: Any, name: str = "") -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in _lines(item, str(key))]
    if isinstance(value, list):
        return [line for item in value for line in _lines(item, name)]
    shown = value if isinstance(value, str) else json.dumps(value)
    return [f"{name}={'' if value == MASK else shown}"]
