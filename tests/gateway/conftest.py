"""A gateway with one peer and one guarded node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_process_wall import FakeGuard, InProcessWall, wall_in_process
from tests.support.wall import Peer


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[InProcessWall]:
    """A gateway that lets ``foo@127.0.0.1`` and, by a glob, ``cli...@127.0.0.1`` do anything."""
    peers = [Peer(["accept *"]), Peer(["accept *"], node="cli*@127.0.0.1", cookie="cli-cookie")]
    with wall_in_process(tmp_path, peers) as wall:
        yield wall


@pytest.fixture
def guard(wall: InProcessWall) -> Iterator[FakeGuard]:
    """A guarded node, registered."""
    with FakeGuard(wall).registered() as guard:
        yield guard
