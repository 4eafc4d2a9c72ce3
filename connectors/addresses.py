"""Which network addresses Nomaflow talks to. Decided on resolved addresses, never on the spelling of a name.

Refused always: link-local addresses and the metadata services of clouds (they hand credentials to anybody who asks), the
unspecified address, multicast, broadcast and reserved ranges. Loopback and private networks are what an operations tool is
for, so they are allowed unless a connector says `allow_private = false`.
"""

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
# What getaddrinfo answers: family, type, protocol, canonical name, socket address.
Answer = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
# Metadata services outside the link-local ranges: Alibaba, Azure's wire server, Oracle, AWS and Google over IPv6.
METADATA = frozenset(
    map(ip_address, ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"])
)
_THIS_NETWORK = ip_network("0.0.0.0/8")
_NAT64 = ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ip_network("::/96")


class Refused(Exception):
    """An address that Nomaflow never talks to; the message says which and why."""


def resolve(host: str, port: int, *, allow_private: bool = True, seconds: float = 10.0) -> list[Answer]:
    """The addresses of `host`, every one of them checked. One forbidden answer refuses the host: which one gets used is luck.

    Raises Refused, socket.gaierror when the name is unknown, TimeoutError when the resolver takes longer than `seconds`.
    """
    if host.rstrip(".").lower() in METADATA_NAMES:
        raise Refused(f"{host} is a cloud's metadata service, which Nomaflow never calls")
    answers = _lookup(host, port, seconds)
    for answer in answers:
        check(host, answer[4][0], allow_private=allow_private)
    return answers


def check(host: str, address: str, *, allow_private: bool = True) -> None:
    """Raise Refused when `address`, an answer for `host`, is one that Nomaflow does not talk to."""
    # A scope such as %eth0 says which interface, not which address.
    fault = _fault(_innermost(ip_address(address.partition("%")[0])), allow_private)
    if fault:
        named = host if host == address else f"{host} ({address})"
        raise Refused(f"{named} is {fault}, which Nomaflow does not call")


def _innermost(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only wraps it, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if wrapped is None and (address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1)):
        wrapped = IPv4Address(int(address) & 0xFFFFFFFF)
    return wrapped or address


def _fault(address: Address, allow_private: bool) -> str | None:
    if address in METADATA:
        return "a cloud's metadata service"
    if address.is_link_local:
        return "a link-local address (cloud metadata services live there)"
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_reserved and not address.is_loopback:  # to Python, ::1 is both
        return "a reserved address"
    if not allow_private and not address.is_global:
        return "a private address, and this connector has allow_private = false,"
    return None


def _lookup(host: str, port: int, seconds: float) -> list[Answer]:
    """getaddrinfo has no time limit of its own, so it's asked in a thread that can be left behind."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(max(seconds, 0.01))
    if not found:
        raise TimeoutError(f"the name {host} was not resolved within {seconds:.0f} s")
    if isinstance(found[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name")
    if isinstance(found[0], Exception):
        raise found[0]
    answers: list[Answer] = found[0]
    return answers
