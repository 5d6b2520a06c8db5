"""distwall's own node on sockets: how many connect, how long they may take, what one that does not read costs."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.gate import GUARD, Gate, Raw, running
from tests.nodes.harness.wall import CLUSTER_COOKIE, Peer
from tests.wire.dist import EMPTY, Op, message
from tests.wire.etf import Atom, Improper, Term
from tests.wire.hostile import Connection, HandshakeFailed, Node, epmd_port

CONTROL = "distwall@127.0.0.1"
OPS = "ops@127.0.0.1"
OPERATORS = b"operators-cookie"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    control = f'node = "{CONTROL}"\ncookie = "{OPERATORS.decode()}"'
    with running(tmp_path, [Peer(["accept *"])], control=control) as gate:
        yield gate


def address(gate: Gate) -> tuple[str, int]:
    port = epmd_port("distwall", gate.register_epmd)
    assert port is not None
    return "127.0.0.1", port


def connect(gate: Gate, name: str = GUARD) -> Connection:
    cookie = CLUSTER_COOKIE.encode() if name == GUARD else OPERATORS
    connection = Node(name, cookie).connect(address(gate))
    gate.own(connection.sock)
    return connection


def test_guarded_nodes_and_operators(gate: Gate) -> None:
    for name, role in ((GUARD, "guard"), (OPS, "operator")):
        caller = connect(gate, name)
        assert caller.peer == CONTROL
        assert caller.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
        gate.wait_event("caller_connect", node=name, role=role)
        caller.sock.close()
        gate.wait_event("caller_disconnect", node=name, reason="closed")


def test_only_so_many_are_connected(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.gateway.api_node_server.MAX_CALLERS", 1)
    first = connect(gate)
    with pytest.raises(HandshakeFailed):
        connect(gate, OPS)
    gate.wait_event("caller_refused", node=OPS, reason="full")
    assert first.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
    again = connect(gate)
    assert first.is_closed()
    gate.wait_event("caller_disconnect", node=GUARD, reason="connected anew")
    again.sock.close()
    gate.wait_event("caller_disconnect", node=GUARD, reason="closed")
    connect(gate, OPS)


def test_who_proves_nothing_is_cut_off(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.gateway.api_node_server.HANDSHAKE_TIMEOUT", 0.2)
    silent = gate.own(socket.create_connection(address(gate)))
    assert silent.is_closed()
    gate.wait_event("caller_refused", node=None, reason="timeout")
    named = gate.own(socket.create_connection(address(gate)))
    named.send_name(GUARD, 0xD07DF7FBD, 5)
    assert named.receive_status() == b"ok"
    assert named.is_closed()
    gate.wait_event("caller_refused", node=GUARD, reason="timeout")


def test_who_hangs_up_before_the_proof(gate: Gate) -> None:
    gate.own(socket.create_connection(address(gate))).close()
    gate.wait_event("caller_refused", node=None, reason="closed")


def test_strangers_do_not_fill_it(gate: Gate) -> None:
    held: list[Raw] = [gate.own(socket.create_connection(address(gate))) for _ in range(100)]
    assert connect(gate).call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])
    gate.wait_event("caller_refused", reason="flood")
    assert held[0].is_closed()


def test_a_caller_that_does_not_read_is_not_read(gate: Gate) -> None:
    """The answer to a call repeats its tag, so this one is as long as the request."""
    caller = connect(gate)
    tag = Improper((Atom("long"),), bytes(900_000))
    request: Term = (Atom("$gen_call"), (caller.pid(), tag), (Atom("peers"), [], []))
    frame = caller.sender.bytes(message(Op.REG_SEND, caller.pid(), EMPTY, Atom("distwall"), payload=request))
    caller.sock.settimeout(2)
    with pytest.raises(TimeoutError):
        caller.sock.sendall(frame * 100)
    other = connect(gate, OPS)
    assert other.call("distwall", (Atom("peers"), [], [])) == (Atom("ok"), [])


def test_its_connections_end_with_distwall(gate: Gate) -> None:
    caller = connect(gate)
    gate.end()
    assert caller.is_closed()
