"""Transparent mode between real nodes on two hosts. The guarded node knows nothing of distwall but an EPMD port."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.redirect.steps import COOKIE, LOOPBACK, attack, part, ping
from tests.support.hosts import A4, B4, HostPair
from tests.support.node import Node
from tests.support.redirect_scene import EPMD, LISTENER, REGISTER, UID, RedirectScene
from tests.support.wall import CLUSTER_COOKIE, Peer

BAR, BAZ = f"bar@{A4}", f"baz@{A4}"
FOO, EVIL, TRAP, STRANGER = f"foo@{B4}", f"evil@{B4}", f"trap@{B4}", f"stranger@{B4}"

# Counts the connections that reach a host's programs from elsewhere.
COUNTER = (
    "table inet watch { chain c { type filter hook input priority 0; iif lo accept; tcp flags & (syn | ack) == syn"
    " counter; }; }"
)


def arrived(pair: HostPair) -> int:
    """How many connections have reached ``b``."""
    rules = json.loads(pair.b.shell("nft -j list table inet watch"))["nftables"]
    parts = [part for rule in rules if "rule" in rule for part in rule["rule"]["expr"]]
    return int(next(part["counter"]["packets"] for part in parts if "counter" in part))


@pytest.fixture(scope="module")
def scene(tools: None) -> Iterator[RedirectScene]:
    """The rules are installed; ``foo`` and ``evil`` may be reached, and may ping."""
    entries = [Peer(["accept ping"], node, COOKIE) for node in (FOO, EVIL, TRAP)]
    with HostPair() as pair, RedirectScene(pair, entries, guards=[BAR, BAZ]) as scene:
        scene.redirect()
        pair.b.shell("nft -f -", text=COUNTER)
        yield scene


@pytest.fixture(scope="module")
def bar(scene: RedirectScene) -> Node:
    return scene.guard(BAR, flags=LOOPBACK)


@pytest.fixture(scope="module")
def foo(scene: RedirectScene) -> Node:
    return scene.peer(FOO, COOKIE)


def test_a_guarded_node_reaches_a_peer_through_distwall(scene: RedirectScene, bar: Node, foo: Node) -> None:
    assert ping(bar, FOO) == "pong"
    assert scene.wall.wait_event("connect", peer=FOO, guard=BAR)["opened_by"] == "guard"
    channels = json.loads(scene.distwall("peers", "-o", "json").stdout)
    assert [(each["peer"], each["guard"], each["source"]) for each in channels] == [(FOO, BAR, B4)]
    assert bar.eval("nodes(hidden)") == f"['{FOO}']"

    # The connection carries no more than the policy lets it, though bar has opened it.
    assert ping(foo, BAR) == "pong"
    assert "not_allowed" in attack(foo, BAR)
    scene.wall.wait_event("refused", peer=FOO, guard=BAR, command="spawn_request")
    # bar itself may ask foo for anything.
    assert attack(bar, FOO) == f"'{FOO}'"


@pytest.fixture(scope="module")
def stranger(scene: RedirectScene) -> Node:
    return scene.peer(STRANGER, CLUSTER_COOKIE)


def test_nothing_is_dialled_for_a_peer_without_an_entry(scene: RedirectScene, bar: Node, stranger: Node) -> None:
    before = arrived(scene.pair)
    assert ping(bar, STRANGER) == "pang"
    event = scene.wall.wait_event("handshake_refused", peer=STRANGER, reason="unknown_node")
    assert event["opened_by"] == "guard"
    assert event["source"] == B4
    assert arrived(scene.pair) == before


def registered(pair: HostPair, alive: str) -> int:
    """Where a node on ``b`` listens."""

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", EPMD)) as epmd:
            epmd.sendall(struct.pack(">HB", 1 + len(alive), 122) + alive.encode())
            return epmd.recv(4)

    return int.from_bytes(pair.b.run(ask)[2:4])


@contextmanager
def registration(pair: HostPair, alive: str, port: int) -> Iterator[None]:
    """On ``b``, EPMD believes that ``alive`` listens at ``port``."""
    request = struct.pack(">BHBBHHH", 120, port, 77, 0, 6, 6, len(alive)) + alive.encode() + b"\0\0"
    with pair.b.run(socket.create_connection, ("127.0.0.1", EPMD)) as epmd:
        epmd.sendall(struct.pack(">H", len(request)) + request)
        assert epmd.recv(2)[1] == 0
        yield


def test_a_host_that_answers_under_another_name_is_refused(scene: RedirectScene, bar: Node) -> None:
    evil = scene.peer(EVIL, COOKIE)
    assert ping(bar, EVIL) == "pong"  # under its own name, it may
    part(bar, EVIL)
    with registration(scene.pair, "trap", registered(scene.pair, "evil")):
        assert ping(bar, TRAP) == "pang"
    scene.wall.wait_event("handshake_refused", peer=TRAP, guard=BAR, reason="bad_peer", opened_by="guard")
    assert evil.eval("nodes(connected)") == "[]"


def test_a_port_where_nobody_listens_is_unreachable(scene: RedirectScene, bar: Node) -> None:
    with registration(scene.pair, "trap", 1):
        assert ping(bar, TRAP) == "pang"
    scene.wall.wait_event("handshake_refused", peer=TRAP, reason="unreachable")


def test_names_of_a_host_are_those_of_peers_with_an_entry(
    scene: RedirectScene, bar: Node, foo: Node, stranger: Node
) -> None:
    names = bar.eval("net_adm:names({10,231,7,2})")
    port = int(names.partition('{"foo",')[2].partition("}")[0])
    assert port in range(64000, 65000)
    assert port != registered(scene.pair, "foo")
    assert "stranger" not in names


def test_guarded_nodes_of_one_host_reach_each_other(scene: RedirectScene, bar: Node) -> None:
    baz = scene.guard(BAZ, flags=LOOPBACK)
    assert ping(bar, BAZ) == "pong"
    assert attack(baz, BAR) == f"'{BAR}'"  # mates trust each other
    assert baz.eval("nodes()") == f"['{BAR}']"
    assert "baz" in bar.eval("net_adm:names({10,231,7,1})")
    big = "erpc:call('{}', erlang, byte_size, [binary:copy(<<1>>, 20000000)])"
    assert bar.number(big.format(BAZ), timeout=60) == 20000000
    baz.stop()
    bar.wait_until("nodes() =:= []")


def test_what_was_not_redirected_is_refused(scene: RedirectScene) -> None:
    for address in ("127.0.0.1", "::1"):
        with scene.pair.a.connect(address, LISTENER, user=UID) as connection:
            assert connection.recv(10) == b""
        scene.wall.wait_event("handshake_refused", source=address, reason="not_redirected")


def test_a_port_that_stands_for_nothing_is_refused(scene: RedirectScene) -> None:
    before = arrived(scene.pair)
    with scene.pair.a.connect(B4, 64999, user=UID) as connection:
        assert connection.recv(10) == b""
    scene.wall.wait_event("handshake_refused", source=B4, reason="unknown_port")
    assert arrived(scene.pair) == before


@pytest.mark.parametrize("text", [b"\0\1\xff", b"\xff\xff", b"\0\1\x7a", b"\0\0", b"\0\3\x7a@@", b"\0\1d"])
def test_what_no_node_asks_is_refused(scene: RedirectScene, text: bytes) -> None:
    before = arrived(scene.pair)
    with scene.pair.a.connect(B4, REGISTER, user=UID) as connection:
        for byte in text:
            connection.sendall(bytes((byte,)))
        assert connection.recv(10) == b""
    scene.wall.wait_event("epmd_refused", source=B4, reason="malformed")
    assert arrived(scene.pair) == before


def test_nobody_else_on_this_host_can_play_epmd(scene: RedirectScene, bar: Node) -> None:
    for port, request, answer in ((REGISTER, b"\0\4\x7afoo", b"\x77\1"), (64999, b"", b"")):
        with scene.pair.a.listen(A4, port) as server:
            server.settimeout(0.2)
            with scene.pair.a.connect(A4, port, user=UID) as client:
                client.sendall(request)
                assert client.recv(10) == answer
            with pytest.raises(TimeoutError):
                server.accept()
    assert ping(bar, f"foo@{A4}") == "pang"


def test_other_connections_are_left_alone(scene: RedirectScene) -> None:
    """Of the user, other ports; of everybody else, all."""
    pair = scene.pair
    for port, user in ((8080, UID), (REGISTER, 0), (64000, 0), (REGISTER, UID + 1)):
        with pair.b.listen(B4, port) as server, pair.a.connect(B4, port, user=user) as client:
            connection, source = server.accept()
            assert source[:2] == client.getsockname()[:2]
            connection.sendall(b"untouched")
            assert client.recv(100) == b"untouched"
            connection.close()
