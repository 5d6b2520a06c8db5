"""Connections that the guarded node opens, to real nodes and to hostile ones."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support import raw_peer
from tests.support.epmd import epmd_registered
from tests.support.node import ErlangError, Node
from tests.support.raw_peer import Handshake, digest
from tests.support.scene import GUARD, Scene
from tests.support.wall import CLUSTER_COOKIE, Peer

FOO = "foo@127.0.0.1"
EVIL = "evil@127.0.0.1"
COOKIE = "peer-cookie"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    entries = [
        Peer(["deny *", "accept ping", "accept reg_send gate", "accept monitor gate"]),
        Peer(["deny *"], node=EVIL),
        Peer(["accept *"], node="cluster@127.0.0.1", cookie=CLUSTER_COOKIE, visible=True),
        Peer(["accept *"], node="elsewhere@127.0.0.1", extra='from = ["10.0.0.0/8"]'),
    ]
    with Scene(entries) as scene:
        yield scene


@pytest.fixture(scope="module")
def bar(scene: Scene) -> Node:
    node = scene.guard(launched=True)
    node.eval("register(gate, spawn(fun Loop() -> receive _ -> Loop() end end))")
    return node


@pytest.fixture(scope="module")
def foo(scene: Scene, bar: Node) -> Node:
    return scene.peer()


def test_a_guarded_node_reaches_a_peer(scene: Scene, bar: Node, foo: Node) -> None:
    assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
    assert scene.wall.wait_event("connect", peer=FOO, opened_by="guard")["guard"] == GUARD
    assert bar.eval("{nodes(), nodes(hidden)}") == f"{{[],['{FOO}']}}"
    assert bar.eval(f"erpc:call('{FOO}', erlang, node, [])") == f"'{FOO}'"


def test_the_peer_may_do_no_more_over_it_than_its_entry_says(bar: Node, foo: Node) -> None:
    assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
    with pytest.raises(ErlangError, match="not_allowed"):
        foo.eval(f"erpc:call('{GUARD}', erlang, node, [])")
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    assert foo.eval(f"{{gate, '{GUARD}'}} ! hello") == "hello"


def test_the_connection_is_opened_again_after_it_was_lost(bar: Node, foo: Node) -> None:
    for _ in range(5):
        assert bar.eval(f"net_kernel:connect_node('{FOO}')") == "true"
        assert bar.eval(f"erlang:disconnect_node('{FOO}')") == "true"
    bar.eval(f"net_kernel:hidden_connect_node('{FOO}')")
    assert bar.eval("nodes(hidden)") == f"['{FOO}']"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("stranger@127.0.0.1", "unknown_node"),
        ("foo@127.0.0.9", "unknown_node"),
        ("cluster@127.0.0.1", "cluster_cookie"),
        ("elsewhere@127.0.0.1", "source"),
    ],
)
def test_a_target_that_the_policy_does_not_let_it_reach_is_never_dialled(
    scene: Scene, bar: Node, node: str, reason: str
) -> None:
    name = node.partition("@")[0]
    with socket.create_server(("127.0.0.1", 0)) as lure:
        lure.settimeout(0.2)
        with epmd_registered(f"{name}{len(reason)}" if name == "foo" else name, lure.getsockname()[1], _epmd(scene)):
            milliseconds, value = bar.timed(f"net_adm:ping('{node}')")
        assert value == "pang"
        assert milliseconds < 2000
        scene.wall.wait_event("handshake_refused", peer=node, reason=reason, opened_by="guard")
        with pytest.raises(TimeoutError):
            lure.accept()


def _epmd(scene: Scene) -> tuple[str, int]:
    return "127.0.0.1", scene.epmd_port


def _steps(sock: socket.socket, *, name: str = EVIL, cookie: bytes = COOKIE.encode(), status: str = "ok") -> bytes:
    """The acceptor's handshake; returns the digest that it was given."""
    step = Handshake(sock)
    step.receive_name()
    step.send_status(status)
    step.send_challenge(name, raw_peer.RawPeer(EVIL, cookie).flags, 7, 1)
    theirs, proof = step.receive_reply()
    step.send_ack(digest(cookie, theirs))
    return proof


def _silent(sock: socket.socket) -> bytes:
    return sock.recv(100) and sock.recv(100)


def _greedy(sock: socket.socket) -> bytes:
    """Challenges without waiting for its turn."""
    step = Handshake(sock)
    step.send_challenge(EVIL, 0xD07DF7FBD, 7, 1)
    return sock.recv(1000) and sock.recv(1000)


def _endless(sock: socket.socket) -> bytes:
    Handshake(sock).receive_name()
    sock.sendall(b"\xff\xff" + b"s" * 100_000)
    return b""


Play = Callable[[socket.socket], bytes]
PLAYS: list[tuple[str, Play, str]] = [
    ("another name", lambda sock: _steps(sock, name=FOO), "bad_peer"),
    ("the guard's own name", lambda sock: _steps(sock, name=GUARD), "bad_peer"),
    ("a wrong cookie", lambda sock: _steps(sock, cookie=b"guess"), "bad_cookie"),
    ("an unknown status", lambda sock: _steps(sock, status="welcome"), "bad_peer"),
    ("a name given", lambda sock: _steps(sock, status="named:\0\x07bar@bar\0\0\0\1"), "bad_peer"),
    ("nothing", _silent, "timeout"),
    ("out of order", _greedy, "out_of_order"),
    ("without end", _endless, "malformed"),
]


@pytest.mark.parametrize(("play", "reason"), [case[1:] for case in PLAYS], ids=[case[0] for case in PLAYS])
def test_who_answers_wrongly_is_refused_and_learns_nothing(scene: Scene, bar: Node, play: Play, reason: str) -> None:
    learned: list[bytes] = []

    def serve(server: socket.socket) -> None:
        sock, _ = server.accept()
        with sock:
            sock.settimeout(10)
            try:
                learned.append(play(sock))
                learned.append(sock.recv(100))
            except (OSError, raw_peer.HandshakeFailed):
                return

    before = len(scene.wall.events("handshake_refused"))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        epmd_registered("evil", server.getsockname()[1], _epmd(scene)),
    ):
        thread = threading.Thread(target=serve, args=[server])
        thread.start()
        assert bar.eval(f"net_adm:ping('{EVIL}')") == "pang"
        thread.join(10)
    scene.wall.wait_event("handshake_refused", behind=before, peer=EVIL, reason=reason)
    # Neither the cluster's cookie nor its use: what it was given is the proof of the cookie it has anyway.
    assert not {digest(CLUSTER_COOKIE.encode(), 1)} & {*learned}
    assert bar.eval(f"node() =:= '{GUARD}'") == "true"


def test_it_reaches_an_accepted_name_again_after_a_hostile_one_had_it(scene: Scene, bar: Node) -> None:
    evil = raw_peer.RawPeer(EVIL, COOKIE.encode())
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        epmd_registered("evil", server.getsockname()[1], _epmd(scene)),
    ):
        server.settimeout(10)
        pending = bar.begin(f"net_kernel:connect_node('{EVIL}')")
        sock, _ = server.accept()
        with sock:
            connection = evil.accept(sock)
            assert pending.result() == "true"
            assert connection is not None
