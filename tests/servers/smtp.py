"""A real mail server that keeps what it is sent, and refuses or hangs as it is told."""

import asyncio as _asyncio
import email as _email
import email.policy as _policy
import ssl as _ssl
import threading as _threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage as _EmailMessage
from typing import Any

import pytest

from tests.servers import wait_for as _wait_for

USER, PASSWORD = "nomaflow", "canary-smtp-password"


@dataclass(frozen=True)
class Mail:
    """One mail as it was handed over."""

    sender: str
    recipients: list[str]
    content: bytes
    # Whether the way here was encrypted, and who had signed in.
    encrypted: bool
    signed_in_as: str | None

    @property
    def message(self) -> _EmailMessage:
        """The mail, parsed."""
        return _email.message_from_bytes(self.content, policy=_policy.default)  # type: ignore[return-value]

    def body(self, subtype: str) -> str:
        """The `plain` or `html` part."""
        part: Any = self.message.get_body((subtype,))
        return str(part.get_content())


class MailServer:
    """Listens on `port` of loopback. `mails` holds what was taken.

    `refuse` maps a command (`MAIL`, `RCPT`, `DATA`) to the reply it gets instead; `hang_at` names one that is never answered.
    """

    def __init__(
        self, *, starttls: _ssl.SSLContext | None, tls: _ssl.SSLContext | None, sign_in: bool, eight_bit: bool
    ) -> None:
        self.mails: list[Mail] = []
        self.refuse: dict[str, str] = {}
        self.hang_at = ""
        self.answer = "250 2.0.0 Ok: queued as 12345"
        self._starttls, self._tls, self._sign_in, self._eight_bit = starttls, tls, sign_in, eight_bit
        self._transports: list[Any] = []
        self._loop = _asyncio.new_event_loop()
        self._thread = _threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: _asyncio.Server = _asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Settings of an e-mail channel that leads here."""
        security = "tls" if self._tls else "starttls" if self._starttls else "none"
        return {
            "host": "localhost",
            "port": self.port,
            "security": security,
            "sender": "Nomaflow <nomaflow@example.com>",
            "recipients": ["olga@example.com"],
            **changes,
        }

    def wait_for_mails(self, count: int, seconds: float = 10) -> list[Mail]:
        """The mails, as soon as there are so many."""
        _wait_for(lambda: len(self.mails) >= count, seconds, f"{count} mails")
        return list(self.mails)

    def stop(self) -> None:
        """Hang up on everybody."""
        _asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        left = _asyncio.all_tasks() - {_asyncio.current_task()}
        for task in left:
            task.cancel()
        await _asyncio.gather(*left, return_exceptions=True)
        for transport in self._transports:
            transport.abort()

    async def _open(self) -> _asyncio.Server:
        from aiosmtpd.smtp import SMTP, AuthResult

        def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
            return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)

        transports = self._transports

        class Conversation(SMTP):
            def connection_made(self, transport: Any) -> None:
                """Remember whom to hang up on."""
                transports.append(transport)
                super().connection_made(transport)

        def protocol() -> SMTP:
            return Conversation(
                self,
                hostname="mail.test",
                tls_context=self._starttls,
                require_starttls=bool(self._starttls),
                auth_required=self._sign_in,
                auth_require_tls=bool(self._starttls),
                authenticator=authenticate,
                loop=self._loop,
            )

        return await self._loop.create_server(protocol, "127.0.0.1", 0, ssl=self._tls)

    async def _reply(self, command: str) -> str | None:
        if self.hang_at == command:
            await _asyncio.sleep(60)
        return self.refuse.get(command)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer what a server of that kind offers."""
        session.host_name = hostname
        await self._reply("EHLO")
        return [line for line in responses if self._eight_bit or "8BITMIME" not in line]

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take a sender."""
        if refused := await self._reply("MAIL"):
            return refused
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take a recipient."""
        if refused := await self._reply("RCPT"):
            return refused
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        if refused := await self._reply("DATA"):
            return refused
        encrypted = bool(session.ssl) or self._tls is not None
        content = bytes(envelope.content)
        self.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), content, encrypted, session.auth_data))
        return self.answer


@pytest.fixture
def make_mail_server() -> Iterator[Callable[..., MailServer]]:
    """Makes mail servers: plain, or with `starttls` or `tls` (a server's TLS context), `sign_in` required or not."""
    made: list[MailServer] = []

    def make(
        *,
        starttls: _ssl.SSLContext | None = None,
        tls: _ssl.SSLContext | None = None,
        sign_in: bool = False,
        eight_bit: bool = True,
    ) -> MailServer:
        made.append(MailServer(starttls=starttls, tls=tls, sign_in=sign_in, eight_bit=eight_bit))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def mail_server(make_mail_server: Callable[..., MailServer]) -> MailServer:
    """A mail server in clear text that takes everything."""
    return make_mail_server()
