"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.cache import cache
from django.db import connections

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

pytest_plugins = ["tests.servers.fixtures"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that start processes of ours or a browser go one after another: two at once would time each other.

    All others go wherever there's time.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "processes" if nodeid.startswith(("tests/flows/", "tests/browser/")) else nodeid

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """What one test has counted there doesn't hold up the next."""
    yield
    cache.clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """With NOMAFLOW_TEST_DATABASE=postgresql our own data lives in a private PostgreSQL instead of SQLite."""
    if os.environ.get("NOMAFLOW_TEST_DATABASE") != "postgresql":
        return
    server = request.getfixturevalue("postgresql")
    connections["default"].close()
    database = {**environ.Env.db_url_config(server.create_database()), "CONN_MAX_AGE": 0}
    connections.settings = connections.configure_settings({"default": database})
    del connections["default"]
