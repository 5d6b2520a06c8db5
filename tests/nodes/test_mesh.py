"""A, B and C trust each other, each behind a distwall of its own; Z is a client of A, and no more than that."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from distwall._core import DistFlag
from tests.support import raw_peer
from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port
from tests.support.loopback_hosts import LoopbackHost, LoopbackHosts
from tests.support.node import ErlangError, Node
from tests.support.wall import CLUSTER_COOKIE, Peer

ADDRESSES = {"a": "127.0.1.1", "b": "127.0.1.2", "c": "127.0.1.3"}
A, B, C = (f"{name}@{address}" for name, address in ADDRESSES.items())
Z = "z@127.0.1.9"
LINK = "the-cookie-between-the-hosts"
Z_COOKIE = "the-cookie-of-z"

GATEWAY = """
    register(gateway, spawn(fun Loop() ->
        receive {'$gen_call', From, Request} -> gen:reply(From, {ok, Request}), Loop() end
    end))
"""


@dataclass
class WalledMesh:
    hosts: LoopbackHosts
    walls: dict[str, LoopbackHost]
    nodes: dict[str, Node]
    z: Node

    def all_see_each_other(self) -> None:
        for node in self.nodes.values():
            others = sorted({A, B, C} - {node.name})
            node.wait_until(f"lists:sort(nodes()) =:= ['{others[0]}','{others[1]}']", 20)


@pytest.fixture(scope="module")
def mesh() -> Iterator[WalledMesh]:
    with LoopbackHosts() as hosts:
        walls, nodes = {}, {}
        for name, address in ADDRESSES.items():
            mates = [
                Peer(["accept *"], node=f"{mate}@{at}", cookie=LINK, visible=True, extra=f'from = ["{at}"]')
                for mate, at in ADDRESSES.items()
                if mate != name
            ]
            clients = [
                Peer(["deny *", "accept ping", "accept reg_send gateway", "accept monitor gateway"], Z, Z_COOKIE)
            ]
            host = hosts.guarded(address, [f"{name}@{address}"], mates + (clients if name == "a" else []))
            walls[name] = host
            nodes[name] = host.guard(f"{name}@{address}")
        hosts.plain("127.0.1.9")
        z = hosts.node(Z, cookie=Z_COOKIE)
        nodes["a"].eval(GATEWAY)
        assert nodes["a"].eval(f"net_adm:ping('{B}')") == "pong"
        assert nodes["b"].eval(f"net_adm:ping('{C}')") == "pong"
        mesh = WalledMesh(hosts, walls, nodes, z)
        mesh.all_see_each_other()
        yield mesh


def test_the_three_cluster_as_before(mesh: WalledMesh) -> None:
    a, b, c = mesh.nodes.values()
    assert a.eval("global:sync()") == "ok"
    assert a.eval("global:register_name(leader, whereis(gateway))") == "yes"
    c.wait_until("is_pid(global:whereis_name(leader))")
    assert c.eval("gen_server:call(global:whereis_name(leader), hello)") == "{ok,hello}"
    assert b.eval("lists:sort(element(1, rpc:multicall(erlang, node, [])))") == f"['{A}','{B}','{C}']"
    assert c.eval("global:trans({lock, self()}, fun() -> held end)") == "held"
    for node in (a, b, c):
        node.eval("pg:start(pg), pg:join(workers, whereis(init))")
    b.wait_until("length(pg:get_members(workers)) =:= 3")


def test_each_connection_passed_two_firewalls(mesh: WalledMesh) -> None:
    for name, host in mesh.walls.items():
        for mate in {A, B, C} - {f"{name}@{ADDRESSES[name]}"}:
            host.wall.wait_event("connect", peer=mate)


def test_one_that_restarts_is_back_in_the_mesh(mesh: WalledMesh) -> None:
    mesh.nodes["c"].kill()
    mesh.nodes["a"].wait_until(f"nodes() =:= ['{B}']")
    mesh.nodes["c"] = mesh.walls["c"].guard(C)
    assert mesh.nodes["c"].eval(f"net_adm:ping('{A}')") == "pong"
    mesh.all_see_each_other()


def test_z_reaches_the_gateway_of_a_and_nothing_else(mesh: WalledMesh) -> None:
    assert mesh.z.eval(f"net_adm:ping('{A}')") == "pong"
    assert mesh.z.eval(f"gen_server:call({{gateway, '{A}'}}, hello)") == "{ok,hello}"
    assert mesh.z.eval("{nodes(), nodes(hidden)}") == f"{{[],['{A}']}}"
    assert Z not in mesh.nodes["a"].eval("nodes()")
    for road in (
        "erpc:call(N, erlang, nodes, [])",
        "rpc:call(N, erlang, get_cookie, [])",
        "gen_server:call({auth, N}, {get_cookie, N}, 1000)",
        "gen_server:call({rex, N}, {block_call, erlang, get_cookie, [], self()}, 1000)",
        "gen_server:call({net_kernel, N}, allowed, 1000)",
    ):
        with pytest.raises(ErlangError):
            mesh.z.eval(f"N = '{A}', case {road} of {{badrpc, R}} -> exit(R); Value -> Value end")
    assert CLUSTER_COOKIE not in mesh.z.logged()


def test_z_reaches_neither_b_nor_c(mesh: WalledMesh) -> None:
    for name in ("b", "c"):
        node, address = f"{name}@{ADDRESSES[name]}", (ADDRESSES[name], mesh.hosts.epmd_port)
        assert mesh.z.eval(f"net_adm:ping('{node}')") == "pang"
        assert epmd_port(name, address) is None
        port = mesh.walls[name].wall.wait_event("register")["listening"]
        for claimed in (Z, A):
            flags = OTP_25 & ~DistFlag.PUBLISHED
            with pytest.raises(raw_peer.HandshakeFailed):
                raw_peer.RawPeer(claimed, Z_COOKIE.encode(), flags).connect((ADDRESSES[name], port))
        mesh.walls[name].wall.wait_event("handshake_refused", peer=Z, reason="unknown_node")
        mesh.walls[name].wall.wait_event("handshake_refused", peer=A, reason="source")


def test_a_does_not_lead_z_on(mesh: WalledMesh) -> None:
    """B dials Z if a pid of Z reaches it; nothing of B's policy lets it."""
    assert mesh.nodes["b"].eval(f"net_adm:ping('{Z}')") == "pang"
    mesh.walls["b"].wall.wait_event("handshake_refused", peer=Z, reason="unknown_node", opened_by="guard")
