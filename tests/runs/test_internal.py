"""Nomaflow's own jobs: made once, then the operator's."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError

from jobs.catalogue import delete_job, save_job
from jobs.definition import definition_of
from jobs.models import Job, JobVersion
from jobs.steps import step_types
from runs import internal
from runs.internal import ensure_internal_jobs

pytestmark = pytest.mark.django_db
PRUNE = "_internal-prune-runs"


def test_retention_is_a_job_of_an_internal_step_every_night_at_three() -> None:
    ensure_internal_jobs()
    job = Job.objects.get(pk=PRUNE)
    assert (job.schedule, job.timezone, job.enabled, job.tags) == ("0 3 * * *", "UTC", True, ["internal"])
    assert [step_types()[step.type].internal for step in job.steps.all()] == [True]


def test_its_version_says_who_made_it() -> None:
    ensure_internal_jobs()
    assert [(v.number, v.saved_by) for v in JobVersion.objects.all()] == [(1, "nomaflow")]


def test_a_second_time_changes_nothing() -> None:
    ensure_internal_jobs()
    ensure_internal_jobs()
    assert JobVersion.objects.count() == 1


def test_what_an_operator_changed_stays_changed() -> None:
    ensure_internal_jobs()
    steps = [{"name": "prune-runs", "type": "prune_runs", "keep_days": 30}]
    save_job({**definition_of(Job.objects.get()), "steps": steps, "enabled": False}, by="olga")
    ensure_internal_jobs()
    job = Job.objects.get()
    assert (job.enabled, job.steps.get().config) == (False, {"keep_days": 30})


def test_what_an_operator_deleted_does_not_come_back() -> None:
    ensure_internal_jobs()
    delete_job(Job.objects.get(), by="olga")
    ensure_internal_jobs()
    assert not Job.objects.exists()


def test_a_beat_that_comes_second_in_the_same_moment_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError("duplicate key")

    monkeypatch.setattr(internal, "save_job", too_late)
    ensure_internal_jobs()
    assert not Job.objects.exists()


def test_it_can_be_exported_and_imported_like_any_other(tmp_path: Any) -> None:
    ensure_internal_jobs()
    path, out = tmp_path / "jobs.toml", io.StringIO()
    call_command("exportjobs", stdout=out)
    path.write_text(out.getvalue())
    call_command("importjobs", str(path), stdout=(said := io.StringIO()))
    assert f"job {PRUNE}: unchanged" in said.getvalue()
