"""Freezes in the admin, posted as a browser without JavaScript posts them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from jobs.freezing import freeze
from jobs.models import Freeze, Preset
from tests import cast

pytestmark = pytest.mark.django_db
ADD, LIST = "/admin/jobs/freeze/add/", "/admin/jobs/freeze/"
# What a strict content security policy would block.
INLINE = re.compile(r"<style|<script(?![^>]* src=)|<[^>]* (?:style|on[a-z]+)=", re.IGNORECASE)
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
VALUES = {"scope": "all", "target": "", "reason": "year-end close", "starts_at": "", "ends_at": "2026-11-27T09:00"}


@pytest.fixture(autouse=True)
def the_clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def olga(client):
    client.force_login(cast.olga())
    return client


@pytest.fixture
def frozen():
    return freeze("all", "", "close", None, NOW + timedelta(days=2), by="alice", now=NOW)


def page(response):
    assert response.status_code == 200
    return response.content.decode()


def test_the_first_post_lists_what_is_held_and_saves_nothing(olga):
    job = cast.job("nightly", schedule="0 2 * * *", timezone="Europe/Paris")
    Preset.objects.create(job=job, name="full", schedule="*/5 * * * *", timezone="America/New_York")
    shown = page(olga.post(ADD, VALUES))
    assert "578 fires of 1 job will not start a run." in shown
    assert "Thu 2026-11-26 01:00</td>" in shown
    assert "Thu 02:00 Europe/Paris" in shown
    assert not Freeze.objects.exists()


def test_the_second_post_freezes(olga):
    assert olga.post(ADD, VALUES | {"confirmed": "Freeze"}).status_code == 302
    made = Freeze.objects.get()
    assert (made.owner, made.user.get_username(), made.starts_at) == ("olga", "olga", NOW)


def test_the_confirmation_carries_the_values_to_the_second_post(olga):
    shown = page(olga.post(ADD, VALUES | {"starts_at": "2026-11-26T08:30"}))
    for value in ('value="year-end close"', 'value="2026-11-26T08:30"', 'value="2026-11-27T09:00"'):
        assert value in shown


def test_going_back_shows_the_form_as_it_was_typed(olga):
    shown = page(olga.post(ADD, VALUES | {"change": "Go back"}))
    assert ("year-end close</textarea>" in shown, 'value="2026-11-27T09:00"' in shown) == (True, True)


def test_what_is_wrong_stands_at_its_field(olga):
    shown = page(olga.post(ADD, VALUES | {"scope": "job", "target": "nope", "ends_at": "2020-01-01T00:00"}))
    assert ("There is no job &#x27;nope&#x27;." in shown, "Expected a time in the future." in shown) == (True, True)
    assert not Freeze.objects.exists()


def test_what_is_odd_is_said_before_saving(olga):
    assert "No job has the tag &#x27;elt&#x27; now" in page(olga.post(ADD, VALUES | {"scope": "tag", "target": "elt"}))


def test_a_faulty_second_post_is_refused_like_the_first(olga):
    page(olga.post(ADD, VALUES | {"confirmed": "Freeze", "ends_at": "2020-01-01T00:00"}))
    assert not Freeze.objects.exists()


def test_a_long_list_is_cut_and_the_rest_is_counted(olga):
    for number in range(70):
        cast.job(f"j{number}", steps=(), schedule="0 */8 * * *")
    shown = page(olga.post(ADD, VALUES))
    assert (shown.count("/admin/jobs/job/j"), "And 220 more." in shown) == (200, True)


def test_another_end_is_shown_first_and_then_saved(olga, frozen):
    cast.job("nightly", schedule="0 2 * * *")
    url = f"/admin/jobs/freeze/{frozen.pk}/change/"
    assert "4 fires of 1 job will not start a run." in page(olga.post(url, {"ends_at": "2026-11-29T09:00"}))
    frozen.refresh_from_db()
    assert frozen.ends_at == NOW + timedelta(days=2)
    assert olga.post(url, {"ends_at": "2026-11-29T09:00", "confirmed": "x"}).status_code == 302
    frozen.refresh_from_db()
    assert (frozen.ends_at, frozen.owner) == (NOW + timedelta(days=4), "alice")


def test_a_wrong_end_is_refused_at_the_field(olga, frozen):
    shown = page(olga.post(f"/admin/jobs/freeze/{frozen.pk}/change/", {"ends_at": "2026-11-24T09:00"}))
    assert "Expected a time in the future." in shown


def test_the_end_of_a_freeze_of_a_deleted_job_can_be_changed(olga):
    job = cast.job("gone")
    made = freeze("job", "gone", "x", None, NOW + timedelta(days=2), by="alice", now=NOW)
    job.delete()
    assert "No schedule fires" in page(
        olga.post(f"/admin/jobs/freeze/{made.pk}/change/", {"ends_at": "2026-11-29T09:00"})
    )


def test_a_freeze_is_ended_by_one_button(olga, frozen):
    assert olga.post(f"/admin/jobs/freeze/{frozen.pk}/change/", {"end": "End now"}).status_code == 302
    frozen.refresh_from_db()
    assert (frozen.ends_at, frozen.ended_by) == (NOW, "olga")


def test_chosen_freezes_are_ended_from_the_list(olga, frozen):
    olga.post(LIST, {"action": "end_now", "_selected_action": [frozen.pk]})
    frozen.refresh_from_db()
    assert frozen.ended_by == "olga"


def test_a_freeze_that_is_over_offers_nothing(olga, frozen):
    Freeze.objects.update(starts_at=NOW - timedelta(days=1), ends_at=NOW)
    shown = page(olga.get(f"/admin/jobs/freeze/{frozen.pk}/change/"))
    assert ("over" in shown, 'name="ends_at"' in shown, 'name="end"' in shown) == (True, False, False)


def test_the_list_shows_state_end_owner_and_reason(olga, frozen):
    shown = page(olga.get(LIST))
    for text in ("every job", "active", "2026-11-27 09:00", "alice", "close"):
        assert text in shown


def test_a_freeze_is_never_deleted(olga, frozen):
    assert olga.post(f"/admin/jobs/freeze/{frozen.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Freeze.objects.exists()


def test_whoever_may_only_look_changes_nothing(client, frozen):
    client.force_login(cast.user("vera", "view_freeze"))
    url = f"/admin/jobs/freeze/{frozen.pk}/change/"
    assert "End now" not in page(client.get(url))
    assert [client.post(url, {"end": "x"}).status_code, client.post(ADD, VALUES).status_code] == [403, 403]


def test_nobody_sees_freezes_without_permission(client, frozen):
    client.force_login(cast.user("nobody"))
    assert [client.get(url).status_code for url in (LIST, ADD, f"/admin/jobs/freeze/{frozen.pk}/change/")] == [403] * 3


def test_an_unknown_freeze_is_not_found(olga):
    assert olga.get("/admin/jobs/freeze/77/change/").status_code == 404


def test_the_pages_have_no_inline_script_style_or_handler(olga, frozen):
    change = f"/admin/jobs/freeze/{frozen.pk}/change/"
    shown = [page(olga.get(ADD)), page(olga.post(ADD, VALUES)), page(olga.get(change)), page(olga.get(LIST))]
    assert [INLINE.findall(text) for text in shown] == [[]] * 4
