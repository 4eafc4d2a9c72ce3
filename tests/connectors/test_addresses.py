"""Which addresses are called and which never."""

import pytest

from connectors.addresses import Refused, check, resolve


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_a_dangerous_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="does not call"):
        check("host", address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "93.184.216.34", "2606:4700::1"]
)
def test_internal_and_public_addresses_are_called(address: str) -> None:
    check("host", address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_private_addresses_can_be_switched_off(address: str) -> None:
    with pytest.raises(Refused, match="allow_private = false"):
        check("host", address, allow_private=False)


@pytest.mark.parametrize(
    "host", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "metadata.google.internal."]
)
def test_other_spellings_of_the_metadata_address_are_refused(host: str) -> None:
    with pytest.raises(Refused):
        resolve(host, 80)
