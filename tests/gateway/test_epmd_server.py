"""EPMD on sockets."""

import socket
import struct
import time
from pathlib import Path

import pytest

from distwall.gateway import epmd_server as service
from tests.support.epmd import EpmdRefused, epmd, epmd_names, epmd_port, epmd_registered
from tests.support.in_process_wall import GUARD, FakeGuard, InProcessWall, wall_in_process
from tests.support.wall import Peer


def test_peers_are_shown_distwalls_port_and_local_programs_the_nodes_own(wall: InProcessWall, guard: FakeGuard) -> None:
    own = guard.server.getsockname()[1]
    assert epmd_port("bar", wall.register_epmd) == own
    port = wall.port()
    assert port != own
    assert epmd_names(wall.peers_epmd) == f"name bar at port {port}\n"
    assert epmd_names(wall.register_epmd) == f"name bar at port {own}\n"
    for address in (wall.peers_epmd, wall.register_epmd):
        assert epmd(b"n", address)[:4] == struct.pack(">I", address[1]), "or clients discard the answer"
    assert wall.wait_event("register")["guard"] == "bar"


def test_the_port_stays_the_same_over_registrations(wall: InProcessWall) -> None:
    seen = set()
    for number in range(3):
        with FakeGuard(wall).registered():
            port = wall.port()
            seen.add(port)
        wall.wait_event("unregister")
        while epmd_port("bar", wall.peers_epmd) is not None:
            time.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), 1)
        assert number < 3
    assert len(seen) == 1


def test_a_name_is_taken_while_its_node_lives(wall: InProcessWall, guard: FakeGuard) -> None:
    with pytest.raises(EpmdRefused), epmd_registered("bar", 4000, wall.register_epmd):
        pass
    assert wall.wait_event("epmd_refused")["reason"] == "name_taken"
    with epmd_registered("helper", 4000, wall.register_epmd):
        assert epmd_port("helper", wall.peers_epmd) is None
        assert epmd_port("helper", wall.register_epmd) is None


def test_nobody_registers_where_peers_ask(wall: InProcessWall) -> None:
    with pytest.raises(ConnectionError), epmd_registered("bar", 4000, wall.peers_epmd):
        pass
    assert wall.wait_event("epmd_refused")["reason"] == "not_local"


@pytest.mark.parametrize("request_", [b"k", b"d", b"sbar"])
def test_commands_are_closed_and_recorded(wall: InProcessWall, guard: FakeGuard, request_: bytes) -> None:
    for address in (wall.peers_epmd, wall.register_epmd):
        assert epmd(request_, address) == b""
    event = wall.wait_event("epmd_refused", reason="command")
    assert event["source"] == "127.0.0.1"
    assert wall.port()


def test_slow_clients_are_cut(wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REQUEST_TIMEOUT", 0.1)
    with socket.create_connection(wall.peers_epmd, 5) as silent, socket.create_connection(wall.peers_epmd, 5) as slow:
        slow.sendall(b"\0")
        assert silent.recv(1) == slow.recv(1) == b""
    assert wall.wait_event("epmd_refused")["reason"] == "timeout"
    assert wall.port(), "a registration has no time limit"


def test_a_flood_does_not_keep_others_out(wall: InProcessWall, guard: FakeGuard) -> None:
    silent = [socket.create_connection(wall.peers_epmd, 5) for _ in range(service.MAX_PER_SOURCE + 20)]
    try:
        assert wall.port()
        assert silent[0].recv(1) == b"", "the oldest goes"
        assert wall.wait_event("epmd_refused")["reason"] == "flood"
    finally:
        for each in silent:
            each.close()


def test_one_listener_for_both_shows_distwalls_port_only(tmp_path: Path) -> None:
    with wall_in_process(tmp_path, [Peer(["accept *"])], register="both") as wall:
        wall.register_epmd = wall.peers_epmd
        with FakeGuard(wall).registered() as guard:
            assert wall.port() != guard.server.getsockname()[1], "everyone is led through the firewall"


def test_ports_are_taken_from_the_policy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        guards = [GUARD, "baz@127.0.0.2"]
        with wall_in_process(tmp_path, [Peer(["accept *"])], guards=guards, extra=f'ports = "{port}-{port}"') as wall:
            with pytest.raises(EpmdRefused), epmd_registered("bar", 4000, wall.register_epmd):
                pass
            assert wall.wait_event("epmd_refused")["reason"] == "no_port"
            assert wall.wait_event("listen_failed")["guard"] == "bar"
            taken.close()
            with epmd_registered("bar", 4000, wall.register_epmd):
                assert wall.port() == port


def test_an_address_that_is_taken_is_an_error_that_names_it(tmp_path: Path) -> None:
    with wall_in_process(tmp_path, [Peer(["accept *"])]) as wall:
        folder = tmp_path / "other"
        folder.mkdir()
        other = InProcessWall(folder, wall.text, *wall.peers_epmd[1:], *wall.register_epmd[1:])
        with pytest.raises(OSError, match=r"EPMD for peers: cannot listen on 127\.0\.0\.2:\d+: Address already in use"):
            other.start()
