"""What a kind of channel offers. Each kind is one module in `notifications/channels/`."""

from collections.abc import Mapping
from typing import Any

from connectors.definition import Definition
from connectors.kind import Kind
from notifications.message import Message

# One attempt may take so long, whatever the other side does, in seconds.
SEND_SECONDS = 20.0


class Unsent(Exception):
    """A message that was not taken. `answer` is what the other side said, in one line.

    `permanent`: sending it again can't help. `retry_after`: seconds that the other side asked to wait, for all messages of the
    channel.
    """

    def __init__(self, answer: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        self.answer, self.permanent, self.retry_after = answer, permanent, retry_after
        super().__init__(answer)


class Transport(Kind):
    """One kind of channel: how it's described, whom it reaches, and how a message is sent."""

    def takes(self, recipient: str) -> bool:
        """Whether this form of recipient is one of this kind: `#channel`, `@user`, an address."""
        return False

    def recipient_fault(self, recipient: str) -> str | None:
        """Why a recipient can't be reached through this kind of channel; None when it can."""
        return None if self.takes(recipient) else f"{self.label} can't reach {recipient!r}."

    def default_recipients(self, settings: Mapping[str, Any]) -> list[str]:
        """Whom the channel tells when nobody is named. `settings` are those of the form; at least one, which may be "" where
        the channel leads to one place only."""
        raise NotImplementedError(f"{type(self).__name__} does not say whom it tells")

    def where(self, settings: Mapping[str, Any]) -> str:
        """Which system the channel leads to, in words, without secrets."""
        return ""

    def send(self, definition: Definition, recipient: str, message: Message) -> str:
        """Send one message and give the server's answer in one line. Raises Unsent, or ConnectorError when the channel's own
        settings can't be used.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it sends")
