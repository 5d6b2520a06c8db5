"""Addresses and listening sockets."""

import asyncio
import socket
from typing import Any, cast

import pytest

from distwall.net import addresses, sockets


class FakeTransport:
    def __init__(self, source: str | None, own: str = "10.0.0.1") -> None:
        self._info = {"peername": source and (source, 50000), "sockname": (own, 4369)}

    def get_extra_info(self, name: str) -> Any:
        return self._info[name]


def transport(source: str | None) -> asyncio.BaseTransport:
    return cast("asyncio.BaseTransport", FakeTransport(source))


@pytest.mark.parametrize(
    ("source", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("10.0.0.2", False),
        ("fe80::1%eth0", False),
        ("2001:db8::1", False),
        (None, False),
    ],
)
def test_addresses_of_this_host_are_local(source: str | None, local: bool) -> None:
    assert sockets.is_local(transport(source)) is local


def test_sources_are_plain_addresses() -> None:
    assert sockets.source_address(transport("::ffff:10.0.0.2")) == "10.0.0.2"
    assert sockets.source_address(transport("fe80::1%eth0")) == "fe80::1"
    assert sockets.source_address(transport(None)) == "unknown"


def test_host_names_are_resolved() -> None:
    assert asyncio.run(sockets.resolve("127.0.0.2")) == ["127.0.0.2"]
    assert set(asyncio.run(sockets.resolve("localhost"))) & {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        asyncio.run(sockets.resolve("no-such-host.invalid"))


def test_all_addresses_share_one_port() -> None:
    bound = sockets.listen(["127.0.0.1", "127.0.0.2"], 0)
    try:
        assert len({each.getsockname()[1] for each in bound}) == 1
    finally:
        for each in bound:
            each.close()


def test_the_first_port_that_is_free_at_all_addresses_is_taken() -> None:
    # Addresses that no other test has ports at.
    with socket.create_server(("127.77.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on 127\.77\.0\.2:{port}"):
            sockets.listen_at_first(["127.77.0.1", "127.77.0.2"], [port, port])
        (got,) = sockets.listen_at_first(["127.77.0.2"], [port, 0])
        with got:
            assert got.getsockname()[1] != port
    with socket.create_server(("127.77.0.1", port)):
        pass  # what could not be had for all addresses was given back


def test_ipv6_addresses_are_printed_in_brackets() -> None:
    assert [addresses.printed(host, 1) for host in ("h", "::1")] == ["h:1", "[::1]:1"]
