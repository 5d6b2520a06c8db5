"""A node under `distwall exec` behaves as without distwall: each story is played in a direct scene, too."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.nodes.programs import PROGRAMS, run, same_release
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
VISIBLE, HIDDEN = (Peer(["accept *"], node="*@127.0.0.1", visible=visible) for visible in (True, False))

# What net_kernel tells of nodes, kept from here on.
JOURNAL = """
    probe:collector(journal), probe:do(journal, fun() ->
        ok = net_kernel:monitor_nodes(true, [{node_type, all}, nodedown_reason]) end)
"""
READ = "[{What, maps:from_list(Info)} || {What, _, Info} <- probe:await(journal, {count}, 5000)]"


class WatchedScene:
    """A scene with its guarded node, its peer, and what was seen."""

    def __init__(self, scene: Scene, entry: Peer) -> None:
        self.scene = scene
        self.hidden = ["-hidden"] if scene.direct and not entry.visible else []
        self.cookie = None if scene.direct else entry.cookie
        self.seen: list[object] = []

    def bar(self, *flags: str) -> Node:
        return self._watched(self.scene.guard(flags=flags, launched=True))

    def foo(self, *flags: str) -> Node:
        return self._watched(self.scene.peer(FOO, cookie=self.cookie, flags=[*self.hidden, *flags]))

    def see(self, node: Node, *expressions: str) -> None:
        """Notes what expressions result in on a node."""
        for expression in expressions:
            self.seen.append((expression, node.timed(expression)[1]))

    def journal(self, node: Node, count: int) -> None:
        """Notes what net_kernel told, once there are so many events."""
        self.see(node, READ.replace("{count}", str(count)))

    def both(self, *nodes: Node) -> None:
        """Notes who is connected to whom."""
        for node in nodes:
            self.see(node, "{lists:sort(nodes()), lists:sort(nodes(hidden)), nodes(known) -- [node() | nodes()]}")

    def _watched(self, node: Node) -> Node:
        node.eval("probe:start_server(counter), probe:collector(victim), {ok, _} = pg:start(pg)")
        node.eval(JOURNAL)
        return node


Story = Callable[[WatchedScene], None]


def connected(*nodes: Node) -> None:
    for node in nodes:
        node.wait_until("nodes(connected) =/= []")


def apart(*nodes: Node) -> None:
    for node in nodes:
        node.wait_until("nodes(connected) =:= []")


def part(bar: Node, foo: Node) -> None:
    """Ends the connection for good: something of foo's may still have an answer to give, and opens it again."""
    for _ in range(5):
        bar.eval(f"erlang:disconnect_node('{FOO}')")
        with suppress(TimeoutError):
            foo.wait_until("nodes(connected) =:= []", 3)
            return apart(bar, foo)
        # It was opened again, then; one that only foo still saw would be an end that was lost.
        connected(bar, foo)
    raise AssertionError("foo opens it again and again")


def reconnects(stage: WatchedScene) -> None:
    """Whoever ends the connection, and however: the next ping opens one, from either side."""
    bar, foo = stage.bar(), stage.foo()
    events = 0
    for ender, other in ((bar, foo), (foo, bar)):
        for opener, answerer in ((bar, foo), (foo, bar)):
            stage.see(opener, f"net_adm:ping('{answerer.name}')")
            connected(bar, foo)
            stage.both(bar, foo)
            stage.see(ender, f"erlang:disconnect_node('{other.name}')")
            apart(bar, foo)
            events += 2
            for node in (bar, foo):
                stage.journal(node, events)


def killed_peer(stage: WatchedScene) -> None:
    """A peer that is killed, and comes back."""
    bar, foo = stage.bar(), stage.foo()
    for round_ in (1, 2):
        stage.see(bar, f"net_adm:ping('{FOO}')", f"erlang:monitor_node('{FOO}', true)")
        foo.kill()
        apart(bar)
        stage.journal(bar, 2 * round_)
        stage.see(bar, f"net_adm:ping('{FOO}')", f"net_kernel:connect_node('{FOO}')")
        foo = stage.foo()


