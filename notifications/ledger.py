"""One page of what was told to whom, newest first, however many rows there are and however rare what the filters leave.

State and channel have indexes that hold their rows in order. Job and event stand on the alert, so the newest rows are looked
through for them, some thousands at a time; where few jobs are asked for, their own alerts lead to the older ones.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from jobs.permissions import visible_jobs
from notifications.events import OPEN, DeliveryState, Event
from notifications.models import Channel, Delivery
from runs.catalogue import HEAVY
from runs.visibility import sees_all_runs

# How many rows are looked through for one page, piece by piece.
PIECES = (200, 1_000, 4_000, 10_000)
LOOK_BACK = sum(PIECES)
# So many jobs are looked up by their own alerts.
FEW = 100
LONGEST = {"channel": 100, "job": 100}
CHOICES: Mapping[str, Sequence[str]] = {"state": DeliveryState.values, "event": Event.values}


@dataclass(frozen=True)
class Filters:
    """What is asked for; empty texts ask for everything. `faults` says what can't be understood: then nothing matches."""

    state: str = ""
    channel: str = ""
    job: str = ""
    event: str = ""
    faults: tuple[str, ...] = field(default=(), compare=False)

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return bool(self.pairs() or self.faults)

    def pairs(self) -> list[tuple[str, str]]:
        """As an address has them, without the empty ones."""
        return [(name, value) for name in ("state", "channel", "job", "event") if (value := getattr(self, name))]

    def query(self, **more: object) -> str:
        """The query string, with `more` behind it."""
        return urlencode([*self.pairs(), *((name, str(value)) for name, value in more.items())])


def read_filters(query: QueryDict) -> Filters:
    """The filters in an address."""
    faults: list[str] = []
    given = {name: str(query.get(name, "")).strip() for name in (*LONGEST, *CHOICES)}
    for name, longest in LONGEST.items():
        if len(given[name]) > longest or "\0" in given[name]:
            faults.append(f"{name}: found what none has, expected up to {longest} characters without a NUL.")
            given[name] = ""
    for name, known in CHOICES.items():
        if given[name] and given[name] not in known:
            faults.append(f"{name}: found {given[name][:40]!r}, expected one of {', '.join(known)}.")
            given[name] = ""
    return Filters(**given, faults=tuple(faults))


@dataclass(frozen=True)
class Page:
    """Deliveries, newest first. `older`: what to ask `before` for the next page, None at the end.

    `searched_to`: when the oldest row was created that a search came to; None where it came to the end or filled the page.
    """

    deliveries: Sequence[Delivery]
    older: int | None = None
    searched_to: datetime.datetime | None = None


def page_of(user: Any, filters: Filters, size: int, *, before: int | None = None) -> Page:
    """The newest deliveries that the person sees and the filters leave, those older than `before`."""
    scope = _scope(user, filters)
    if filters.faults or scope.jobs == frozenset():
        return Page([])
    found, looked_to = _look_back(scope, size + 1, before)
    if looked_to and scope.jobs is not None and len(scope.jobs) <= FEW:
        found, looked_to = _of_jobs(scope, before)[: size + 1], None
    shown = found[:size]
    if len(found) > size:
        return Page(_whole(shown), shown[-1])
    came_to = Delivery.objects.filter(pk=looked_to).values_list("created_at", flat=True).first() if looked_to else None
    return Page(_whole(shown), looked_to, came_to)


# What is looked at of each row: enough to tell whether it matches.
LOOKED_AT = ("pk", "state", "channel_id", "channel_name", "alert__job_id", "alert__event")


