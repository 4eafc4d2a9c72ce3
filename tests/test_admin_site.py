"""The admin site as a whole: one login, our order, our words."""

import pytest

from jobs.models import Job
from runs.models import Run
from tests import cast

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


def test_who_is_not_logged_in_is_led_to_the_one_login_and_back(client):
    answer = client.get("/admin/jobs/job/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=%2Fadmin%2Fjobs%2Fjob%2F"
    cast.olga()
    data = {"username": "olga", "password": "correct horse", "next": "/admin/jobs/job/"}
    assert client.post("/login/", data).headers["Location"] == "/admin/jobs/job/"


def test_who_may_not_open_the_admin_is_told_so_without_a_loop(client):
    client.force_login(cast.user("plain"))
    cast.get_user_model().objects.update(is_staff=False)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "You are logged in as plain, who may not open the configuration." in answer.content.decode()


def test_the_login_leads_to_no_other_host(client):
    client.force_login(cast.olga())
    answer = client.get(LOGIN, {"next": "https://evil.example/"}, follow=True)
    assert "evil.example" not in answer.redirect_chain[-1][0]


def test_the_menu_begins_with_jobs_and_says_what_things_are_for(client):
    client.force_login(cast.olga())
    page = client.get("/admin/").content.decode()
    places = [
        page.index(name) for name in ("Freezes", "Connectors</a>", "Worker nodes", "Users", "API tokens", "Audit log")
    ]
    assert places == sorted(places)
    assert "Knox" not in page


def test_the_list_of_jobs_shows_last_runs_in_as_many_queries_as_for_one(client, django_assert_max_num_queries):
    client.force_login(cast.olga())
    for number in range(6):
        cast.run(cast.job(f"job-{number}"), "FAILED")
    with django_assert_max_num_queries(16):
        page = client.get("/admin/jobs/job/").content.decode()
    assert page.count('class="badge failed"') == Job.objects.count() == 6
    assert 'href="/jobs/job-3/"' in page
    assert Run.objects.first().get_absolute_url() in page
