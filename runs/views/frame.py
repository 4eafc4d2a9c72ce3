"""What the frame around every page needs: the menu, and the admin's own sidebar beside it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from runs.visibility import sees_a_job


def frame(request: HttpRequest) -> dict[str, Any]:
    """The values that `admin/base.html` reads, for pages outside the admin too; asked for only where a page shows them."""
    user: Any = getattr(request, "user", None)
    known = bool(user and user.is_authenticated)
    return {
        "site_title": admin.site.site_title,
        "site_header": admin.site.site_header,
        "is_nav_sidebar_enabled": known,
        "has_permission": known,
        "available_apps": SimpleLazyObject(lambda: admin.site.get_app_list(request) if known and user.is_staff else []),
        "sees_jobs": SimpleLazyObject(lambda: known and sees_a_job(request)),
    }
