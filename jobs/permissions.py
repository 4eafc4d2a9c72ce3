"""Who may see, run and cancel which jobs: granted together, for all jobs (`job:*`) or for one (`job:<id>`).

Editing is Django's own add, change and delete permission on jobs; editors see all jobs.
"""

from typing import Any, Literal

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, Q, QuerySet
from guardian.models import GroupObjectPermission, UserObjectPermission
from guardian.shortcuts import assign_perm, remove_perm

from jobs.models import Job

SEE, RUN, CANCEL = "see_job", "run_job", "cancel_job"
EDITING = ("jobs.add_job", "jobs.change_job", "jobs.delete_job")
ALL_JOBS = "*"


def visible_jobs(user: Any) -> QuerySet[Job]:
    """The jobs that the person may see, in one query."""
    if not user.is_active:
        return Job.objects.none()
    if sees_all(user):
        return Job.objects.all()
    granted = Q(permission__codename=SEE, permission__content_type__app_label="jobs", object_pk=OuterRef("pk"))
    own = UserObjectPermission.objects.filter(granted, user_id=user.pk)
    through_group = GroupObjectPermission.objects.filter(granted, group__user=user.pk)
    return Job.objects.filter(Exists(own) | Exists(through_group))


def sees_all(user: Any) -> bool:
    """Whether the person sees every job: a superuser, holder of `job:*`, or editor."""
    return bool(
        user.is_active
        and (user.is_superuser or user.has_perm(f"jobs.{SEE}") or any(user.has_perm(name) for name in EDITING))
    )


def may_run(user: Any, job: Job) -> bool:
    """Whether the person may trigger the job."""
    return _may(user, RUN, job)


def may_cancel(user: Any, job: Job) -> bool:
    """Whether the person may stop the job's runs."""
    return _may(user, CANCEL, job)


def _may(user: Any, permission: str, job: Job) -> bool:
    name = f"jobs.{permission}"
    # Django's own backend knows grants for all jobs, guardian's those for one: each answers only its own question.
    return bool(user.is_active and (user.has_perm(name) or user.has_perm(name, job)))


def grant_job(receiver: Any, job: Job | Literal["*"]) -> None:
    """Let a user or group see, run and cancel one job, or all of them for `"*"`."""
    for name in (SEE, RUN, CANCEL):
        if isinstance(job, Job):
            assign_perm(name, receiver, job)
        else:
            _global_permissions(receiver).add(_permission(name))


def revoke_job(receiver: Any, job: Job | Literal["*"]) -> None:
    """The way back from `grant_job`."""
    for name in (SEE, RUN, CANCEL):
        if isinstance(job, Job):
            remove_perm(name, receiver, job)
        else:
            _global_permissions(receiver).remove(_permission(name))


def forget_grants(job_id: str) -> None:
    """Drop every grant for one job: a later job of the same id must not inherit them."""
    kind = ContentType.objects.get_for_model(Job)
    for grants in (UserObjectPermission, GroupObjectPermission):
        grants.objects.filter(content_type=kind, object_pk=job_id).delete()


def _permission(codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label="jobs", codename=codename)


def _global_permissions(receiver: Any) -> Any:
    return receiver.permissions if isinstance(receiver, Group) else receiver.user_permissions
