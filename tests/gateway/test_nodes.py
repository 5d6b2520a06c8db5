"""The handshake and the data path with real nodes: what only a real net_kernel decides."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.dist import EMPTY, OTP_25, Op, Sender, message
from tests.support.epmd import epmd_port
from tests.support.etf import Atom, Pid
from tests.support.node import Node as ErlangNode
from tests.support.raw_peer import Handshake, HandshakeFailed, RawPeer, digest
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

PEER = "foo@127.0.0.1"


@pytest.fixture
def scene() -> Iterator[Scene]:
    peers = [Peer(["accept *"]), Peer(["accept *"], node="undefined@127.0.0.1", cookie="operator-cookie")]
    with Scene(peers) as scene:
        yield scene


def address(scene: Scene) -> tuple[str, int]:
    """Where peers reach the guarded node."""
    port = epmd_port("bar", ("127.0.0.2", scene.epmd_port))
    assert port is not None
    return "127.0.0.2", port


def raw(cookie: bytes = b"peer-cookie") -> RawPeer:
    return RawPeer(PEER, cookie, OTP_25)


def is_up(foo: ErlangNode) -> bool:
    return foo.eval(f"net_adm:ping('{GUARD}')") == "pong"


def test_a_live_connection_survives_a_wrong_cookie_and_not_a_right_one(scene: Scene) -> None:
    scene.guard()
    with raw().connect(address(scene)) as first:
        with pytest.raises(HandshakeFailed):
            raw().connect(address(scene), alive=b"false")
        with pytest.raises(HandshakeFailed, match="closed"):
            raw(b"wrong").connect(address(scene))
        assert not first.is_closed(0.3), "what it was before"
        first.sock.settimeout(10)
        with raw().connect(address(scene)) as second:
            assert first.is_closed(), "replaced, as the peer insisted and proved itself"
            assert not second.is_closed(0.3)


def test_nodes_that_ask_for_a_name_get_one(scene: Scene) -> None:
    """As ``-remsh`` makes them: hidden, without a listener, named by the guarded node."""
    bar = scene.guard()
    shell = scene.peer("undefined@127.0.0.1", flags=["-dist_listen", "false"])
    assert shell.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
    name = shell.eval("node()")
    assert name != "'undefined@127.0.0.1'"
    bar.wait_until(f"nodes(hidden) =:= [{name}]")
    assert shell.eval(f"rpc:call('{GUARD}', erlang, node, [])") == f"'{GUARD}'"
    assert scene.wall.wait_event("connect")["peer"] == name.strip("'")


@pytest.mark.parametrize("step", ["silent", "named", "challenged", "wrong"])
def test_strangers_do_not_keep_the_real_peer_out(scene: Scene, step: str) -> None:
    """Ten strangers at a time, from the peer's own address, under its own name, as fast as they can."""
    bar = scene.guard()
    target = address(scene)
    over = threading.Event()
    tries = [0]

    def attack() -> None:
        while not over.is_set():
            with suppress(OSError, HandshakeFailed), socket.create_connection(target, 1) as sock:
                stranger = Handshake(sock)
                tries[0] += 1
                if step != "silent":
                    stranger.send_name(PEER, OTP_25, 5)
                if step in ("challenged", "wrong"):
                    stranger.receive_status()
                    stranger.receive_challenge()
                if step == "wrong":
                    stranger.send_reply(1, bytes(16))
                sock.settimeout(0.2)
                closed = False
                while not (closed or over.is_set()):
                    with suppress(TimeoutError):
                        closed = not sock.recv(1000)

    strangers = [threading.Thread(target=attack) for _ in range(10)]
    for each in strangers:
        each.start()
    try:
        foo = scene.peer()
        start = time.monotonic()
        while not is_up(foo):
            assert time.monotonic() - start < 20, f"kept out by {tries[0]} tries"
        assert bar.eval("nodes(hidden)") == f"['{PEER}']"
        time.sleep(0.5)
        assert is_up(foo)
    finally:
        over.set()
        for each in strangers:
            each.join()


def test_what_is_sent_before_the_acknowledgement_is_not_lost(scene: Scene) -> None:
    """A peer that doesn't wait: real ones do, but nothing in the protocol says that they must."""
    bar = scene.guard()
    bar.eval("probe:collector(victim)")
    node = raw()
    with socket.create_connection(address(scene), 10) as sock:
        step = Handshake(sock)
        step.send_name(node.name, node.flags, node.creation)
        step.receive_status()
        _, challenge, _, _ = step.receive_challenge()
        hello = message(Op.REG_SEND, Pid(Atom(PEER), 1, 0, node.creation), EMPTY, Atom("victim"), payload=Atom("hello"))
        reply = b"r" + struct.pack(">I", 1) + digest(node.cookie, challenge)
        sock.sendall(struct.pack(">H", len(reply)) + reply + Sender(node.flags).bytes(hello))
        step.receive_ack()
        assert bar.eval("probe:await(victim, 1, 5000)") == "[hello]"
