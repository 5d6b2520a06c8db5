"""EPMD on sockets."""

import socket
import struct
import time
from pathlib import Path

import pytest

from distwall.gateway import epmd_server as service
from tests.gateway.gate import GUARD, FakeGuard, Gate, running
from tests.nodes.harness.wall import Peer
from tests.wire.hostile import HandshakeFailed, epmd, epmd_names, epmd_port, epmd_registered


def test_peers_are_shown_distwalls_port_and_local_programs_the_nodes_own(gate: Gate, guard: FakeGuard) -> None:
    own = guard.server.getsockname()[1]
    assert epmd_port("bar", gate.register_epmd) == own
    port = gate.port()
    assert port != own
    assert epmd_names(gate.peers_epmd) == f"name bar at port {port}\n"
    assert epmd_names(gate.register_epmd) == f"name bar at port {own}\n"
    for address in (gate.peers_epmd, gate.register_epmd):
        assert epmd(b"n", address)[:4] == struct.pack(">I", address[1]), "or clients discard the answer"
    assert gate.wait_event("register")["guard"] == "bar"


def test_the_port_stays_the_same_over_registrations(gate: Gate) -> None:
    seen = set()
    for number in range(3):
        with FakeGuard(gate).registered():
            port = gate.port()
            seen.add(port)
        gate.wait_event("unregister")
        while epmd_port("bar", gate.peers_epmd) is not None:
            time.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), 1)
        assert number < 3
    assert len(seen) == 1


def test_a_name_is_taken(gate: Gate, guard: FakeGuard) -> None:
    with pytest.raises(HandshakeFailed), epmd_registered("bar", 4000, gate.register_epmd):
        pass
    assert gate.wait_event("epmd_refused")["reason"] == "name_taken"
    with epmd_registered("helper", 4000, gate.register_epmd):
        assert epmd_port("helper", gate.peers_epmd) is None
        assert epmd_port("helper", gate.register_epmd) is None


def test_nobody_registers_where_peers_ask(gate: Gate) -> None:
    with pytest.raises(ConnectionError), epmd_registered("bar", 4000, gate.peers_epmd):
        pass
    assert gate.wait_event("epmd_refused")["reason"] == "not_local"


@pytest.mark.parametrize("request_", [b"k", b"d", b"sbar"])
def test_commands_are_closed_and_recorded(gate: Gate, guard: FakeGuard, request_: bytes) -> None:
    for address in (gate.peers_epmd, gate.register_epmd):
        assert epmd(request_, address) == b""
    event = gate.wait_event("epmd_refused", reason="command")
    assert event["source"] == "127.0.0.1"
    assert gate.port()


def test_slow_clients_are_cut(gate: Gate, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REQUEST_TIMEOUT", 0.1)
    with socket.create_connection(gate.peers_epmd, 5) as silent, socket.create_connection(gate.peers_epmd, 5) as slow:
        slow.sendall(b"\0")
        assert silent.recv(1) == slow.recv(1) == b""
    assert gate.wait_event("epmd_refused")["reason"] == "timeout"
    assert gate.port(), "a registration has no time limit"


def test_a_flood_does_not_keep_others_out(gate: Gate, guard: FakeGuard) -> None:
    silent = [socket.create_connection(gate.peers_epmd, 5) for _ in range(service.MAX_PER_SOURCE + 20)]
    try:
        assert gate.port()
        assert silent[0].recv(1) == b"", "the oldest goes"
        assert gate.wait_event("epmd_refused")["reason"] == "flood"
    finally:
        for each in silent:
            each.close()


def test_one_listener_for_both(tmp_path: Path) -> None:
    with running(tmp_path, [Peer(["accept *"])], register="both") as gate:
        gate.register_epmd = gate.peers_epmd
        with FakeGuard(gate).registered() as guard:
            assert gate.port() != guard.server.getsockname()[1], "everyone is led through the firewall"


def test_ports_from_the_policy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        guards = [GUARD, "baz@127.0.0.2"]
        with running(tmp_path, [Peer(["accept *"])], guards=guards, extra=f'ports = "{port}-{port}"') as gate:
            with pytest.raises(HandshakeFailed), epmd_registered("bar", 4000, gate.register_epmd):
                pass
            assert gate.wait_event("epmd_refused")["reason"] == "no_port"
            assert gate.wait_event("listen_failed")["guard"] == "bar"
            taken.close()
            with epmd_registered("bar", 4000, gate.register_epmd):
                assert gate.port() == port


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with running(tmp_path, [Peer(["accept *"])]) as gate:
        folder = tmp_path / "other"
        folder.mkdir()
        other = Gate(folder, gate.text, *gate.peers_epmd[1:], *gate.register_epmd[1:])
        with pytest.raises(OSError, match=r"EPMD for peers: cannot listen on 127\.0\.0\.2:\d+: Address already in use"):
            other.start()
