"""Cron schedules and the moments they name, clock changes included. Pure: no clock, no Django.

The rules are those of Debian's cron. A schedule whose minute and hour are fixed follows the wall clock: a time that the
clock jumps over fires once, right after the gap; one that comes twice fires the first time. A schedule whose minute or hour
begins with `*` follows elapsed time. Where day-of-month and day-of-week are both set, either one matches.
"""

import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from jobs.cronfields import DAY, SECOND, BadCron, parse

__all__ = ["BadCron", "Cron", "zone_names", "zone_of"]
UTC = datetime.UTC


@cache
def zone_names() -> frozenset[str]:
    """Every IANA zone that this machine knows."""
    return frozenset(available_timezones())


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone; BadCron when there is none of that name."""
    if name not in zone_names():
        raise BadCron(f"timezone: found {name!r}, expected an IANA name such as Europe/Paris or UTC.")
    return ZoneInfo(name)


class Cron:
    """An expression in a zone. Moments go in with any zone and come out in UTC, whole seconds."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        """Raises BadCron."""
        self.expression = expression
        self.zone = zone_of(zone)
        self.fields = parse(expression)

    def next(self, after: datetime.datetime) -> datetime.datetime:
        """The first fire later than `after`."""
        return self._elapsed_next(after) if self.fields.elapsed else self._wall_next(after)

    def previous(self, before: datetime.datetime) -> datetime.datetime:
        """The last fire earlier than `before`."""
        return self._elapsed_previous(before) if self.fields.elapsed else self._wall_previous(before)

    def between(self, start: datetime.datetime, end: datetime.datetime, limit: int) -> list[datetime.datetime]:
        """The fires after `start` up to and including `end`, oldest first, at most `limit`."""
        fires: list[datetime.datetime] = []
        fire = self.next(start)
        while fire <= end and len(fires) < limit:
            fires.append(fire)
            fire = self.next(fire)
        return fires

    # Fixed times: step through the wall clock's readings, then find the moment of each. The way from readings to moments
    # never goes backwards, so the first reading whose moment is late enough is the answer.

    def _wall_next(self, after: datetime.datetime) -> datetime.datetime:
        return next(m for m in map(self._moment, self.fields.up_from(_wall(after, self.zone))) if m > after)

    def _wall_previous(self, before: datetime.datetime) -> datetime.datetime:
        # During an hour that comes twice the clock has been further than it shows: begin at its highest reading.
        latest = max(_wall(before, self.zone), _wall(before - DAY, self.zone) + DAY)
        return next(m for m in map(self._moment, self.fields.down_from(latest)) if m < before)

    def _moment(self, wall: datetime.datetime) -> datetime.datetime:
        """When the clock first shows `wall`; the end of the gap when it never does."""
        moment = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if _wall(moment, self.zone) == wall:
            return moment
        return _change(self.zone, moment - DAY, moment) or moment

    # Elapsed time: go from clock change to clock change; between two of them readings and moments run in step.

    def _elapsed_next(self, after: datetime.datetime) -> datetime.datetime:
        at = after.astimezone(UTC).replace(microsecond=0) + SECOND
        while True:
            wall = _wall(at, self.zone)
            moment = at + (next(self.fields.up_from(wall)) - wall)
            change = _change(self.zone, at, moment)
            if change is None:
                return moment
            at = change

    def _elapsed_previous(self, before: datetime.datetime) -> datetime.datetime:
        at = before.astimezone(UTC)
        at = at.replace(microsecond=0) if at.microsecond else at - SECOND
        while True:
            wall = _wall(at, self.zone)
            moment = at - (wall - next(self.fields.down_from(wall)))
            change = _last_change(self.zone, moment, at)
            if change is None:
                return moment
            at = change - SECOND


def _wall(moment: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    """What a clock in the zone shows, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(moment: datetime.datetime, zone: ZoneInfo) -> datetime.timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _change(zone: ZoneInfo, start: datetime.datetime, end: datetime.datetime) -> datetime.datetime | None:
    """The first moment after `start`, up to `end`, at which the clock has just been changed; None when it isn't."""
    at = start
    while at < end:
        later = min(at + DAY, end)
        if _offset(at, zone) != _offset(later, zone):
            return _bisect(zone, at, later)
        at = later
    return None


def _last_change(zone: ZoneInfo, start: datetime.datetime, end: datetime.datetime) -> datetime.datetime | None:
    """The same, the last one."""
    at = end
    while at > start:
        earlier = max(at - DAY, start)
        if _offset(at, zone) != _offset(earlier, zone):
            return _bisect(zone, earlier, at)
        at = earlier
    return None


def _bisect(zone: ZoneInfo, before: datetime.datetime, after: datetime.datetime) -> datetime.datetime:
    old = _offset(before, zone)
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle <= before:
            break
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after
