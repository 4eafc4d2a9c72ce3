"""A whole job as one value, shaped exactly as one `[[jobs]]` table in TOML. Pure: reads the rows it's given.

Always there: id, description, schedule, timezone, tags, enabled, log_level, timeout_seconds, overlap, params, retry,
step_defaults, steps, presets; of a step its name and type; of a preset its name and timezone. Left out at their default:
a job's alerts (none declared), and in them all but on_failure, on_success and recipients; misfire (skip), misfire_limit,
misfire_within_seconds; a job's and a preset's include_calendar, exclude_calendar (none), on_excluded (skip); a step's
enabled (true), timeout_seconds (3600), rerun_if_lost (false), retry (the job's), op_kwargs (none) and its type's own
defaults; a preset's params, op_kwargs, step_enabled, log_level, schedule, enabled (true). A step's left-out value is taken
from `step_defaults` first. Secrets stay sealed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.models import Job, Preset, Scheduled, Step

COMMON_STEP_KEYS = ("name", "type", "enabled", "timeout_seconds", "rerun_if_lost", "retry", "op_kwargs")
STEP_TIMEOUT_SECONDS = 3600
MISFIRE_DEFAULTS: dict[str, Any] = {"misfire": "skip", "misfire_limit": 10, "misfire_within_seconds": 24 * 3600}
CALENDAR_DEFAULTS: dict[str, Any] = {"include_calendar": "", "exclude_calendar": "", "on_excluded": "skip"}


def definition_of(job: "Job") -> dict[str, Any]:
    """The job, its steps in order and its presets by name."""
    definition: dict[str, Any] = {
        "id": job.id,
        "description": job.description,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "tags": list(job.tags),
        "enabled": job.enabled,
        "log_level": job.log_level,
        "timeout_seconds": job.timeout_seconds,
        "overlap": job.overlap,
        "params": job.params,
        "retry": {
            "attempts": job.retry_attempts,
            "backoff": job.retry_backoff,
            "base_seconds": job.retry_base_seconds,
        },
    }
    definition |= {key: value for key, default in MISFIRE_DEFAULTS.items() if (value := getattr(job, key)) != default}
    definition |= calendar_definition(job)
    if job.alerts is not None:
        definition["alerts"] = job.alerts
    definition["step_defaults"] = job.step_defaults
    definition["steps"] = [step_definition(step) for step in job.steps.all()]
    definition["presets"] = [preset_definition(preset) for preset in job.presets.all()]
    return definition


def step_definition(step: "Step") -> dict[str, Any]:
    """One step, its type's fields flat beside the common ones."""
    definition: dict[str, Any] = {"name": step.name, "type": step.type}
    if not step.enabled:
        definition["enabled"] = False
    if step.timeout_seconds != STEP_TIMEOUT_SECONDS:
        definition["timeout_seconds"] = step.timeout_seconds
    if step.rerun_if_lost:
        definition["rerun_if_lost"] = True
    if step.retry:
        definition["retry"] = step.retry
    definition |= step.config
    if step.op_kwargs:
        definition["op_kwargs"] = step.op_kwargs
    return definition


def preset_definition(preset: "Preset") -> dict[str, Any]:
    """One preset."""
    definition: dict[str, Any] = {"name": preset.name, "timezone": preset.timezone}
    for key in ("schedule", "log_level", "params", "op_kwargs", "step_enabled"):
        if value := getattr(preset, key):
            definition[key] = value
    definition |= calendar_definition(preset)
    if not preset.enabled:
        definition["enabled"] = False
    return definition


def calendar_definition(scheduled: "Scheduled") -> dict[str, Any]:
    """Which calendars bend the schedule; empty for none."""
    named = {
        "include_calendar": scheduled.include_calendar_id or "",
        "exclude_calendar": scheduled.exclude_calendar_id or "",
        "on_excluded": str(scheduled.on_excluded),
    }
    return {key: value for key, value in named.items() if value != CALENDAR_DEFAULTS[key]}
