"""Writing jobs: checked, versioned, told to the floors above."""

import pytest

from jobs.catalogue import (
    delete_job,
    diff_definitions,
    diff_versions,
    duplicate_job,
    restore_version,
    save_job,
    switch_job,
)
from jobs.definition import definition_of
from jobs.models import Job, JobVersion
from jobs.permissions import grant_job, visible_jobs
from jobs.signals import job_saved
from jobs.validation import InvalidJob
from nomaflow_site.lib.sealing import is_sealed, unseal
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(definition):
    return save_job(definition, by="olga")


@pytest.fixture
def news():
    heard = []

    def hear(**said):
        heard.append(said)

    job_saved.connect(hear)
    yield heard
    job_saved.disconnect(hear)


def versions(job_id="nightly"):
    return list(JobVersion.objects.filter(job_key=job_id).order_by("number"))


def test_a_job_is_stored_with_its_steps_in_order_and_its_secrets_sealed(saved, definition):
    stored = definition_of(Job.objects.get(pk="nightly"))
    assert [step["name"] for step in stored["steps"]] == ["load", "send"]
    assert is_sealed(stored["params"]["api_key"])
    assert is_sealed(stored["steps"][1]["headers"]["Authorization"])
    assert unseal(stored)["steps"][1]["headers"] == definition["steps"][1]["headers"]


def test_every_change_is_a_version_with_who_and_what(saved, definition):
    save_job({**definition, "description": "new"}, by="rui", comment="why not")
    first, second = versions()
    assert (first.saved_by, second.saved_by, second.comment, second.number) == ("olga", "rui", "why not", 2)
    assert Job.objects.get(pk="nightly").version == 2


def test_saving_the_same_again_makes_no_version(saved, definition):
    save_job(definition, by="rui")
    save_job(definition_of(saved), by="rui")
    assert len(versions()) == 1


def test_steps_are_matched_by_name_and_may_change_places(saved, definition):
    keys = dict(saved.steps.values_list("name", "pk"))
    swapped = [{**definition["steps"][1], "url": "https://example.com/"}, definition["steps"][0]]
    job = save_job({**definition, "steps": swapped}, by="olga")
    assert list(job.steps.values_list("name", "pk")) == [("send", keys["send"]), ("load", keys["load"])]


def test_two_steps_may_swap_their_names(saved, definition):
    load, send = definition["steps"]
    steps = [{**load, "name": "send"}, {**send, "name": "load", "url": "https://example.com/"}]
    keys = dict(saved.steps.values_list("name", "pk"))
    job = save_job({**definition, "steps": steps}, by="olga", renamed={"send": "load", "load": "send"})
    assert dict(job.steps.values_list("name", "pk")) == {"send": keys["load"], "load": keys["send"]}


def test_the_type_of_a_step_is_locked(saved, definition):
    steps = [{"name": "load", "type": "python", "callable": "m:f"}]
    with pytest.raises(InvalidJob, match="The type is locked"):
        save_job({**definition, "steps": steps, "presets": []}, by="olga")


def test_a_job_with_a_fault_changes_nothing(saved, definition):
    with pytest.raises(InvalidJob, match="job 'nightly', step 'load': connector: There is no connector 'gone'"):
        save_job({**definition, "steps": [{**definition["steps"][0], "connector": "gone"}]}, by="olga")
    assert len(versions()) == 1


def test_floors_above_hear_what_changed(definition, news):
    job = save_job(definition, by="olga")
    switch_job(job, False, by="rui")
    assert [(said["by"], said["before"] is None, said["after"]["enabled"]) for said in news] == [
        ("olga", True, True),
        ("rui", False, False),
    ]


def test_switching_off_what_is_off_is_no_change(saved):
    switch_job(saved, False, by="rui")
    switch_job(saved, False, by="rui")
    assert [version.comment for version in versions()] == ["", "switched off"]


def test_deleting_keeps_runs_and_versions_and_says_who(saved):
    run = cast.run(saved, "SUCCEEDED")
    delete_job(saved, by="olga")
    run.refresh_from_db()
    assert (run.job_id, run.state) == ("nightly", "SUCCEEDED")
    assert (versions()[-1].comment, versions()[-1].saved_by) == ("deleted", "olga")


def test_a_job_created_again_goes_on_counting_and_inherits_no_grant(saved, definition):
    vera = cast.user("vera")
    grant_job(vera, saved)
    delete_job(saved, by="olga")
    again = save_job(definition, by="olga")
    assert again.version == 3
    assert list(visible_jobs(vera)) == []


def test_a_duplicate_has_everything_but_fires_nothing(saved):
    copy = duplicate_job(saved, "nightly-2", by="olga")
    kept = {**definition_of(copy), "id": "nightly", "enabled": True}
    kept["presets"] = [{key: value for key, value in preset.items() if key != "enabled"} for preset in kept["presets"]]
    assert unseal(kept) == unseal(definition_of(saved))
    assert not copy.enabled


def test_a_duplicate_under_a_taken_id_is_refused(saved):
    with pytest.raises(InvalidJob, match="choose another id"):
        duplicate_job(saved, "nightly", by="olga")


def test_restoring_brings_everything_back_secrets_included(saved, definition):
    changed = {
        **definition,
        "params": {},
        "steps": [{"name": "load", "type": "python", "callable": "m:f"}],
        "presets": [],
    }
    changed["steps"][0]["name"] = "only"
    save_job(changed, by="rui")
    job = restore_version(versions()[0], by="olga")
    assert unseal(definition_of(job))["params"] == definition["params"]
    assert (job.version, versions()[-1].comment) == (3, "restored version 1")


def test_restoring_brings_back_a_deleted_job_and_a_step_that_has_another_type_now(saved, definition):
    delete_job(saved, by="olga")
    other = {**definition, "steps": [{"name": "load", "type": "python", "callable": "m:f"}], "presets": []}
    save_job(other, by="rui")
    job = restore_version(versions()[0], by="olga")
    assert [step.type for step in job.steps.all()] == ["sql_query", "http"]


def test_a_diff_shows_what_changed_and_no_secret(saved, definition):
    save_job({**definition, "description": "new", "params": {**definition["params"], "api_key": "other"}}, by="rui")
    diff = "\n".join(diff_versions(*versions()))
    assert '+description = "new"' in diff
    assert '+api_key = "******** (changed)"' in diff
    assert "k-4711" not in diff
    assert "other" not in diff


def test_a_version_can_not_be_written_again(saved):
    with pytest.raises(ValueError, match="history"):
        versions()[0].save()


def test_nothing_differs_between_a_definition_and_itself(saved):
    assert diff_definitions(definition_of(saved), definition_of(saved), "a", "b") == []