def killed_guard(stage: WatchedScene) -> None:
    """A guarded node that is killed, and comes back: as another incarnation, which dials again."""
    bar, foo = stage.bar(), stage.foo()
    for round_ in (1, 2):
        stage.see(bar, f"net_adm:ping('{FOO}')")
        connected(foo)
        stage.see(foo, f"erpc:call('{GUARD}', erlang, node, [])")
        bar.kill()
        apart(foo)
        stage.journal(foo, 2 * round_)
        stage.see(foo, f"net_adm:ping('{GUARD}')")
        bar = stage.bar()


def monitored_node(stage: WatchedScene) -> None:
    """monitor_node/2 tells once for each time that it was asked for; a link and a monitor of a process tell, too."""
    bar, foo = stage.bar(), stage.foo()
    for watcher, other in ((bar, foo), (foo, bar)):
        for ender, left in ((bar, foo), (foo, bar)):
            stage.see(watcher, f"net_adm:ping('{other.name}')")
            watching = watcher.begin(f"""
                process_flag(trap_exit, true), Peer = '{other.name}',
                monitor_node(Peer, true), monitor_node(Peer, true), monitor_node(Peer, false),
                P = spawn_link(Peer, timer, sleep, [infinity]), Ref = monitor(process, {{counter, Peer}}),
                gen_server:call({{counter, Peer}}, get), register(watching, self()),
                Got = [receive
                    {{nodedown, Peer}} -> nodedown;
                    {{'EXIT', P, R}} -> {{exit, R}};
                    {{'DOWN', Ref, process, {{counter, Peer}}, R}} -> {{down, R}}
                after 5000 -> lost end || _ <- [1, 2, 3]],
                unregister(watching), {{lists:sort(Got), receive More -> More after 100 -> none end}}
            """)
            watcher.wait_until("whereis(watching) =/= undefined")
            stage.see(ender, f"erlang:disconnect_node('{left.name}')")
            stage.seen.append(watching.result())
            apart(bar, foo)


def never(stage: WatchedScene) -> None:
    """dist_auto_connect never: only explicit connects."""
    bar, foo = stage.bar("-kernel", "dist_auto_connect", "never"), stage.foo()
    stage.see(
        bar,
        f"net_adm:ping('{FOO}')",
        f"{{victim, '{FOO}'}} ! lost",
        f"catch gen_server:call({{counter, '{FOO}'}}, get)",
        f"net_kernel:connect_node('{FOO}')",
        f"net_adm:ping('{FOO}')",
        f"gen_server:call({{counter, '{FOO}'}}, get)",
        f"erlang:disconnect_node('{FOO}')",
        f"net_adm:ping('{FOO}')",
        f"net_kernel:connect_node('{FOO}')",
    )
    connected(bar, foo)
    stage.both(bar, foo)
    stage.see(foo, "probe:got(victim)")


def once(stage: WatchedScene) -> None:
    """dist_auto_connect once: a connection that was lost comes back explicitly only."""
    bar, foo = stage.bar("-kernel", "dist_auto_connect", "once"), stage.foo()
    stage.see(bar, f"net_adm:ping('{FOO}')", f"erlang:disconnect_node('{FOO}')")
    apart(bar, foo)
    stage.see(bar, f"net_adm:ping('{FOO}')", f"{{victim, '{FOO}'}} ! lost", "nodes(connected)")
    stage.see(bar, f"net_kernel:connect_node('{FOO}')", f"net_adm:ping('{FOO}')")
    stage.both(bar, foo)
    stage.see(foo, "probe:got(victim)")
    stage.journal(bar, 3)


def hidden_connect(stage: WatchedScene) -> None:
    bar, foo = stage.bar(), stage.foo()
    for opener, other in ((bar, foo), (foo, bar)):
        stage.see(opener, f"net_kernel:hidden_connect_node('{other.name}')")
        connected(bar, foo)
        stage.both(bar, foo)
        stage.see(opener, f"net_adm:ping('{other.name}')", f"erlang:disconnect_node('{other.name}')")
        apart(bar, foo)
    for node in (bar, foo):
        stage.journal(node, 4)


