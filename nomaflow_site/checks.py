"""Start-up checks: each names the setting and the remedy."""

import os
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from nomaflow_site.lib.sealing import ring

CHECKS: list[Any] = []


def _check(function: Any) -> Any:
    CHECKS.append(function)
    return register(function)


@_check
def field_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The key ring can be used."""
    try:
        ring()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="nomaflow.E001")]
    return []


@_check
def open_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A server database goes with closed doors."""
    faults: list[CheckMessage] = []
    if settings.NOMAFLOW_EMBEDDED:
        return faults
    if settings.DEBUG:
        faults.append(
            Error(
                "NOMAFLOW_DEBUG is on while NOMAFLOW_DATABASE_URL names a database server.",
                hint="Debug pages show settings and source to anybody. Unset NOMAFLOW_DEBUG.",
                id="nomaflow.E002",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        faults.append(
            Error(
                "NOMAFLOW_ALLOWED_HOSTS is '*' while NOMAFLOW_DATABASE_URL names a database server.",
                hint="List the host names that the pages are reached under.",
                id="nomaflow.E003",
            )
        )
    return faults


@_check
def key_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Nobody else can read the keys kept in HOME."""
    faults: list[CheckMessage] = []
    for name in ("secret.key", "field.keys"):
        path = Path(settings.NOMAFLOW_HOME) / name
        if path.exists() and os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            faults.append(
                Error(
                    f"{path} can be read by other users (mode {stat.S_IMODE(path.stat().st_mode):o}).",
                    hint=f"chmod 600 {path}",
                    id="nomaflow.E004",
                )
            )
    return faults


@_check
def plugins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Plugin folders that were named exist."""
    default = Path(settings.NOMAFLOW_HOME) / "plugins"
    return [
        Warning(
            f"NOMAFLOW_PLUGINS names {folder}, which is not a folder.",
            hint="Python steps whose module lives there will fail. Create the folder or correct the setting.",
            id="nomaflow.W001",
        )
        for folder in settings.NOMAFLOW_PLUGINS
        if folder != default and not folder.is_dir()
    ]
