"""What an export shows in place of an endpoint's secrets: `${env:JOB_<NAME>_<FIELD>}`."""

import re
from collections.abc import Mapping
from typing import Any

from connectors.models import Endpoint
from nomaflow_site.lib.sealing import ONE_TOKEN, is_sealed, sealed_paths

# Where a value is: ("headers", "Authorization").
Path = tuple[str, ...]


def placeholder(endpoint: str, *path: str) -> str:
    """`${env:JOB_REPORTING_PASSWORD}`."""
    words = "_".join((endpoint, *path))
    return f"${{env:JOB_{re.sub(r'[^A-Za-z0-9]', '_', words).upper()}}}"


def marks_of(endpoint: Endpoint, secrets: Mapping[str, str]) -> dict[Path, str]:
    """The placeholder of every stored secret by its path; a secret that is itself one `${...}` needs none."""
    paths = [(name,) for name, secret in secrets.items() if not ONE_TOKEN.match(secret)]
    return {path: placeholder(endpoint.name, *path) for path in [*paths, *sealed_paths(endpoint.config)]}


def exported_settings(endpoint: Endpoint) -> dict[str, Any]:
    """The settings for export: every secret as its placeholder, never the secret."""
    marks = marks_of(endpoint, endpoint.secrets)
    settings: dict[str, Any] = _marked(endpoint.config, marks)
    for field, secret in endpoint.secrets.items():
        settings[field] = marks.get((field,), secret)
    return settings


def _marked(value: Any, marks: Mapping[Path, str], path: Path = ()) -> Any:
    if is_sealed(value):
        return marks[path]
    if isinstance(value, Mapping):
        return {key: _marked(item, marks, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, marks, (*path, str(index))) for index, item in enumerate(value)]
    return value
