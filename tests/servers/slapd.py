"""A private OpenLDAP server with 2,500 people, three groups and one photo."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ldap3 as _ldap3
import pytest
import trustme as _trustme

from tests.servers import find_program as _find_program
from tests.servers import free_port as _free_port
from tests.servers import missing as _missing
from tests.servers import wait_for as _wait_for

_SUFFIX = "dc=example,dc=org"
_PEOPLE = 2500
_CONFIG = """\
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/slapd.pid
olcTLSCACertificateFile: {folder}/ca.pem
olcTLSCertificateFile: {folder}/server.pem
olcTLSCertificateKeyFile: {folder}/server.key

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: {modules}
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file://{schema}/core.ldif
include: file://{schema}/cosine.ldif
include: file://{schema}/inetorgperson.ldif

dn: olcDatabase=frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: frontend
olcSizeLimit: size.soft=500 size.hard=500 size.pr=unlimited size.prtotal=unlimited

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: {suffix}
olcDbDirectory: {folder}/data
olcDbMaxSize: 268435456
olcDbNoSync: TRUE
olcRootDN: cn=admin,{suffix}
olcRootPW: {password}
olcDbIndex: objectClass eq
olcDbIndex: uid eq
olcLimits: dn.exact="cn=small,{suffix}" size.hard=100 size.prtotal=100
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to * by * read
"""
_PHOTO = bytes(range(256))


@dataclass(frozen=True)
class _Slapd:
    """Where the server is, and how to get in."""

    port: int
    tls_port: int
    ca_file: str
    password: str
    suffix: str = _SUFFIX
    people: int = _PEOPLE
    photo: bytes = _PHOTO

    @property
    def url(self) -> str:
        """The clear-text address; its certificate (StartTLS) is for localhost."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        """The address of TLS from the first byte."""
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def admin(self) -> str:
        """The DN that may do everything."""
        return f"cn=admin,{self.suffix}"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Settings of an ldap connector bound as the administrator."""
        return {"server": self.url, "bind_dn": self.admin, "bind_password": self.password, **changes}

    def connect(self) -> Any:
        """A bound ldap3 connection."""
        return _ldap3.Connection(
            _ldap3.Server("localhost", self.port, get_info=_ldap3.NONE),
            self.admin,
            self.password,
            auto_bind=True,
            check_names=False,
        )

    def add(self, name: str, attributes: dict[str, Any]) -> str:
        """Add an entry right below the suffix's `ou=staff`; its DN."""
        dn = f"{name},ou=staff,{self.suffix}"
        with self.connect() as connection:
            assert connection.add(dn, attributes=attributes), connection.result
        return dn

    def delete(self, dn: str) -> None:
        """Delete an entry."""
        with self.connect() as connection:
            assert connection.delete(dn), connection.result


def _ldif() -> str:
    entries = [
        f"dn: {_SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n",
        *(
            f"dn: ou={ou},{_SUFFIX}\nobjectClass: organizationalUnit\nou: {ou}\n"
            for ou in ("people", "groups", "staff", "empty")
        ),
    ]
    for n in range(_PEOPLE):
        entries.append(
            f"dn: uid=user{n:04},ou=people,{_SUFFIX}\nobjectClass: inetOrgPerson\nuid: user{n:04}\ncn: User {n}\nsn: Number {n}\n"
            f"mail: user{n:04}@example.org\n" + (f"mail: u{n}@example.com\n" if n % 10 == 0 else "")
        )
    for group, members in {"admins": (1, 2), "staff": (2, 3, 4), "auditors": (5,)}.items():
        lines = "".join(f"member: uid=user{n:04},ou=people,{_SUFFIX}\n" for n in members)
        entries.append(f"dn: cn={group},ou=groups,{_SUFFIX}\nobjectClass: groupOfNames\ncn: {group}\n{lines}")
    small = f"dn: cn=small,{_SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: small\n"
    return "\n".join([*entries, small + "userPassword: small\n"])


def _prepare(folder: Path, slapadd: str) -> None:
    authority = _trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "server.pem", append=True)
    (folder / "data").mkdir()
    (folder / "config").mkdir()
    modules = next(
        (p for p in ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/libexec/openldap") if Path(p).is_dir()), ""
    )
    schema = next((p for p in ("/etc/ldap/schema", "/etc/openldap/schema") if Path(p).is_dir()), "")
    text = _CONFIG.format(folder=folder, modules=modules, schema=schema, suffix=_SUFFIX, password="secret-admin")
    (folder / "config.ldif").write_text(text)
    (folder / "data.ldif").write_text(_ldif())
    for number, source in (("0", "config.ldif"), ("1", "data.ldif")):
        command = [slapadd, "-q", "-n", number, "-F", str(folder / "config"), "-l", str(folder / source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr[-2000:]


def _listens(port: int) -> bool:

    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Slapd]:
    """A running slapd; LDAP on `.url` (StartTLS possible) and LDAPS on `.tls_url`, certificate of `.ca_file`."""
    program, slapadd = _find_program("slapd", "/usr/sbin"), _find_program("slapadd", "/usr/sbin")
    if not program or not slapadd:
        _missing("slapd", "slapd")
        return
    folder = tmp_path_factory.mktemp("slapd")
    _prepare(folder, slapadd)
    port, tls_port = _free_port(), _free_port()
    addresses = f"ldap://127.0.0.1:{port} ldap://[::1]:{port} ldaps://127.0.0.1:{tls_port} ldaps://[::1]:{tls_port}"
    if not Path("/proc/net/if_inet6").exists():
        addresses = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    with open(folder / "slapd.log", "wb") as log:
        process = subprocess.Popen(
            [program, "-d", "0", "-F", str(folder / "config"), "-h", addresses], stderr=log, stdout=log
        )
    try:
        _wait_for(lambda: _listens(port) and _listens(tls_port), 15, "slapd to listen")
        yield _Slapd(port, tls_port, str(folder / "ca.pem"), "secret-admin")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
