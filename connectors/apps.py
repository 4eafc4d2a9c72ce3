"""Start-up of the connectors app."""

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    """How to reach other systems."""

    name = "connectors"

    def ready(self) -> None:
        """A broken kind stops the start, not the first night's run."""
        from auditlog.registry import auditlog

        from connectors.kinds import kinds
        from connectors.models import Connector, NamedQuery

        kinds()
        # That a secret changed belongs into the trail, the secret doesn't.
        auditlog.register(Connector, mask_fields=["config", "secrets"], mask_callable="connectors.audit.masked")
        auditlog.register(NamedQuery)
