"""What these tests need of the system: root, nftables, iproute2."""

from collections.abc import Iterator

import pytest

from tests.support.hosts import HostPair, need_hosts


@pytest.fixture(scope="session")
def tools() -> None:
    """Hosts can be made."""
    need_hosts()


@pytest.fixture
def pair(tools: None) -> Iterator[HostPair]:
    """Two hosts that know each other as ``a.test`` and ``b.test``."""
    with HostPair({"a.test": "10.231.7.1", "b.test": "10.231.7.2"}) as hosts:
        yield hosts
