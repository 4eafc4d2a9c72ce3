"""What the API takes and shows. Secrets leave masked."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from connectors.models import Connector
from jobs.models import Job, LogLevel
from nomaflow_site.lib.sealing import mask
from runs.api.fields import Anything, Flag, StrictSerializer, Table, Text
from runs.models import Fire, LogLine, Run, StepRun
from runs.progress import pace_of
from runs.states import RunState


def absolute(name: str, *args: str) -> str:
    """The address of a named URL under the installation's base URL."""
    return f"{settings.NOMAFLOW_BASE_URL}{reverse(name, args=args)}"


class MaskedField(serializers.JSONField):  # type: ignore[misc]
    """JSON whose secrets read `********`."""

    def to_representation(self, value: Any) -> Any:
        """The masked copy."""
        return mask(value)


class TriggerBody(StrictSerializer):
    """Per-fire values; all of them optional."""

    params = Table(child=Anything(), required=False)
    op_kwargs = Table(child=Table(child=Anything()), required=False, help_text="By step name.")
    step_enabled = Table(child=Flag(), required=False, help_text="By step name.")
    log_level = serializers.ChoiceField(choices=LogLevel.choices, required=False)
    preset = Text(required=False, allow_blank=True, max_length=100)


class ReplayBody(StrictSerializer):
    """How to replay."""

    from_failed_step = Flag(required=False, default=False)


class RestoreBody(StrictSerializer):
    """What to restore."""

    step = Text(max_length=100)


class TriggeredSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """The answer to a trigger."""

    url = serializers.SerializerMethodField()
    log_url = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = ["run_id", "job_id", "state", "triggered_by", "url", "log_url"]

    def get_url(self, run: Run) -> str:
        """The run's page."""
        return absolute("runs:run", run.run_id)

    def get_log_url(self, run: Run) -> str:
        """The run's log in the API."""
        return absolute("runs:api-run-log", run.run_id)


class RunSerializer(TriggeredSerializer):
    """A run in a list."""

    parent = serializers.SlugRelatedField(slug_field="run_id", read_only=True)
    replay_of = serializers.SlugRelatedField(slug_field="run_id", read_only=True)
    current_step = serializers.SerializerMethodField(help_text="From 1; null before the first step.")

    class Meta:
        model = Run
        fields = [
            *TriggeredSerializer.Meta.fields,
            "reason",
            "requested_by",
            "job_version",
            "preset",
            "scheduled_at",
            "created_at",
            "started_at",
            "finished_at",
            "current_step",
            "step_count",
            "log_level",
            "cancel_requested_at",
            "cancel_requested_by",
            "parent",
            "replay_of",
        ]

    def get_current_step(self, run: Run) -> int | None:
        """The place of the step that the run is at."""
        return run.current_step + 1 if run.started_at and run.current_step < run.step_count else None


class StepRunSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """One attempt of a step."""

    number = serializers.SerializerMethodField(help_text="Place in the job, from 1.")
    progress = serializers.SerializerMethodField(
        help_text="How far it is: done, total, percent, per_second, seconds_left."
    )
    output = MaskedField()
    child = serializers.SlugRelatedField(slug_field="run_id", read_only=True)

    class Meta:
        model = StepRun
        fields = [
            "number",
            "name",
            "type",
            "attempt",
            "state",
            "reason",
            "started_at",
            "finished_at",
            "rows_affected",
            "progress",
            "output",
            "error",
            "child",
        ]

    def get_progress(self, step: StepRun) -> dict[str, Any] | None:
        """As the attempt has counted; null when it has said nothing."""
        pace = pace_of(step)
        return None if pace is None else vars(pace)

    def get_number(self, step: StepRun) -> int:
        """People count from 1."""
        return step.number + 1


class RunDetailSerializer(RunSerializer):
    """A run with its steps and everything it was given."""

    overrides = MaskedField()
    parameters = MaskedField(help_text="Each step's merged parameters.")
    snapshot = MaskedField(help_text="The job's definition when the run was triggered.")
    steps = StepRunSerializer(source="step_runs", many=True)

    class Meta:
        model = Run
        fields = [*RunSerializer.Meta.fields, "overrides", "parameters", "snapshot", "steps"]


class LogLineSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """One line of a log."""

    class Meta:
        model = LogLine
        fields = ["seq", "at", "level", "step", "attempt", "text"]


class LogSerializer(serializers.Serializer):  # type: ignore[misc]
    """A piece of a log. Ask again with `after=next_after` until `complete`."""

    run_id = serializers.CharField()
    state = serializers.ChoiceField(choices=RunState.choices)
    lines = LogLineSerializer(many=True)
    next_after = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="The run is over and no line follows.")


class LastRunSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A run as a job's list entry shows it."""

    class Meta:
        model = Run
        fields = ["run_id", "state", "triggered_by", "created_at", "started_at", "finished_at"]


class JobSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A job in a list. `step_count` and `last_run` are put on the job by the view."""

    step_count = serializers.IntegerField()
    last_run = LastRunSerializer(allow_null=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = [
            "id",
            "description",
            "schedule",
            "timezone",
            "tags",
            "enabled",
            "log_level",
            "timeout_seconds",
            "overlap",
            "version",
            "created_at",
            "updated_at",
            "step_count",
            "last_run",
            "url",
        ]

    def get_url(self, job: Job) -> str:
        """The job's page."""
        return absolute("runs:job", job.pk)


class ConnectorSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A connector by name: how it connects is nobody's business here."""

    class Meta:
        model = Connector
        fields = ["name", "kind", "description"]


class FireSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A scheduled moment and what became of it."""

    run_id = serializers.CharField(source="run.run_id", default=None, allow_null=True)

    class Meta:
        model = Fire
        fields = [
            "id",
            "job_id",
            "preset",
            "scheduled_at",
            "until",
            "count",
            "noticed_at",
            "outcome",
            "cause",
            "reason",
            "run_id",
            "settled_at",
            "settled_by",
        ]


class SettleBody(StrictSerializer):
    """Which missed fires: some by their ids, or all that the caller may run."""

    fires = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=1000)
    all = Flag(required=False, default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if bool(attrs.get("fires")) == attrs["all"]:
            raise serializers.ValidationError({"fires": ["Expected ids of fires, or `all`: true; one of the two."]})
        return attrs


class SettledSerializer(serializers.Serializer):  # type: ignore[misc]
    """How many were settled: those that were missed and open, and that the caller may run."""

    settled = serializers.IntegerField()
