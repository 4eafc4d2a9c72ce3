"""The one door by which jobs are written: checked, versioned, told to the floors above."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from connectors.models import Connector
from jobs.definition import CALENDAR_DEFAULTS, MISFIRE_DEFAULTS, STEP_TIMEOUT_SECONDS, definition_of
from jobs.models import Calendar, Job, JobVersion, Preset, Scheduled, Step
from jobs.permissions import forget_grants
from jobs.plainvalues import same
from jobs.recipients import recipient_check
from jobs.signals import job_saved
from jobs.tomltext import readable_toml
from jobs.validation import Fault, InvalidJob, read_job
from nomaflow_site.lib.sealing import CannotDecrypt, is_sealed, seal, unseal

Definition = Mapping[str, Any]
# `by` is the name that a version shows, `user` the account behind it (None: a shell).


def connector_kinds() -> dict[str, str]:
    """The connectors that steps may name: kind by name."""
    return dict(Connector.objects.values_list("name", "kind"))


def calendar_names() -> set[str]:
    """The calendars that schedules may use."""
    return set(Calendar.objects.values_list("name", flat=True))


def surroundings() -> dict[str, Any]:
    """What a definition is checked against: the connectors, the calendars, and whom alerts reach."""
    return {"connectors": connector_kinds(), "calendars": calendar_names(), "recipients": recipient_check()}


def save_job(
    definition: Definition,
    *,
    by: str,
    user: Any = None,
    comment: str = "",
    renamed: Mapping[str, str] | None = None,
    may_retype: bool = False,
) -> Job:
    """Create or update the job of that id; a version is written when something changed. Raises InvalidJob.

    Steps and presets are matched by name; `renamed` maps a step's new name to the one it had. A step keeps its type
    unless `may_retype`, which puts a new step in the old one's place.
    """
    with transaction.atomic():
        read, faults = read_job(definition, **surroundings())
        job = _locked(read.get("id"))
        before = definition_of(job) if job else None
        renamed = renamed or {}
        if job and not may_retype:
            faults += retype_faults(job.steps.all(), read.get("steps", []), job.id, renamed)
        if faults:
            raise InvalidJob(faults)
        # Sealing gives a new token each time: what's the same secret as before keeps the token it has.
        read = keep_tokens(seal(read), before)
        if job and same(read, before):
            return job
        job = _write(job or Job(id=read["id"]), read, renamed)
        record_version(job, by=by, user=user, comment=comment, before=before)
        return job


def retype_faults(
    stored: Iterable[Step], steps: Iterable[Definition], job_id: str, renamed: Mapping[str, str]
) -> list[Fault]:
    """A fault for every step that would change its type."""
    types = {step.name: step.type for step in stored}
    message = "The type is locked: it's {}, found {}. Delete the step and add another."
    return [
        Fault(job_id, step["name"], "type", message.format(repr(types[old]), repr(step["type"])))
        for step in steps
        if (old := renamed.get(step["name"], step["name"])) in types and types[old] != step["type"]
    ]


def keep_tokens(new: Any, old: Any) -> Any:
    """`new` with the sealed values of `old` wherever both hide the same secret at the same place."""
    if isinstance(new, dict) and isinstance(old, dict):
        if is_sealed(new) and is_sealed(old):
            return old if _same_secret(new, old) else new
        return {key: keep_tokens(value, old.get(key)) for key, value in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        # Steps and presets are the same ones by their name, other lists by place.
        named = {item["name"]: item for item in old if isinstance(item, dict) and "name" in item}
        return [
            keep_tokens(item, named.get(item["name"]) if _is_named(item) else old[i] if i < len(old) else None)
            for i, item in enumerate(new)
        ]
    return new


def _same_secret(new: Any, old: Any) -> bool:
    try:
        return bool(new == old or unseal(new) == unseal(old))
    except CannotDecrypt:
        return False  # the old one is lost; entering it again is how that's mended


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)


def _locked(job_id: Any) -> Job | None:
    return Job.objects.select_for_update().filter(pk=job_id).first() if isinstance(job_id, str) else None


def _write(job: Job, read: dict[str, Any], renamed: Mapping[str, str]) -> Job:
    for key in ("description", "schedule", "timezone", "tags", "enabled", "log_level", "timeout_seconds", "overlap"):
        setattr(job, key, read[key])
    for key, default in MISFIRE_DEFAULTS.items():
        setattr(job, key, read.get(key, default))
    _set_calendars(job, read)
    job.params, job.step_defaults, job.alerts = read["params"], read["step_defaults"], read.get("alerts")
    for key, value in read["retry"].items():
        setattr(job, f"retry_{key}", value)
    job.save()
    _write_steps(job, read["steps"], renamed)
    _write_presets(job, read["presets"])
    return job


def _write_steps(job: Job, definitions: list[dict[str, Any]], renamed: Mapping[str, str]) -> None:
    stored = {step.name: step for step in job.steps.all()}
    kept = []
    for definition in definitions:
        step = stored.get(renamed.get(definition["name"], definition["name"]))
        if step is None or step.type != definition["type"] or step in kept:
            step = Step(job=job, type=definition["type"])
        kept.append(step)
    job.steps.exclude(pk__in=[step.pk for step in kept if step.pk]).delete()
    for step, definition in zip(kept, definitions, strict=True):
        if step.pk and step.name != definition["name"]:
            # Out of the way first: two steps may swap their names.
            Step.objects.filter(pk=step.pk).update(name=f"\x1f{step.pk}")
    for position, (step, definition) in enumerate(zip(kept, definitions, strict=True), start=1):
        _fill_step(step, dict(definition), position)
        step.save()
    _forget_prefetched(job)


def _fill_step(step: Step, definition: dict[str, Any], position: int) -> None:
    step.position = position
    step.name = definition.pop("name")
    definition.pop("type")
    step.enabled = definition.pop("enabled", True)
    step.timeout_seconds = definition.pop("timeout_seconds", STEP_TIMEOUT_SECONDS)
    step.rerun_if_lost = definition.pop("rerun_if_lost", False)
    step.retry = definition.pop("retry", None)
    step.op_kwargs = definition.pop("op_kwargs", {})
    step.config = definition


def _write_presets(job: Job, definitions: list[dict[str, Any]]) -> None:
    stored = {preset.name: preset for preset in job.presets.all()}
    names = [definition["name"] for definition in definitions]
    for preset in stored.values():
        if preset.name not in names:
            preset.delete()
    for definition in definitions:
        preset = stored.get(definition["name"]) or Preset(job=job, name=definition["name"])
        for key in ("params", "op_kwargs", "step_enabled"):
            setattr(preset, key, definition.get(key, {}))
        for key in ("schedule", "log_level"):
            setattr(preset, key, definition.get(key, ""))
        preset.timezone = definition["timezone"]
        _set_calendars(preset, definition)
        preset.enabled = definition.get("enabled", True)
        preset.save()
    _forget_prefetched(job)


def _set_calendars(scheduled: Scheduled, definition: Mapping[str, Any]) -> None:
    given = {**CALENDAR_DEFAULTS, **definition}
    scheduled.include_calendar_id = given["include_calendar"] or None
    scheduled.exclude_calendar_id = given["exclude_calendar"] or None
    scheduled.on_excluded = given["on_excluded"]


def _forget_prefetched(job: Job) -> None:
    getattr(job, "_prefetched_objects_cache", {}).clear()


def record_version(
    job: Job,
    *,
    by: str,
    user: Any = None,
    comment: str = "",
    before: Definition | None = None,
) -> JobVersion:
    """Keep what the job is now, and tell `job_saved`. `before` is what it was, None for a new job."""
    definition = definition_of(job)
    number = _next_number(job.id)
    Job.objects.filter(pk=job.pk).update(version=number)
    job.version = number
    version = JobVersion(job_key=job.id, number=number, definition=definition, saved_by=by, user=user, comment=comment)
    version.save()
    _tell(job.id, by, before, definition)
    return version


def _next_number(job_id: str) -> int:
    # Counted over all versions of the id, so that a job created again goes on where the deleted one ended.
    last = JobVersion.objects.filter(job_key=job_id).aggregate(last=Max("number"))["last"]
    return (last or 0) + 1


def _tell(job_id: str, by: str, before: Definition | None, after: Definition | None) -> None:
    job_saved.send_robust(Job, job_id=job_id, by=by, before=before, after=after)


def switch_job(job: Job, enabled: bool, *, by: str, user: Any = None) -> Job:
    """Turn the job's schedule on or off; nothing is written when it's so already."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if job.enabled == enabled:
            return job
        before = definition_of(job)
        job.enabled = enabled
        job.save(update_fields=["enabled", "updated_at"])
        record_version(job, by=by, user=user, comment="switched on" if enabled else "switched off", before=before)
        return job


