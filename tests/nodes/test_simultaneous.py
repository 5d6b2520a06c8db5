"""Both sides connect to each other at the same moment, over and over."""

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import raw_peer
from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port, epmd_registered
from tests.support.loopback_hosts import LoopbackHosts
from tests.support.node import Node, Pending
from tests.support.scene import Scene
from tests.support.wall import Peer, Wall

ROUNDS = 100
AHEAD = 0.02
"""Seconds between telling both nodes when to connect, and that moment."""

# Of two attempts, that of the node with the greater name survives: the guarded node's over one, and over the other not.
SMALLER, GREATER = "aaa@127.0.0.1", "foo@127.0.0.1"

# A late message of `global` would connect two nodes anew that were just told to part.
ALONE = ["-connect_all", "false"]

# Waits for the moment, the last bit of it without sleeping; {Result, MicrosecondsThatItTook}.
CONNECT = """
    Wait = fun Wait() ->
        case {at} - os:system_time(microsecond) of
            Left when Left > 3000 -> timer:sleep((Left - 2000) div 1000), Wait();
            Left when Left > 0 -> Wait();
            _ -> ok
        end
    end,
    Wait(), Start = erlang:monotonic_time(microsecond),
    Result = net_kernel:connect_node('{node}'),
    {{Result, erlang:monotonic_time(microsecond) - Start}}
"""


def connect_at(node: Node, other: Node, at: float) -> Pending:
    return node.begin(CONNECT.format(at=int(at * 1_000_000), node=other.name))


