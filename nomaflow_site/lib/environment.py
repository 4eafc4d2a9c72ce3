"""Environment variables that jobs and connectors may read through `${env:NAME}`."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Never handed out, whatever NOMAFLOW_JOB_ENV lists.
FRAMEWORK_ENV = re.compile(r"^(NOMAFLOW|DJANGO|CELERY)_|^(SECRET_KEY|DATABASE_URL|BROKER_URL)$", re.IGNORECASE)
ENV_TOKEN = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class EnvironmentRefused(Exception):
    """A variable that may not be read or isn't set; the message says which and what to do."""


def env_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Whether `${env:name}` may be read: listed by name or as `PREFIX_*`, and never one of the framework's own."""
    if FRAMEWORK_ENV.search(name):
        return False
    return any(name == rule or (rule.endswith("*") and name.startswith(rule[:-1])) for rule in allowed)


def variable(name: str, env: Mapping[str, str], allowed: Sequence[str]) -> str:
    """The value of one variable. Raises EnvironmentRefused."""
    if not env_allowed(name, allowed):
        raise EnvironmentRefused(
            f"jobs may not read the environment variable {name!r}. "
            "The install exposes variables with NOMAFLOW_JOB_ENV; the framework's own never are."
        )
    if name not in env:
        raise EnvironmentRefused(f"the environment variable {name!r} is not set on this worker.")
    return env[name]


def fill(value: Any, read: Callable[[str], str]) -> Any:
    """A copy of a JSON value with every `${env:NAME}` replaced by `read(NAME)`; any other `${` stays as it is."""
    if isinstance(value, str):
        return ENV_TOKEN.sub(lambda match: read(match[1]), value)
    if isinstance(value, Mapping):
        return {key: fill(item, read) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, read) for item in value]
    return value