def delete_job(job: Job, *, by: str, user: Any = None) -> None:
    """Delete the job with its steps, presets and grants. Its runs and versions stay, and a last version says who did it."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        before = definition_of(job)
        version = JobVersion(job_key=job.id, number=_next_number(job.id), definition=before, saved_by=by, user=user)
        version.comment = "deleted"
        version.save()
        forget_grants(job.id)
        _tell(job.id, by, before, None)
        job.delete()


def duplicate_job(job: Job, new_id: str, *, by: str, user: Any = None) -> Job:
    """A copy under a new id, secrets included, switched off so that nothing fires twice. Raises InvalidJob."""
    if Job.objects.filter(pk=new_id).exists():
        raise InvalidJob([Fault(new_id, "", "id", f"There is a job {new_id!r} already; choose another id.")])
    definition = {**definition_of(job), "id": new_id, "enabled": False}
    definition["presets"] = [{**preset, "enabled": False} for preset in definition["presets"]]
    return save_job(definition, by=by, user=user, comment=f"duplicate of {job.id}")


def restore_version(version: JobVersion, *, by: str, user: Any = None) -> Job:
    """Make the job what it was at that version, secrets included; also a deleted one. Raises InvalidJob."""
    comment = f"restored version {version.number}"
    return save_job(version.definition, by=by, user=user, comment=comment, may_retype=True)


def diff_versions(old: JobVersion | None, new: JobVersion) -> list[str]:
    """The unified diff of two versions as TOML, secrets masked; `old` None: against nothing."""
    return diff_definitions(
        old.definition if old else None,
        new.definition,
        f"{old.job_key} version {old.number}" if old else "nothing",
        f"{new.job_key} version {new.number}",
    )


def diff_definitions(old: Definition | None, new: Definition | None, old_name: str, new_name: str) -> list[str]:
    """The unified diff of two definitions as TOML, secrets masked; a secret that changed shows as changed."""
    before = readable_toml(old).splitlines() if old else []
    after = readable_toml(new, changed_from=old).splitlines() if new else []
    return list(difflib.unified_diff(before, after, old_name, new_name, lineterm=""))


def diff_kind(line: str) -> str:
    """What a line of a unified diff is, as pages mark it: added, removed, place or same."""
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")
