"""Many channels, several guarded nodes, and the end of it all."""

import time
from contextlib import ExitStack
from pathlib import Path

from tests.gateway.gate import FLAGS, GUARD, PEER, FakeGuard, Gate, join, running
from tests.nodes.harness.wall import Peer

TICK = bytes(4)


def test_many_channels_to_several_guarded_nodes(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], node="*", cookie="c"), Peer(["accept *"], node="foo@*", extra=f'guards = ["{GUARD}"]')]
    with running(tmp_path, peers, guards=[GUARD, "baz@127.0.0.2"]) as gate, ExitStack() as stack:
        guards = [stack.enter_context(FakeGuard(gate, name).registered()) for name in (GUARD, "baz@127.0.0.2")]
        channels = [join(gate, each, f"p{number}@h", cookie=b"c") for number in range(25) for each in guards]
        channels.append(join(gate, guards[0], PEER))
        channels.append(join(gate, guards[1], PEER, cookie=b"c"))
        for number, (peer, inner) in enumerate(channels):
            peer.sock.sendall(TICK * (number + 1))
            inner.sock.sendall(TICK * (number + 2))
        for number, (peer, inner) in enumerate(channels):
            assert inner.sock.recv(1000) == TICK * (number + 1)
            assert peer.sock.recv(1000) == TICK * (number + 2)
        assert len(gate.firewall.peers()) == 52


def test_names_by_pattern_are_guarded_too(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], extra='guards = ["b*@127.0.0.2"]')]
    with running(tmp_path, peers, guards=["b*@127.0.0.2"]) as gate:
        for name in (GUARD, "baz@127.0.0.2"):
            with FakeGuard(gate, name).registered() as guard:
                join(gate, guard)
                peer = gate.dial(name.partition("@")[0])
                peer.send_name(name, FLAGS, 5)
                assert peer.receive_status() == b"not_allowed", "its own name, known by now"


def test_the_end(gate: Gate, guard: FakeGuard) -> None:
    peer, inner = join(gate, guard)
    half = gate.dial()
    half.send_name("cli1@127.0.0.1", FLAGS, 5)
    other = guard.accept()
    other.receive_name()
    silent = gate.dial()
    start = time.monotonic()
    gate.end()
    assert time.monotonic() - start < 3
    for each in (peer, inner, half, other, silent):
        assert each.is_closed()
    assert [event["reason"] for event in gate.seen if event["event"] == "disconnect"] == ["distwall stops"]
    assert {event["reason"] for event in gate.seen if event["event"] == "handshake_refused"} == {"stopping"}
