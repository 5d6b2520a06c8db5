"""The `pg` scopes of two nodes: all that they say to each other passes, and both have the same groups in the end."""

from __future__ import annotations

import pytest

from tests.nodes.ordinary import refused
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
IDLE = "[spawn(fun() -> timer:sleep(infinity) end) || _ <- lists:seq(1, 8)]"
SETUP = f"{{ok, Scope}} = pg:start(chat), persistent_term:put(idle, {IDLE}), persistent_term:put(scope, Scope)"
MINE = "[A, B, C, D | More] = persistent_term:get(idle)"
GROUPS = "lists:sort([{G, lists:sort(pg:get_members(chat, G))} || G <- pg:which_groups(chat)])"

STEPS = {
    "joins one by one": "[pg:join(chat, {group, N}, A) || N <- lists:seq(1, 500)], ok",
    "leaves some": "[ok = pg:leave(chat, {group, N}, A) || N <- lists:seq(1, 500, 2)], ok",
    "joins with several, one of them twice": "pg:join(chat, several, [A, A, B, C]), pg:join(chat, several, A)",
    "leaves with several, one of them not in it": "pg:leave(chat, several, [A, A, D])",
    "is in a group twice": "pg:join(chat, #{twice => 1.5}, B), pg:join(chat, #{twice => 1.5}, B), pg:join(chat, b, B)",
    "ends": "exit(B, kill), exit(C, kill), timer:sleep(100)",
    "joins and leaves": "[begin pg:join(chat, N rem 3, D), pg:leave(chat, N rem 3, D) end || N <- lists:seq(1, 999)]",
    "names a group by a process": "pg:join(chat, {named, A, make_ref(), <<1:3>>, 1 bsl 90}, D)",
}


def agree(bar: Node, foo: Node) -> str:
    """Waits until both nodes have the same groups; returns them."""
    foo.wait_until(f"erpc:call('{GUARD}', fun() -> {GROUPS} end) =:= {GROUPS}")
    return bar.eval(GROUPS)


@pytest.fixture
def scene() -> object:
    rules = ["deny *", "accept ping", "accept global", "accept pg chat", "accept erpc"]
    return Scene([Peer(rules, visible=True, extra="funs = true")])


def test_all_that_scopes_say_passes(scene: Scene) -> None:
    with scene:
        bar, foo = scene.guard(), scene.peer()
        for node in (bar, foo):
            node.eval(SETUP)
        # The groups are there before the nodes meet.
        for node in (bar, foo):
            node.eval(f"{MINE}, pg:join(chat, early, [A, D])")
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        bar.wait_until(f"nodes() =:= ['{FOO}']")
        assert len(agree(bar, foo)) > len("[]")
        for step in STEPS.values():
            for node in (foo, bar):
                node.eval(f"{MINE}, {step}", 60)
            agree(bar, foo)
        # A scope is started again, on either node, and its processes join and leave anew.
        for node in (foo, bar, foo):
            node.eval("gen_server:stop(chat), {ok, Scope} = pg:start(chat), persistent_term:put(scope, Scope)")
            agree(bar, foo)
            for each in (foo, bar):
                each.eval(f"{MINE}, pg:join(chat, again, [A, A, D]), pg:leave(chat, again, A), pg:join(chat, last, D)")
            agree(bar, foo)
            for each in (foo, bar):
                each.eval(f"{MINE}, pg:leave(chat, again, [A, D]), pg:leave(chat, last, D)")
            agree(bar, foo)
        # They part, change their groups, and meet again.
        for _ in range(3):
            foo.eval(f"erlang:disconnect_node('{GUARD}')")
            bar.wait_until("nodes() =:= []")
            for node in (foo, bar):
                node.eval(f"{MINE}, pg:join(chat, alone, [A, D])")
            foo.eval(f"pong = net_adm:ping('{GUARD}')")
            bar.wait_until(f"nodes() =:= ['{FOO}']")
            agree(bar, foo)
            for node in (foo, bar):
                node.eval(f"{MINE}, pg:leave(chat, alone, D), pg:leave(chat, alone, A)")
            agree(bar, foo)
        for node in (foo, bar):
            assert node.eval("whereis(chat) =:= persistent_term:get(scope)") == "true"
        assert refused(scene.wall, FOO) == []
