"""Under ``accept *`` distwall is not there: the same programs give the same results with it and without it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.nodes.programs import PROGRAMS, run, same_release
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
THROUGH = ("direct", "distwall")
OPEN = Peer(["accept *"], node="*@127.0.0.1", visible=True)

Direction = Literal["inbound", "outbound"]
DIRECTIONS: tuple[Direction, ...] = ("inbound", "outbound")


@dataclass
class ConnectedPair:
    """Two connected nodes, with or without distwall between them."""

    scene: Scene
    foo: Node
    bar: Node

    def ends(self, direction: Direction) -> tuple[Node, Node]:
        """``(sender, receiver)``."""
        return (self.foo, self.bar) if direction == "inbound" else (self.bar, self.foo)


def meet(scene: Scene, *flags: str) -> ConnectedPair:
    """Starts the two nodes with the processes that the programs use, and connects them."""
    bar, foo = scene.guard(flags=flags), scene.peer(cookie=None if scene.direct else OPEN.cookie, flags=flags)
    for node in (foo, bar):
        node.eval("probe:start_server(counter), probe:collector(victim), {ok, _} = pg:start(pg)")
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    bar.wait_until(f"nodes() =:= ['{FOO}']")
    return ConnectedPair(scene, foo, bar)


@pytest.fixture(params=THROUGH)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Scene(None if request.param == "direct" else [OPEN]) as scene:
        yield scene


def test_programs_give_the_same_results() -> None:
    results: dict[str, dict[tuple[str, str], str]] = {}
    for through, peers in (("direct", None), ("distwall", [OPEN])):
        with Scene(peers) as scene:
            pair = meet(scene)
            results[through] = {
                (direction, program.name): run(program, *pair.ends(direction))
                for direction in DIRECTIONS
                for program in PROGRAMS
            }
            if same_release(pair.foo, pair.bar):
                wrong = {
                    (direction, program.name): result
                    for direction in DIRECTIONS
                    for program in PROGRAMS
                    if (result := results[through][direction, program.name]) != program.expected
                }
                assert wrong == {}, through
    assert results["distwall"] == results["direct"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_small_messages_overtake_a_large_one(scene: Scene, direction: Direction) -> None:
    """64 MB go over in fragments, and calls are answered in between."""
    sender, receiver = meet(scene).ends(direction)
    target = receiver.term("whereis(victim)")
    sender.eval("persistent_term:put(large, binary:copy(<<1, 2, 3, 5, 8, 13, 21>>, 64 * 1024 * 1024 div 7))")
    digest = sender.eval("erlang:md5(persistent_term:get(large))")
    answered = sender.eval(
        f"""
        Target = {target}, Self = self(),
        spawn(fun() -> Target ! {{large, persistent_term:get(large)}}, Self ! sent end),
        Count = fun Count(N) ->
            gen_server:call({{counter, node(Target)}}, get, 30000),
            Target ! {{small, N}},
            receive sent -> N after 0 -> Count(N + 1) end
        end,
        Count(1)
        """,
        timeout=60,
    )
    receiver.wait_until("lists:keymember(large, 1, probe:got(victim))", 30)
    order = receiver.eval("[case M of {large, B} -> erlang:md5(B); {small, N} -> N end || M <- probe:got(victim)]")
    small = order[: order.index("<<")].count(",")
    assert digest in order
    assert int(answered) > 1
    assert small > 1, f"small ones before the large one: {order}"


def test_a_large_message_may_open_the_connection(scene: Scene) -> None:
    """What is sent before the connection is up comes in one frame, not in fragments."""
    bar, foo = scene.guard(), scene.peer(cookie=None if scene.direct else OPEN.cookie)
    bar.eval("probe:collector(victim)")
    foo.eval(f"{{victim, '{GUARD}'}} ! binary:copy(<<1>>, 64 * 1024 * 1024), ok", timeout=30)
    bar.wait_until("[byte_size(M) || M <- probe:got(victim)] =:= [64 * 1024 * 1024]", 30)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_more_atoms_than_the_cache_has_slots(scene: Scene, direction: Direction) -> None:
    sender, receiver = meet(scene).ends(direction)
    atoms = '[list_to_atom("atom_" ++ integer_to_list(N)) || N <- lists:seq(1, 5000)]'
    target = receiver.term("whereis(victim)")
    # Twice: the second time most of them have lost their slots to others. Alone, in pairs and by the hundred.
    sender.eval(
        f"Target = {target}, Atoms = {atoms}, ["
        "[[Target ! A || A <- Atoms], [Target ! {A, B} || {A, B} <- lists:zip(Atoms, lists:reverse(Atoms))],"
        " [Target ! lists:sublist(Atoms, N, 100) || N <- lists:seq(1, 4901, 100)]] || _ <- [1, 2]], ok"
    )
    receiver.wait_until("length(probe:got(victim)) =:= 20100", 30)
    assert (
        receiver.eval(
            f"Atoms = {atoms}, Round = Atoms ++ lists:zip(Atoms, lists:reverse(Atoms))"
            " ++ [lists:sublist(Atoms, N, 100) || N <- lists:seq(1, 4901, 100)], probe:got(victim) =:= Round ++ Round"
        )
        == "true"
    )


def test_both_sides_reconnect_after_a_kill(scene: Scene) -> None:
    pair = meet(scene)
    bar = pair.bar
    for _ in range(2):
        foo = pair.foo
        foo.kill()
        bar.wait_until("nodes() =:= []")
        pair.foo = scene.peer(cookie=None if scene.direct else OPEN.cookie)
        assert pair.foo.eval(f"erpc:call('{GUARD}', erlang, node, [])") == f"'{GUARD}'"
        assert pair.foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, {{echo, again}})") == "again"
    bar.kill()
    pair.foo.wait_until("nodes() =:= []")
    bar = scene.guard()
    bar.eval("probe:start_server(counter)")
    assert pair.foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, {{echo, again}})") == "again"
    assert bar.eval(f"erpc:call('{FOO}', erlang, node, [])") == f"'{FOO}'"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_idle_connections_stay(scene: Scene) -> None:
    """Ticks cross, on a visible connection and on a hidden one: for two minutes, thirty times net_ticktime."""
    ticktime = ["-kernel", "net_ticktime", "4"]
    cookie = None if scene.direct else OPEN.cookie
    bar = scene.guard(flags=ticktime)
    peers = [
        scene.peer(FOO, cookie=cookie, flags=ticktime),
        scene.peer("hid@127.0.0.1", cookie=cookie, flags=[*ticktime, "-hidden"]),
    ]
    wait = f"true = net_kernel:connect_node('{GUARD}'), erlang:monitor_node('{GUARD}', true)"
    waiting = [peer.begin(f"{wait}, receive Down -> Down after 122000 -> still_there end") for peer in peers]
    assert [one.result(140) for one in waiting] == ["still_there", "still_there"]
    assert bar.eval("lists:sort(nodes(connected))") == f"['{FOO}','hid@127.0.0.1']"


@pytest.mark.slow
def test_a_silent_side_is_noticed(scene: Scene) -> None:
    """The control of the test above: a node that stops ticking (SIGSTOP) is given up by the other one."""
    ticktime = ["-kernel", "net_ticktime", "4"]
    pair = meet(scene, *ticktime)
    pair.bar.pause()
    milliseconds, down = pair.foo.timed(
        f"erlang:monitor_node('{GUARD}', true), receive Down -> Down after 20000 -> still_there end", 30
    )
    pair.bar.resume()
    assert down == f"{{nodedown,'{GUARD}'}}"
    assert milliseconds < 10000


def test_the_negotiated_flags_are_the_same() -> None:
    """On both sides, PUBLISHED apart where the peer is hidden."""
    found = {}
    scenes = {"direct": None, "visible": [OPEN], "hidden": [Peer(["accept *"])]}
    for kind, peers in scenes.items():
        with Scene(peers) as scene:
            bar, foo = scene.guard(), scene.peer(cookie=None if scene.direct else OPEN.cookie)
            for node in (foo, bar):
                node.eval("probe:watch_setnode()")
            assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
            found[kind] = (foo.number("probe:setnode_flags()"), bar.number("probe:setnode_flags()"))
    assert found["visible"] == found["direct"]
    published = 1
    assert found["hidden"] == tuple(flags & ~published for flags in found["direct"])
