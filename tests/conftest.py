"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import environ
import pytest
from django.core.cache import cache
from django.db import connections

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

pytest_plugins = ["tests.servers.fixtures"]


@pytest.hookimpl(tryfirst=True)  # before the plugin reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start processes of ours or a browser run one after another: two at once would time each other."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("flow", "browser", "reliability")):
            item.add_marker(pytest.mark.xdist_group("processes"))


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
