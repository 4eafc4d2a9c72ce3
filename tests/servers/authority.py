"""An authority that the servers of the tests get their certificates from."""

import ssl as _ssl
from dataclasses import dataclass

import pytest
import trustme as _trustme


@dataclass(frozen=True)
class _Authority:
    """`ca_file` is what a client has to trust."""

    ca: _trustme.CA
    ca_file: str

    def context(self, *names: str) -> _ssl.SSLContext:
        """A server's side of TLS, with a certificate for `names`."""
        context = _ssl.SSLContext(_ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("localhost",))).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def tls_authority(tmp_path_factory: pytest.TempPathFactory) -> _Authority:
    """One authority for the whole session."""
    ca = _trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return _Authority(ca, str(path))
