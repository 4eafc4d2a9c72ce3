"""The admin's form of a job: identity, schedule, parameters, retry and alerts. Steps and presets have forms of their own."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs.catalogue import connector_kinds
from jobs.cron import zone_names
from jobs.jobform import ALERT_DEFAULTS, MOST_FAILURES, MOST_REPEAT_MINUTES, MOST_SECONDS, AlertFields
from jobs.models import JOB_ID, Job, JobVersion
from jobs.parameters import as_text
from jobs.paramrows import to_the_letter
from jobs.paramwidget import ParamsField
from jobs.preview import BY_HAND, preview_of
from jobs.recipients import known_names, recipient_check
from jobs.validation import check_job
from nomaflow_site.lib.config import ListField, TableField
from nomaflow_site.lib.sealing import mask, restore_masked, sealed_paths

CALENDAR_FIELDS = ("include_calendar", "exclude_calendar", "on_excluded")
MISFIRE_FIELDS = ("misfire", "misfire_limit", "misfire_within_seconds")
HEAD = ("description", "schedule", "timezone", "tags", "enabled", "log_level", "timeout_seconds", "overlap", "params")
PRESET_FIELDS = ["name", "params", "op_kwargs", "step_enabled", "log_level", "schedule", "timezone", "enabled"]
TOML_HELP = "One `name = value` a line, texts in quotes."
# Where a fault of a definition belongs on the form, by the beginning of its field's name.
PLACES = {"retry.": "retry_", "alerts.": "alerts_"}


def zone_choices(current: str = "") -> list[tuple[str, str]]:
    """Every zone, and the current value should this machine not know it."""
    return [(name, name) for name in sorted(zone_names() | ({current} - {""}))]


def unmasked(typed: Any, stored: Any) -> Any:
    """What was typed, with the stored secret wherever its mask was left alone. ValidationError for a sealed value typed."""
    if list(sealed_paths(typed)):
        raise ValidationError("Sealed values can't be typed in; write the value itself.")
    return restore_masked(typed, stored)


def unmasked_rows(typed: Mapping[str, Any], stored: Mapping[str, Any]) -> Any:
    """The same for parameters that were edited row by row, texts to the letter."""
    return unmasked(to_the_letter(typed, stored), stored)


def recipients_help(channels: list[str]) -> str:
    """What may stand in the list of recipients."""
    named = f" ({', '.join(channels[:20])}{', ...' if len(channels) > 20 else ''})" if channels else ""
    return f"One a line: #channel, @user, an address or a channel's name{named}. Empty: every default channel."


def calendars_in(given: Mapping[str, Any]) -> dict[str, str]:
    """The calendars that were chosen, by name."""
    named = {key: given[key].name if given[key] else "" for key in ("include_calendar", "exclude_calendar")}
    return {**named, "on_excluded": given["on_excluded"]}


CALENDAR_LABELS = {
    "include_calendar": "Only on days of",
    "exclude_calendar": "Not on days of",
    "on_excluded": "On an excluded day",
}
MISFIRE_LABELS = {
    "misfire": "After an outage",
    "misfire_limit": "Catch up with at most",
    "misfire_within_seconds": "Catch up within (seconds)",
}
MISFIRE_HELP = {
    "misfire": "What becomes of fires that came due while no scheduler was running.",
    "misfire_limit": "So many fires, the newest ones; for run all.",
    "misfire_within_seconds": "Older fires are skipped as too late; for run once and run all. 86400 is a day.",
}


class JobForm(forms.ModelForm):  # type: ignore[type-arg]
    """A job without its steps and presets."""

    timezone = forms.ChoiceField(initial="UTC", help_text="The schedule follows the clocks of this zone.")
    tags = forms.CharField(required=False, help_text="Separated by commas.")
    params = ParamsField(required=False, help_text="Values that every step gets, as ${kw:NAME} in its fields.")
    step_defaults = TableField(required=False, help_text=f"Merged under every step that knows the name. {TOML_HELP}")
    alerts_declared = forms.BooleanField(required=False, label="Alert somebody about this job's runs")
    alerts_on_failure = forms.BooleanField(required=False, initial=True, label="On failure")
    alerts_on_success = forms.BooleanField(required=False, label="On success")
    alerts_on_long_run_minutes = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_SECONDS, label="When still running after (minutes)"
    )
    alerts_recipients = ListField(required=False, label="Recipients")
    alerts_on_missed = forms.BooleanField(
        required=False,
        initial=True,
        label="On a missed fire",
        help_text="The moment came while no scheduler was running, or its run came too late to be started.",
    )
    alerts_on_guard = forms.BooleanField(
        required=False,
        initial=True,
        label="On a guard warning",
        help_text="A step held back on purpose, such as a prune above its limit.",
    )
    alerts_on_cancel = forms.BooleanField(
        required=False, label="On cancel", help_text="Somebody stopped the run. A timeout is a failure."
    )
    alerts_on_skipped = forms.BooleanField(
        required=False,
        label="On a skipped fire",
        help_text="The moment came and was passed over, such as when the run before it was still in flight.",
    )
    alerts_on_switch = forms.BooleanField(
        required=False, label="On a switch", help_text="Somebody turned the schedule on or off."
    )
    alerts_on_recovery = forms.BooleanField(
        required=False, label="On recovery", help_text="The first success after failures that were told."
    )
    alerts_after_failures = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_FAILURES,
        initial=1,
        label="Tell from failure number",
        help_text="So many failures in a row before somebody is told. 1: the first one is told.",
    )
    alerts_repeat_minutes = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_REPEAT_MINUTES,
        initial=60,
        label="Tell again after (minutes)",
        help_text="While it goes on failing: at most so often. 0: every failure.",
    )
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Job
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        fields = [
            "id",
            *HEAD,
            *CALENDAR_FIELDS,
            *MISFIRE_FIELDS,
            "retry_attempts",
            "retry_backoff",
            "retry_base_seconds",
            "step_defaults",
        ]
        labels = {**CALENDAR_LABELS, **MISFIRE_LABELS}
        help_texts = MISFIRE_HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        job = self.instance
        self._stored_params, self._stored_defaults = job.params, job.step_defaults
        self.fields["timezone"].choices = zone_choices(job.timezone)  # type: ignore[attr-defined]
        shown = {
            "tags": ", ".join(map(str, job.tags)),
            "params": mask(job.params),
            "step_defaults": mask(job.step_defaults),
            "alerts_declared": job.alerts is not None,
            **{f"alerts_{key}": value for key, value in ALERT_DEFAULTS.items()},
            "seen_version": job.version,
            **{f"alerts_{key}": value for key, value in (job.alerts or {}).items()},
        }
        self.initial.update(shown)
        self.fields["params"].widget.connectors = connector_kinds()  # type: ignore[attr-defined]
        self.fields["alerts_recipients"].help_text = recipients_help(known_names())

    def clean_id(self) -> str:
        """An id is for ever, so that a wrong one is worth refusing before it's stored."""
        JOB_ID(self.cleaned_data["id"])
        return str(self.cleaned_data["id"])

    def clean_tags(self) -> list[str]:
        """The tags as a list."""
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]

    def clean_params(self) -> Any:
        """The parameters, untouched secrets as they were."""
        return unmasked_rows(self.cleaned_data["params"], self._stored_params)

    def clean_step_defaults(self) -> Any:
        """The same."""
        return unmasked(self.cleaned_data["step_defaults"], self._stored_defaults)

    def clean_description(self) -> str:
        """Browsers send two characters for the end of a line."""
        return str(self.cleaned_data["description"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Refuse what the import refuses, beside the field; and a save over somebody else's."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            for fault in check_job(self.definition(), recipients=recipient_check()):
                if fault.field != "steps":
                    self.add_error(self._place(fault.field), fault.message)
        seen = cleaned.get("seen_version")
        if self.instance.version and seen is not None and seen != self.instance.version:
            self.add_error(None, self._overtaken())
        return cleaned

    def _place(self, field: str) -> str | None:
        for start, place in PLACES.items():
            if field.startswith(start):
                field = place + field.removeprefix(start)
        name = field.partition(".")[0]
        return name if name in self.fields else None

    def _overtaken(self) -> str:
        last = JobVersion.objects.filter(job_key=self.instance.id).order_by("-number").first()
        who = f" by {last.saved_by}" if last else ""
        return (
            f"The job was saved{who} after you opened this page; saving now would undo that. "
            "Open the job in another tab, then repeat your change there."
        )

    def definition(self) -> dict[str, Any]:
        """The job's part of a definition, shaped as in TOML."""
        given = self.cleaned_data
        own = {key: given[key] for key in (*HEAD, *MISFIRE_FIELDS)}
        definition = {"id": given.get("id", self.instance.id), **own, **calendars_in(given)}
        definition["retry"] = {key: given[f"retry_{key}"] for key in ("attempts", "backoff", "base_seconds")}
        definition["step_defaults"] = given["step_defaults"]
        if given["alerts_declared"]:
            definition["alerts"] = {key: given[f"alerts_{key}"] for key in AlertFields.base_fields}
        return definition


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]
    """One preset of a job."""

    params = ParamsField(required=False, help_text="Over the job's parameters.")
    op_kwargs = TableField(required=False, help_text='By step: `"load orders" = {limit = 10}`.')
    step_enabled = TableField(required=False, help_text='By step: `"load orders" = false`.')
    timezone = forms.ChoiceField(required=False)

    class Meta:
        fields = [*PRESET_FIELDS, *CALENDAR_FIELDS]
        labels = CALENDAR_LABELS

    def __init__(self, *args: Any, connectors: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        preset = self.instance
        self._stored = {key: getattr(preset, key) for key in ("params", "op_kwargs", "step_enabled")}
        self.initial.update({key: mask(value) for key, value in self._stored.items()})
        self.initial["timezone"] = preset.timezone if preset.pk else ""
        choices = [("", "the job's timezone"), *zone_choices(preset.timezone)]
        self.fields["timezone"].choices = choices  # type: ignore[attr-defined]
        self.fields["params"].widget.connectors = connectors or {}  # type: ignore[attr-defined]

    @property
    def head_fields(self) -> list[forms.BoundField]:
        """What most presets set."""
        return [self[name] for name in ("name", "enabled", "params", "schedule", "timezone")]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """What few need."""
        return [self[name] for name in (*CALENDAR_FIELDS, "op_kwargs", "step_enabled", "log_level")]

    @property
    def is_open(self) -> bool:
        """Whether the form shows what was typed, or what is wrong."""
        return self.is_bound and (self.has_changed() or bool(self.errors))

    @property
    def gist(self) -> str:
        """Its values and its schedule, in a line."""
        values = ", ".join(f"{name} = {as_text(value)}" for name, value in mask(self._stored["params"]).items())
        lines = self.next_fires[:1] if self.instance.schedule else []
        return " · ".join(filter(None, (values, *lines)))

    @property
    def next_fires(self) -> list[str]:
        """What stands under its schedule."""
        preset = self.instance
        calendars = (preset.include_calendar_id or "", preset.exclude_calendar_id or "", preset.on_excluded)
        return preview_of(preset.schedule, preset.timezone, calendars) or [BY_HAND]

    def clean_params(self) -> Any:
        """The parameters, untouched secrets as they were."""
        return unmasked_rows(self.cleaned_data["params"], self._stored["params"])

    def clean_op_kwargs(self) -> Any:
        """The same."""
        return unmasked(self.cleaned_data["op_kwargs"], self._stored["op_kwargs"])

    def validate_unique(self) -> None:
        """Left to the whole job's check, which sees what all names will be."""

    def validate_constraints(self) -> None:
        """Likewise."""

    def definition(self) -> dict[str, Any]:
        """The preset shaped as in TOML."""
        given = self.cleaned_data
        own = {key: given[key] for key in PRESET_FIELDS if given[key] != ""}
        return {**own, **calendars_in(given)}


class DuplicateForm(forms.Form):
    """The id of a copy."""

    new_id = forms.CharField(
        max_length=100, validators=[JOB_ID], label="Id of the copy", help_text="Letters, digits, - and _; for ever."
    )

    def clean_new_id(self) -> str:
        """Not taken."""
        new_id = str(self.cleaned_data["new_id"])
        if Job.objects.filter(pk=new_id).exists():
            raise ValidationError(f"There is a job {new_id!r} already; choose another id.")
        return new_id
