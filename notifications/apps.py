"""Start-up of the notifications app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Who is told, and how."""

    name = "notifications"

    def ready(self) -> None:
        """A broken kind of channel stops the start; listen to the floors below, send beside them, and show on their pages."""
        from auditlog.registry import auditlog

        from jobs.recipients import register_directory
        from jobs.sections import register_section
        from notifications import onpages, receivers, retention
        from notifications.catalogue import HEALTH_FIELDS
        from notifications.channelfile import CHANNELS, RULES
        from notifications.channels import transports
        from notifications.directory import DIRECTORY
        from notifications.models import Channel, RoutingRule
        from notifications.sender import Sender
        from runs.companions import register_companion
        from runs.retention import register_retention

        transports()
        register_directory(DIRECTORY)
        register_section(CHANNELS)
        register_section(RULES)
        receivers.connect()
        register_companion(Sender)
        register_retention(retention.keeps_run, retention.prune)
        onpages.show()
        # That a secret changed belongs into the trail, the secret doesn't; nor does what each message changes.
        auditlog.register(
            Channel,
            exclude_fields=HEALTH_FIELDS,
            mask_fields=["config", "secrets"],
            mask_callable="connectors.audit.masked",
        )
        auditlog.register(RoutingRule)
