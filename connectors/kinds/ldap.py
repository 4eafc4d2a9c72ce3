"""Kind `ldap`: a directory. The one place that speaks ldap3."""

import math
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPExceptionError, LDAPInvalidFilterError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.log import set_library_log_hide_sensitive_data

from connectors.addresses import Refused, resolve
from connectors.definition import ConnectorError, Definition
from connectors.kind import Kind
from connectors.kinds._checked import checked
from connectors.kinds._ldapform import LdapForm, parse_server
from nomaflow_site.lib.config import ConfigError

__all__ = ["SCOPES", "LdapClient", "LdapForm", "LdapKind", "escape", "parse_server"]

PAGED = "1.2.840.113556.1.4.319"
SCOPES = {"base": ldap3.BASE, "one": ldap3.LEVEL, "subtree": ldap3.SUBTREE}
# Values that are bytes even when they happen to be readable text.
BINARY = frozenset(
    {
        "objectguid",
        "objectsid",
        "jpegphoto",
        "thumbnailphoto",
        "thumbnaillogo",
        "photo",
        "audio",
        "usercertificate",
        "cacertificate",
        "usersmimecertificate",
        "userpkcs12",
        "ntsecuritydescriptor",
        "logonhours",
        "authorityrevocationlist",
        "certificaterevocationlist",
    }
)
# How Python spells it; ldap3 hands on the text and not the exception.
UNTRUSTED = re.compile(r"certificate verify failed: (.+?) \(_ssl")
TEST_SECONDS = 10.0

set_library_log_hide_sensitive_data(True)


def escape(value: str) -> str:
    """`value` as it's written inside a search filter, where it can't be more than a value."""
    return str(escape_filter_chars(value))


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """TLS that checks the certificate and the host name unless told otherwise; ldap3's own default checks nothing."""

    def __init__(self, verify: bool, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE, ca_certs_file=ca_file or None)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Turn the connection's socket into a TLS one."""
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        if self.validate == ssl.CERT_NONE:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class LdapClient:
    """A directory inside a step: `search(base, filter, ...)`. Connects and binds with the first search."""

    def __init__(self, name: str, settings: Mapping[str, Any], seconds: float | None = None) -> None:
        """Raises ConnectorError for half of a bind: servers take a DN without a password as anonymous and say "success"."""
        self.name = name
        self.host, self.port, self._secure = parse_server(settings["server"])
        self._settings = settings
        self._seconds = seconds or float(settings["timeout_seconds"])
        self._connection: Any = None
        if settings["bind_dn"] and not settings["bind_password"]:
            raise ConnectorError(
                f"Connector {name!r} has a bind DN and no password. Enter it, or empty both to bind anonymously."
            )
        if settings["bind_password"] and not settings["bind_dn"]:
            raise ConnectorError(f"Connector {name!r} has a password and no bind DN. Give both, or neither.")

    @property
    def address(self) -> str:
        """The server as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self._secure else 'ldap'}://{host}:{self.port}"

    def bind(self) -> Any:
        """The bound connection. Raises ConnectorError naming what went wrong: address, certificate, credentials."""
        if self._connection is None:
            try:
                resolve(self.host, self.port, seconds=self._seconds)
                self._connection = self._open()
            except (OSError, Refused, LDAPExceptionError) as error:
                raise ConnectorError(f"{self.address}: {_words(error)}.") from error
        return self._connection

    def _open(self) -> Any:
        settings = self._settings
        tls = _Tls(settings["verify_tls"], settings["ca_file"])
        server = ldap3.Server(
            self.host, self.port, use_ssl=self._secure, tls=tls, get_info=ldap3.NONE, connect_timeout=self._seconds
        )
        connection = ldap3.Connection(
            server,
            user=settings["bind_dn"] or None,
            password=settings["bind_password"] or None,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            return_empty_attributes=False,
            receive_timeout=math.ceil(self._seconds),
        )
        try:
            connection.open()
            if settings["start_tls"]:
                connection.start_tls()
            if not connection.bind():
                who = settings["bind_dn"] or "anonymous"
                raise ConnectorError(f"{self.address}: the server refused to bind {who}: {_result(connection.result)}.")
        except BaseException:
            connection.strategy.close()
            raise
        return connection

    def search(
        self,
        base: str,
        filter: str = "(objectClass=*)",
        scope: str = "subtree",
        attributes: Sequence[str] = ("*",),
        page_size: int = 1000,
    ) -> Iterator[tuple[str, dict[str, list[str | bytes]]]]:
        """Every entry as (dn, attributes); values are lists of texts, or of bytes where they are not text.

        All pages are read, however many there are. Raises ConnectorError as soon as the server stops early (a limit, a lost
        connection): take nothing for complete before the iterator has ended by itself.
        """
        connection = self.bind()
        fetched, cookie = 0, None
        try:
            while True:
                connection.search(
                    base,
                    filter,
                    search_scope=SCOPES[scope],
                    attributes=list(attributes),
                    paged_size=page_size,
                    paged_cookie=cookie,
                )
                # Looked at before the first entry of the page is handed out: half a page is no page.
                if connection.result["result"] != 0:
                    raise ConnectorError(self._stopped(base, fetched, _result(connection.result)))
                answers, following = connection.response, _cookie(connection.result)
                for answer in answers:
                    if answer["type"] == "searchResEntry":
                        fetched += 1
                        yield answer["dn"], self._attributes(connection, answer)
                if following is None and cookie:
                    raise ConnectorError(self._stopped(base, fetched, "the server forgot the paging in between"))
                cookie = following
                if not cookie:
                    return
        except LDAPInvalidFilterError as error:
            raise ConnectorError(f"The search filter {filter!r} is not valid: check its parentheses.") from error
        except (OSError, LDAPExceptionError) as error:
            self._connection = None
            raise ConnectorError(self._stopped(base, fetched, _words(error))) from error

    def _stopped(self, base: str, fetched: int, why: str) -> str:
        return f"{self.address}: the search below {base!r} stopped after {fetched:,} entries, before its end: {why}."

    def _attributes(self, connection: Any, answer: Any) -> dict[str, list[str | bytes]]:
        found: dict[str, list[str | bytes]] = {}
        for name, values in answer["raw_attributes"].items():
            plain, _, span = name.partition(";range=")
            whole = [*values, *self._further(connection, answer["dn"], plain, span)]
            if whole or plain not in found:
                found[plain] = [_decoded(plain, value) for value in whole]
        return found

    def _further(self, connection: Any, dn: str, name: str, span: str) -> Iterator[bytes]:
        """The values beyond those that the server gave at first: Active Directory hands out 1,500 at a time."""
        while span and not span.endswith("*"):
            start = int(span.partition("-")[2]) + 1
            connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=[f"{name};range={start}-*"])
            entries = [a for a in connection.response if a["type"] == "searchResEntry"]
            rest = [item for e in entries for item in e["raw_attributes"].items() if ";range=" in item[0]]
            if connection.result["result"] != 0 or not rest:
                raise ConnectorError(f"{self.address}: {dn} has more values of {name} than the server would give.")
            span = rest[0][0].partition(";range=")[2]
            yield from rest[0][1]

    def close(self) -> None:
        """Unbind."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.unbind()
            except LDAPExceptionError:
                pass  # it was gone already


