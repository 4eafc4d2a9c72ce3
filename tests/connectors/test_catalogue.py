"""The door by which connectors are written and handed out."""

from typing import Any

import pytest
from django.test import override_settings

from connectors.catalogue import check_connector, definition_of, resolve, save_connector
from connectors.definition import ConnectorError, Definition
from connectors.models import Connector
from connectors.placeholders import exported_settings
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.home import fresh_field_key
from nomaflow_site.lib.sealing import MASK, is_sealed

pytestmark = pytest.mark.django_db

API = {"base_url": "https://api.example.com/v1", "auth": "bearer", "token": "canary-token"}


def test_secrets_are_kept_apart_and_defaults_left_out() -> None:
    config, secrets = check_connector("http", {**API, "timeout_seconds": 30.0, "verify_tls": True})
    assert config == {"base_url": "https://api.example.com/v1", "auth": "bearer"}
    assert secrets == {"token": "canary-token"}


@pytest.mark.parametrize(
    ("kind", "settings", "fault"),
    [
        ("gopher", {}, "no connector type 'gopher'; there are http"),
        ("http", {"base_url": "https://x", "pasword": "x"}, "pasword: Unknown key"),
        ("http", {"base_url": "ftp://x"}, "Expected http://"),
        ("http", {"base_url": "https://user:pass@x"}, "Leave user name and password out"),
        ("http", {}, "base_url: This field is required"),
        ("http", {"base_url": "https://x", "verify_tls": "yes"}, "verify_tls: Expected true or false"),
        ("http", {"base_url": "https://x", "headers": {"X": "a\r\nB: c"}}, "line break"),
        ("http", {"base_url": "https://x", "headers": {"X-Token": {"$sealed": "gAAA"}}}, "made by Nomaflow"),
    ],
)
def test_faults_are_named(kind: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        check_connector(kind, settings)


def test_what_is_saved_can_be_used() -> None:
    save_connector("api", "http", API, description="The API")
    found = definition_of("api")
    assert found.settings == API
    assert "canary-token" in found.hidden
    assert "canary-token" not in repr(found)


def test_nothing_secret_stands_in_the_row_in_clear() -> None:
    save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header", "Accept": "text/plain"}})
    raw = str(Connector.objects.values().get())
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT config, secrets FROM connectors_connector")
        raw = str(cursor.fetchone())
    assert "canary" not in raw
    assert "text/plain" in raw


def test_a_secret_left_out_or_empty_stays() -> None:
    save_connector("api", "http", API)
    save_connector("api", "http", {"base_url": API["base_url"], "auth": "bearer", "token": "", "timeout_seconds": 5})
    assert definition_of("api").settings["token"] == "canary-token"


@pytest.mark.parametrize(
    "change", [{"base_url": "https://evil.example"}, {"verify_tls": False}, {"ca_file": "/tmp/ca.pem"}]
)
def test_a_secret_is_dropped_when_it_would_go_elsewhere(change: dict[str, Any]) -> None:
    save_connector("api", "http", API)
    save_connector("api", "http", {"base_url": API["base_url"], "auth": "bearer", **change})
    assert definition_of("api").secrets == {}


def test_a_secret_can_be_forgotten() -> None:
    save_connector("api", "http", API)
    save_connector("api", "http", {"base_url": API["base_url"]}, forget=["token"])
    assert definition_of("api").secrets == {}


def test_a_masked_header_stays_and_a_mask_without_a_secret_is_refused() -> None:
    save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    save_connector("api", "http", {**API, "headers": {"X-Api-Key": MASK, "Accept": "a/b"}})
    assert definition_of("api").config["headers"] == {"X-Api-Key": "canary-header", "Accept": "a/b"}
    with pytest.raises(ConfigError, match="nothing is stored there"):
        save_connector("api", "http", {**API, "headers": {"Authorization": MASK}})


def test_a_masked_header_does_not_follow_to_another_host() -> None:
    save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    with pytest.raises(ConfigError, match="base_url changed"):
        save_connector("api", "http", {"base_url": "https://evil.example", "headers": {"X-Api-Key": MASK}})


def test_the_kind_is_locked() -> None:
    save_connector("api", "http", API)
    with pytest.raises(ConfigError, match="is of type http and can't become ldap"):
        save_connector("api", "ldap", {"server": "ldap://x"})


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="name: Use letters"):
        save_connector("my api", "http", API)


def test_named_queries_are_replaced_as_a_whole_or_left_alone() -> None:
    database = {"dialect": "sqlite", "database": "x.db"}
    save_connector("db", "sql", database, queries={"a": "SELECT 1", "b": "SELECT 2"})
    save_connector("db", "sql", database)
    save_connector("db", "sql", database, queries={"b": "SELECT 3"})
    assert definition_of("db").queries == {"b": "SELECT 3"}


