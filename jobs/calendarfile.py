"""Calendars in the file of import and export: `[[calendars]]` tables with `[calendars.days]`."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.calendars import calendar_faults, save_calendar
from jobs.models import Calendar, Job
from jobs.plainvalues import plain
from jobs.sections import Change, Tables
from jobs.tomltext import nested

KEYS = ("name", "description", "weekdays", "month_end", "days")


def calendar_toml(calendar: Calendar) -> str:
    """One `[[calendars]]` table as text; what is empty is left out."""
    values = {key: getattr(calendar, key) for key in KEYS}
    return "\n".join(nested("calendars", {key: value for key, value in values.items() if value}))


def calendars_of(jobs: Iterable[Job]) -> list[Calendar]:
    """The calendars that the jobs and their presets name."""
    scheduled = [row for job in jobs for row in (job, *job.presets.all())]
    names = {name for row in scheduled for name in (row.include_calendar_id, row.exclude_calendar_id) if name}
    return list(Calendar.objects.filter(name__in=names))


def names_in(tables: Tables) -> set[str]:
    """The names of the calendars in the tables."""
    return {str(table.get("name")) for table in tables}


def table_faults(tables: Tables) -> Iterator[str]:
    """Everything that's wrong with the tables, as lines for people."""
    counts = Counter(str(table.get("name")) for table in tables)
    for name, count in counts.items():
        if count > 1:
            yield f"calendar {name!r}: name: The file has this calendar {count} times."
    for table in tables:
        where = f"calendar {str(table.get('name', '?'))!r}"
        for key in table:
            if key not in KEYS:
                yield f"{where}: {key}: Unknown key; this takes {', '.join(KEYS)}."
        for field, message in calendar_faults(**_values(table)):
            yield f"{where}: {field}: {message}"


def apply_calendar(table: Mapping[str, Any], *, by: str) -> Change:
    """Save one table that has been checked, and say what changed."""
    stored = Calendar.objects.filter(name=table["name"]).first()
    before = calendar_toml(stored).splitlines() if stored else []
    saved = save_calendar(**_values(table), by=by)
    diff = list(difflib.unified_diff(before, calendar_toml(saved).splitlines(), "stored", "file", lineterm=""))
    return Change("calendar", saved.name, "added" if stored is None else "changed" if diff else "unchanged", diff)


def _values(table: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"name": None, "description": "", "weekdays": [], "month_end": 0, "days": {}}
    return {key: plain(table.get(key, default)) for key, default in defaults.items()}
