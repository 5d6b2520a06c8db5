"""A gateway with one peer and one guarded node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.gate import FakeGuard, Gate, running
from tests.nodes.harness.wall import Peer


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gateway that lets ``foo@127.0.0.1`` and, by a glob, ``cli...@127.0.0.1`` do anything."""
    peers = [Peer(["accept *"]), Peer(["accept *"], node="cli*@127.0.0.1", cookie="cli-cookie")]
    with running(tmp_path, peers) as gate:
        yield gate


@pytest.fixture
def guard(gate: Gate) -> Iterator[FakeGuard]:
    """A guarded node, registered."""
    with FakeGuard(gate).registered() as guard:
        yield guard
