"""Nodes started by `distwall exec` reach the peers that the policy names, however they run."""

import socket
from pathlib import Path

import pytest

from tests.support import guarded, ports
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
IPV6_POLICY = """[guard]
nodes = ["bar@::1"]
listen = "::1"
epmd = "[::1]:PORT"
register = "[::1]:4370"
peer_epmd_port = 4369
cookie_file = "cluster.cookie"

[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"

[[peers]]
node = "foo@::1"
cookie = "peer-cookie"
rules = ["accept *"]
"""


@pytest.mark.parametrize("flags", [(), ("-mode", "embedded"), ("-hidden",), ("-connect_all", "false")])
def test_a_guarded_node_dials_through_distwall(flags: tuple[str, ...]) -> None:
    with Scene([Peer(["accept *"])]) as scene, guarded.node(scene, flags=flags) as bar:
        foo = scene.peer()
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
        assert bar.eval("nodes(hidden)") == f"['{FOO}']"
        assert bar.eval(f"erpc:call('{FOO}', erlang, node, [])") == f"'{FOO}'"
        assert scene.wall.wait_event("connect", peer=FOO)["opened_by"] == "guard"
        foo.kill()
        bar.wait_until("nodes(hidden) =:= []")
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pang"
        scene.peer()
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pong", "again, and where it listens now"


def test_visible_peers_share_global_names() -> None:
    with Scene([Peer(["accept *"], visible=True)]) as scene, guarded.node(scene) as bar:
        foo = scene.peer()
        assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
        assert bar.eval("nodes()") == f"['{FOO}']"
        bar.wait_until("global:register_name(here, whereis(init)) =:= yes")
        foo.wait_until(f"[node(P) || P <- [global:whereis_name(here)], is_pid(P)] =:= ['{GUARD}']")
        foo.wait_until("global:register_name(there, whereis(init)) =:= yes")
        bar.wait_until(f"[node(P) || P <- [global:whereis_name(there)], is_pid(P)] =:= ['{FOO}']")


def test_it_dials_again_after_distwall_was_away() -> None:
    with Scene([Peer(["accept *"])]) as scene, guarded.node(scene) as bar:
        scene.peer()
        for _ in range(3):
            assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
            scene.wall.kill()
            bar.wait_until("nodes(hidden) =:= []")
            milliseconds, answer = bar.timed(f"net_adm:ping('{FOO}')")
            assert answer == "pang"
            assert milliseconds < 1000
            scene.wall.start()


def test_nodes_with_short_names_dial() -> None:
    host = socket.gethostname().partition(".")[0]
    peer, guard = f"foo@{host}", f"bar@{host}"
    with (
        Scene([Peer(["accept *"], node=peer)], guards=[guard]) as scene,
        guarded.node(scene, guard, flags=["-sname", guard]) as bar,
    ):
        scene.peer(peer, flags=["-sname", peer])
        assert bar.eval(f"net_adm:ping('{peer}')") == "pong"


def test_nodes_over_ipv6_dial(tmp_path: Path) -> None:
    policy = tmp_path / "distwall.toml"
    inet6 = ["-proto_dist", "inet6_tcp"]
    with ports.lease() as epmd:
        policy.write_text(IPV6_POLICY.replace("PORT", str(epmd)))
        with Scene(policy) as scene, guarded.node(scene, "bar@::1", flags=inet6) as bar:
            scene.peer("foo@::1", cookie="peer-cookie", flags=inet6)
            assert bar.eval("net_adm:ping('foo@::1')") == "pong"
            assert bar.eval("nodes(hidden)") == "['foo@::1']"
