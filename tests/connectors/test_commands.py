"""`testconnector` and `rotatekeys`."""

import json
import sqlite3
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_httpserver import HTTPServer

from connectors import rotation
from connectors.catalogue import definition_of, save_connector
from connectors.models import Connector
from nomaflow_site.lib.home import fresh_field_key

pytestmark = pytest.mark.django_db

API = {
    "base_url": "https://api.example.com",
    "auth": "bearer",
    "token": "canary-token",
    "headers": {"X-Api-Key": "canary-header"},
}


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_working_connector_exits_0_with_the_answer(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("hello")
    save_connector("api", "http", {"base_url": httpserver.url_for("/")})
    code, out, _ = run("testconnector", "api")
    assert code == 0
    assert "answered 200 OK" in out


def test_a_broken_connector_exits_1_with_the_reason_and_without_secrets() -> None:
    save_connector("api", "http", {**API, "base_url": "http://127.0.0.1:9"})
    code, out, err = run("testconnector", "api")
    assert (code, out) == (1, "")
    assert "Connection refused" in err
    assert "canary" not in err


def test_an_unknown_connector_exits_2_and_names_similar_ones() -> None:
    save_connector("reporting", "http", API)
    code, _, err = run("testconnector", "reportin")
    assert code == 2
    assert "Did you mean reporting?" in err


def test_json_says_the_same() -> None:
    save_connector("api", "http", {"base_url": "http://127.0.0.1:9"})
    code, out, _ = run("testconnector", "api", "--json")
    said = json.loads(out)
    assert (code, said["connector"], said["ok"]) == (1, "api", False)
    assert "Connection refused" in said["message"]
    assert json.loads(run("testconnector", "nope", "--json")[1])["ok"] is False


def test_a_relative_sqlite_path_begins_at_home(settings: Any, tmp_path: Path) -> None:
    settings.NOMAFLOW_HOME = tmp_path
    sqlite3.connect(tmp_path / "here.db").execute("CREATE TABLE t (n int)")
    save_connector("db", "sql", {"url": "sqlite:///here.db"})
    code, out, err = run("testconnector", "db")
    assert code == 0, err
    assert out.startswith("SQLite")


# --- rotatekeys -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ring(settings: Any) -> tuple[str, str]:
    """Three connectors under the old key; then the ring has a new key in front."""
    old, new = fresh_field_key(), fresh_field_key()
    settings.NOMAFLOW_FIELD_KEYS = [old]
    for number in range(3):
        save_connector(f"api{number}", "http", API)
    save_connector("plain", "http", {"base_url": "https://x"})
    settings.NOMAFLOW_FIELD_KEYS = [new, old]
    return new, old


def raw() -> list[Any]:
    """The rows as they stand in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, config, secrets, updated_at FROM connectors_connector ORDER BY name")
        return list(cursor.fetchall())


def test_after_rotation_the_new_key_alone_opens_everything(ring: tuple[str, str], settings: Any) -> None:
    code, out, _ = run("rotatekeys", "--batch", "2")
    assert code == 0
    assert "connectors.Connector.secrets: 3 with secrets, 3 re-encrypted" in out
    assert "connectors.Connector.config: 3 with secrets, 3 re-encrypted" in out
    assert "the 1 key(s) after it can go" in out
    settings.NOMAFLOW_FIELD_KEYS = [ring[0]]
    assert definition_of("api2").settings == API


def test_a_second_rotation_changes_nothing(ring: tuple[str, str]) -> None:
    run("rotatekeys")
    before = raw()
    assert "connectors.Connector.secrets: 3 with secrets, 0 re-encrypted" in run("rotatekeys")[1]
    assert raw() == before


def test_rotation_leaves_no_other_trace(ring: tuple[str, str]) -> None:
    from auditlog.models import LogEntry

    times, entries = [row[3] for row in raw()], LogEntry.objects.count()
    run("rotatekeys")
    assert ([row[3] for row in raw()], LogEntry.objects.count()) == (times, entries)


def test_a_rotation_that_was_killed_goes_on_where_it_stopped(
    ring: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = rotation._turn, []

    def dies(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_turn", dies)
        with pytest.raises(KeyboardInterrupt):
            run("rotatekeys", "--batch", "1")
    assert [definition_of(f"api{n}").settings for n in range(3)] == [API] * 3
    assert ": 3 with secrets, 1 re-encrypted" in run("rotatekeys")[1]


def test_a_row_that_somebody_changes_meanwhile_is_not_overwritten(
    ring: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = rotation._new_value, []

    def while_somebody_saves(found: Any, text: str) -> Any:
        if not calls:
            calls.append(1)
            save_connector("api0", "http", {**API, "token": "canary-newer"})
        return real(found, text)

    monkeypatch.setattr(rotation, "_new_value", while_somebody_saves)
    run("rotatekeys")
    assert definition_of("api0").settings["token"] == "canary-newer"


def test_a_secret_under_a_lost_key_is_named_and_keeps_every_key(ring: tuple[str, str], settings: Any) -> None:
    settings.NOMAFLOW_FIELD_KEYS = [fresh_field_key()]
    save_connector("new", "http", API)
    settings.NOMAFLOW_FIELD_KEYS = [fresh_field_key(), *ring]
    code, out, err = run("rotatekeys")
    assert code == 1
    assert (
        f"connectors.Connector.secrets: 1 can't be opened with any key: {Connector.objects.defer('secrets').get(name='new').pk}"
        in err
    )
    assert "Keep every key" in err
    assert "connectors.Connector.secrets: 4 with secrets, 3 re-encrypted" in out


def test_every_field_that_keeps_secrets_is_found() -> None:
    found = {f"{model._meta.label}.{field.name}" for model, field in rotation.secret_fields()}
    assert {
        "connectors.Connector.secrets",
        "connectors.Connector.config",
        "jobs.Job.params",
        "runs.Run.snapshot",
    } <= found
