"""Who may see, run and cancel which jobs."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission

from jobs.permissions import grant_job, may_cancel, may_run, revoke_job, visible_jobs
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs():
    return [cast.job("a"), cast.job("b")]


def seen(person):
    # Permissions are remembered on the user object; a request has a fresh one.
    fresh = get_user_model().objects.get(pk=person.pk)
    return [job.id for job in visible_jobs(fresh)]


def test_nobody_sees_nothing(jobs):
    assert seen(cast.user("nobody")) == []
    assert list(visible_jobs(AnonymousUser())) == []


def test_a_grant_for_one_job_lets_see_run_and_cancel_that_one(jobs):
    rui = cast.user("rui")
    grant_job(rui, jobs[0])
    assert seen(rui) == ["a"]
    assert [(may_run(rui, job), may_cancel(rui, job)) for job in jobs] == [(True, True), (False, False)]


def test_a_grant_for_all_jobs_counts_for_each(jobs):
    rui = cast.user("rui")
    grant_job(rui, "*")
    rui = get_user_model().objects.get(pk=rui.pk)
    assert seen(rui) == ["a", "b"]
    assert may_run(rui, jobs[1])


def test_groups_pass_their_grants_on(jobs):
    operators = Group.objects.create(name="operators")
    rui = cast.user("rui")
    rui.groups.add(operators)
    grant_job(operators, jobs[1])
    assert seen(rui) == ["b"]
    grant_job(operators, "*")
    assert seen(rui) == ["a", "b"]


def test_a_grant_can_be_taken_back(jobs):
    rui = cast.user("rui")
    grant_job(rui, jobs[0])
    grant_job(rui, "*")
    revoke_job(rui, jobs[0])
    revoke_job(rui, "*")
    assert seen(rui) == []


def test_an_editor_sees_all_jobs_and_runs_none(jobs):
    editor = cast.user("editor")
    editor.user_permissions.add(Permission.objects.get(codename="change_job"))
    editor = get_user_model().objects.get(pk=editor.pk)
    assert seen(editor) == ["a", "b"]
    assert not may_run(editor, jobs[0])


def test_an_account_that_is_switched_off_has_nothing(jobs):
    olga = cast.olga()
    olga.is_active = False
    olga.save()
    assert seen(olga) == []
    assert not may_run(olga, jobs[0])


def test_seeing_is_one_query(jobs, django_assert_num_queries):
    rui = cast.user("rui")
    grant_job(rui, jobs[0])
    rui.get_all_permissions()
    with django_assert_num_queries(1):
        assert len(visible_jobs(rui)) == 1