def test_a_fault_in_a_query_saves_nothing() -> None:
    with pytest.raises(ConfigError, match=r"queries\.bad name"):
        save_connector(
            "db", "sql", {"dialect": "sqlite", "database": "x.db"}, queries={"ok": "SELECT 1", "bad name": "SELECT 1"}
        )
    assert not Connector.objects.exists()


def test_queries_belong_to_databases() -> None:
    with pytest.raises(ConfigError, match="no named queries"):
        save_connector("api", "http", API, queries={"a": "SELECT 1"})


def test_an_export_shows_placeholders_only() -> None:
    saved = save_connector("my-api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    assert exported_settings(saved) == {
        **API,
        "token": "${env:JOB_MY_API_TOKEN}",
        "headers": {"X-Api-Key": "${env:JOB_MY_API_HEADERS_X_API_KEY}"},
    }


def test_an_export_read_back_on_the_same_install_changes_nothing() -> None:
    saved = save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    before = definition_of("api")
    save_connector("api", "http", exported_settings(saved))
    assert definition_of("api") == before


def test_an_export_read_back_elsewhere_reads_the_environment() -> None:
    settings = exported_settings(save_connector("api", "http", API))
    Connector.objects.all().delete()
    save_connector("api", "http", settings)
    found = resolve(definition_of("api"), {"JOB_API_TOKEN": "from-env"}, ["JOB_*"])
    assert found.settings["token"] == "from-env"
    assert "from-env" in found.hidden


def test_a_placeholder_with_another_destination_is_only_a_variable() -> None:
    settings = exported_settings(save_connector("api", "http", API))
    save_connector("api", "http", {**settings, "base_url": "https://evil.example"})
    assert definition_of("api").secrets == {"token": "${env:JOB_API_TOKEN}"}


def test_environment_values_are_typed_like_typed_ones() -> None:
    save_connector("api", "http", {"base_url": "https://${env:JOB_HOST}/v1", "timeout_seconds": "${env:JOB_WAIT}"})
    found = resolve(definition_of("api"), {"JOB_HOST": "api.example.com", "JOB_WAIT": "7.5"}, ["JOB_*"])
    assert found.config == {"base_url": "https://api.example.com/v1", "timeout_seconds": 7.5}


@pytest.mark.parametrize(
    ("variable", "fault"),
    [("PATH", "may not read"), ("NOMAFLOW_SECRET_KEY", "may not read"), ("JOB_NOT_SET", "is not set on this worker")],
)
def test_only_exposed_variables_are_read(variable: str, fault: str) -> None:
    definition = Definition("api", "http", {"base_url": "https://x"}, {"token": f"${{env:{variable}}}"})
    with pytest.raises(ConnectorError, match=fault):
        resolve(definition, {"PATH": "canary", "NOMAFLOW_SECRET_KEY": "canary"}, ["JOB_*", "NOMAFLOW_*"])


def test_a_variable_that_does_not_fit_is_told_with_its_connector() -> None:
    definition = Definition("api", "http", {"base_url": "${env:JOB_URL}"})
    with pytest.raises(ConnectorError, match="'api' can't be used with this environment: base_url"):
        resolve(definition, {"JOB_URL": "nonsense"}, ["JOB_*"])


def test_other_dollar_signs_in_a_password_stay() -> None:
    save_connector("api", "http", {**API, "token": "a${b}c$$"})
    assert resolve(definition_of("api"), {}, ["JOB_*"]).settings["token"] == "a${b}c$$"


def test_an_unknown_connector_is_answered_with_similar_ones() -> None:
    save_connector("reporting", "http", API)
    with pytest.raises(ConnectorError, match=r"no connector named 'reprting'. Did you mean reporting\?"):
        definition_of("reprting")


def test_a_lost_key_is_told_and_a_new_secret_repairs_the_connector() -> None:
    save_connector("api", "http", API)
    with override_settings(NOMAFLOW_FIELD_KEYS=[fresh_field_key()]):
        with pytest.raises(Exception, match="'api': A stored secret can't be decrypted"):
            definition_of("api")
        with pytest.raises(ConfigError, match="can't be decrypted"):
            save_connector("api", "http", {"base_url": API["base_url"], "auth": "bearer"})
        save_connector("api", "http", {**API, "token": "canary-new"})
        assert definition_of("api").secrets == {"token": "canary-new"}


def test_the_audit_trail_tells_that_a_secret_changed_and_not_which() -> None:
    from auditlog.models import LogEntry

    save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    save_connector("api", "http", {**API, "token": "canary-second", "headers": {"X-Api-Key": "canary-third"}})
    changes = [entry.changes for entry in LogEntry.objects.all()]
    assert "canary" not in str(changes)
    assert "$sealed" not in str(changes)
    assert changes[0]["secrets"] == [MASK, MASK]


def test_sealed_headers_are_sealed_on_the_instance_too() -> None:
    saved = save_connector("api", "http", {**API, "headers": {"X-Api-Key": "canary-header"}})
    assert is_sealed(saved.config["headers"]["X-Api-Key"])
