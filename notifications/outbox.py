"""Writing down that something happened which somebody wants to hear of, in the transaction of the event itself.

Only one row each: whom to tell is looked up by who sends, so that a run's end never waits for it, and never fails by it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from jobs.models import Job
from notifications import bell
from notifications.events import DeliveryState, Event
from notifications.models import Alert, Delivery, Incident, RoutingRule
from notifications.wanted import Wanted, wanted_of
from runs.models import Fire, Run
from runs.states import Cause, Outcome, RunState

EVENT_OF_STATE = {
    RunState.FAILED: Event.FAILED,
    RunState.SUCCEEDED: Event.SUCCEEDED,
    RunState.CANCELED: Event.CANCELED,
}
# Somebody else stands for the moment, or it's held on purpose.
NO_NEWS = (Cause.FOLDED, Cause.FROZEN)
LONGEST_TEXT = 4000
# Different guard warnings of one run; a loop that warns must not fill the table.
MOST_WARNINGS = 20


def note_end(run: Run) -> None:
    """A run has reached its final state."""
    event, wanted = EVENT_OF_STATE[RunState(run.state)], _wanted_by(run.snapshot)
    if wanted and (wanted.chooses(event) or (event is Event.SUCCEEDED and _has_failed(run.job_id))):
        _note(f"run:{run.pk}:{event}", event, run.job_id, wanted, _facts(run), run=run)


def note_long(run: Run) -> None:
    """A run is in flight for longer than its job expects."""
    wanted = _wanted_by(run.snapshot)
    if wanted and wanted.chooses(Event.LONG_RUNNING):
        facts = {**_facts(run), "minutes": run.long_run_minutes}
        _note(f"run:{run.pk}:{Event.LONG_RUNNING}", Event.LONG_RUNNING, run.job_id, wanted, facts, run=run)


def note_guard(run: Run, step: str, text: str) -> None:
    """A guard of a step warns. The same text is told once a run."""
    wanted = _wanted_by(run.snapshot)
    if not wanted or not wanted.chooses(Event.GUARD):
        return
    if Alert.objects.filter(run=run, event=Event.GUARD).count() < MOST_WARNINGS:
        digest = hashlib.sha256(f"{step}\0{text}".encode(errors="replace")).hexdigest()[:16]
        facts = {**_facts(run), "step": step, "error": _text(text)}
        _note(f"run:{run.pk}:{Event.GUARD}:{digest}", Event.GUARD, run.job_id, wanted, facts, run=run)


def note_fires(fires: Sequence[Fire]) -> None:
    """Moments started no run. Those of one schedule are one alert: an outage is told once, not once a minute."""
    jobs = Job.objects.in_bulk({fire.job_id for fire in fires})
    told = [(fire, event) for fire in fires if (event := _event_of(fire)) is not None]
    told.sort(key=lambda pair: (pair[0].job_id, pair[0].preset, pair[1], pair[0].scheduled_at))
    for (job_id, preset, event), group in groupby(told, key=lambda pair: (pair[0].job_id, pair[0].preset, pair[1])):
        job = jobs.get(job_id)
        wanted = _wanted_by({"alerts": job.alerts, "tags": job.tags}) if job else None
        if wanted and wanted.chooses(event):
            _note_fires(job_id, preset, event, wanted, [fire for fire, _ in group])


def note_switch(job_id: str, by: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    """A job was saved or deleted: its schedule may have been switched, and who is gone has no incident any more."""
    was_on, is_on = bool(before and before["enabled"]), bool(after and after["enabled"])
    if after is None:
        Incident.objects.filter(job_id=job_id, closed_at=None).update(
            closed_at=timezone.now(), closed_by=f"{by}, who deleted the job"[:160]
        )
    definition = after or before
    wanted = _wanted_by(definition) if definition and before is not None and was_on != is_on else None
    event = Event.SWITCHED_ON if is_on else Event.SWITCHED_OFF
    if wanted and wanted.chooses(event):
        now = timezone.now()
        facts = {"by": by, "deleted": after is None, "at": now.isoformat()}
        _note(f"job:{job_id}:{event}:{now.isoformat()}", event, job_id, wanted, facts)


def note_defect(job_id: str, run: Run | None = None) -> None:
    """An alert of the job could not be written down because of a defect of ours: a failed delivery says so on every page."""
    now, why = timezone.now(), "internal error: the alert could not be written down; the process's log has the details"
    key = f"defect:{job_id}:{now.isoformat()}"
    alert = Alert(key=key, event=Event.FAILED, job_id=job_id, run=run, created_at=now, settled_at=now, outcome=why)
    alert.save(force_insert=True)
    Delivery.objects.create(
        alert=alert, state=DeliveryState.FAILED, answer=why, created_at=now, due_at=now, ended_at=now
    )


def _note(key: str, event: Event, job_id: str, wanted: Wanted, facts: Mapping[str, Any], **links: Any) -> None:
    stored = {**vars(wanted), "tags": list(wanted.tags), "recipients": list(wanted.recipients)}
    alert = Alert(key=key, event=event, job_id=job_id, facts=dict(facts), wanted=stored, **links)
    alert.created_at = timezone.now()
    # A message may come twice, an event is one alert.
    Alert.objects.bulk_create([alert], ignore_conflicts=True)
    transaction.on_commit(bell.ring)


def _wanted_by(definition: Mapping[str, Any]) -> Wanted | None:
    """What the job wants told; None where neither a block of its own nor a rule for one of its tags asks for anything."""
    wanted = wanted_of(definition.get("alerts"), definition.get("tags") or ())
    if wanted.declared or (wanted.tags and RoutingRule.objects.filter(tag__in=wanted.tags).exists()):
        return wanted
    return None


def _has_failed(job_id: str) -> bool:
    """Whether a success is news for an incident: one is open, or about to be."""
    open_incident = Incident.objects.filter(job_id=job_id, closed_at=None)
    coming = Alert.objects.filter(Q(settled_at=None), job_id=job_id, event=Event.FAILED)
    return open_incident.exists() or coming.exists()


def _facts(run: Run) -> dict[str, Any]:
    """What can be told of a run. All of it was masked when it was written."""
    failed = run.step_runs.filter(state=RunState.FAILED).order_by("-number", "-attempt")
    step = failed.values_list("name", "attempt").first() if run.state == RunState.FAILED else None
    return {
        "run_id": run.run_id,
        "state": run.state,
        "error": _text(run.reason),
        "step": step[0] if step else "",
        "attempt": step[1] if step else None,
        "triggered_by": run.triggered_by,
        "requested_by": run.requested_by,
        "preset": run.preset,
        **{key: _iso(getattr(run, key)) for key in ("scheduled_at", "created_at", "started_at", "finished_at")},
    }


def _text(text: str) -> str:
    """As every database can keep it in JSON: no NUL, no half of a character, not longer than a message needs."""
    return text[:LONGEST_TEXT].replace("\0", "").encode(errors="replace").decode()


def _iso(moment: Any) -> str:
    return moment.isoformat() if hasattr(moment, "isoformat") else ""


def _event_of(fire: Fire) -> Event | None:
    if fire.cause == Cause.INVALID:
        return Event.FAILED  # a start that was refused is a failure
    if fire.cause in NO_NEWS:
        return None
    return Event.MISSED if fire.outcome == Outcome.MISSED or fire.cause == Cause.TOO_LATE else Event.SKIPPED


def _note_fires(job_id: str, preset: str, event: Event, wanted: Wanted, fires: Sequence[Fire]) -> None:
    first, last = fires[0], fires[-1]
    facts = {
        "state": RunState.FAILED if event is Event.FAILED else last.outcome.upper(),
        "error": _text(last.reason),
        "triggered_by": "cron",
        "preset": preset,
        "scheduled_at": _iso(first.scheduled_at),
        "last_scheduled_at": _iso(last.until or last.scheduled_at),
        "fires": sum(fire.count for fire in fires),
    }
    _note(f"fire:{last.pk}:{event}", event, job_id, wanted, facts, fire=last)
