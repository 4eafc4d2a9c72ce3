"""Connectors in the admin: the kind first, secrets in and never out."""

import re
from typing import Any

import pytest
from auditlog.models import LogEntry as AuditEntry
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_httpserver import HTTPServer

from connectors.catalogue import definition_of, save_connector
from connectors.endpointadmin import TESTS_PER_MINUTE
from connectors.kinds import kinds
from connectors.models import Connector

pytestmark = pytest.mark.django_db

ADD = reverse("admin:connectors_connector_add")
API = {
    "base_url": "https://api.example.com",
    "auth": "bearer",
    "token": "canary-token",
    "headers": {"X-Api-Key": "canary-header"},
}
TYPED = {
    "description": "",
    "base_url": "https://api.example.com",
    "auth": "bearer",
    "username": "",
    "password": "",
    "token": "",
    "header_name": "X-API-Key",
    "headers": 'X-Api-Key = "********"',
    "verify_tls": "on",
    "ca_file": "",
    "timeout_seconds": "30.0",
    "allow_private": "on",
}


@pytest.fixture
def olga(client: Client) -> Client:
    """Somebody who may edit connectors, and nothing else."""
    user = User.objects.create_user("olga", is_staff=True)
    names = ["view_connector", "add_connector", "change_connector", "delete_connector"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


def change(connector: Connector) -> str:
    """The address of its page."""
    return reverse("admin:connectors_connector_change", args=[connector.pk])


def faults(response: Any) -> str:
    """The form's errors, when it was shown again."""
    return str(response.context["adminform"].form.errors) if response.status_code == 200 else ""


def test_the_kind_is_chosen_first(olga: Client) -> None:
    page = olga.get(ADD).content.decode()
    for kind in kinds():
        assert f'href="{ADD}?kind={kind}"' in page


@pytest.mark.parametrize("kind", ["http", "ldap", "sql"])
def test_only_the_fields_of_the_kind_are_shown(olga: Client, kind: str) -> None:
    page = olga.get(f"{ADD}?kind={kind}").content.decode()
    shown = set(re.findall(r'name="([a-z_]+)"', page)) - {"name", "description", "csrfmiddlewaretoken"}
    assert set(kinds()[kind].form.base_fields) <= shown
    assert ("queries-TOTAL_FORMS" in page) == (kind == "sql")
    others = {name for other in kinds().values() if other.name != kind for name in other.form.base_fields}
    assert not shown & (others - set(kinds()[kind].form.base_fields))


def test_a_new_connector_is_stored_sealed(olga: Client) -> None:
    response = olga.post(f"{ADD}?kind=http", {**TYPED, "name": "api", "token": "canary", "headers": ""})
    assert response.status_code == 302, faults(response)
    assert definition_of("api").settings == {"base_url": "https://api.example.com", "auth": "bearer", "token": "canary"}


def test_faults_stand_at_their_fields(olga: Client) -> None:
    response = olga.post(
        f"{ADD}?kind=http", {**TYPED, "name": "api", "base_url": "ftp://x", "timeout_seconds": "soon", "headers": ""}
    )
    assert set(response.context["adminform"].form.errors) == {"base_url", "timeout_seconds"}
    assert not Connector.objects.exists()


def test_environment_tokens_may_be_typed_anywhere(olga: Client) -> None:
    response = olga.post(
        f"{ADD}?kind=http", {**TYPED, "name": "api", "timeout_seconds": "${env:JOB_WAIT}", "headers": ""}
    )
    assert response.status_code == 302, faults(response)
    assert definition_of("api").config["timeout_seconds"] == "${env:JOB_WAIT}"


def test_no_secret_is_ever_shown(olga: Client) -> None:
    api = save_connector("api", "http", API)
    pages = [olga.get(change(api)), olga.get(reverse("admin:connectors_connector_changelist"))]
    pages += [olga.post(change(api), {**TYPED, "token": "canary-typed", "base_url": "nonsense"})]
    text = "".join(page.content.decode() for page in pages)
    assert "canary" not in text
    assert "$sealed" not in text
    assert "Leave empty to keep it" in text


def test_secrets_left_empty_stay(olga: Client) -> None:
    api = save_connector("api", "http", API)
    response = olga.post(change(api), {**TYPED, "description": "ours"})
    assert response.status_code == 302, faults(response)
    assert definition_of("api").settings == API


def test_a_changed_address_asks_for_the_secret_again(olga: Client) -> None:
    api = save_connector("api", "http", {**API, "headers": {}})
    moved = {**TYPED, "base_url": "https://other.example", "headers": ""}
    assert "Enter it again, or tick to forget it: base_url changed" in faults(olga.post(change(api), moved))
    assert definition_of("api").settings["token"] == "canary-token"
    assert olga.post(change(api), {**moved, "token": "second"}).status_code == 302
    assert definition_of("api").settings["token"] == "second"


def test_a_stored_secret_can_be_forgotten(olga: Client) -> None:
    api = save_connector("api", "http", API)
    assert olga.post(change(api), {**TYPED, "auth": "none", "forget_token": "on"}).status_code == 302
    assert definition_of("api").secrets == {}


def test_kind_and_name_are_locked(olga: Client) -> None:
    api = save_connector("api", "http", API)
    olga.post(f"{change(api)}?kind=ldap", {**TYPED, "name": "renamed", "kind": "ldap"})
    assert list(Connector.objects.values_list("name", "kind")) == [("api", "http")]


def test_named_queries_are_edited_with_their_database(olga: Client) -> None:
    database = save_connector("db", "sql", {"dialect": "sqlite", "database": "x.db"}, queries={"a": "SELECT 1"})
    query = database.queries.get()
    form = olga.get(change(database)).context["adminform"].form
    typed = {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()}
    typed |= {
        "queries-TOTAL_FORMS": 2,
        "queries-INITIAL_FORMS": 1,
        "queries-0-id": query.pk,
        "queries-0-connector": database.pk,
    }
    typed |= {"queries-0-name": "a", "queries-0-sql": "SELECT 2", "queries-1-connector": database.pk}
    typed |= {"queries-1-name": "b", "queries-1-sql": "SELECT 3", "queries-1-id": ""}
    response = olga.post(change(database), {k: v for k, v in typed.items() if v is not False and v != {}})
    assert response.status_code == 302, faults(response)
    assert definition_of("db").queries == {"a": "SELECT 2", "b": "SELECT 3"}


def test_the_history_names_fields_and_no_values(olga: Client) -> None:
    api = save_connector("api", "http", {**API, "headers": {}})
    olga.post(change(api), {**TYPED, "token": "canary-second", "headers": ""})
    assert "token" in LogEntry.objects.get().get_change_message()
    assert "canary" not in "".join(entry.get_change_message() for entry in LogEntry.objects.all())
    assert "canary" not in str([entry.changes for entry in AuditEntry.objects.all()])


def test_switched_off_verification_is_said_aloud(olga: Client) -> None:
    api = save_connector("api", "http", {"base_url": "https://x", "verify_tls": False})
    assert "certificate is not checked" in olga.get(change(api)).content.decode()
    assert "certificate not checked" in olga.get(reverse("admin:connectors_connector_changelist")).content.decode()


def test_a_viewer_sees_where_it_leads_and_cannot_change_it(client: Client) -> None:
    api = save_connector("api", "http", API)
    vera = User.objects.create_user("vera", is_staff=True)
    vera.user_permissions.set(Permission.objects.filter(codename="view_connector"))
    client.force_login(vera)
    page = client.get(change(api)).content.decode()
    assert "https://api.example.com" in page
    assert "Test connection" not in page
    assert client.post(change(api), TYPED).status_code == 403
    assert client.post(test_address(api)).status_code == 403


def test_a_lost_key_leaves_the_pages_usable(olga: Client, settings: Any) -> None:
    api = save_connector("api", "http", {**API, "headers": {}})
    settings.NOMAFLOW_FIELD_KEYS = ["k" * 43 + "="]
    assert olga.get(reverse("admin:connectors_connector_changelist")).status_code == 200
    assert olga.get(change(api)).status_code == 200
    assert "can't be decrypted" in faults(olga.post(change(api), {**TYPED, "headers": ""})).replace("&#x27;", "'")
    assert olga.post(change(api), {**TYPED, "token": "again", "headers": ""}).status_code == 302
    assert definition_of("api").settings["token"] == "again"


# --- Test connection ----------------------------------------------------------------------------------------------


def test_address(connector: Connector) -> str:
    """Where the Test button posts to."""
    return reverse("admin:connectors_connector_test", args=[connector.pk])


test_address.__test__ = False  # type: ignore[attr-defined]


def answer_of(client: Client, connector: Connector) -> str:
    """Press the button; what the page says then."""
    cache.clear()
    return client.post(test_address(connector), follow=True).content.decode()


def test_the_button_shows_the_real_answer(olga: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/", headers={"Authorization": "Bearer canary-token"}).respond_with_data("hello")
    api = save_connector("api", "http", {**API, "base_url": httpserver.url_for("/")})
    page = answer_of(olga, api)
    assert re.search(
        r"Test of api: GET http://localhost:\d+/ answered 200 OK in \d+ ms, server Werkzeug/\S+ \S+. \(\d+ ms\)", page
    )
    assert "canary" not in page


def test_the_button_shows_what_is_wrong(olga: Client) -> None:
    api = save_connector("api", "http", {**API, "base_url": "http://169.254.169.254"})
    assert "link-local" in answer_of(olga, api)


def test_the_button_fills_in_the_environment(
    olga: Client, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/").respond_with_data("", status=401)
    monkeypatch.setenv("JOB_HOST", f"localhost:{httpserver.port}")
    api = save_connector("api", "http", {"base_url": "http://${env:JOB_HOST}"})
    page = answer_of(olga, api)
    assert "answered 401" in page
    assert f"localhost:{httpserver.port}" not in page


def test_the_button_is_a_post_with_a_token(olga: Client) -> None:
    api = save_connector("api", "http", API)
    assert olga.get(test_address(api)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="olga"))
    assert strict.post(test_address(api)).status_code == 403


def test_the_button_is_no_port_scanner(olga: Client) -> None:
    api = save_connector("api", "http", {"base_url": "http://127.0.0.1:9"})
    cache.clear()
    pages = [olga.post(test_address(api), follow=True).content.decode() for _ in range(TESTS_PER_MINUTE + 1)]
    assert "Connection refused" in pages[0]
    assert "Too many tests in a minute" in pages[-1]
