"""A week of the schedule page: which one the address asks for, its picture, its table and its collisions."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jobs.cron import BadCron, zone_names, zone_of
from jobs.models import Job
from jobs.usage import connectors_by_job
from runs import weekchart
from runs.ledger import Balance
from runs.models import Fire
from runs.recent import usual_durations
from runs.week import DAYS, Day, days_from
from runs.weekclashes import clashes_of
from runs.weekfires import FEW_A_DAY, Week, week_of
from runs.weekwords import Shown, shown, tints

# Of the day that is open, of the others, and of one that is asked for by itself.
ROWS_OPEN, ROWS_CLOSED, ROWS_ALONE = 100, 40, 2000
TAGS = 12
# How many runs of a job say how long it takes.
MEASURED = 10
EARLIEST, LATEST = datetime.date(1971, 1, 1), datetime.date(9000, 1, 1)


@dataclass(frozen=True)
class Asked:
    """What the address asks for. `first`: the week's first day; `day`: one that is to be listed whole."""

    zone: ZoneInfo
    today: datetime.date
    first: datetime.date
    job: str
    tag: str
    day: datetime.date | None

    def link(self, **changes: Any) -> str:
        """The page's address with some of it changed; what holds anyway is left out."""
        values = {"tz": self.zone.key, "from": self.since, "job": self.job, "tag": self.tag, **changes}
        return "?" + urlencode({name: value for name, value in values.items() if value})

    @property
    def since(self) -> datetime.date | None:
        """The first day, where that isn't today."""
        return None if self.first == self.today else self.first


@dataclass(frozen=True)
class Listed:
    """A day of the table: its entries, and how many of them have a row."""

    day: Day
    all: list[Shown]
    most: int
    balance: Balance | None
    open: bool
    whole: str

    @property
    def shown(self) -> list[Shown]:
        """Those with a row."""
        return self.all[: self.most]

    @property
    def coming(self) -> int:
        """How many will fire."""
        return sum(item.entry.count for item in self.all if item.entry.ahead)

    @property
    def off(self) -> int:
        """How many would, were they not switched off."""
        return sum(item.entry.count for item in self.all if item.entry.off)

    @property
    def frozen(self) -> int:
        """How many are held back."""
        return sum(item.entry.count for item in self.all if item.entry.frozen and not item.entry.off)


def asked_of(request: HttpRequest, now: datetime.datetime) -> Asked:
    """The address as far as it makes sense; what doesn't is said on the page."""
    zone = _zone(request)
    today = now.astimezone(zone).date()
    tag, job = (request.GET.get(name, "").strip() for name in ("tag", "job"))
    return Asked(zone, today, _date(request, "from") or today, job, tag, _date(request, "day"))


def _zone(request: HttpRequest) -> ZoneInfo:
    try:
        return zone_of(request.GET.get("tz") or "UTC")
    except BadCron as error:
        messages.error(request, str(error))
        return zone_of("UTC")


def _date(request: HttpRequest, name: str) -> datetime.date | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or not EARLIEST <= date <= LATEST:
        messages.error(request, f"{name}: found {text[:40]!r}, expected a day from {EARLIEST} on, such as 2026-11-25.")
        return None
    return date


def week_context(asked: Asked, jobs: QuerySet[Job], fires: QuerySet[Fire], now: datetime.datetime) -> dict[str, Any]:
    """What the page shows of the week, of these jobs and fires."""
    days = days_from(asked.first, asked.zone)
    tags = dict(jobs.order_by().values_list("pk", "tags"))
    jobs, fires = _narrowed(asked, jobs, fires, tags)
    week = week_of(jobs, fires, days, now)
    usual = usual_durations(sorted({entry.job_id for entry in week.entries}), MEASURED)
    seconds = [
        entry.seconds if entry.outcome else usual[entry.job_id].p50 if entry.job_id in usual else None
        for entry in week.entries
    ]
    clashes = clashes_of(week.entries, seconds, connectors_by_job(jobs), days)
    firsts = {job_id: own[0] for job_id, own in tags.items() if own}
    colours = tints(firsts.values())
    marks = [clashes.marks.get(number) for number in range(len(week.entries))]
    items = [
        shown(
            entry,
            days[entry.day],
            length,
            mark,
            entry.key in week.frequent,
            colours.get(firsts.get(entry.job_id, ""), "plain"),
        )
        for entry, length, mark in zip(week.entries, seconds, marks, strict=True)
    ]
    return {
        "asked": asked,
        "last": days[-1].date,
        "here": asked.link(),
        "few": FEW_A_DAY,
        "columns": weekchart.columns(days, items, now.timestamp()),
        "chart": weekchart,
        "listed": _listed(asked, days, items, week),
        "next": next((entry for entry in week.entries if entry.ahead), None),
        "clashes": clashes.lines,
        "more_clashes": clashes.more,
        "left_out": clashes.left_out,
        "legend": _legend(week, firsts, colours),
        "tags": sorted({tag for own in tags.values() for tag in own}),
        "zones": zone_options(),
        "earlier": asked.link(**{"from": asked.first - DAYS * DAY}) if asked.first > EARLIEST + DAYS * DAY else "",
        "later": asked.link(**{"from": asked.first + DAYS * DAY}) if asked.first < LATEST - DAYS * DAY else "",
        "this": asked.link(**{"from": None}) if asked.since else "",
    }


DAY = datetime.timedelta(days=1)


def _narrowed(
    asked: Asked, jobs: QuerySet[Job], fires: QuerySet[Fire], tags: Mapping[str, Sequence[str]]
) -> tuple[QuerySet[Job], QuerySet[Fire]]:
    if asked.job:
        jobs, fires = (
            (jobs.none(), fires.none())
            if "\0" in asked.job
            else (jobs.filter(pk=asked.job), fires.filter(job_id=asked.job))
        )
    if asked.tag:
        # No query says the same of a list in JSON on every database.
        named = [job_id for job_id, own in tags.items() if asked.tag in own]
        jobs, fires = jobs.filter(pk__in=named), fires.filter(job_id__in=named)
    return jobs, fires


def _listed(asked: Asked, days: Sequence[Day], items: Sequence[Shown], week: Week) -> list[Listed]:
    own: list[list[Shown]] = [[] for _ in days]
    for item in items:
        own[item.entry.day].append(item)
    dates = [day.date for day in days]
    open_day = next(date for date in (asked.day, asked.today, asked.first) if date in dates)
    return [
        Listed(
            day,
            own[number],
            ROWS_ALONE if day.date == asked.day else ROWS_OPEN if day.date == open_day else ROWS_CLOSED,
            week.balances.get(number),
            day.date == open_day,
            asked.link(day=day.date),
        )
        for number, day in enumerate(days)
    ]


def _legend(week: Week, firsts: Mapping[str, str], colours: Mapping[str, str]) -> list[tuple[str, str]]:
    """(tag, class of its colour) of what is to come; at most so many."""
    ahead = {firsts.get(entry.job_id, "") for entry in week.entries if entry.ahead}
    return [(tag, colours.get(tag, "plain")) for tag in sorted(ahead)][:TAGS]


@cache
def zone_options() -> SafeString:
    """All zones, for an input to offer."""
    return format_html_join("", '<option value="{}">', ((name,) for name in sorted(zone_names())))