def _decoded(name: str, value: bytes) -> str | bytes:
    plain, _, option = name.lower().partition(";")
    if plain in BINARY or "binary" in option:
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _cookie(result: Mapping[str, Any]) -> bytes | None:
    """Where the next page begins: empty after the last one, None when the server doesn't page."""
    control = (result.get("controls") or {}).get(PAGED)
    return bytes(control["value"]["cookie"] or b"") if control else None


def _result(result: Mapping[str, Any]) -> str:
    message = str(result.get("message") or "").strip().rstrip(".\x00")
    return f"{result['description']} ({result['result']})" + (f": {message}" if message else "")


def _words(error: Exception) -> str:
    """What went wrong, in one line."""
    untrusted = UNTRUSTED.search(str(error))
    if untrusted:
        return f"the server's certificate can't be trusted: {untrusted[1].rstrip('.')}"
    return str(error).rstrip(".") or type(error).__name__


class LdapKind(Kind):
    """Directories."""

    name = "ldap"
    label = "LDAP directory"
    form = LdapForm
    harmless = Kind.harmless | {"bind_dn"}

    def normalize(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """`host` and `port` instead of `server` are understood."""
        given = dict(settings)
        if "host" in given:
            if given.get("server"):
                raise ConfigError({"host": ["Give server, or host and port; found both."]})
            host, port = str(given.pop("host")), given.pop("port", None)
            given["server"] = f"{host}:{port}" if port else host
        return given

    def open(self, definition: Definition, application: str) -> LdapClient:
        """A client; it connects with the first search."""
        return LdapClient(definition.name, checked(definition, LdapForm))

    def test(self, definition: Definition) -> str:
        """Bind, and say which server answered and whether the way there is encrypted."""
        settings = checked(definition, LdapForm)
        client = LdapClient(definition.name, settings, min(float(settings["timeout_seconds"]), TEST_SECONDS))
        started = time.monotonic()
        try:
            connection = client.bind()
            elapsed = round((time.monotonic() - started) * 1000)
            server = _vendor(connection)
            sock = connection.socket
            way = f"over {sock.version()}" if isinstance(sock, ssl.SSLSocket) else "in clear text"
            return f"{server} at {client.address}, bound as {settings['bind_dn'] or 'anonymous'} {way} in {elapsed} ms."
        finally:
            client.close()


def _vendor(connection: Any) -> str:
    """What the server says it is."""
    try:
        connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["*", "+"])
        found = {k.lower(): v for e in connection.response for k, v in e.get("raw_attributes", {}).items()}
    except LDAPExceptionError:
        return "LDAP server"
    texts = [b" ".join(found.get(name, [])).decode("utf-8", "replace") for name in ("vendorname", "vendorversion")]
    if any(texts):
        return " ".join(filter(None, texts))
    if b"OpenLDAProotDSE" in found.get("objectclass", []) + found.get("structuralobjectclass", []):
        return "OpenLDAP"
    return "Active Directory" if "forestfunctionality" in found else "LDAP server"
