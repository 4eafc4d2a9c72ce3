"""The admin site: Django's own, with our name and without pages that could run any task."""

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Model


class NomaflowAdminSite(AdminSite):
    """The stock admin under the product's name."""

    site_header = "Nomaflow"
    site_title = "Nomaflow"
    index_title = "Configuration"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leave django-celery-beat's pages out: their free task name and arguments mean "run anything"."""
        models: list[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        )
        kept = [model for model in models if model._meta.app_label != "django_celery_beat"]
        if kept:
            super().register(kept, admin_class, **options)
