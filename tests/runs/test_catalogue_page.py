"""The catalogue of jobs as cards."""

from typing import Any

import pytest
from django.test import Client
from guardian.shortcuts import assign_perm

from jobs.models import Job, JobVersion, Preset
from runs.models import Run
from runs.views.catalogue import CARDS_ON_A_PAGE
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(client: Client) -> Any:
    person = cast.olga()
    client.force_login(person)
    return person


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def listed(client: Client, query: str = "") -> list[str]:
    text = page(client, f"/jobs/{query}")
    return [job.pk for job in Job.objects.order_by("pk") if f'id="job-{job.pk}"' in text]


def test_a_card_has_the_nine_pieces_the_strip_and_the_usual_time(client: Client, olga: Any) -> None:
    job = cast.job(schedule="0 2 * * *", timezone="Europe/Paris", tags=["etl"], description="refresh the views")
    old, last = cast.run(job, "SUCCEEDED"), cast.run(job, "FAILED")
    text = page(client, "/jobs/")
    pieces = ["nightly", "refresh the views", "FAILED", "etl", 'role="switch" aria-checked="true"', "0 2 * * *"]
    for piece in [*pieces, "every day at 02:00", "Europe/Paris", "Next", last.run_id, "2 steps", "Run now", "usually"]:
        assert piece in text
    assert f'href="/runs/{old.run_id}/" tabindex="-1"' in text


def test_the_search_looks_at_id_description_and_tags(client: Client, olga: Any) -> None:
    cast.job("crm-sync", tags=["api"])
    cast.job("load", description="Pulls the CRM orders")
    cast.job("other", tags=["CRM", "über"])
    assert listed(client, "?q=crm") == ["crm-sync", "load", "other"]
    assert listed(client, "?q=crm+orders") == ["load"]
    assert listed(client, "?q=über") == ["other"]
    assert listed(client, "?q=nowhere") == []


def test_tag_state_and_switch_narrow_the_list(client: Client, olga: Any) -> None:
    failed, fine = cast.job("failed", tags=["etl"]), cast.job("fine", tags=["etl-2"], enabled=False)
    cast.run(failed, "SUCCEEDED")
    cast.run(failed, "FAILED")
    cast.run(fine, "SUCCEEDED")
    cast.job("never")
    assert listed(client, "?tag=etl") == ["failed"]
    assert listed(client, "?state=FAILED") == ["failed"]
    assert listed(client, "?state=SUCCEEDED") == ["fine"]
    assert listed(client, "?state=never") == ["never"]
    assert listed(client, "?enabled=off") == ["fine"]


@pytest.mark.parametrize("query", ["?q=%00", "?tag=%00", "?state=x", "?enabled=x", "?after=%00zz", "?q=" + "a" * 5000])
def test_an_odd_address_is_no_error(client: Client, olga: Any, query: str) -> None:
    page(client, f"/jobs/{query}")


def test_more_jobs_than_a_page_holds_come_page_by_page(client: Client, olga: Any) -> None:
    names = [cast.job(f"job-{number:03}", steps=("only",)).pk for number in range(CARDS_ON_A_PAGE + 3)]
    assert listed(client) == names[:CARDS_ON_A_PAGE]
    assert f"?after={names[CARDS_ON_A_PAGE - 1]}" in page(client, "/jobs/")
    assert listed(client, f"?after={names[CARDS_ON_A_PAGE - 1]}") == names[CARDS_ON_A_PAGE:]


def test_only_jobs_that_one_sees_are_found(client: Client) -> None:
    job = cast.job()
    cast.job("secret-job", tags=["hidden-tag"])
    client.force_login(cast.vera(job))
    text = page(client, "/jobs/?q=")
    assert "secret-job" not in text
    assert "hidden-tag" not in text


def test_the_toggle_is_a_real_save_with_a_version(client: Client, olga: Any) -> None:
    job = cast.job(schedule="0 2 * * *")
    answer = client.post("/jobs/nightly/switch/", {"enabled": "off", "back": "/jobs/?q=night"})
    job.refresh_from_db()
    assert (job.enabled, answer.headers["Location"]) == (False, "/jobs/?q=night")
    version = JobVersion.objects.latest("number")
    assert (version.saved_by, version.comment) == ("olga", "switched off")


def test_who_may_run_may_not_switch(client: Client) -> None:
    job = cast.job(schedule="0 2 * * *")
    client.force_login(cast.rui(job))
    assert 'role="switch"' not in page(client, "/jobs/")
    assert client.post("/jobs/nightly/switch/", {"enabled": "off"}).status_code == 403
    assert client.post("/jobs/", {"act": "off", "job": "nightly"}).status_code == 403
    job.refresh_from_db()
    assert job.enabled


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:x", ""])
def test_the_way_back_leads_nowhere_else(client: Client, olga: Any, back: str) -> None:
    cast.job()
    assert client.post("/jobs/nightly/switch/", {"enabled": "on", "back": back}).headers["Location"] == "/jobs/"


def test_ticked_jobs_are_run_and_each_refusal_is_told(client: Client) -> None:
    free, busy, other = cast.job("free"), cast.job("busy"), cast.job("other")
    person = cast.rui(free)
    for permission in ("see_job", "run_job"):
        assign_perm(f"jobs.{permission}", person, busy)
    assign_perm("jobs.see_job", person, other)
    first = cast.run(busy)
    client.force_login(person)
    answer = client.post("/jobs/", {"act": "run", "job": ["free", "busy", "other", "absent"]}, follow=True)
    text = answer.content.decode()
    for piece in ("Started: free.", f"already has a run in flight: {first.run_id}", "You may not run other."):
        assert piece in text
    assert set(Run.objects.values_list("job_id", flat=True)) == {"free", "busy"}


def test_ticked_jobs_are_switched(client: Client, olga: Any) -> None:
    for name in ("a", "b", "c"):
        cast.job(name)
    client.post("/jobs/", {"act": "off", "job": ["a", "b"]})
    assert list(Job.objects.filter(enabled=True).values_list("pk", flat=True)) == ["c"]


@pytest.mark.parametrize(("data", "said"), [({"act": "run"}, "tick the jobs first"), ({"job": "a"}, "choose to run")])
def test_a_half_filled_action_says_what_is_missing(client: Client, olga: Any, data: Any, said: str) -> None:
    cast.job("a")
    assert said in client.post("/jobs/", data, follow=True).content.decode()
    assert not Run.objects.exists()


def test_a_presets_schedule_counts_though_the_jobs_own_is_off(client: Client, olga: Any) -> None:
    job = cast.job(schedule="0 2 * * *", enabled=False)
    Preset.objects.create(job=job, name="weekly", schedule="0 3 * * 0")
    assert "with preset weekly" in page(client, "/jobs/")
