"""Runs, their steps and their log: the ledger. Rows change by conditional updates only, and never after the end."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from jobs.models import Job, LogLevel, Overlap
from nomaflow_site.lib.sealing import SealedJSONField
from runs.states import Cause, Outcome, RunState


class Run(models.Model):
    """One execution of a job. `job_id` stays readable after the job is deleted."""

    run_id = models.CharField(max_length=20, unique=True, editable=False)
    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="runs")
    job_version = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    reason = models.TextField(blank=True)

    # What fired it: cron, user:<name>, api or cli, as in the seed; `requested_by` is the person or token owner behind it.
    triggered_by = models.CharField(max_length=160)
    requested_by = models.CharField(max_length=150, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    scheduled_at = models.DateTimeField(null=True, blank=True)
    preset = models.CharField(max_length=100, blank=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children")
    replay_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replays")
    idempotency_key = models.CharField(max_length=320, null=True, blank=True, unique=True, editable=False)

    # The definition as it was when the run was triggered, the per-fire values, and each step's merged parameters.
    snapshot = SealedJSONField()
    overrides = SealedJSONField(default=dict)
    parameters = SealedJSONField(default=dict)
    log_level = models.CharField(max_length=5, choices=LogLevel.choices, default=LogLevel.INFO)
    overlap = models.CharField(max_length=7, choices=Overlap.choices, default=Overlap.SKIP)

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    current_step = models.PositiveIntegerField(default=0)
    step_count = models.PositiveIntegerField(default=0)

    # Engine: when it may be claimed, when a wake-up was sent, who holds it under which token until when.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    token = models.CharField(max_length=32, blank=True, editable=False)
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # The job's id while this run holds the job's only place (overlap skip and queue): unique, so two can never run.
    turn = models.CharField(max_length=100, null=True, blank=True, unique=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=160, blank=True)
    claims = models.PositiveIntegerField(default=0, editable=False)
    lost_count = models.PositiveSmallIntegerField(default=0)
    # After how long in flight somebody wants to hear of it, and when that was noticed.
    long_run_minutes = models.PositiveIntegerField(null=True, blank=True, editable=False)
    long_noticed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["due_at"], name="run_queued_due", condition=Q(state="QUEUED")),
            models.Index(fields=["lease_until"], name="run_running_lease", condition=Q(state="RUNNING")),
            models.Index(F("job"), F("id").desc(), name="run_job_newest"),
            models.Index(fields=["state", "-id"], name="run_state_newest"),
            models.Index(fields=["created_at"], name="run_created"),
            models.Index(fields=["finished_at"], name="run_finished"),
            models.Index(fields=["triggered_by", "-id"], name="run_trigger_newest"),
            # Whoever asked for it: of most runs nobody did.
            models.Index(fields=["-id"], name="run_by_people", condition=Q(triggered_by__startswith="user:")),
            models.Index(fields=["requested_by", "-id"], name="run_asked_newest", condition=Q(requested_by__gt="")),
            # Each job's last success and last failure, however many runs came after: retention keeps them.
            models.Index(
                F("job"), F("state"), F("id").desc(), name="run_job_last", condition=Q(finished_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.run_id

    def get_absolute_url(self) -> str:
        """The run's page."""
        return reverse("runs:run", args=[self.run_id])

    @property
    def is_over(self) -> bool:
        """Whether the run has reached one of its final states."""
        return RunState(self.state).is_final


class StepRun(models.Model):
    """One attempt of one step. A step that never ran has one row, attempt 0, with the reason."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="step_runs")
    number = models.PositiveIntegerField(help_text="Place of the step in the job, from 0.")
    attempt = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.RUNNING)
    reason = models.TextField(blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    host = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    rows_affected = models.BigIntegerField(null=True, blank=True)
    # How far the attempt is, in whatever it counts, as it said at `progress_at`.
    done = models.BigIntegerField(null=True, blank=True)
    total = models.BigIntegerField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)
    output = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    child = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["number", "attempt"]
        constraints = [models.UniqueConstraint(fields=["run", "number", "attempt"], name="one_row_per_attempt")]

    def __str__(self) -> str:
        return f"{self.run}: {self.name} #{self.attempt}"


class LogLine(models.Model):
    """One line of a run's log. `seq` counts from 1 without gaps, given by the run's only writer; follow a run by it."""

    # No index of its own: `one_line_per_seq` begins with it; beside another PostgreSQL reads the whole run for a piece of it.
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="lines", db_index=False)
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8)
    step = models.CharField(max_length=100, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    text = models.TextField()

    class Meta:
        ordering = ["run", "seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="one_line_per_seq")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.seq}"


class WorkerNode(models.Model):
    """A process that executes runs, or a beat that fires schedules; `seen_at` is its last heartbeat."""

    id = models.CharField(primary_key=True, max_length=120)
    role = models.CharField(max_length=10, default="worker")
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    slots = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    # This host's clock minus the database's, in seconds.
    clock_skew = models.FloatField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.id


class Fire(models.Model):
    """One scheduled moment of a job or preset and what became of it. (job, preset, scheduled_at) is unique: nothing fires twice.

    After a very long outage one row may stand for `count` moments up to `until`: the older ones of a schedule, all missed.
    """

    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="fires")
    preset = models.CharField(max_length=100, blank=True)
    scheduled_at = models.DateTimeField()
    noticed_at = models.DateTimeField()
    outcome = models.CharField(max_length=9, choices=Outcome.choices)
    cause = models.CharField(max_length=8, choices=Cause.choices, blank=True)
    reason = models.TextField(blank=True)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="fires")
    count = models.PositiveIntegerField(default=1)
    until = models.DateTimeField(null=True, blank=True)
    # Who asked for a missed moment to be run, or dismissed it.
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=160, blank=True)

    class Meta:
        ordering = ["-scheduled_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["job", "preset", "scheduled_at"], name="one_fire_per_moment")]
        indexes = [
            models.Index(fields=["-scheduled_at", "-id"], name="fire_newest"),
            models.Index(fields=["scheduled_at"], name="fire_waiting", condition=Q(outcome="waiting")),
            models.Index(
                fields=["scheduled_at"], name="fire_missed_open", condition=Q(outcome="missed", settled_at=None)
            ),
        ]

    def __str__(self) -> str:
        preset = f" ({self.preset})" if self.preset else ""
        return f"{self.job_id}{preset} at {self.scheduled_at:%Y-%m-%d %H:%M:%S}Z"