@dataclass(frozen=True)
class _Scope:
    """Filters and permission, ready to ask. `jobs` None: any. `channel` is the key of the one of that name, None if it's gone."""

    filters: Filters
    jobs: frozenset[str] | None
    channel: int | None

    def takes(self, state: str, channel: int | None, name: str, job_id: str, event: str) -> bool:
        """Whether a row matches."""
        asked = self.filters
        return (
            asked.state in ("", state)
            and asked.event in ("", event)
            and (self.jobs is None or job_id in self.jobs)
            and (not asked.channel or (channel == self.channel and (channel is not None or name == asked.channel)))
        )

    def indexed(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrowed by the one filter that an index answers best: nearly all rows are SENT, few have another state."""
        asked = self.filters
        if asked.channel and asked.state in ("", DeliveryState.SENT):
            return deliveries.filter(channel=self.channel)
        return deliveries.filter(state=asked.state) if asked.state else deliveries


def _scope(user: Any, filters: Filters) -> _Scope:
    channel = Channel.objects.filter(name=filters.channel).values_list("pk", flat=True).first()
    everything = sees_all_runs(user)
    if everything and not filters.job:
        return _Scope(filters, None, channel)
    names = visible_jobs(user).order_by().filter(pk__icontains=filters.job).values_list("pk", flat=True)
    # A deleted job has no row, but perhaps this name.
    return _Scope(filters, frozenset(names) | (frozenset([filters.job]) if everything else frozenset()), channel)


def _look_back(scope: _Scope, most: int, before: int | None) -> tuple[list[int], int | None]:
    """The newest matches among the next `LOOK_BACK` rows, and the key that the search came to; None at the end, or with enough."""
    found: list[int] = []
    rows = scope.indexed(Delivery.objects.order_by("-pk")).values_list(*LOOKED_AT)
    for size in PIECES:
        piece = list((rows if before is None else rows.filter(pk__lt=before))[:size])
        found += [pk for pk, *facts in piece if scope.takes(*facts)]
        if len(piece) < size or len(found) >= most:
            return found[:most], None
        before = piece[-1][0]
    return found, before


def _of_jobs(scope: _Scope, before: int | None) -> list[int]:
    """All matches of few jobs. Sorted here: asked to sort, a database would rather read the whole table from its end."""
    rows = Delivery.objects.filter(alert__job__in=scope.jobs or ()).order_by().values_list(*LOOKED_AT)
    matching = (pk for pk, *facts in rows if scope.takes(*facts))
    return sorted((pk for pk in matching if before is None or pk < before), reverse=True)


def _whole(pks: Sequence[int]) -> list[Delivery]:
    return list(with_parts(Delivery.objects.filter(pk__in=pks)).order_by("-pk"))


def with_parts(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """With their alert and its run, with what they stand in for or send again, and with what does so for them."""
    heavy = ("alert__facts", "alert__wanted", *(f"alert__run__{name}" for name in HEAVY))
    related = deliveries.select_related("alert__run", "fallback_of", "resend_of").defer(*heavy)
    return related.prefetch_related("fallbacks", "resends")


def why_not_again(delivery: Delivery) -> str:
    """Why a delivery can't be sent again, as the end of a sentence; empty when it can."""
    if delivery.state in OPEN:
        return f"delivery {delivery.pk} is still being sent ({delivery.get_state_display().lower()})"
    if delivery.channel_id is None:
        return f"the channel {delivery.channel_name!r} is gone" if delivery.channel_name else "it has no channel"
    return ""


@dataclass(frozen=True)
class Row:
    """A delivery as pages show it. `may_act`: whether the person may send messages about the job again."""

    delivery: Delivery
    may_act: bool

    @property
    def may_resend(self) -> bool:
        """Whether there is a button for it."""
        return self.may_act and not why_not_again(self.delivery)

    @property
    def attempts(self) -> list[tuple[datetime.datetime | None, str]]:
        """(when, the answer) of every attempt that was kept, the last one first."""
        return [(_moment(tried.get("at")), str(tried.get("answer") or "")) for tried in self.delivery.history[::-1]]

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to send it."""
        return self.delivery.state in OPEN

    @property
    def relatives(self) -> list[tuple[str, Delivery]]:
        """(how it's related, the other delivery)."""
        own = [("stands in for", self.delivery.fallback_of), ("sent again instead of", self.delivery.resend_of)]
        others = [("told instead by", other) for other in self.delivery.fallbacks.all()]
        again = [("sent again as", other) for other in self.delivery.resends.all()]
        return [(words, other) for words, other in own if other] + others + again


def _moment(text: Any) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None
