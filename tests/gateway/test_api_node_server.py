"""distwall's own node on sockets: how many connect, how long they may take, what one that does not read costs."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dist import EMPTY, Op, message
from tests.support.epmd import epmd_port
from tests.support.etf import Atom, Improper, Term
from tests.support.in_process_wall import GUARD, InProcessWall, RawSocket, wall_in_process
from tests.support.raw_peer import Connection, HandshakeFailed, RawPeer
from tests.support.wall import CLUSTER_COOKIE, Peer

CONTROL = "distwall@127.0.0.1"
OPS = "ops@127.0.0.1"
OPERATORS = b"operators-cookie"


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[InProcessWall]:
    control = f'node = "{CONTROL}"\ncookie = "{OPERATORS.decode()}"'
    with wall_in_process(tmp_path, [Peer(["accept *"])], control=control) as wall:
        yield wall


def address(wall: InProcessWall) -> tuple[str, int]:
    port = epmd_port("distwall", wall.register_epmd)
    assert port is not None
    return "127.0.0.1", port


def connect(wall: InProcessWall, name: str = GUARD) -> Connection:
    cookie = CLUSTER_COOKIE.encode() if name == GUARD else OPERATORS
    connection = RawPeer(name, cookie).connect(address(wall))
    wall.own(connection.sock)
    return connection


def test_guarded_nodes_and_operators_are_served(wall: InProcessWall) -> None:
    for name, role in ((GUARD, "guard"), (OPS, "operator")):
        caller = connect(wall, name)
        assert caller.peer == CONTROL
        assert caller.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
        wall.wait_event("caller_connect", node=name, role=role)
        caller.sock.close()
        wall.wait_event("caller_disconnect", node=name, reason="closed")


def test_only_so_many_are_connected(wall: InProcessWall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.gateway.api_node_server.MAX_CALLERS", 1)
    first = connect(wall)
    with pytest.raises(HandshakeFailed):
        connect(wall, OPS)
    wall.wait_event("caller_refused", node=OPS, reason="full")
    assert first.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
    again = connect(wall)
    assert first.is_closed()
    wall.wait_event("caller_disconnect", node=GUARD, reason="connected anew")
    again.sock.close()
    wall.wait_event("caller_disconnect", node=GUARD, reason="closed")
    connect(wall, OPS)


def test_who_proves_nothing_is_cut_off(wall: InProcessWall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.gateway.api_node_server.HANDSHAKE_TIMEOUT", 0.2)
    silent = wall.own(socket.create_connection(address(wall)))
    assert silent.is_closed()
    wall.wait_event("caller_refused", node=None, reason="timeout")
    named = wall.own(socket.create_connection(address(wall)))
    named.send_name(GUARD, 0xD07DF7FBD, 5)
    assert named.receive_status() == b"ok"
    assert named.is_closed()
    wall.wait_event("caller_refused", node=GUARD, reason="timeout")


def test_who_hangs_up_before_the_proof_is_recorded(wall: InProcessWall) -> None:
    wall.own(socket.create_connection(address(wall))).close()
    wall.wait_event("caller_refused", node=None, reason="closed")


def test_strangers_do_not_fill_it(wall: InProcessWall) -> None:
    held: list[RawSocket] = [wall.own(socket.create_connection(address(wall))) for _ in range(100)]
    assert connect(wall).call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
    wall.wait_event("caller_refused", reason="flood")
    assert held[0].is_closed()


def test_a_caller_that_does_not_read_is_not_read(wall: InProcessWall) -> None:
    """The answer to a call repeats its tag, so this one is as long as the request."""
    caller = connect(wall)
    tag = Improper((Atom("long"),), bytes(900_000))
    request: Term = (Atom("$gen_call"), (caller.pid(), tag), (Atom("peers"), [], []))
    frame = caller.sender.bytes(message(Op.REG_SEND, caller.pid(), EMPTY, Atom("distwall"), payload=request))
    caller.sock.settimeout(2)
    with pytest.raises(TimeoutError):
        caller.sock.sendall(frame * 100)
    other = connect(wall, OPS)
    assert other.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])


def test_its_connections_end_with_distwall(wall: InProcessWall) -> None:
    caller = connect(wall)
    wall.end()
    assert caller.is_closed()
