"""A catalogue to play with."""

from typing import Any

import pytest

from connectors.catalogue import save_connector
from connectors.models import Connector


@pytest.fixture
def reporting(db) -> Connector:
    """A `sql` connector of that name."""
    return save_connector("reporting", "sql", {"url": "sqlite:////srv/reporting.db"})


@pytest.fixture
def definition(reporting) -> dict[str, Any]:
    """A job of two steps, with secrets in its parameters and in a step."""
    return {
        "id": "nightly",
        "description": "the nightly refresh",
        "schedule": "0 2 * * *",
        "timezone": "Europe/Paris",
        "tags": ["etl", "nightly"],
        "params": {"apps_id": 10, "api_key": "k-4711-abc"},
        "retry": {"attempts": 2, "backoff": "fixed", "base_seconds": 60},
        "steps": [
            {"name": "load", "type": "sql_query", "connector": "reporting", "query": "select 1", "fetch": "first"},
            {
                "name": "send",
                "type": "http",
                "url": "https://example.com/${out:load.first_row}",
                "headers": {"Authorization": "Bearer tok-12345"},
            },
        ],
        "presets": [{"name": "sandbox", "params": {"apps_id": 99}, "step_enabled": {"send": False}}],
    }
