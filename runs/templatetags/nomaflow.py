"""How times, durations, states and log text read on the pages."""

import datetime
import json
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.freezing import active_freezes
from jobs.models import Freeze, FreezeScope
from jobs.permissions import visible_jobs
from jobs.words import duration, seconds_in_words
from nomaflow_site.lib.sealing import mask
from runs import log_text
from runs.catchup import open_misses
from runs.health import ALIVE_SECONDS
from runs.models import StepRun
from runs.nodes import skewed_nodes
from runs.notices import told_to
from runs.progress import Pace, pace_of
from runs.punctuality import in_words
from runs.states import ICONS, OUTCOMES
from runs.visibility import runnable_fires

register = template.Library()


@register.filter
def when(moment: datetime.datetime | None) -> str | SafeString:
    """A moment as a `<time>` element in UTC; a dash for none."""
    if moment is None:
        return "–"
    utc = moment.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}" data-show="when">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
    )


@register.filter
def since(moment: datetime.datetime | None) -> str | SafeString:
    """How long ago a moment was; the page's script counts on."""
    return _counting(moment, "since", -1)


@register.filter
def until(moment: datetime.datetime | None) -> str | SafeString:
    """How long it is until a moment; the page's script counts down."""
    return _counting(moment, "until", 1)


def _counting(moment: datetime.datetime | None, show: str, sign: int) -> str | SafeString:
    if moment is None:
        return "–"
    seconds = sign * (moment - timezone.now()).total_seconds()
    words = ("in " if sign > 0 else "") + seconds_in_words(seconds)
    return format_html(
        '<time datetime="{}" data-show="{}">{}</time>', moment.astimezone(datetime.UTC).isoformat(), show, words
    )


@register.filter
def seconds(number: float | None) -> str:
    """A length of time in seconds, in words; a dash for none."""
    return "–" if number is None else seconds_in_words(number)


@register.filter
def in_zone(moment: datetime.datetime, zone: datetime.tzinfo) -> SafeString:
    """A moment as a `<time>` element on the clocks of a zone."""
    shown = f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
    return format_html(
        '<time datetime="{}" data-show="zoned">{}</time>', moment.astimezone(datetime.UTC).isoformat(), shown
    )


@register.filter
def span(seconds: int) -> str:
    """A length of time in words."""
    return in_words(seconds)


@register.filter
def skew(seconds: float) -> str:
    """`42 s ahead of` or `7 s behind`."""
    return f"{abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'}"


@register.filter
def outcome_class(outcome: str) -> str:
    """The colour of a fire's outcome."""
    return OUTCOMES[outcome][0]


@register.filter
def outcome_icon(outcome: str) -> str:
    """Its sign, beside its word."""
    return OUTCOMES[outcome][1]


@register.inclusion_tag("runs/_notices.html", takes_context=True)
def notices(context: template.RequestContext) -> dict[str, Any]:
    """What everybody should know, on every page: freezes that hold something now, missed fires, wrong clocks, alerts in trouble."""
    user, now = context["user"], timezone.now()
    return {
        "freezes": _told_to(user, active_freezes(now)),
        "misses": open_misses().filter(pk__in=runnable_fires(user).values("pk")).count(),
        "skewed": skewed_nodes(),
        "others": told_to(user, now),
    }


def _told_to(user: Any, freezes: list[Freeze]) -> list[Freeze]:
    """Without those of single jobs that the person doesn't see."""
    single = {freeze.target for freeze in freezes if freeze.scope == FreezeScope.JOB}
    seen = set(visible_jobs(user).filter(pk__in=single).values_list("pk", flat=True)) if single else set()
    return [freeze for freeze in freezes if freeze.scope != FreezeScope.JOB or freeze.target in seen]


@register.filter
def clock(moment: datetime.datetime | None) -> str:
    """A moment's time of day in UTC, with milliseconds."""
    return moment.astimezone(datetime.UTC).time().isoformat(timespec="milliseconds") if moment else ""


@register.filter
def iso(moment: datetime.datetime | None) -> str:
    """A moment for a machine."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds") if moment else ""


@register.filter
def took(timed: Any) -> str:
    """How long something with `started_at` and `finished_at` took, or has taken so far."""
    if timed.started_at is None:
        return "–"
    return seconds_in_words(((timed.finished_at or timezone.now()) - timed.started_at).total_seconds())


@register.filter
def icon(state: str) -> str:
    """A state's sign, beside its word."""
    return ICONS.get(state, "·")


@register.filter
def readable(text: str) -> str:
    """Text of a job or a log with control characters shown."""
    return log_text.readable(text or "")


@register.filter
def masked(value: Any) -> str:
    """A JSON value for reading, secrets masked."""
    return log_text.readable(json.dumps(mask(value), indent=2, ensure_ascii=False))


@register.filter
def add_number(number: float, other: float) -> float:
    """The sum of two numbers, for the places of a chart's labels."""
    return round(number + other, 1)


@register.filter
def minus(number: float, other: float) -> float:
    """The difference of two numbers."""
    return number - other


@register.filter
def alive(age: float | None) -> bool:
    """Whether a process that was last heard of so many seconds ago counts as alive."""
    return age is not None and age < ALIVE_SECONDS


@register.filter
def short(number: float) -> str:
    """A round length of time for the scale of a chart: `30 min`, `0.5 s`."""
    return duration(int(number)) if number == int(number) else seconds_in_words(number)


@register.filter
def pace(step: StepRun) -> Pace | None:
    """How far an attempt has come, when it has said so."""
    return pace_of(step)


@register.filter
def thousands(number: int | None) -> str:
    """A count with commas; a dash for none."""
    return "–" if number is None else f"{number:,}"


@register.filter(name="json")
def as_json(value: Any) -> str:
    """A value in one line; a dash where there was none."""
    return "–" if value is None else log_text.readable(json.dumps(value, ensure_ascii=False))
