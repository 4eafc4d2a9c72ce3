"""One SMTP conversation: to a checked address, encrypted or not at all where it should be, under one deadline."""

import base64
import contextlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field

from connectors.addresses import Refused
from connectors.guard import explain
from connectors.wire import Deadline, dial
from nomaflow_site.lib.redact import Masker
from notifications import transport
from notifications.channels._text import one_line
from notifications.transport import Unsent

STARTTLS, TLS, NONE = "starttls", "tls", "none"
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}
MOST_LINES, LONGEST_LINE = 200, 8192
HUNG_UP = "the server closed the connection before it had taken the message"


@dataclass(frozen=True)
class Server:
    """A mail server and how it's spoken to. `verify` is a CA file, True or False, as in requests."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)
    verify: bool | str = True
    allow_private: bool = True


def deliver(server: Server, sender: str, recipient: str, mail: bytes, masker: Masker) -> str:
    """Hand over one mail and give the server's answer: `250 2.0.0 Ok: queued as 12345`. Raises Unsent."""
    deadline = Deadline(transport.SEND_SECONDS, server.allow_private)
    client = _Client(server, deadline)
    try:
        client.open()
        reply = client.hand_over(sender, recipient, mail)
        client.leave()
        return one_line(masker.text(_said(*reply)))
    except (Refused, OSError, smtplib.SMTPException) as error:
        permanent, words = _judged(error, deadline)
        raise Unsent(one_line(f"{server.host}:{server.port}: {masker.text(words)}"), permanent=permanent) from None
    finally:
        deadline.end()
        client.close()


class _Client(smtplib.SMTP):
    """smtplib's words over a socket of ours."""

    def __init__(self, server: Server, deadline: Deadline) -> None:
        super().__init__(local_hostname=_own_name())
        self._server, self._deadline = server, deadline

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = dial(host, port, self._deadline)
        self._deadline.hold(sock)
        return self._wrapped(sock) if self._server.security == TLS else sock

    def _wrapped(self, sock: socket.socket) -> ssl.SSLSocket:
        # A handshake as a whole takes no longer than the socket's timeout.
        sock.settimeout(self._deadline.left)
        secure = _context(self._server.verify).wrap_socket(sock, server_hostname=self._server.host)
        self._deadline.hold(secure)
        return secure

    def getreply(self) -> tuple[int, bytes]:
        """One reply. smtplib's own would read one without an end until the memory is full."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected(HUNG_UP)
        self.sock.settimeout(self._deadline.left)
        self.file = self.file or self.sock.makefile("rb")
        said = []
        for _ in range(MOST_LINES):
            line = self.file.readline(LONGEST_LINE)
            if not line:
                raise smtplib.SMTPServerDisconnected(HUNG_UP)
            said.append(line[4:].strip())
            if not line[:3].isdigit():
                raise smtplib.SMTPException(f"this is no mail server: it said {line.decode('utf-8', 'replace')}")
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(said)
        raise smtplib.SMTPException("the server's reply does not end")

    def open(self) -> None:
        """Connect, turn to TLS, sign in."""
        code, text = self.connect(self._server.host, self._server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()
        if self._server.security == STARTTLS:
            self._turn_to_tls()
        if self._server.username:
            self._sign_in()

    def _turn_to_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError(
                "the server does not offer STARTTLS, and nothing is sent in clear text; check host and port, or use security tls"
            )
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        assert self.sock is not None
        self.sock = self._wrapped(self.sock)
        # Nothing that was said in clear text counts any more.
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features, self.does_esmtp = {}, False
        self.ehlo_or_helo_if_needed()

    def _sign_in(self) -> None:
        username, password = self._server.username, self._server.password
        if not self.has_extn("auth"):
            raise smtplib.SMTPNotSupportedError("the server offers no way to sign in here; check port and security")
        if (username + password).isascii() or "PLAIN" not in self.esmtp_features["auth"].upper().split():
            self.login(username, password)
            return
        # smtplib knows ASCII only.
        code, text = self.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{username}\0{password}".encode()).decode())
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, text)

    def hand_over(self, sender: str, recipient: str, mail: bytes) -> tuple[int, bytes]:
        """The mail transaction; the reply that takes the message."""
        _expect(self.mail(sender))
        _expect(self.rcpt(recipient))
        return _expect(self.data(mail))

    def leave(self) -> None:
        """Say goodbye to a server that has taken the message; whatever it does now, it's sent."""
        with contextlib.suppress(OSError, smtplib.SMTPException, ValueError):
            self.putcmd("quit")


def _expect(reply: tuple[int, bytes]) -> tuple[int, bytes]:
    if not 200 <= reply[0] < 300:
        raise smtplib.SMTPResponseException(*reply)
    return reply


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"


def _judged(error: Exception, deadline: Deadline) -> tuple[bool, str]:
    """Whether it's permanent, and what to say. Only a 5xx and an address that is never called stay as they are."""
    if isinstance(error, Refused):
        return True, str(error)
    if deadline.passed or isinstance(error, TimeoutError):
        return False, str(deadline.error())
    if isinstance(error, smtplib.SMTPResponseException):
        return 500 <= error.smtp_code < 600, _said(error.smtp_code, error.smtp_error)
    return False, str(error) if isinstance(error, smtplib.SMTPException) else explain(error)


def _context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_name() -> str:
    """What this host calls itself. Not its full name: asking for that is a question to a name server, which may hang."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]+", name) else "localhost"
