"""Who learns what of EPMD, and how often, on sockets."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from distwall.rate import Allowance, Rates
from tests.support.epmd import epmd, epmd_names, epmd_port, epmd_registered
from tests.support.in_process_wall import GUARD, FakeGuard, InProcessWall, wall_in_process
from tests.support.wall import Peer

GUARDS = [GUARD, "baz@127.0.0.2"]
PEERS = [
    Peer(["accept *"], extra=f'guards = ["{GUARD}"]\nfrom = ["127.0.0.0/8"]'),
    Peer(["accept *"], node="far@10.0.0.7", extra='guards = ["baz@127.0.0.2"]\nfrom = ["10.0.0.0/8"]'),
]


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[InProcessWall]:
    with wall_in_process(tmp_path, PEERS, guards=GUARDS) as wall:
        yield wall


def test_a_source_is_shown_the_nodes_that_it_may_connect_to(wall: InProcessWall) -> None:
    with FakeGuard(wall).registered(), epmd_registered("baz", 4000, wall.register_epmd):
        assert epmd_names(wall.peers_epmd).startswith("name bar at port ")
        assert epmd_names(wall.peers_epmd).count("\n") == 1
        assert epmd_names(wall.register_epmd).count("\n") == 2
        assert wall.port()
        assert epmd_port("baz", wall.peers_epmd) is None
        event = wall.wait_event("epmd_refused", reason="source")
        assert (event["source"], event["detail"]) == ("127.0.0.1", "asked for baz")
        assert epmd_port("baz", wall.register_epmd) == 4000


def test_a_source_that_asks_too_often_is_refused(wall: InProcessWall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall.gateway._epmd, "rate", Rates(Allowance(per_second=0.0, burst=10.0)))
    with FakeGuard(wall).registered():
        for _ in range(10):
            assert epmd(b"n", wall.peers_epmd)
        for _ in range(40):
            with contextlib.suppress(ConnectionError):
                assert epmd(b"n", wall.peers_epmd) == b""
        assert wall.wait_event("epmd_refused", reason="flood")["detail"] == "too many requests"
        for _ in range(40):
            assert epmd(b"n", wall.register_epmd), "programs of this host go on"
    refused = [event for event in wall.seen if event["event"] == "epmd_refused"]
    assert len(refused) < 40, "folded"


def test_only_guarded_nodes_reach_out(wall: InProcessWall) -> None:
    assert epmd(b"z" + b"far@10.0.0.7", wall.peers_epmd) == b""
    assert wall.wait_event("epmd_refused", reason="bad_name")


@pytest.mark.parametrize(("address", "exposed"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_node_that_peers_reach_past_distwall_is_reported(wall: InProcessWall, address: str, exposed: bool) -> None:
    with listening_elsewhere(address) as port, epmd_registered("bar", port, wall.register_epmd):
        if exposed:
            event = wall.wait_event("exposed")
            assert event["guard"] == "bar"
            assert event["detail"] == f"peers reach it at 0.0.0.0:{port}, past distwall; start it with distwall exec"
        else:
            time.sleep(0.2)
            assert not [event for event in wall.seen if event["event"] == "exposed"]


@contextlib.contextmanager
def listening_elsewhere(address: str) -> Iterator[int]:
    """A port where another process than distwall's, which is this one here, listens."""
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]
        holder = subprocess.Popen(["sleep", "60"], pass_fds=[listener.fileno()])
    try:
        yield port
    finally:
        holder.kill()
        holder.wait()
