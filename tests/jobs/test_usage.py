"""Who uses a connector, told on its page and before it is deleted."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from connectors.catalogue import save_connector
from connectors.models import Connector
from jobs.catalogue import save_job
from jobs.models import Job
from jobs.usage import Use, connectors_by_job, uses_by_connector
from tests import cast

pytestmark = pytest.mark.django_db
LIST = reverse("admin:connectors_connector_changelist")
QUERY = {"name": "load", "type": "sql_query", "connector": "reporting", "query": "select 1"}


def address(connector, page="change"):
    return reverse(f"admin:connectors_connector_{page}", args=[connector.pk])


@pytest.fixture
def olga(client):
    client.force_login(cast.olga())
    return client


def test_a_connector_is_used_where_a_step_a_default_or_a_parameter_names_it(reporting):
    copy = {"name": "copy", "type": "sql_copy", "source": {"connector": "reporting", "table": "a"}}
    copy |= {"target": {"connector": "${kw:target_connector}", "table": "b"}, "op_kwargs": {"connector": "reporting"}}
    save_job(
        {"id": "one", "steps": [QUERY | {"enabled": False}, copy], "params": {"target_connector": "reporting"}}, by="o"
    )
    bare = {key: value for key, value in QUERY.items() if key != "connector"}
    presets = [{"name": "p", "params": {"connector": "reporting"}, "op_kwargs": {"load": {"a_connector": "reporting"}}}]
    save_job({"id": "two", "step_defaults": {"connector": "reporting"}, "steps": [bare], "presets": presets}, by="o")
    assert uses_by_connector()["reporting"] == [
        Use("one", "parameter target_connector"),
        Use("one", "step 'copy', parameter connector"),
        Use("one", "step 'copy', source.connector"),
        Use("one", "step 'load', connector"),
        Use("two", "preset 'p', parameter connector"),
        Use("two", "preset 'p', step 'load', parameter a_connector"),
        Use("two", "step 'load', connector"),
    ]


def test_a_token_and_another_parameter_are_no_use(reporting):
    params = {"schema": "reporting", "connector": "${env:JOB_X}"}
    save_job({"id": "one", "steps": [QUERY | {"connector": "${kw:to}"}], "params": params}, by="o")
    assert uses_by_connector() == {}


def test_however_many_jobs_there_are_it_takes_the_same_queries(reporting, django_assert_num_queries):
    for number in range(5):
        save_job({"id": f"j{number}", "steps": [QUERY]}, by="o")
    with django_assert_num_queries(6):
        assert len(uses_by_connector()["reporting"]) == 5


def test_its_page_lists_the_jobs(olga, reporting):
    save_job({"id": "nightly", "steps": [QUERY]}, by="o")
    page = olga.get(address(reporting)).content.decode()
    assert '<a href="/admin/jobs/job/nightly/change/">job nightly</a>: step &#x27;load&#x27;, connector' in page


def test_a_used_connector_is_not_deleted_and_the_page_says_why(olga, reporting):
    save_job({"id": "nightly", "steps": [QUERY]}, by="o")
    assert "is in use" in olga.get(address(reporting, "delete")).content.decode()
    page = olga.post(address(reporting, "delete"), {"post": "yes"}).content.decode()
    assert '<a href="/admin/jobs/job/nightly/change/">job nightly</a>' in page
    assert Connector.objects.exists()


def test_several_are_not_deleted_when_one_of_them_is_used(olga, reporting):
    save_job({"id": "nightly", "steps": [QUERY]}, by="o")
    other = save_connector("other", "sql", {"url": "sqlite:////srv/other.db"})
    data = {"action": "delete_selected", "_selected_action": [reporting.pk, other.pk], "post": "yes"}
    assert "Some of these are in use" in olga.post(LIST, data).content.decode()
    assert Connector.objects.count() == 2


def test_an_unused_connector_is_deleted(olga, reporting):
    assert "No job names it" in olga.get(address(reporting)).content.decode()
    assert olga.post(address(reporting, "delete"), {"post": "yes"}).status_code == 302
    assert not Connector.objects.exists()


def test_jobs_that_somebody_may_not_see_are_counted_and_not_named(client, reporting):
    save_job({"id": "confidential", "steps": [QUERY]}, by="o")
    person = cast.user("editor")
    names = ["view_connector", "change_connector", "delete_connector"]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(person)
    for page in (address(reporting), address(reporting, "delete")):
        text = client.get(page).content.decode()
        assert "1 job that you may not see" in text
        assert "confidential" not in text
    client.post(address(reporting, "delete"), {"post": "yes"})
    assert Connector.objects.exists()


def test_many_jobs_connectors_are_those_of_their_enabled_steps_in_two_queries(reporting, django_assert_max_num_queries):
    bare = {key: value for key, value in QUERY.items() if key != "connector"}
    save_job({"id": "own", "steps": [QUERY]}, by="o")
    save_job({"id": "inherits", "steps": [bare], "step_defaults": {"connector": "reporting"}}, by="o")
    save_job({"id": "off", "steps": [QUERY | {"enabled": False}]}, by="o")
    with django_assert_max_num_queries(2):
        assert connectors_by_job(Job.objects.all()) == {"own": {"reporting"}, "inherits": {"reporting"}}