def sent_first(stage: WatchedScene) -> None:
    """What is sent before there is a connection opens it, and arrives, in order."""
    bar, foo = stage.bar(), stage.foo()
    for round_ in (1, 2, 3):
        bar.eval(f"[{{victim, '{FOO}'}} ! {{N, {round_}}} || N <- lists:seq(1, 500)], ok")
        stage.see(foo, f"length(probe:await(victim, {500 * round_}, 5000))")
        stage.see(
            foo, "probe:got(victim) =:= [{N, R} || R <- lists:seq(1, " + str(round_) + "), N <- lists:seq(1, 500)]"
        )
        bar.eval(f"erlang:disconnect_node('{FOO}')")
        apart(bar, foo)
    for first in (
        "link(P), receive after 100 -> true end, {links, L} = process_info(self(), links), lists:member(P, L)",
        "Ref = monitor(process, P), exit(P, kill), receive {'DOWN', Ref, process, P, R} -> R after 5000 -> lost end",
        f"gen_server:call({{counter, '{FOO}'}}, {{echo, first}})",
        f"rpc:call('{FOO}', erlang, node, [])",
        f"node(spawn('{FOO}', timer, sleep, [10]))",
        f"rpc:multicall(['{FOO}', node()], erlang, node, [])",
        f"monitor_node('{FOO}', true)",
        "exit(P, kill)",
    ):
        pid = foo.term("probe:collector(target)")
        # The pid is another one in each scene.
        bar.eval(f"persistent_term:put(target, {pid})")
        stage.see(bar, f"P = persistent_term:get(target), catch begin {first} end")
        connected(bar, foo)
        part(bar, foo)
        foo.eval("catch exit(whereis(target), kill)")
        foo.wait_until("whereis(target) =:= undefined")


def no_such_peer(stage: WatchedScene) -> None:
    """A peer that is not there, or was not let in, is soon known not to be."""
    bar = stage.bar()
    stage.see(bar, "net_adm:ping('nobody@127.0.0.1')", "net_kernel:connect_node('nobody@127.0.0.1')")
    stage.see(bar, "catch gen_server:call({counter, 'nobody@127.0.0.1'}, get)")
    stage.see(bar, "catch erpc:call('nobody@127.0.0.1', erlang, node, [])")
    stage.see(bar, "monitor_node('nobody@127.0.0.1', true), receive M -> M after 5000 -> lost end")
    stage.see(
        bar, "R = monitor(process, {x, 'nobody@127.0.0.1'}), receive {'DOWN', R, _, _, W} -> W after 5000 -> lost end"
    )
    stage.see(bar, "{x, 'nobody@127.0.0.1'} ! hi, nodes(connected)")
    stage.see(bar, "net_adm:ping(node())", "net_kernel:connect_node(node())", "net_adm:ping('nonsense')")


EITHER: tuple[Story, ...] = (reconnects, killed_peer, killed_guard, monitored_node, hidden_connect)
"""Stories in which it matters whether the peer is visible."""
STORIES = [(story, VISIBLE) for story in (*EITHER, never, once, sent_first, no_such_peer)]
STORIES += [(story, HIDDEN) for story in EITHER]


@pytest.mark.parametrize(
    ("story", "entry"),
    STORIES,
    ids=[f"{story.__name__}-{'visible' if entry.visible else 'hidden'}" for story, entry in STORIES],
)
def test_both_see_the_same_as_without_distwall(story: Story, entry: Peer) -> None:
    seen = []
    for entries in (None, [entry]):
        with Scene(entries) as scene:
            stage = WatchedScene(scene, entry)
            story(stage)
            seen.append(stage.seen)
    assert seen[1] == seen[0]


def test_programs_give_the_same_over_a_connection_that_the_guarded_node_opened() -> None:
    results = []
    for entries in (None, [VISIBLE]):
        with Scene(entries) as scene:
            stage = WatchedScene(scene, VISIBLE)
            bar, foo = stage.bar(), stage.foo()
            assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
            foo.wait_until(f"nodes() =:= ['{GUARD}']")
            results.append(
                {
                    (here.name, program.name): run(program, here, there)
                    for here, there in ((bar, foo), (foo, bar))
                    for program in PROGRAMS
                }
            )
            if scene.direct and same_release(bar, foo):
                expected = {(here.name, each.name): each.expected for here in (bar, foo) for each in PROGRAMS}
                assert results[0] == expected
            if not scene.direct:
                assert [event["opened_by"] for event in scene.wall.events("connect")] == ["guard"]
    assert results[1] == results[0]
