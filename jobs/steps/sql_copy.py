"""The step that copies a table or query from one database into a table of another."""

import time
import tomllib
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from jobs.context import Context
from jobs.copy_preview import preview
from jobs.copy_source import Source
from jobs.copy_target import Target
from jobs.copy_work import Copy
from jobs.steptype import Examined, Result, StepType
from nomaflow_site.lib.config import CodeField, ConfigForm, ConnectorField, ListField, TableField, toml_lines

ONLY_OVERWRITE = {"shrink_guard_percent": "makes a table smaller", "keep_previous": "replaces a table"}
JDE_ONLY = ("decimals", "julian_dates", "strip_both_columns")


class ColumnsField(forms.Field):
    """A list of column names, or a table from source name to target name; on a form one `name` or `name = "target"` a line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[str] | dict[str, str]:
        """The list or dict; ValidationError for anything else."""
        if value in (None, ""):
            return []
        if isinstance(value, str):
            value = self._typed(value)
        items = [*value, *value.values()] if isinstance(value, Mapping) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) and item for item in items):
            raise ValidationError("Expected a list of column names, or a table of source name = target name.")
        return dict(value) if isinstance(value, Mapping) else list(items)

    def _typed(self, text: str) -> Any:
        if "=" not in text:
            return [line.strip() for line in text.splitlines() if line.strip()]
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValidationError(f'Write one `source = "target"` a line: {error}.') from error

    def prepare_value(self, value: Any) -> Any:
        """One column a line."""
        if isinstance(value, Mapping):
            return toml_lines(value)
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare columns, not spelling."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except ValidationError:
            return True


class SqlCopyForm(ConfigForm):
    """`source` and `target` are tables in TOML."""

    nested = ("source", "target")

    source__connector = ConnectorField(kind="sql", label="Source connector")
    source__schema = forms.CharField(required=False, max_length=255, label="Source schema")
    source__table = forms.CharField(required=False, max_length=255, label="Source table")
    source__query = CodeField(
        required=False, label="Source query", help_text="Instead of a table; SQL or a named query"
    )
    target__connector = ConnectorField(kind="sql", label="Target connector")
    target__schema = forms.CharField(required=False, max_length=255, label="Target schema")
    target__table = forms.CharField(max_length=255, label="Target table", help_text="Made when it doesn't exist")
    mode = forms.ChoiceField(
        choices=[("overwrite", "overwrite"), ("append", "append"), ("upsert", "upsert")],
        initial="overwrite",
        required=False,
    )
    columns = ColumnsField(required=False, help_text='Empty: all. One name a line picks, `name = "target"` renames')
    key_columns = ListField(required=False, help_text="For upsert. Empty: the target's primary key")
    where = CodeField(required=False, help_text="Condition on the source's rows, without WHERE")
    batch_size = forms.IntegerField(min_value=1, max_value=1_000_000, initial=10_000, required=False)
    verify = forms.ChoiceField(
        choices=[("count", "count"), ("checksum", "checksum")],
        initial="count",
        required=False,
        help_text="What is compared before rows are published: their number, or also a checksum that both databases compute",
    )
    schema_drift = forms.ChoiceField(
        choices=[("fail", "fail"), ("add", "add"), ("ignore", "ignore")],
        initial="fail",
        required=False,
        help_text="Columns that only one side has: fail and name them, add the new ones to the target, or ignore",
    )
    resume_by = forms.CharField(
        required=False,
        max_length=255,
        label="Resume by",
        help_text="append: a source column whose values only grow. Rows are committed in parts, and the next run goes on "
        "after the target's highest value. Empty: all rows or none",
    )
    shrink_guard_percent = forms.FloatField(
        required=False,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        label="Shrink guard (percent)",
        help_text="overwrite: refuse to publish when the source has so many percent fewer rows than the target. Empty: no guard",
    )
    keep_previous = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=365,
        label="Keep previous (days)",
        help_text="overwrite: keep the replaced table for so many days, to restore it from the run's page. Empty: don't",
    )
    type_coercion = forms.ChoiceField(choices=[("none", "none"), ("jde", "jde")], initial="none", required=False)
    decimal_mode = forms.ChoiceField(
        choices=[("preserve", "preserve"), ("truncate", "truncate")], initial="preserve", required=False
    )
    strip_both_columns = ListField(required=False, help_text="jde: trimmed at both ends rather than at the right")
    decimals = TableField(required=False, help_text="jde: COLUMN = digits after an implied decimal point")
    julian_dates = ListField(required=False, help_text="jde: columns that hold dates as CYYDDD")

    def clean_decimals(self) -> dict[str, int]:
        """Whole numbers from 0 to 38."""
        decimals: dict[str, Any] = self.cleaned_data["decimals"] or {}
        for name, places in decimals.items():
            token = self.tokens and isinstance(places, str) and "${" in places
            if not token and (isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 38):
                raise ValidationError(f"{name}: expected a whole number from 0 to 38, found {places!r}.")
        return decimals

    def clean(self) -> dict[str, Any]:
        """One source, and no rule that would be ignored."""
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("source__table")) == bool(cleaned.get("source__query")):
            self.add_error("source__table", "Name a source table or write a source query, one of the two.")
        for name, words in ONLY_OVERWRITE.items():
            if cleaned.get(name) not in (None, "") and cleaned.get("mode") in ("append", "upsert"):
                self.add_error(name, f'Only mode = "overwrite" {words}; leave this out.')
        if cleaned.get("resume_by"):
            if cleaned.get("mode") in ("overwrite", "upsert"):
                self.add_error("resume_by", 'Only mode = "append" can be resumed; leave this out.')
            if cleaned.get("verify") == "checksum":
                self.add_error(
                    "verify", 'With resume_by the rows are there before they could be compared; use "count".'
                )
        if cleaned.get("verify") == "checksum" and cleaned.get("type_coercion") == "jde":
            self.add_error("verify", 'type_coercion = "jde" changes values, so their checksum changes; use "count".')
        if cleaned.get("type_coercion") == "none":
            for name in JDE_ONLY:
                if cleaned.get(name):
                    self.add_error(name, 'This is a rule of type_coercion = "jde"; choose it, or leave this out.')
        return cleaned


class SqlCopy(StepType):
    """Copies in one transaction of the target; readers see all of it or nothing."""

    name = "sql_copy"
    label = "SQL copy"
    form = SqlCopyForm
    examines = "Compare the columns"

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Output: `source_rows` read, `target_rows` in the table afterwards, `elapsed_ms`, `rows_per_second`.

        With `keep_previous` also `previous`, a table beside the target that holds what was replaced, and `previous_until`.
        """
        started = time.perf_counter()
        reader, writer = ctx.get_connector(config["source__connector"]), ctx.get_connector(config["target__connector"])
        with reader.session(must_exist=True) as reading, writer.session(bulk=True) as writing:
            source = Source(reader, reading, config)
            target = Target(writer, writing, config["target__schema"] or None, config["target__table"])
            target.refuse_self_copy(source)
            copy = Copy(ctx, config, source, target)
            target_rows = copy.perform()
        seconds = max(time.perf_counter() - started, 0.001)
        ctx.log.info(
            "%s rows in %.1f s; %s now has %s rows", f"{copy.done:,}", seconds, target.name, f"{target_rows:,}"
        )
        output: dict[str, Any] = {
            "source_rows": copy.done,
            "target_rows": target_rows,
            "elapsed_ms": round(seconds * 1000),
            "rows_per_second": round(copy.done / seconds),
        }
        if copy.previous.kept and copy.previous.name and copy.previous.until:
            output |= {"previous": copy.previous.name.table, "previous_until": copy.previous.until.isoformat()}
        return Result(output, copy.done)

    def examine(self, ctx: Context, config: dict[str, Any]) -> Examined:
        """Which column would become which."""
        return preview(ctx, config)
