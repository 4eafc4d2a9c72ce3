"""Start-up of the notifications app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Who is told, and how."""

    name = "notifications"
