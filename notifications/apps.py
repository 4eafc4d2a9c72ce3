"""Start-up of the notifications app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Who is told, and how."""

    name = "notifications"

    def ready(self) -> None:
        """A broken kind of channel stops the start, not the first alert."""
        from auditlog.registry import auditlog

        from jobs.recipients import register_directory
        from jobs.sections import register_section
        from notifications.channelfile import CHANNELS, RULES
        from notifications.channels import transports
        from notifications.directory import DIRECTORY
        from notifications.models import HEALTH_FIELDS, Channel, RoutingRule

        transports()
        register_directory(DIRECTORY)
        register_section(CHANNELS)
        register_section(RULES)
        # That a secret changed belongs into the trail, the secret doesn't; nor does what each message changes.
        auditlog.register(
            Channel,
            exclude_fields=HEALTH_FIELDS,
            mask_fields=["config", "secrets"],
            mask_callable="connectors.audit.masked",
        )
        auditlog.register(RoutingRule)
