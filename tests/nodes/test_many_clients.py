"""A server with clients that must not reach each other, as docs/many-clients.md has it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from distwall._core import DistFlag
from tests.support import raw_peer
from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port
from tests.support.node import ErlangError, Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "many-clients.md").read_text()
POLICY = tomllib.loads(re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0])
RULES = [*POLICY["tables"]["client"]["rules"], *POLICY["defaults"]["rules"]]
CLIENTS = [f"{name}@127.0.0.1" for name in ("one", "two", "three")]
ONE, TWO, _ = CLIENTS

HUB = """
    register(hub, spawn(fun Loop() ->
        receive {'$gen_call', {Pid, _} = From, Request} -> gen:reply(From, {node(Pid), Request}), Loop() end
    end))
"""


@dataclass
class ClientsScene:
    scene: Scene
    hub: Node
    clients: list[Node]

    @property
    def one(self) -> Node:
        return self.clients[0]

    @property
    def two(self) -> Node:
        return self.clients[1]


@pytest.fixture(scope="module")
def place() -> Iterator[ClientsScene]:
    with Scene([Peer(RULES, node=name, cookie=f"cookie-of-{name}") for name in CLIENTS]) as scene:
        hub = scene.guard(launched=True)
        hub.eval(HUB)
        clients = [scene.peer(name) for name in CLIENTS]
        for client in clients:
            client.eval(f"pong = net_adm:ping('{GUARD}'), probe:collector(box)")
        yield ClientsScene(scene, hub, clients)


def test_each_talks_to_the_server_which_knows_who_it_is(place: ClientsScene) -> None:
    for client in place.clients:
        assert client.eval(f"gen_server:call({{hub, '{GUARD}'}}, hello)") == f"{{'{client.name}',hello}}"
        with pytest.raises(ErlangError, match="not_allowed"):
            client.eval(f"erpc:call('{GUARD}', erlang, nodes, [hidden])")


def test_they_do_not_see_each_other(place: ClientsScene) -> None:
    for client in place.clients:
        assert client.eval("{nodes(), nodes(hidden)}") == f"{{[],['{GUARD}']}}"
    assert place.hub.eval(f"{{nodes(), lists:sort(nodes(hidden) -- {atoms(CLIENTS)})}}") == "{[],[]}"


def test_the_server_reaches_all_of_them(place: ClientsScene) -> None:
    assert place.hub.eval(f"[N || {{ok, N}} <- erpc:multicall({atoms(CLIENTS)}, erlang, node, [])]") == atoms(CLIENTS)
    place.scene.wall.wait_event("connect", peer=TWO)
    # One that is not connected is dialled.
    place.hub.eval(f"erlang:disconnect_node('{TWO}')")
    assert place.hub.eval(f"erpc:call('{TWO}', erlang, node, [])") == f"'{TWO}'"
    place.scene.wall.wait_event("connect", peer=TWO, opened_by="guard")


def test_they_do_not_reach_each_other(place: ClientsScene) -> None:
    assert place.one.eval(f"net_adm:ping('{TWO}')") == "pang"
    roads = (
        f"erpc:call('{GUARD}', erpc, call, ['{TWO}', erlang, node, []])",
        f"gen_server:call({{rex, '{GUARD}'}}, {{block_call, erpc, call, ['{TWO}', erlang, node, []], self()}}, 500)",
        f"gen_server:call({{net_kernel, '{GUARD}'}}, {{connect, normal, '{TWO}'}}, 500)",
        f"P = spawn('{GUARD}', erlang, send, [{{box, '{TWO}'}}, hi]), receive after 0 -> exit(P) end",
    )
    for road in roads:
        with pytest.raises(ErlangError):
            place.one.eval(road)
    assert place.two.eval("probe:got(box)") == "[]"


def test_they_do_not_name_each_others_processes(place: ClientsScene) -> None:
    """As what is asked, as who asks, and as who is told."""
    box = place.two.term("whereis(box)")
    for attempt, reason in (
        (f"gen_server:call({{hub, '{GUARD}'}}, {{tell, {box}}}, 500)", "third_node"),
        (f"gen_server:call({{hub, '{GUARD}'}}, [{{deep, #{{{box} => 1}}}}], 500)", "third_node"),
        # `gen_server hub` stands for calls from processes of the peer.
        (f"{{hub, '{GUARD}'}} ! {{'$gen_call', {{{box}, make_ref()}}, hello}}, exit(sent)", "rule"),
    ):
        before = len(place.scene.wall.events("refused"))
        with pytest.raises(ErlangError):
            place.one.eval(attempt)
        place.scene.wall.wait_event("refused", peer=ONE, command="reg_send", reason=reason, behind=before)
    assert place.two.eval("probe:got(box)") == "[]"
    assert place.one.eval(f"gen_server:call({{hub, '{GUARD}'}}, mine)") == f"{{'{ONE}',mine}}"


def test_a_pid_that_the_server_lets_slip_opens_nothing(place: ClientsScene) -> None:
    """The client that is handed it would have to connect to its node."""
    box = place.two.term("whereis(box)")
    place.hub.eval(f"{{box, '{ONE}'}} ! {{look, {box}}}")
    place.one.wait_until("length(probe:got(box)) =:= 1")
    place.one.eval("[{look, Pid}] = probe:got(box), Pid ! hi, exit(Pid, kill)")
    assert place.one.eval("nodes(hidden)") == f"['{GUARD}']"
    assert place.two.eval("{is_pid(whereis(box)), probe:got(box)}") == "{true,[]}"


def test_they_do_not_take_each_others_names(place: ClientsScene) -> None:
    port = epmd_port("bar", ("127.0.0.2", place.scene.epmd_port))
    assert port is not None
    place.one.kill()
    place.hub.wait_until(f"not lists:member('{ONE}', nodes(hidden))")
    thief = raw_peer.RawPeer(ONE, f"cookie-of-{TWO}".encode(), OTP_25 & ~DistFlag.PUBLISHED)
    with pytest.raises(raw_peer.HandshakeFailed):
        thief.connect(("127.0.0.2", port))
    place.scene.wall.wait_event("handshake_refused", peer=ONE, reason="bad_cookie")
    assert place.hub.eval(f"lists:member('{ONE}', nodes(hidden))") == "false"


def atoms(names: list[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"
