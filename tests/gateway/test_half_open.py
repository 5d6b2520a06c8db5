"""Connections whose other side is gone without a word, and handshakes that stop half-way."""

import socket
import time
from pathlib import Path

from distwall.net import sockets
from tests.support.in_process_wall import (
    FLAGS,
    FakeGuard,
    InProcessWall,
    join,
    wall_in_process,
)
from tests.support.wall import Peer

PEERS = [Peer(["accept *"]), Peer(["accept *"], node="cli*@127.0.0.1")]


def test_all_connections_are_kept_alive(wall: InProcessWall, guard: FakeGuard) -> None:
    join(wall, guard)
    (pump,) = wall.gateway._pending.pumps
    half = wall.dial()
    half.send_name("cli@127.0.0.1", FLAGS, 5)
    guard.accept()
    time.sleep(0.1)
    transports = [leg.transport for leg in pump._legs] + list(wall.gateway._pending.connections)
    assert len(transports) == 4
    for transport in transports:
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == sockets.KEEP_ALIVE_IDLE
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * sockets.GONE_AFTER


def test_a_handshake_that_stops_half_way_ends_on_both_sides(tmp_path: Path) -> None:
    """One handshake stops at each step, all at the same time."""
    with wall_in_process(tmp_path, PEERS) as wall, FakeGuard(wall).registered() as guard:
        begun = time.monotonic()
        left = [wall.dial()]
        for step in range(4):
            peer = wall.dial()
            left.append(peer)
            peer.send_name(f"cli{step}@127.0.0.1", FLAGS, 5)
            inner = guard.accept()
            left.append(inner)
            inner.receive_name()
            if step == 0:
                continue
            inner.send_status("ok")
            peer.receive_status()
            if step == 1:
                continue
            inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
            _, challenge, _, _ = peer.receive_challenge()
            if step == 3:
                peer.prove(b"peer-cookie", challenge)
                inner.receive_reply()
        for raw in left:
            raw.sock.settimeout(10)
            assert raw.is_closed()
        assert time.monotonic() - begun < 9.5
        while wall.gateway._pending.connections:
            assert time.monotonic() - begun < 12
            time.sleep(0.05)
