"""The typed fields of a job, of the common part of a step, and of a preset: what a definition may hold."""

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from jobs.definition import STEP_TIMEOUT_SECONDS
from jobs.models import DAY, JOB_ID, MISFIRE_LIMIT, MOST_CATCH_UPS, Backoff, LogLevel, Misfire, OnExcluded, Overlap
from nomaflow_site.lib.config import ConfigForm, ListField, TableField

MOST_ATTEMPTS = 100
MOST_SECONDS = 2147483647
# After so many failures in a row at most somebody is told, and so rarely of those that follow: once a week.
MOST_FAILURES = 100
MOST_REPEAT_MINUTES = 7 * 24 * 60


def _seconds(least: int = 1, most: int = MOST_SECONDS, **kwargs: object) -> forms.IntegerField:
    # max_value would render as an attribute of the input, validators don't: the admin shows the same field as a text.
    limits = [MinValueValidator(least), MaxValueValidator(most)]
    return forms.IntegerField(validators=limits, **kwargs)  # type: ignore[arg-type]


class AlertFields(ConfigForm):
    """A job's alerts block. `ALERT_DEFAULTS` has what is left out of a stored one."""

    on_failure = forms.BooleanField(required=False, initial=True)
    on_success = forms.BooleanField(required=False, initial=False)
    on_long_run_minutes = _seconds(1, 1_000_000, required=False)
    on_cancel = forms.BooleanField(required=False, initial=False)
    on_missed = forms.BooleanField(required=False, initial=True)
    on_skipped = forms.BooleanField(required=False, initial=False)
    on_guard = forms.BooleanField(required=False, initial=True)
    on_switch = forms.BooleanField(required=False, initial=False)
    on_recovery = forms.BooleanField(required=False, initial=False)
    after_failures = _seconds(1, MOST_FAILURES, required=False, initial=1)
    repeat_minutes = _seconds(0, MOST_REPEAT_MINUTES, required=False, initial=60)
    recipients = ListField(required=False)


_ALWAYS_SAID = ("on_failure", "on_success", "on_long_run_minutes", "recipients")
# What is left out of a stored alerts block while it says nothing else.
ALERT_DEFAULTS = {name: value for name, value in AlertFields.defaults().items() if name not in _ALWAYS_SAID}


class RetryFields(ConfigForm):
    """A retry policy; what's left out comes from the job's, or is no retry."""

    attempts = _seconds(1, MOST_ATTEMPTS, required=False)
    backoff = forms.ChoiceField(choices=Backoff.choices, required=False)
    base_seconds = _seconds(0, DAY, required=False)


def _calendar() -> forms.CharField:
    return forms.CharField(max_length=100, required=False)


def _on_excluded() -> forms.ChoiceField:
    return forms.ChoiceField(choices=OnExcluded.choices, initial=OnExcluded.SKIP.value)


class JobFields(ConfigForm):
    """A job without its tables, steps and presets."""

    id = forms.CharField(max_length=100, validators=[JOB_ID], strip=False)
    description = forms.CharField(required=False, strip=False)
    schedule = forms.CharField(max_length=200, required=False)
    timezone = forms.CharField(max_length=64, initial="UTC", strip=False)
    tags = ListField(required=False)
    enabled = forms.BooleanField(required=False, initial=True)
    log_level = forms.ChoiceField(choices=LogLevel.choices, initial=LogLevel.INFO.value)
    timeout_seconds = _seconds(initial=14400)
    overlap = forms.ChoiceField(choices=Overlap.choices, initial=Overlap.SKIP.value)
    include_calendar = _calendar()
    exclude_calendar = _calendar()
    on_excluded = _on_excluded()
    misfire = forms.ChoiceField(choices=Misfire.choices, initial=Misfire.SKIP.value)
    misfire_limit = _seconds(1, MOST_CATCH_UPS, initial=MISFIRE_LIMIT)
    misfire_within_seconds = _seconds(1, 366 * DAY, initial=DAY)
    params = TableField(required=False)
    step_defaults = TableField(required=False)


class StepFields(ConfigForm):
    """The part of a step that every type has."""

    name = forms.CharField(max_length=100)
    type = forms.CharField(max_length=40, strip=False)
    enabled = forms.BooleanField(required=False, initial=True)
    timeout_seconds = _seconds(initial=STEP_TIMEOUT_SECONDS)
    rerun_if_lost = forms.BooleanField(required=False, initial=False)
    op_kwargs = TableField(required=False)


class PresetFields(ConfigForm):
    """A preset. Without a timezone of its own it has the job's."""

    name = forms.CharField(max_length=100)
    params = TableField(required=False)
    op_kwargs = TableField(required=False)
    step_enabled = TableField(required=False)
    log_level = forms.ChoiceField(choices=[("", "the job's"), *LogLevel.choices], required=False)
    schedule = forms.CharField(max_length=200, required=False)
    timezone = forms.CharField(max_length=64, required=False, strip=False)
    include_calendar = _calendar()
    exclude_calendar = _calendar()
    on_excluded = _on_excluded()
    enabled = forms.BooleanField(required=False, initial=True)
