"""Which addresses are this host's."""

import pytest

from distwall.net.local_addresses import is_own
from tests.support.hosts import A4, A6, B4, B6, LINK, HostPair


@pytest.mark.parametrize("anything_binds", [False, True])
def test_own_addresses_are_known(pair: HostPair, anything_binds: bool) -> None:
    if anything_binds:
        pair.a.shell("echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind; echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind")
    pair.a.shell(f"ip addr add 10.231.7.11/24 dev {LINK}; ip addr add 10.9.9.9/32 dev lo")
    for own in ("127.0.0.1", "127.0.0.2", A4, "10.231.7.11", "10.9.9.9", "::1", A6):
        assert pair.a.run(is_own, own), own
    for other in (B4, B6, "10.231.7.12", "192.0.2.1", "2001:db8::1", "10.231.7.255", "224.0.0.1", "fe80::1%3"):
        assert not pair.a.run(is_own, other), other
