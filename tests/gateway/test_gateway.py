"""Many channels, several guarded nodes, and the end of it all."""

import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.in_process_wall import FLAGS, GUARD, PEER, FakeGuard, InProcessWall, join, wall_in_process
from tests.support.wall import Peer

TICK = bytes(4)


def test_many_channels_to_several_guarded_nodes_are_kept_apart(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], node="*", cookie="c"), Peer(["accept *"], node="foo@*", extra=f'guards = ["{GUARD}"]')]
    with wall_in_process(tmp_path, peers, guards=[GUARD, "baz@127.0.0.2"]) as wall, ExitStack() as stack:
        guards = [stack.enter_context(FakeGuard(wall, name).registered()) for name in (GUARD, "baz@127.0.0.2")]
        channels = [join(wall, each, f"p{number}@h", cookie=b"c") for number in range(25) for each in guards]
        channels.append(join(wall, guards[0], PEER))
        channels.append(join(wall, guards[1], PEER, cookie=b"c"))
        for number, (peer, inner) in enumerate(channels):
            peer.sock.sendall(TICK * (number + 1))
            inner.sock.sendall(TICK * (number + 2))
        for number, (peer, inner) in enumerate(channels):
            assert inner.sock.recv(1000) == TICK * (number + 1)
            assert peer.sock.recv(1000) == TICK * (number + 2)
        assert len(wall.firewall.peers()) == 52


def test_names_by_pattern_are_guarded_too(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], extra='guards = ["b*@127.0.0.2"]')]
    with wall_in_process(tmp_path, peers, guards=["b*@127.0.0.2"]) as wall:
        for name in (GUARD, "baz@127.0.0.2"):
            with FakeGuard(wall, name).registered() as guard:
                join(wall, guard)
                peer = wall.dial(name.partition("@")[0])
                peer.send_name(name, FLAGS, 5)
                assert peer.receive_status() == b"not_allowed", "its own name, known by now"


def test_everything_ends_with_distwall(wall: InProcessWall, guard: FakeGuard) -> None:
    peer, inner = join(wall, guard)
    half = wall.dial()
    half.send_name("cli1@127.0.0.1", FLAGS, 5)
    other = guard.accept()
    other.receive_name()
    silent = wall.dial()
    start = time.monotonic()
    wall.end()
    assert time.monotonic() - start < 3
    for each in (peer, inner, half, other, silent):
        assert each.is_closed()
    assert [event["reason"] for event in wall.seen if event["event"] == "disconnect"] == ["distwall stops"]
    assert {event["reason"] for event in wall.seen if event["event"] == "handshake_refused"} == {"stopping"}
