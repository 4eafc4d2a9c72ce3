"""An alert as a message for people: what happened, why, where, in one title and a few facts. Pure."""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.words import seconds_in_words
from notifications.events import LOOKS, Event
from notifications.message import Message

LONGEST_TITLE = 200
# Alerts that a digest names one by one.
MOST_LINES = 50


def message_of(
    event: Event,
    job_id: str,
    facts: Mapping[str, Any],
    *,
    base_url: str,
    incident: Mapping[str, Any] | None = None,
    delivery: str = "",
    note: str = "",
) -> Message:
    """The message of an alert. `facts` are those of the outbox; `incident` is {"id", "failures", "opened_at", "told"}."""
    run_id = facts.get("run_id") or ""
    step, error = facts.get("step") or "", facts.get("error") or ""
    return Message(
        event=event,
        title=_title(event, job_id, facts, incident),
        colour=LOOKS[event].colour,
        job_id=job_id,
        run_id=run_id,
        state=facts.get("state") or "",
        error=error,
        step=step,
        started_at=facts.get("started_at") or "",
        finished_at=facts.get("finished_at") or "",
        triggered_by=facts.get("triggered_by") or "",
        url=f"{base_url}/runs/{run_id}/" if run_id else f"{base_url}/jobs/{job_id}/",
        facts=tuple(_told(event, facts, incident)),
        delivery=delivery,
        thread=f"incident-{incident['id']}" if incident else "",
        note=note,
    )


def digest_of(told: Sequence[Message], *, base_url: str, delivery: str) -> Message:
    """One message that stands for several: how many of what, and the title of each."""
    counts = Counter(Event(message.event) for message in told)
    what = ", ".join(f"{count} {event.label}" for event, count in counts.most_common())
    lines = [message.title for message in told[:MOST_LINES]]
    lines += [f"and {len(told) - MOST_LINES:,} more"] if len(told) > MOST_LINES else []
    worst = min(told, key=lambda message: list(LOOKS).index(Event(message.event)))
    return Message(
        event=worst.event,
        title=f"{len(told):,} alerts: {what}",
        colour=worst.colour,
        job_id="",
        error="\n".join(lines),
        url=f"{base_url}/notifications/",
        delivery=delivery,
    )


def _title(event: Event, job_id: str, facts: Mapping[str, Any], incident: Mapping[str, Any] | None) -> str:
    what = _what(event, facts, incident)
    error = " ".join((facts.get("error") or "").split())
    tells_why = event in (Event.FAILED, Event.CANCELED, Event.GUARD)
    title = f"{job_id} {what}" + (f": {error}" if error and tells_why else "")
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"


def _what(event: Event, facts: Mapping[str, Any], incident: Mapping[str, Any] | None) -> str:
    fires = facts.get("fires") or 1
    many = f"{fires:,} fires" if fires > 1 else "a fire"
    match event:
        case Event.FAILED if not facts.get("run_id"):
            return "could not be started"
        case Event.FAILED if incident and incident["failures"] > 1:
            return f"failed {incident['failures']} times in a row"
        case Event.LONG_RUNNING:
            waits = "" if facts.get("started_at") else ", waiting to be started"
            return f"is still in flight after {facts.get('minutes')} min{waits}"
        case Event.GUARD:
            return "warns"
        case Event.MISSED:
            return f"missed {many}"
        case Event.SKIPPED:
            return f"skipped {many}"
        case Event.SWITCHED_OFF if facts.get("deleted"):
            return f"was deleted by {facts.get('by')}"
        case Event.SWITCHED_ON | Event.SWITCHED_OFF:
            return f"was {event.label} by {facts.get('by')}"
        case Event.RECOVERED if incident:
            return f"recovered after {_times(incident['failures'])}"
        case Event.CANCELED:
            return "was cancelled"
        case _:
            return str(event.label)


def _times(failures: int) -> str:
    return "1 failure" if failures == 1 else f"{failures} failures in a row"


def _told(event: Event, facts: Mapping[str, Any], incident: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """The facts beside those that every message has: preset, moments, duration, incident."""
    if facts.get("preset"):
        yield "Preset", facts["preset"]
    if facts.get("attempt") and facts["attempt"] > 1:
        yield "Attempts", str(facts["attempt"])
    if facts.get("scheduled_at"):
        last = facts.get("last_scheduled_at")
        span = f"{facts['scheduled_at']} to {last}" if last and last != facts["scheduled_at"] else facts["scheduled_at"]
        yield "Scheduled for", span
    if duration := _seconds(facts.get("started_at"), facts.get("finished_at")):
        yield "Duration", seconds_in_words(duration)
    if incident and event in (Event.FAILED, Event.RECOVERED):
        yield "Incident", f"{incident['id']}, open since {incident['opened_at']}"


def _seconds(start: str | None, end: str | None) -> float:
    if not start or not end:
        return 0.0
    return (datetime.datetime.fromisoformat(end) - datetime.datetime.fromisoformat(start)).total_seconds()
