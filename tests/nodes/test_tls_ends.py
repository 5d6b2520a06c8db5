"""How channels over TLS end: nothing that was sent before is lost, and nobody waits for somebody who is gone."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from distwall.gateway import pump
from tests.support.dist import EMPTY, Op, Sender, message
from tests.support.etf import Atom, Pid
from tests.support.in_process_wall import PEER, FakeGuard, RawSocket
from tests.support.tls import TlsWall, tls_wall
from tests.support.wall import Peer

CHUNK = 1 << 16


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[TlsWall]:
    with tls_wall(tmp_path, [Peer(["accept *"])]) as wall:
        yield wall
        assert wall.is_empty()


@pytest.fixture
def guard(wall: TlsWall) -> Iterator[FakeGuard]:
    with FakeGuard(wall.wall).registered() as guard:
        guard.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        yield guard


def _frames(count: int, name: str, flags: int) -> bytes:
    payload = message(Op.REG_SEND, Pid(Atom(name), 100, 0, 5), EMPTY, Atom("victim"), payload=b"x" * 50000)
    return Sender(flags).bytes(payload) * count


def _read_slowly(raw: RawSocket, pause: float, size: int = CHUNK) -> int:
    total = 0
    while part := raw.sock.recv(size):
        total += len(part)
        time.sleep(pause)
    return total


@pytest.mark.parametrize("count", range(102, 107))
@pytest.mark.parametrize("farewell", ["close_notify", "end of stream"])
def test_all_that_a_peer_sent_before_it_closed_arrives(
    wall: TlsWall, guard: FakeGuard, farewell: str, count: int
) -> None:
    peer, inner = wall.join(guard)
    data = _frames(count, PEER, guard.flags)

    def write() -> None:
        peer.sock.sendall(data)
        if farewell == "close_notify":
            peer.hang_up()
        else:
            peer.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)
    assert _read_slowly(inner, 0.004) == len(data)
    writer.join()
    assert wall.wall.wait_event("disconnect")["reason"] == "peer closed"
    inner.close()


def test_all_that_a_guarded_node_sent_before_it_closed_arrives(wall: TlsWall, guard: FakeGuard) -> None:
    peer, inner = wall.join(guard)
    data = _frames(200, guard.name, guard.flags)

    def write() -> None:
        inner.sock.sendall(data)
        inner.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)
    assert _read_slowly(peer, 0.004) == len(data)
    writer.join()
    peer.close()
    assert wall.wall.wait_event("disconnect")["reason"] == "guarded node closed"


def test_a_slow_reader_gets_all_before_the_end(
    wall: TlsWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as something goes, however slowly, nothing is cut."""
    monkeypatch.setattr(pump, "LINGER", 0.3)
    peer, inner = wall.join(guard, receive_buffer=1 << 15)
    data = _frames(20, guard.name, guard.flags)

    def write() -> None:
        inner.sock.sendall(data)
        inner.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert _read_slowly(peer, 0.05, 1 << 14) == len(data)
    writer.join()
    peer.close()


@pytest.mark.parametrize("who", ["peer", "guarded node"])
def test_who_never_closes_in_turn_is_cut(
    wall: TlsWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(pump, "LINGER", 0.3)
    peer, inner = wall.join(guard)
    if who == "peer":
        inner.close()
    else:
        peer.hang_up()
    assert wall.is_empty()
    assert (peer if who == "peer" else inner).is_closed()


def test_who_overlooks_the_farewell_is_hung_up_on(wall: TlsWall, guard: FakeGuard) -> None:
    """As a node does that gets it just behind the handshake: it waits for the end of the stream."""
    peer, inner = wall.join(guard)
    began = time.monotonic()
    inner.close()
    with socket.socket(fileno=peer.sock.detach()) as raw:
        raw.settimeout(5)
        assert RawSocket(raw).is_closed()
    assert time.monotonic() - began < pump.LINGER / 2
