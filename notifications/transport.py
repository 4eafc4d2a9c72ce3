"""What a kind of channel offers. Each kind is one module in `notifications/channels/`."""

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from connectors.definition import ConnectorError, Definition
from connectors.kind import Kind
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.redact import Masker
from notifications.events import LOOKS, Event
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

    # Whether a recipient is the same one whichever channel of the kind leads to it.
    same_everywhere: ClassVar[bool] = False
    # Whether people read what is sent: then many alerts that wait for one recipient are told in one message.
    digests: ClassVar[bool] = False

    def takes(self, recipient: str) -> bool:
        """Whether this form of recipient is one of this kind: `#channel`, `@user`, an address."""
        return False

    def recipient_fault(self, recipient: str) -> str | None:
        """Why a recipient can't be reached through this kind of channel; None when it can."""
        return None if self.takes(recipient) else f"{self.label} can't reach {recipient!r}."

    def default_recipients(self, settings: Mapping[str, Any]) -> list[str]:
        """Whom the channel tells when nobody is named. `settings` are those of the form; at least one, which may be "" where
        the channel leads to one place only."""
        # Abstract: nothing fits every kind; the contract test asks each one.
        raise NotImplementedError(f"{type(self).__name__} does not say whom it tells")

    def where(self, settings: Mapping[str, Any]) -> str:
        """Which system the channel leads to, in words, without secrets. `settings` may be those of a form that isn't complete.

        Where this changes, stored secrets would be sent somewhere else.
        """
        return ""

    def faults(self, settings: Mapping[str, Any]) -> dict[str, list[str]]:
        """What is missing or too much in the settings as a whole, stored secrets included: messages by field.

        A form can't tell: a secret that is left empty there may be stored.
        """
        return {}

    def checked(self, definition: Definition) -> dict[str, Any]:
        """The settings typed, defaults filled in. Raises ConnectorError when they can't be used."""
        try:
            settings = self.form.check(definition.settings, tokens=False)
            if faults := self.faults(settings):
                raise ConfigError(faults)
        except ConfigError as error:
            # A fault may quote the value, and that may be the secret.
            fault = self.masker(definition).text(str(error))
            raise ConnectorError(f"Channel {definition.name!r} can't be used: {fault}") from None
        return settings

    def masker(self, definition: Definition) -> Masker:
        """Masks every secret of the channel."""
        named = (definition.settings.get(name) for name in self.form.secret_names())
        return Masker(
            [*definition.hidden, *map(str, definition.secrets.values()), *(str(value) for value in named if value)]
        )

    def send(self, definition: Definition, recipient: str, message: Message) -> str:
        """Send one message and give the server's answer in one line. Raises Unsent, or ConnectorError when the channel's own
        settings can't be used.
        """
        # Abstract: this is what a kind is; the contract test sends through each one.
        raise NotImplementedError(f"{type(self).__name__} does not say how it sends")

    def test(self, definition: Definition) -> str:
        """Send a test message to each default recipient and tell the answers. Raises ConnectorError when one was not taken."""
        answers, failed = [], False
        for recipient in self.default_recipients(self.checked(definition)):
            said = f"{recipient}: " if recipient else ""
            try:
                answers.append(said + self.send(definition, recipient, example(definition.name)))
            except Unsent as error:
                answers.append(said + error.answer)
                failed = True
                if not error.permanent:
                    break  # the others would wait for the same server
        told = "; ".join(answers)
        if failed:
            raise ConnectorError(told)
        return told


def example(channel: str) -> Message:
    """The message of a test: what it says is true."""
    return Message(
        event=Event.TEST,
        title=f"Test of channel {channel}",
        colour=LOOKS[Event.TEST].colour,
        job_id="",
        facts=(("Channel", channel), ("Meaning", "Alerts that are sent through this channel arrive here.")),
        delivery=str(uuid.uuid4()),
    )
