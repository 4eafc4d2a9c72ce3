"""A job as TOML text: one spelling for exports and diffs. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jobs.placeholders import exportable, readable
from jobs.plainvalues import has_null
from jobs.reading import DEFAULT_RETRY
from nomaflow_site.lib.config import toml_lines

# Texts of several lines are written as such, unless they hold what only an escape can say.
MULTILINE = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*\n[^\x00-\x08\x0b-\x1f\x7f]*")
JOB_TABLES = ("params", "retry", "alerts", "step_defaults")


def export_toml(definition: Mapping[str, Any]) -> str:
    """One `[[jobs]]` table, secrets as placeholders."""
    return job_toml(exportable(definition))


def readable_toml(definition: Mapping[str, Any], changed_from: Mapping[str, Any] | None = None) -> str:
    """One `[[jobs]]` table for people, secrets masked; see `placeholders.readable`."""
    return job_toml(readable(definition, changed_from))


def job_toml(definition: Mapping[str, Any]) -> str:
    """One `[[jobs]]` table with everything in it; empty texts and tables and the default retry are left out."""
    inner = ("steps", "presets", *JOB_TABLES)
    head = {key: value for key, value in definition.items() if key not in inner and value not in ("", [])}
    blocks = [block("[[jobs]]", head)]
    for key in JOB_TABLES:
        if key in definition and definition[key] != {} and not (key == "retry" and definition[key] == DEFAULT_RETRY):
            blocks.append(block(f"[jobs.{key}]", definition[key]))
    for step in definition["steps"]:
        blocks += nested("jobs.steps", step)
    for preset in definition["presets"]:
        blocks += nested("jobs.presets", preset)
    return "\n".join(blocks)


def nested(path: str, table: Mapping[str, Any]) -> list[str]:
    """One `[[path]]` table: its plain values, then a `[path.key]` table for every table in it."""
    table = {key: _without_null(value) for key, value in table.items()}
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    head = {key: value for key, value in table.items() if key not in inner}
    return [block(f"[[{path}]]", head), *(block(f"[{path}.{_key(key)}]", value) for key, value in inner.items())]


def block(header: str, table: Mapping[str, Any]) -> str:
    """A header and `name = value` lines, longer texts spelled over several lines."""
    return "".join(f"{line}\n" for line in [header, *(_line(key, value) for key, value in table.items())])


def _line(key: str, value: Any) -> str:
    if isinstance(value, str) and MULTILINE.fullmatch(value):
        text = value.replace("\\", "\\\\").replace('"""', '""\\"')
        if text.endswith('"'):
            text = text[:-1] + '\\"'
        return f'{_key(key)} = """\n{text}"""'
    return toml_lines({key: value})


def _key(key: str) -> str:
    return toml_lines({key: 0}).removesuffix(" = 0")


def _without_null(value: Any) -> Any:
    # TOML has no null. The fields that may hold one (a JSON body) read a JSON text as well.
    return json.dumps(value, ensure_ascii=False) if has_null(value) else value
