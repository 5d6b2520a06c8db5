"""Strangers who only say a peer's name, and a guarded node that dials that peer."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port
from tests.support.node import Node
from tests.support.raw_peer import Handshake
from tests.support.scene import Scene
from tests.support.wall import Peer

ALONE = ["-connect_all", "false"]
ROUNDS = 20


@contextmanager
def strangers(scene: Scene, name: str) -> Iterator[None]:
    """Say the name again and again, and prove nothing; from so many addresses that none is shut out."""
    port = epmd_port("bar", ("127.0.0.2", scene.epmd_port))
    assert port is not None
    stop = threading.Event()

    def hold(network: int) -> None:
        for host in itertools.cycle(range(1, 9)):
            if stop.is_set():
                return
            source = f"127.0.{network}.{host}"
            with suppress(OSError), socket.create_connection(("127.0.0.2", port), 1, (source, 0)) as sock:
                Handshake(sock).send_name(name, OTP_25, 7)
                sock.settimeout(3)
                while sock.recv(1 << 10):
                    pass
            time.sleep(0.01)

    threads = [threading.Thread(target=hold, args=(network,)) for network in range(10, 14)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()


def dials(bar: Node, foo: Node) -> list[bool]:
    """Connects and disconnects, again and again."""
    found = []
    for _ in range(ROUNDS):
        found.append(bar.eval(f"net_kernel:connect_node('{foo.name}')") == "true")
        bar.eval(f"erlang:disconnect_node('{foo.name}')")
        for node in (bar, foo):
            node.wait_until("nodes(connected) =:= []")
    return found


# A greater name wins over the guarded node's own attempt, a smaller one only holds its place.
@pytest.mark.parametrize("name", ["foo@127.0.0.1", "aaa@127.0.0.1"])
def test_strangers_under_a_peers_name_do_not_cost_the_guarded_node_its_dials(name: str) -> None:
    with Scene([Peer(["accept *"], node=name)]) as scene:
        bar = scene.guard(launched=True, flags=ALONE)
        foo = scene.peer(name, flags=ALONE)
        # So that distwall has met the guarded node.
        assert foo.eval(f"net_kernel:connect_node('{bar.name}')") == "true"
        foo.eval(f"erlang:disconnect_node('{bar.name}')")
        bar.wait_until("nodes(connected) =:= []")
        with strangers(scene, name):
            # The first of them is relayed, until it is known for what it is.
            scene.wall.wait_event("handshake_refused")
            time.sleep(0.5)
            assert dials(bar, foo) == [True] * ROUNDS
            assert foo.eval(f"net_kernel:connect_node('{bar.name}')") == "true", "and the peer itself gets in"
