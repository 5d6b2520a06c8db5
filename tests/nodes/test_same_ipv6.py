"""IPv6: a guarded node and a peer on two hosts, by address and by name, long and short; each family meets the other.

The hosts are network namespaces, so this needs root. `register = "localhost:4370"` is 127.0.0.1 and ::1 there, as on
most hosts: guarded nodes of either family register with one distwall.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.nodes.programs import PROGRAMS, run
from tests.support.hosts import A4, A6, B4, B6, Host, HostPair, need_hosts
from tests.support.node import Node
from tests.support.process import Child
from tests.support.wall import CLUSTER_COOKIE, Peer, Wall, launcher

C = TypeVar("C", bound=Child)
INET6 = ["-proto_dist", "inet6_tcp"]
COOKIE = "peer-cookie"
EPMD, REGISTER = 4369, 4370
NAMES = {"ip6-localhost localhost": "::1"}
for host, v4, v6 in (("alpha", A4, A6), ("beta", B4, B6)):
    NAMES |= {f"{host} {host}.test": v4, f"{host}-6 {host} {host}.test": v6}

POLICY = f"""[guard]
nodes = ["bar@alpha", "bar4@alpha", "bar6@alpha", "mate6@alpha", "bar@alpha.test", "bar@{A6}"]
listen = "alpha"
epmd = "alpha:{EPMD}"
register = "localhost:{REGISTER}"
cookie_file = "cluster.cookie"

[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"

"""


class Ipv6Scene:
    """Host alpha with distwall, host beta with a stock epmd."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.pair = stack.enter_context(HostPair(NAMES))
        self.folder = Path(tempfile.mkdtemp(prefix="distwall-ipv6-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        names = ("foo*@beta", "foo*@beta.test", f"foo@{B6}")
        entries = [Peer(["accept *"], node=name, cookie=COOKIE, visible=True) for name in names]
        self.wall = Wall(self.folder, POLICY + "\n".join(entry.toml() for entry in entries))
        stack.callback(self.pair.a.run, self.wall.kill)
        self.pair.a.run(self.wall.start)
        self._start(self.pair.b, self._epmd)

    def guard(self, name: str, *flags: str) -> Node:
        """Starts a guarded node on alpha."""

        def start() -> Node:
            return Node(
                name,
                cookie=CLUSTER_COOKIE,
                folder=self.folder,
                epmd_port=REGISTER,
                flags=[*naming(name), *flags],
                launcher=launcher(self.wall.config),
            )

        return ready(self._start(self.pair.a, start))

    def peer(self, name: str, *flags: str) -> Node:
        """Starts a peer on beta."""

        def start() -> Node:
            return Node(name, cookie=COOKIE, folder=self.folder, epmd_port=EPMD, flags=[*naming(name), *flags])

        return ready(self._start(self.pair.b, start))

    def _epmd(self) -> Child:
        command = ["epmd", "-port", str(EPMD)]
        return Child(command, self.folder / "epmd.log", env={"PATH": os.environ["PATH"]}, cwd=self.folder)

    def _start(self, host: Host, start: Callable[[], C]) -> C:
        child = host.run(start)
        self._stack.callback(host.run, child.kill)
        return child


def naming(name: str) -> list[str]:
    return [] if "." in name or ":" in name else ["-sname", name]


def ready(node: Node) -> Node:
    node.eval("probe:start_server(counter), probe:collector(victim), {ok, _} = pg:start(pg)")
    return node


@pytest.fixture(scope="module")
def hosts() -> None:
    need_hosts()


@pytest.fixture
def scene(hosts: None) -> Iterator[Ipv6Scene]:
    with ExitStack() as stack:
        yield Ipv6Scene(stack)


def part(one: Node, other: Node) -> None:
    one.eval(f"erlang:disconnect_node('{other.name}')")
    for node in (one, other):
        node.wait_until("nodes(connected) =:= []")


def both_ways(scene: Ipv6Scene, bar: Node, foo: Node) -> None:
    """Either side opens a connection, over which both can do what they like."""
    for opener, other, who in ((bar, foo, "guard"), (foo, bar, "peer")):
        before = len(scene.wall.events("connect"))
        assert opener.eval(f"net_adm:ping('{other.name}')") == "pong"
        scene.wall.wait_event("connect", behind=before, peer=foo.name, guard=bar.name, opened_by=who)
        for node, mate in ((bar, foo), (foo, bar)):
            node.wait_until(f"nodes() =:= ['{mate.name}']")
            assert node.eval(f"gen_server:call({{counter, '{mate.name}'}}, {{echo, node()}})") in (
                node.name,
                f"'{node.name}'",
            )
        part(opener, other)


@pytest.mark.parametrize(
    ("guard", "peer"),
    [(f"bar@{A6}", f"foo@{B6}"), ("bar@alpha", "foo@beta"), ("bar@alpha.test", "foo@beta.test")],
    ids=["address", "sname", "name"],
)
def test_nodes_meet_over_ipv6_in_both_directions(scene: Ipv6Scene, guard: str, peer: str) -> None:
    bar, foo = scene.guard(guard, *INET6), scene.peer(peer, *INET6)
    both_ways(scene, bar, foo)
    sources = {event["source"] for event in scene.wall.events("connect")}
    assert sources == {B6}


def test_programs_give_the_same_over_ipv6(scene: Ipv6Scene) -> None:
    bar, foo = scene.guard(f"bar@{A6}", *INET6), scene.peer(f"foo@{B6}", *INET6)
    assert bar.eval(f"net_adm:ping('{foo.name}')") == "pong"
    foo.wait_until(f"nodes() =:= ['{bar.name}']")
    for here, there in ((bar, foo), (foo, bar)):
        assert {each.name: run(each, here, there) for each in PROGRAMS} == {
            each.name: each.expected for each in PROGRAMS
        }


def test_nodes_of_both_families_meet(scene: Ipv6Scene) -> None:
    """A node speaks one family only, and distwall both: what could not connect directly can through it."""
    guards = [scene.guard("bar4@alpha"), scene.guard("bar6@alpha", *INET6)]
    peers = [scene.peer("foo4@beta"), scene.peer("foo6@beta", *INET6)]
    for bar in guards:
        for foo in peers:
            both_ways(scene, bar, foo)


def test_mates_of_one_family_meet_directly_and_of_two_not_at_all(scene: Ipv6Scene) -> None:
    bar6, mate = scene.guard("bar6@alpha", *INET6), scene.guard("mate6@alpha", *INET6)
    bar4 = scene.guard("bar4@alpha")
    assert bar6.eval(f"net_adm:ping('{mate.name}')") == "pong"
    for one, other in ((bar4, bar6), (bar6, bar4)):
        milliseconds, answer = one.timed(f"net_adm:ping('{other.name}')")
        assert answer == "pang"
        assert milliseconds < 2000
    assert scene.wall.events("connect") == []
