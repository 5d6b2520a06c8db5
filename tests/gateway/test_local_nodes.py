"""Which full names are those of guarded nodes here."""

import socket
from pathlib import Path

import pytest

from distwall.gateway.local_nodes import LocalNodes
from distwall.policy import load


@pytest.fixture
def local_nodes(tmp_path: Path) -> LocalNodes:
    (tmp_path / "cookie").write_text("cluster-cookie")
    (tmp_path / "cookie").chmod(0o600)
    policy = tmp_path / "distwall.toml"
    policy.write_text(
        '[guard]\nnodes = ["bar@elsewhere", "rabbit@*"]\nlisten = "127.0.0.2"\nepmd = "127.0.0.2:4369"\n'
        'cookie_file = "cookie"\n'
    )
    return LocalNodes(load(policy))


@pytest.mark.parametrize(
    "node",
    ["bar@elsewhere", "rabbit@127.0.0.9", "rabbit@::1", "rabbit@localhost", f"rabbit@{socket.gethostname()}"],
)
def test_nodes_at_addresses_of_this_host_are_mates(local_nodes: LocalNodes, node: str) -> None:
    assert local_nodes(node)


@pytest.mark.parametrize(
    "node",
    ["bar@127.0.0.1", "rabbit@192.0.2.1", "rabbit@2001:db8::1", "rabbit@0.0.0.0", "rabbit@::", "rabbit@example.org"],
)
def test_nodes_of_other_hosts_or_names_are_strangers(local_nodes: LocalNodes, node: str) -> None:
    assert not local_nodes(node)
