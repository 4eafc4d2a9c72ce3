"""Kind `ldap` against a real slapd."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.definition import ConnectorError, Definition
from connectors.kinds import open_connector
from connectors.kinds.ldap import LdapKind, parse_server
from nomaflow_site.lib.config import ConfigError


def definition(**settings: Any) -> Definition:
    """A connector named dir."""
    return Definition(name="dir", kind="ldap", config=settings)


@pytest.fixture
def client(slapd: Any) -> Iterator[Any]:
    """A client bound as the administrator."""
    client = open_connector(definition(**slapd.settings()))
    yield client
    client.close()


def test_every_page_is_read(slapd: Any, client: Any) -> None:
    found = dict(client.search(f"ou=people,{slapd.suffix}", "(uid=*)", attributes=["uid"], page_size=300))
    assert len(found) == slapd.people
    assert found[f"uid=user0007,ou=people,{slapd.suffix}"] == {"uid": ["user0007"]}


def test_multiple_values_arrive_as_a_list(slapd: Any, client: Any) -> None:
    (_, found), *_ = client.search(f"ou=groups,{slapd.suffix}", "(cn=staff)", attributes=["member"])
    assert len(found["member"]) == 3


def test_binary_values_arrive_as_bytes(slapd: Any, client: Any) -> None:
    dn = slapd.add("cn=photo", {"objectClass": "inetOrgPerson", "sn": "x", "jpegPhoto": slapd.photo})
    try:
        (_, found), *_ = client.search(dn, scope="base", attributes=["jpegPhoto"])
        assert found == {"jpegPhoto": [slapd.photo]}
    finally:
        slapd.delete(dn)


def test_scope_one_stays_on_its_level(slapd: Any, client: Any) -> None:
    names = [dn for dn, _ in client.search(slapd.suffix, scope="one", attributes=["ou"])]
    assert f"ou=people,{slapd.suffix}" in names
    assert not any(dn.startswith("uid=") for dn in names)


def test_a_size_limit_is_an_error_and_not_a_short_answer(slapd: Any) -> None:
    settings = slapd.settings(bind_dn=f"cn=small,{slapd.suffix}", bind_password="small")
    client = open_connector(definition(**settings))
    with pytest.raises(ConnectorError, match=r"before its end: sizeLimitExceeded"):
        list(client.search(f"ou=people,{slapd.suffix}", "(uid=*)", attributes=["uid"], page_size=50))
    client.close()


def test_a_connection_lost_between_pages_is_an_error(slapd: Any) -> None:
    with _cut_after(slapd.port, 60_000) as port:
        client = open_connector(definition(**slapd.settings(server=f"ldap://localhost:{port}")))
        with pytest.raises(ConnectorError, match=r"stopped after [\d,]+ entries, before its end"):
            list(client.search(f"ou=people,{slapd.suffix}", "(uid=*)", page_size=100))
        client.close()


def test_a_filter_that_does_not_parse_is_named(slapd: Any, client: Any) -> None:
    with pytest.raises(ConnectorError, match=r"\(uid=\* is not valid|search filter"):
        list(client.search(slapd.suffix, "(uid=*"))


def test_an_unknown_base_is_named(slapd: Any, client: Any) -> None:
    with pytest.raises(ConnectorError, match="noSuchObject"):
        list(client.search(f"ou=nowhere,{slapd.suffix}"))


def test_a_wrong_password_is_told_and_not_shown(slapd: Any) -> None:
    with pytest.raises(ConnectorError, match="invalidCredentials") as caught:
        LdapKind().test(definition(**slapd.settings(bind_password="wrong-password")))
    assert "wrong-password" not in str(caught.value)


def test_a_bind_dn_without_password_never_reaches_the_server(slapd: Any) -> None:
    with pytest.raises(ConnectorError, match="no password"):
        open_connector(definition(server="ldap://localhost:1", bind_dn=slapd.admin))


def test_a_password_without_bind_dn_is_refused() -> None:
    with pytest.raises(ConnectorError, match="no bind DN"):
        open_connector(definition(server="ldap://localhost:1", bind_password="secret"))


def test_an_anonymous_bind_needs_neither(slapd: Any) -> None:
    assert "bound as anonymous in clear text" in LdapKind().test(definition(server=slapd.url))


def test_the_test_names_the_server(slapd: Any) -> None:
    said = LdapKind().test(definition(**slapd.settings()))
    assert said.startswith(f"OpenLDAP at ldap://localhost:{slapd.port}, bound as cn=admin")


@pytest.mark.parametrize("change", [{"start_tls": True}, {"tls": True}])
def test_tls_works_with_the_right_authority(slapd: Any, change: dict[str, Any]) -> None:
    settings = slapd.settings(ca_file=slapd.ca_file, start_tls="start_tls" in change)
    if "tls" in change:
        settings["server"] = slapd.tls_url
    assert "over TLSv1" in LdapKind().test(definition(**settings))


@pytest.mark.parametrize("start_tls", [True, False])
def test_an_unknown_authority_is_refused_by_default(slapd: Any, start_tls: bool) -> None:
    server = slapd.url if start_tls else slapd.tls_url
    with pytest.raises(ConnectorError, match="certificate can't be trusted|CERTIFICATE_VERIFY_FAILED"):
        LdapKind().test(definition(**slapd.settings(server=server, start_tls=start_tls)))


@pytest.mark.parametrize("start_tls", [True, False])
def test_a_certificate_for_another_host_is_refused(slapd: Any, start_tls: bool) -> None:
    server = f"ldap://127.0.0.1:{slapd.port}" if start_tls else f"ldaps://127.0.0.1:{slapd.tls_port}"
    with pytest.raises(ConnectorError, match="IP address mismatch|CERTIFICATE_VERIFY_FAILED"):
        LdapKind().test(definition(**slapd.settings(server=server, start_tls=start_tls, ca_file=slapd.ca_file)))


def test_verification_can_be_switched_off_for_one_connector(slapd: Any) -> None:
    assert "over TLSv1" in LdapKind().test(definition(**slapd.settings(server=slapd.tls_url, verify_tls=False)))


def test_a_server_that_refuses_starttls_gets_no_password() -> None:
    with _refuses_starttls() as (port, heard):
        with pytest.raises(ConnectorError):
            LdapKind().test(
                definition(server=f"localhost:{port}", bind_dn="cn=x", bind_password="canary-password", start_tls=True)
            )
        assert heard
        assert b"canary-password" not in b"".join(heard)


def test_a_metadata_address_is_refused() -> None:
    with pytest.raises(ConnectorError, match="link-local"):
        LdapKind().test(definition(server="ldap://169.254.169.254"))


def test_nobody_listening_is_told() -> None:
    with pytest.raises(ConnectorError, match=r"ldap://127.0.0.1:9: .*refused"):
        LdapKind().test(definition(server="127.0.0.1:9"))


@pytest.mark.parametrize(
    ("server", "parsed"),
    [
        ("ldap://dc1", ("dc1", 389, False)),
        ("ldaps://dc1/", ("dc1", 636, True)),
        ("dc1:1389", ("dc1", 1389, False)),
        ("ldap://[::1]:3890", ("::1", 3890, False)),
    ],
)
def test_server_addresses_are_understood(server: str, parsed: tuple[str, int, bool]) -> None:
    assert parse_server(server) == parsed


@pytest.mark.parametrize(
    "server", ["http://x", "ldapi:///run/ldapi", "ldap://", "ldap://u:p@host", "ldap://host/dc=x", "h:nope"]
)
def test_other_addresses_are_refused(server: str) -> None:
    with pytest.raises(ConfigError, match="server"):
        LdapKind.form.canonical({"server": server})


def test_host_and_port_are_another_way_to_say_server() -> None:
    assert LdapKind().normalize({"host": "dc1", "port": 1389}) == {"server": "dc1:1389"}


def test_ldaps_and_starttls_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="start_tls"):
        LdapKind.form.canonical({"server": "ldaps://dc1", "start_tls": True})


class _cut_after:
    """A proxy to a port that hangs up after so many bytes of answer."""

    def __init__(self, port: int, most: int) -> None:
        self._target, self._most = port, most

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        caller, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=self._ask, args=(caller, server), daemon=True).start()
        left = self._most
        while left > 0 and (data := server.recv(min(left, 4096))):
            caller.sendall(data)
            left -= len(data)
        caller.shutdown(socket.SHUT_RDWR)
        server.close()

    def _ask(self, caller: socket.socket, server: socket.socket) -> None:
        try:
            while data := caller.recv(4096):
                server.sendall(data)
        except OSError:
            pass

    def __exit__(self, *_: object) -> None:
        self._listener.close()


class _refuses_starttls:
    """A server that answers the StartTLS request with "unavailable" and writes down all it hears."""

    def __enter__(self) -> tuple[int, list[bytes]]:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._heard: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return self._listener.getsockname()[1], self._heard

    def _serve(self) -> None:
        caller, _ = self._listener.accept()
        asked = caller.recv(4096)
        self._heard.append(asked)
        # ExtendedResponse with the request's message id: resultCode 52, empty matchedDN and message.
        caller.sendall(b"\x30\x0c\x02\x01" + asked[4:5] + b"\x78\x07\x0a\x01\x34\x04\x00\x04\x00")
        while data := caller.recv(4096):
            self._heard.append(data)

    def __exit__(self, *_: object) -> None:
        self._listener.close()
