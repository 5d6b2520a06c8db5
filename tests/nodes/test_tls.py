"""Distribution over TLS between peers and distwall, whoever dials; the guarded node speaks plain TCP."""

from collections.abc import Iterator

import pytest

from tests.support.node import Node
from tests.support.tls import TlsScene, talk
from tests.support.wall import Peer

VERSIONS = {"tlsv1.2": "foo12@127.0.0.1", "tlsv1.3": "foo13@127.0.0.1"}


@pytest.fixture(scope="module")
def scene() -> Iterator[TlsScene]:
    peers = [Peer(["accept *"], node=node, extra='certificate = "{host}"') for node in VERSIONS.values()]
    peers.append(Peer(["accept *"], "gone@*", "gone-cookie", extra='certificate = "{host}"'))
    with TlsScene(peers) as scene:
        yield scene


@pytest.fixture(scope="module")
def bar(scene: TlsScene) -> Node:
    return scene.guard(launched=True)


@pytest.fixture(scope="module", params=VERSIONS)
def foo(request: pytest.FixtureRequest, scene: TlsScene, bar: Node) -> Iterator[Node]:
    name = VERSIONS[request.param]
    identity = scene.pki.host(name, "127.0.0.1")
    with scene.peer(name, flags=scene.pki.flags(identity, version=request.param)) as node:
        yield node


def _apart(bar: Node, foo: Node) -> None:
    for here, there in ((bar, foo), (foo, bar)):
        here.eval(f"erlang:disconnect_node('{there.name}')")
        here.wait_until("nodes(connected) =:= []")


def test_a_peer_that_dials_over_tls_can_do_everything(scene: TlsScene, bar: Node, foo: Node) -> None:
    _apart(bar, foo)
    talk(foo, bar)
    event = scene.wall.wait_event("connect", peer=foo.name, opened_by="peer")
    assert "DNS:127.0.0.1" in event["certificate"]


def test_a_guarded_node_that_dials_over_tls_can_do_everything(scene: TlsScene, bar: Node, foo: Node) -> None:
    _apart(bar, foo)
    talk(bar, foo)
    event = scene.wall.wait_event("connect", peer=foo.name, opened_by="guard")
    assert "DNS:127.0.0.1" in event["certificate"]


def test_they_connect_again_after_a_disconnect(bar: Node, foo: Node) -> None:
    for one, other in ((foo, bar), (bar, foo)) * 3:
        assert one.eval(f"net_kernel:connect_node('{other.name}')") == "true"
        assert one.eval(f"erlang:disconnect_node('{other.name}')") == "true"
        other.wait_until("nodes(connected) =:= []")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_that_is_killed_is_gone_at_once(scene: TlsScene, bar: Node, version: str) -> None:
    name = f"gone@127.0.0.{2 + [*VERSIONS].index(version)}"
    identity = scene.pki.host(name, name.partition("@")[2])
    with scene.peer(name, cookie="gone-cookie", flags=scene.pki.flags(identity, version=version)) as node:
        assert node.eval(f"net_kernel:connect_node('{bar.name}')") == "true"
        bar.wait_until(f"lists:member('{name}', nodes(hidden))")
        waiting = bar.begin(
            f"erlang:monitor_node('{name}', true), receive {{nodedown, N}} -> N after 10000 -> late end"
        )
        node.kill()
        assert waiting.result() == f"'{name}'"
    assert scene.wall.wait_event("disconnect", peer=name)["reason"] == "peer closed"
