"""The catalogue: jobs, their steps and presets, and every version of them."""

import datetime
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from nomaflow_site.lib.sealing import SealedJSONField

JOB_ID = NAME = RegexValidator(r"^[A-Za-z0-9_-]+\Z", "Use letters, digits, - and _ only.")
DAY = 24 * 3600
MISFIRE_LIMIT = 10
MOST_CATCH_UPS = 1000


class LogLevel(models.TextChoices):
    """How much a run writes."""

    INFO = "INFO", "INFO"
    DEBUG = "DEBUG", "DEBUG"


class Overlap(models.TextChoices):
    """What a trigger gets while a run of the same job is in flight."""

    SKIP = "skip", "skip: refuse the second one"
    QUEUE = "queue", "queue: let it wait its turn"
    REPLACE = "replace", "replace: cancel the first one, then run the second"
    ALLOW = "allow", "allow: run both at once"


class Misfire(models.TextChoices):
    """What becomes of moments that nobody noticed in time, because no scheduler was running."""

    SKIP = "skip", "skip: don't run, list them as missed"
    RUN_ONCE = "run_once", "run once: catch up with the newest one"
    RUN_ALL = "run_all", "run all: catch up with each, up to the limit"


class OnExcluded(models.TextChoices):
    """What becomes of a moment on a day that the calendar excludes."""

    SKIP = "skip", "skip it"
    NEXT_BUSINESS_DAY = "next_business_day", "move it to the next business day"


class Backoff(models.TextChoices):
    """How the wait between attempts grows."""

    FIXED = "fixed", "fixed"
    EXPONENTIAL = "exponential", "exponential"


class Calendar(models.Model):
    """A named set of days: holidays, weekends, ends of months. A schedule may leave them out, or fire on them only."""

    name = models.CharField(max_length=100, unique=True, validators=[NAME])
    description = models.TextField(blank=True)
    # {"2026-12-25": "Christmas Day", "05-01": "Labour Day, every year"}: one date, or month and day of every year.
    days = models.JSONField(default=dict, blank=True)
    # Any of MON ... SUN.
    weekdays = models.JSONField(default=list, blank=True)
    month_end = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(28)], help_text="The last N days of every month; 0: none."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Scheduled(models.Model):
    """What a job and a preset have in common: when they fire by themselves."""

    schedule = models.CharField(max_length=200, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    include_calendar = models.ForeignKey(
        Calendar, to_field="name", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    exclude_calendar = models.ForeignKey(
        Calendar, to_field="name", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    on_excluded = models.CharField(max_length=17, choices=OnExcluded.choices, default=OnExcluded.SKIP)
    enabled = models.BooleanField(default=True)

    class Meta:
        abstract = True


class Job(Scheduled):
    """A workflow defined once and run many times."""

    id = models.CharField(primary_key=True, max_length=100, validators=[JOB_ID])
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    log_level = models.CharField(max_length=5, choices=LogLevel.choices, default=LogLevel.INFO)
    timeout_seconds = models.PositiveIntegerField(default=14400, validators=[MinValueValidator(1)])
    overlap = models.CharField(max_length=7, choices=Overlap.choices, default=Overlap.SKIP)
    misfire = models.CharField(max_length=8, choices=Misfire.choices, default=Misfire.SKIP)
    misfire_limit = models.PositiveSmallIntegerField(
        default=MISFIRE_LIMIT, validators=[MinValueValidator(1), MaxValueValidator(MOST_CATCH_UPS)]
    )
    misfire_within_seconds = models.PositiveIntegerField(
        default=DAY, validators=[MinValueValidator(1), MaxValueValidator(366 * DAY)]
    )
    params = SealedJSONField(default=dict, blank=True)
    retry_attempts = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    retry_backoff = models.CharField(max_length=11, choices=Backoff.choices, default=Backoff.FIXED)
    retry_base_seconds = models.PositiveIntegerField(default=60, validators=[MaxValueValidator(DAY)])
    # None: no alerts block was declared. Else {"on_failure", "on_success", "on_long_run_minutes", "recipients"}.
    alerts = models.JSONField(null=True, blank=True)
    step_defaults = SealedJSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        # Granted for all jobs (`job:*`) or, through guardian, for one (`job:<id>`).
        permissions = [
            ("see_job", "Can see a job and its runs"),
            ("run_job", "Can run a job"),
            ("cancel_job", "Can cancel a job's runs"),
        ]

    def __str__(self) -> str:
        return self.id


class Step(models.Model):
    """One unit of work inside a job. Its type's fields are `config`, shaped as in TOML; `op_kwargs` are parameters."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=40)
    enabled = models.BooleanField(default=True)
    timeout_seconds = models.PositiveIntegerField(default=3600, validators=[MinValueValidator(1)])
    rerun_if_lost = models.BooleanField(
        default=False,
        help_text="Run the step again when its worker died in the middle of it. Only for repeatable work.",
    )
    config = SealedJSONField(default=dict, blank=True)
    op_kwargs = SealedJSONField(default=dict, blank=True)
    # None: the job's retry policy. Else any of {"attempts", "backoff", "base_seconds"}.
    retry = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_step_per_name")]

    def __str__(self) -> str:
        return self.name


class Preset(Scheduled):
    """A saved set of per-fire values of a job, optionally with a schedule of its own."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=100)
    params = SealedJSONField(default=dict, blank=True)
    op_kwargs = SealedJSONField(default=dict, blank=True)
    step_enabled = models.JSONField(default=dict, blank=True)
    log_level = models.CharField(max_length=5, choices=LogLevel.choices, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_preset_per_name")]

    def __str__(self) -> str:
        return self.name


class JobVersion(models.Model):
    """What a job was after one save: immutable. `definition` is the whole job, shaped as in TOML, secrets sealed."""

    job_key = models.CharField(max_length=100, db_index=True)
    number = models.PositiveIntegerField()
    definition = SealedJSONField()
    saved_at = models.DateTimeField(auto_now_add=True)
    saved_by = models.CharField(max_length=150)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    comment = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["job_key", "-number"]
        constraints = [models.UniqueConstraint(fields=["job_key", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.job_key} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Versions are written once."""
        if self.pk:
            raise ValueError(f"{self} is history and can't be changed; save the job to make a new version.")
        super().save(*args, **kwargs)


class FreezeScope(models.TextChoices):
    """Whose schedules a freeze holds back."""

    ALL = "all", "every job"
    TAG = "tag", "jobs with this tag"
    JOB = "job", "this job"
    CONNECTOR = "connector", "jobs whose steps use this connector"


class Freeze(models.Model):
    """A time in which schedules don't fire: a pause of everything, or of some jobs. It ends by itself."""

    scope = models.CharField(max_length=9, choices=FreezeScope.choices, default=FreezeScope.ALL)
    target = models.CharField(max_length=100, blank=True)
    reason = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    owner = models.CharField(max_length=150, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Ended before its time, and by whom; `ends_at` is that moment then.
    ended_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        ordering = ["-starts_at", "-pk"]
        indexes = [models.Index(fields=["ends_at"], name="freeze_end")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gte=models.F("starts_at")), name="freeze_ends_after_start"
            )
        ]

    def __str__(self) -> str:
        what = "every job" if self.scope == FreezeScope.ALL else f"{self.scope} {self.target!r}"
        return f"{what} until {self.ends_at.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
