"""`distwall_epmd` within a node that is told to call it."""

from collections.abc import Iterator

import pytest

from tests.support import guarded
from tests.support.node import Node
from tests.support.scene import Scene
from tests.support.wall import Peer


@pytest.fixture(scope="module")
def bar() -> Iterator[Node]:
    with Scene([Peer(["accept *"])]) as scene, guarded.node(scene) as node:
        yield node


@pytest.mark.parametrize("backend", ["", "{inet_backend, socket}, "])
@pytest.mark.parametrize(
    ("address", "answer"), [("{0,0,0,0}", "the node would listen on 0.0.0.0:"), ("{127,0,0,2}", "already_registered")]
)
def test_only_what_listens_on_loopback_is_registered(bar: Node, backend: str, address: str, answer: str) -> None:
    assert answer in bar.eval(
        f"{{ok, S}} = gen_tcp:listen(0, [{backend}{{ip, {address}}}]), {{ok, Port}} = inet:port(S),"
        ' distwall_epmd:register_node("again", Port, inet)'
    )


def test_a_port_that_is_not_the_nodes_is_not_registered(bar: Node) -> None:
    assert "an unknown address, port 1" in bar.eval('distwall_epmd:register_node("again", 1, inet)')


def test_it_is_what_net_kernel_asks(bar: Node) -> None:
    assert bar.eval("net_kernel:epmd_module()") == "distwall_epmd"
    assert bar.eval("lists:keymember(distwall_epmd, 1, supervisor:which_children(net_sup))") == "true"
    assert bar.eval('distwall_epmd:address_please("stranger", "127.0.0.1", inet)') == "{error,nxdomain}"
    own = bar.eval('distwall_epmd:port_please("bar", "127.0.0.1")')
    assert own.startswith("{port,")
    assert bar.eval("distwall_epmd:port_please(bar, {127,0,0,1}, 1000)") == own
    assert bar.eval('distwall_epmd:port_please("stranger", "127.0.0.1")') == "noport"
