"""How events and deliveries look on the pages, beside their words."""

from django import template

from notifications.events import LOOKS, DeliveryState, Event

register = template.Library()

# A sign, and the state whose colour it has.
STATES = {
    DeliveryState.PENDING: ("◷", "queued"),
    DeliveryState.RETRYING: ("↻", "waiting"),
    DeliveryState.SENT: ("✓", "succeeded"),
    DeliveryState.FAILED: ("✕", "failed"),
}


@register.filter
def event_icon(event: str) -> str:
    """An event's sign."""
    return LOOKS[Event(event)].icon


@register.filter
def delivery_icon(state: str) -> str:
    """The sign of a delivery's state."""
    return STATES[DeliveryState(state)][0]


@register.filter
def delivery_class(state: str) -> str:
    """The colour of a delivery's state."""
    return STATES[DeliveryState(state)][1]
