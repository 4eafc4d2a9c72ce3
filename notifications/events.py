"""The events that somebody may be told of, each with the option of a job's alerts block that chooses it. Written once, here."""

from dataclasses import dataclass

from django.db import models


class Event(models.TextChoices):
    """What happened."""

    FAILED = "failed", "failed"
    LONG_RUNNING = "long_running", "long-running"
    SUCCEEDED = "succeeded", "succeeded"
    CANCELED = "canceled", "cancelled"
    GUARD = "guard", "guard warning"
    MISSED = "missed", "missed fire"
    SKIPPED = "skipped", "skipped fire"
    SWITCHED_ON = "switched_on", "switched on"
    SWITCHED_OFF = "switched_off", "switched off"
    RECOVERED = "recovered", "recovered"
    TEST = "test", "test"


@dataclass(frozen=True)
class Look:
    """How an event looks where it's told: a sign, and a colour that a message carries (#rrggbb)."""

    icon: str
    colour: str


RED, AMBER, GREEN, GREY, BLUE = "#c62828", "#b26a00", "#2e7d32", "#616161", "#1565c0"
LOOKS = {
    Event.FAILED: Look("✕", RED),
    Event.LONG_RUNNING: Look("◷", AMBER),
    Event.SUCCEEDED: Look("✓", GREEN),
    Event.CANCELED: Look("⊘", GREY),
    Event.GUARD: Look("!", AMBER),
    Event.MISSED: Look("✕", RED),
    Event.SKIPPED: Look("⊘", AMBER),
    Event.SWITCHED_ON: Look("▶", BLUE),
    Event.SWITCHED_OFF: Look("◼", GREY),
    Event.RECOVERED: Look("✓", GREEN),
    Event.TEST: Look("✓", BLUE),
}


class DeliveryState(models.TextChoices):
    """PENDING, then SENT, or RETRYING until it's SENT or FAILED."""

    PENDING = "PENDING", "Pending"
    RETRYING = "RETRYING", "Retrying"
    SENT = "SENT", "Sent"
    FAILED = "FAILED", "Failed"


# Those that somebody still has to send.
OPEN = (DeliveryState.PENDING, DeliveryState.RETRYING)
