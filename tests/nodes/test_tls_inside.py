"""Guarded nodes that speak TLS themselves: distwall is on TLS at both its sides, or at this one only."""

from collections.abc import Iterator

import pytest

from tests.support.certificates import make_ca
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.tls import ANY_HOST, HOST, TlsScene, talk
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
PLAIN = "plain@127.0.0.1"


@pytest.fixture(scope="module")
def scene() -> Iterator[TlsScene]:
    peers = [Peer(["accept *"]), Peer(["accept *"], PLAIN, extra='tls = "off"')]
    # What a guarded node dials, it takes for the peer.
    with TlsScene(peers, inside=["127.0.0.1"]) as scene:
        yield scene


@pytest.fixture(scope="module", params=["tlsv1.2", "tlsv1.3"])
def bar(request: pytest.FixtureRequest, scene: TlsScene) -> Iterator[Node]:
    identity = scene.pki.host(request.param, HOST)
    flags = scene.pki.flags(identity, version=request.param, otp="DISTWALL_GUARD_OTP")
    with scene.guard(flags=flags, launched=True) as node:
        yield node


@pytest.fixture(scope="module")
def foo(scene: TlsScene) -> Node:
    return scene.peer(FOO, flags=scene.pki.flags(scene.pki.host("foo", "127.0.0.1")))


@pytest.fixture(scope="module")
def plain(scene: TlsScene) -> Node:
    return scene.peer(PLAIN)


@pytest.mark.parametrize("peer", ["foo", "plain"])
def test_a_peer_that_dials_reaches_a_guarded_node_with_tls_inside(
    request: pytest.FixtureRequest, scene: TlsScene, bar: Node, peer: str
) -> None:
    node: Node = request.getfixturevalue(peer)
    talk(node, bar)
    assert scene.wall.wait_event("connect", peer=node.name, opened_by="peer")["guard"] == GUARD
    assert node.eval(f"erlang:disconnect_node('{GUARD}')") == "true"
    bar.wait_until("nodes(connected) =:= []")


@pytest.mark.parametrize("peer", ["foo", "plain"])
def test_a_guarded_node_with_tls_inside_reaches_peers(
    request: pytest.FixtureRequest, scene: TlsScene, bar: Node, peer: str
) -> None:
    node: Node = request.getfixturevalue(peer)
    talk(bar, node)
    assert scene.wall.wait_event("connect", peer=node.name, opened_by="guard")["guard"] == GUARD
    assert bar.eval(f"erlang:disconnect_node('{node.name}')") == "true"
    node.wait_until("nodes(connected) =:= []")


@pytest.fixture(scope="module")
def wrong() -> Iterator[TlsScene]:
    """A distwall whose guarded nodes are not as `[guard.tls.inside]` says."""
    with TlsScene([Peer(["accept *"])], inside=["127.0.0.1"]) as scene:
        yield scene


def test_a_guarded_node_on_plain_tcp_is_not_reached(wrong: TlsScene) -> None:
    foo = wrong.peer(FOO, flags=wrong.pki.flags(wrong.pki.host("foo", "127.0.0.1")))
    with wrong.guard(launched=True) as bar:
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pang"
        event = wrong.wall.wait_event("handshake_refused", opened_by="peer")
        assert event["reason"] == "guard_closed"
        assert "a node without TLS gives none" in event["detail"]
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pang"
        event = wrong.wall.wait_event("handshake_refused", opened_by="guard")
        assert event["reason"] == "plain_tcp"


def test_a_guarded_node_with_a_foreign_certificate_is_not_reached(wrong: TlsScene) -> None:
    folder = wrong.folder / "other"
    folder.mkdir()
    foreign = wrong.pki.host("foreign", HOST, ca=make_ca(folder))
    flags = wrong.pki.flags(foreign, client=ANY_HOST, otp="DISTWALL_GUARD_OTP")
    before = len(wrong.wall.events("handshake_refused"))
    with wrong.guard(flags=flags, launched=True) as bar:
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pang"
        event = wrong.wall.wait_event("handshake_refused", behind=before, opened_by="guard")
        assert (event["reason"], event["detail"]) == ("tls", "its certificate is signed by an unknown CA")