def rounds(one: Node, other: Node, count: int = ROUNDS) -> float:
    """Lets both connect to each other ``count`` times; the median of the seconds until both were connected."""
    seconds = []
    for number in range(count):
        at = time.time() + AHEAD
        # At the same moment every other time, else one of them up to 2.5 ms before the other.
        offset = (number // 2 % 11 - 5) * 0.0005 if number % 2 else 0.0
        pending = [connect_at(one, other, at), connect_at(other, one, at + offset)]
        answers = [each.result() for each in pending]
        assert [answer.startswith("{true,") for answer in answers] == [True, True], f"round {number}: {answers}"
        seconds.append(max(int(answer[6:-1]) for answer in answers) / 1_000_000)
        assert_connected(one, other)
        one.eval(f"erlang:disconnect_node('{other.name}')")
        for node in (one, other):
            node.wait_until("nodes(connected) =:= []", 60)
    return statistics.median(seconds)


def assert_connected(one: Node, other: Node) -> None:
    """No side is left with half a connection, or with two: both use the one that there is, at once."""
    for node, mate in ((one, other), (other, one)):
        milliseconds, answer = node.timed(f"net_adm:ping('{mate.name}')")
        assert answer == "pong"
        assert milliseconds < 1000
        assert node.eval("{nodes(connected), length(erlang:system_info(dist_ctrl))}") == f"{{['{mate.name}'],1}}"


def assert_one_channel_a_round(wall: Wall, count: int = ROUNDS) -> None:
    """Never two at a time."""
    wall.wait_event("disconnect", behind=count - 1)
    kinds = [event["event"] for event in wall.events() if event["event"] in ("connect", "disconnect")]
    assert kinds == ["connect", "disconnect"] * count


@contextmanager
def pair(peer: str, *, visible: bool, direct: bool) -> Iterator[tuple[Scene, Node, Node]]:
    """The scene, its guarded node, its peer."""
    entry = Peer(["accept *"], node="*@127.0.0.1", visible=visible)
    with Scene(None if direct else [entry]) as scene:
        flags = ["-hidden", *ALONE] if direct and not visible else ALONE
        guard = scene.guard(launched=True, flags=ALONE)
        yield scene, guard, scene.peer(peer, cookie=None if direct else entry.cookie, flags=flags)


@pytest.mark.slow
@pytest.mark.parametrize("peer", [SMALLER, GREATER])
@pytest.mark.parametrize("visible", [True, False], ids=["visible", "hidden"])
def test_both_end_up_with_one_channel_as_soon_as_without_distwall(peer: str, visible: bool) -> None:
    with pair(peer, visible=visible, direct=True) as (_, bar, foo):
        direct = rounds(bar, foo, 20)
    with pair(peer, visible=visible, direct=False) as (scene, bar, foo):
        guarded = rounds(bar, foo)
        assert_one_channel_a_round(scene.wall)
        refused = {event["reason"] for event in scene.wall.events("handshake_refused")}
    assert guarded < direct + 0.05
    # Attempts that met the other side's, and nothing else.
    assert refused <= {"guard_refused", "guard_closed", "peer_refused", "peer_closed"}


def contest(scene: Scene, name: str) -> None:
    """A stranger holds the peer's name until it has a challenge, and leaves."""
    port = epmd_port("bar", ("127.0.0.2", scene.epmd_port))
    assert port is not None
    with socket.create_connection(("127.0.0.2", port), 10, ("127.0.0.66", 0)) as sock:
        stranger = raw_peer.Handshake(sock)
        stranger.send_name(name, OTP_25, 7)
        stranger.receive_status()
        stranger.receive_challenge()
    scene.wall.wait_event("handshake_refused", source="127.0.0.66")


@pytest.mark.slow
@pytest.mark.parametrize("peer", [SMALLER, GREATER])
@pytest.mark.parametrize("visible", [True, False], ids=["visible", "hidden"])
def test_both_end_up_with_one_channel_under_a_name_that_a_stranger_has_held(peer: str, visible: bool) -> None:
    """The peer proves its cookie first then, and the guarded node hears of it later than of its own attempt's fate."""
    with pair(peer, visible=visible, direct=False) as (scene, bar, foo):
        contest(scene, peer)
        assert rounds(bar, foo) < 0.1
        assert_one_channel_a_round(scene.wall)
        refused = {event["reason"] for event in scene.wall.events("handshake_refused")}
    assert refused <= {"guard_refused", "guard_closed", "peer_refused", "peer_closed"}


@contextmanager
def played_peer() -> Iterator[tuple[Scene, raw_peer.RawPeer, socket.socket, Node, int]]:
    """A peer that the test plays, its listening socket, the guarded node, and the port that leads there."""
    peer = raw_peer.RawPeer(SMALLER, b"peer-cookie")
    with (
        Scene([Peer(["accept *"], node=peer.name)]) as scene,
        socket.create_server(("127.0.0.1", 0)) as server,
        epmd_registered("aaa", server.getsockname()[1], ("127.0.0.1", scene.epmd_port)),
    ):
        server.settimeout(10)
        bar = scene.guard(launched=True)
        port = epmd_port("bar", ("127.0.0.2", scene.epmd_port))
        assert port is not None
        yield scene, peer, server, bar, port


def test_an_attempt_that_the_peer_has_given_up_does_not_replace_the_connection() -> None:
    """The guarded node asks if its connection is stale; the peer, which could say that it is not, was not asked."""
    with played_peer() as (scene, peer, server, bar, port):
        contest(scene, peer.name)
        with socket.create_connection(("127.0.0.2", port), 10) as mine:
            attempt = raw_peer.Handshake(mine)
            attempt.send_name(peer.name, peer.flags, peer.creation)
            attempt.receive_status()
            _, challenge, _, _ = attempt.receive_challenge()
            pending = bar.begin(f"net_kernel:connect_node('{peer.name}')")
            theirs, _ = server.accept()
            with peer.accept(theirs, status="ok_simultaneous") as channel:
                assert pending.result() == "true"
                attempt.send_reply(1, raw_peer.digest(peer.cookie, challenge))
                assert not channel.is_closed(1)
                assert bar.eval("nodes(connected)") == f"['{peer.name}']"
        assert scene.wall.wait_event("handshake_refused", source="127.0.0.1")["detail"] == "in state proved"


@pytest.mark.slow
@pytest.mark.parametrize("visible", [True, False], ids=["visible", "hidden"])
def test_two_guarded_nodes_behind_two_distwalls_connect_as_soon(visible: bool) -> None:
    a, b = "a@127.0.1.1", "b@127.0.1.2"
    with LoopbackHosts() as hosts:
        nodes, walls = [], []
        for name, other in ((a, b), (b, a)):
            entry = Peer(["accept *"], node=other, visible=visible)
            host = hosts.guarded(name.partition("@")[2], [name], [entry])
            walls.append(host.wall)
            nodes.append(host.guard(name, flags=ALONE))
        first, second = nodes
        assert rounds(first, second) < 0.1
        for wall in walls:
            assert_one_channel_a_round(wall)
            refused = {event["reason"] for event in wall.events("handshake_refused")}
            assert refused <= {"guard_refused", "guard_closed", "peer_refused", "peer_closed"}


def test_a_peer_that_gives_way_does_not_count_as_a_failing_one() -> None:
    """Else after a few times it would have to wait, and with it all that comes from its address."""
    with played_peer() as (scene, peer, server, bar, port):
        for number in range(10):
            pending = bar.begin(f"net_kernel:connect_node('{peer.name}')")
            theirs, _ = server.accept()
            theirs.recv(1, socket.MSG_PEEK)
            # So that it gives way while the guarded node has its name, but has not answered yet.
            bar.pause()
            with socket.create_connection(("127.0.0.2", port)) as mine:
                raw_peer.Handshake(mine).send_name(peer.name, peer.flags, peer.creation)
                time.sleep(0.2)
            event = scene.wall.wait_event("handshake_refused", behind=number, reason="peer_closed")
            bar.resume()
            assert event["detail"] == "in state status", "it had to wait"
            with peer.accept(theirs, status="ok_simultaneous"):
                assert pending.result() == "true"
            bar.wait_until("nodes(connected) =:= []")
