"""The form field of parameters: rows with an input that fits each type, and the same values as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from jobs.catalogue import connector_kinds
from jobs.paramrows import LABELS, Kind, Row, read_rows, rows_of
from jobs.plainvalues import same
from nomaflow_site.lib.config import TableField

BLANK_ROWS = 2
# More rows than anybody fills in; what a forged count may ask for.
MOST_ROWS = 1000


@dataclass(frozen=True)
class Typed:
    """What a form posted: the rows, the text beside them, and that text as it was when the page was made."""

    rows: tuple[Row, ...]
    text: str
    seen: str

    @property
    def is_by_text(self) -> bool:
        """Whether the text was edited."""
        return _lines(self.text) != _lines(self.seen)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


class ParamsWidget(forms.Widget):
    """A table of rows `NAME-0-name`, `NAME-0-kind`, `NAME-0-value`, and the text under NAME itself.

    `connectors` maps the names that a connector's row offers to their kinds; the form sets it.
    """

    use_fieldset = True
    connectors: Mapping[str, str] = {}

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        """None: it is many inputs, each with a label of its own."""
        return ""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """The rows and the text; where a client sends the text alone, or no number of rows, that."""
        count = str(data.get(f"{name}-rows", ""))
        if not (count.isascii() and count.isdigit() and len(count) < 9):
            return data.get(name)
        most = min(int(count), MOST_ROWS)
        rows = tuple(_posted(data, f"{name}-{number}-") for number in range(most))
        return Typed(rows, str(data.get(name, "")), str(data.get(f"{name}-seen", "")))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Whether neither rows nor text were sent."""
        return name not in data and f"{name}-rows" not in data

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """The rows, two blank ones below them, and the text."""
        typed = value if isinstance(value, Typed) else None
        field = TableField()
        rows = _shown(typed.rows) if typed else rows_of(value or {}) if not isinstance(value, str) else None
        text = typed.text if typed else str(field.prepare_value(value or {}))
        context = {
            "name": name,
            "rows": self._inputs(name, [*rows, *[Row()] * BLANK_ROWS], bool(typed)) if rows is not None else None,
            "text": text,
            "seen": typed.seen if typed else text,
            "is_by_text": rows is None or bool(typed and typed.is_by_text),
            "kinds": LABELS.items(),
            "attrs": attrs or {},
        }
        return render_to_string("admin/jobs/_params.html", context)

    def _inputs(self, name: str, rows: list[Row], is_bound: bool) -> list[dict[str, Any]]:
        faults = read_rows(rows)[1] if is_bound else {}
        return [
            {
                "row": row,
                "number": number + 1,
                "prefix": f"{name}-{number}-",
                "fault": faults.get(number, ""),
                "is_long": any(end in row.value for end in "\r\n") or len(row.value) > 60,
                "is_on": row.value.lower() in ("true", "yes", "on", "1"),
                "connectors": self._choices(row) if row.kind == Kind.CONNECTOR else [],
            }
            for number, row in enumerate(rows)
        ]

    def _choices(self, row: Row) -> list[tuple[str, str]]:
        known = [(name, f"{name} ({kind})") for name, kind in sorted(self.connectors.items())]
        if row.value in self.connectors:
            return known
        return [(row.value, f"{row.value} (no such connector)" if row.value else "---------"), *known]


def _posted(data: Mapping[str, Any], prefix: str) -> Row:
    name, kind, value = (str(data.get(prefix + key, "")) for key in ("name", "kind", "value"))
    return Row(name.strip(), kind or Kind.TEXT, value, f"{prefix}gone" in data)


def _shown(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in rows if not row.is_blank]


class ParamsField(TableField):
    """A table of names and typed values, edited row by row or as text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=ParamsWidget(), **kwargs)

    def to_python(self, value: Any) -> dict[str, Any]:
        """The values. ValidationError naming every row that can't be read, and for edits in both places."""
        if not isinstance(value, Typed):
            return super().to_python(value)
        values, faults = read_rows(value.rows)
        if not value.is_by_text:
            if faults:
                raise ValidationError([f"{_called(value.rows[row], row)}: {why}" for row, why in faults.items()])
            return values
        if faults or not self._is_as_seen(values, value):
            raise ValidationError("Both the rows and the text were changed; take back one of the two.", code="invalid")
        return super().to_python(value.text)

    def _is_as_seen(self, values: dict[str, Any], typed: Typed) -> bool:
        # Rows that the page didn't offer, because they could not hold the values, weren't changed.
        return not typed.rows or same(values, super().to_python(typed.seen))

    def prepare_value(self, value: Any) -> Any:
        """As it is: the widget shows it both ways."""
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare values and their types; what can't be read counts as a change."""
        try:
            return not same(self.to_python(initial), self.to_python(data))
        except ValidationError:
            return True


def _called(row: Row, number: int) -> str:
    return row.name or f"Row {number + 1}"


def input_of_each_kind() -> list[dict[str, Any]]:
    """What the page's script puts into a row when another type is chosen; rendered like a blank row's value."""
    widget = ParamsWidget()
    widget.connectors = connector_kinds()
    return [widget._inputs("", [Row(kind=kind)], False)[0] for kind in Kind]
