"""`global` across visible entries, with connections that either side opened: three nodes that form one mesh."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO, BAZ = "foo@127.0.0.1", "baz@127.0.0.1"
OPEN = Peer(["accept *"], node="*@127.0.0.1", visible=True)
WATCH = "probe:collector(journal), probe:do(journal, fun() -> net_kernel:monitor_nodes(true) end)"
EXPECTED = f"[{{bar,'{GUARD}',bar}},{{foo,'{FOO}',foo}},{{baz,'{BAZ}',baz}}]"
"""What all three know by the names that all three have registered."""


@dataclass
class GlobalMesh:
    scene: Scene
    bar: Node
    foo: Node
    baz: Node

    @property
    def nodes(self) -> tuple[Node, Node, Node]:
        return self.bar, self.foo, self.baz

    def join(self, opener: str) -> None:
        """``bar`` or ``foo`` connects those two; baz, which knows foo, comes of itself."""
        here, there = (self.bar, FOO) if opener == "bar" else (self.foo, GUARD)
        assert here.eval(f"net_adm:ping('{there}')") == "pong"
        self.complete()

    def part(self) -> None:
        """bar leaves the others, which stay together."""
        # With disconnect_node/1 for each of them `global` would make the others part, too, at a bad moment.
        self.bar.eval("global:disconnect()")
        for node, others in ((self.bar, ""), (self.foo, f"'{BAZ}'"), (self.baz, f"'{FOO}'")):
            node.wait_until(f"nodes() =:= [{others}]")
        # Each of the two tells the other what it has lost. Had bar been back by then, it would be thrown out.
        for here, there in ((self.foo, self.baz), (self.baz, self.foo)):
            for name in ("net_kernel", "global_name_server"):
                here.eval(f"sys:get_state({name}), ok")
            # This travels behind what the name server over here has sent.
            here.eval(f"erpc:call('{there.name}', sys, get_state, [global_name_server]), ok")

    def complete(self) -> None:
        for node in self.nodes:
            node.wait_until(f"lists:sort([node() | nodes()]) =:= ['{GUARD}','{BAZ}','{FOO}']")
        # It takes until names are exchanged, too.
        for node in self.nodes:
            assert node.eval("global:sync()") == "ok"


@contextmanager
def mesh(*, direct: bool) -> Iterator[GlobalMesh]:
    with Scene(None if direct else [OPEN]) as scene:
        cookie = None if direct else OPEN.cookie
        result = GlobalMesh(
            scene, scene.guard(launched=True), scene.peer(FOO, cookie=cookie), scene.peer(BAZ, cookie=cookie)
        )
        for node in result.nodes:
            node.eval(f"{WATCH}, probe:collector(victim), probe:start_server(counter)")
        assert result.foo.eval(f"net_adm:ping('{BAZ}')") == "pong"
        yield result


def registered(mesh: GlobalMesh) -> list[str]:
    """What each node knows by the names."""
    code = """[begin P = global:whereis_name(Name), {Name, node(P), gen_server:call(P, {echo, Name})} end
        || Name <- [bar, foo, baz]]"""
    return [node.eval(code) for node in mesh.nodes]


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "distwall"])
@pytest.mark.parametrize("opener", ["bar", "foo"])
def test_global_names_and_locks_are_shared(opener: str, direct: bool) -> None:
    with mesh(direct=direct) as three:
        three.join(opener)
        for node, name in zip(three.nodes, ("bar", "foo", "baz"), strict=True):
            assert node.eval(f"global:register_name({name}, whereis(counter))") == "yes"
            assert node.eval(f"global:register_name({name}, whereis(victim))") == "no"
        assert registered(three) == [EXPECTED] * 3

        assert three.bar.eval("global:re_register_name(bar, whereis(victim)), global:send(foo, hello)") != ""
        assert three.foo.eval("global:whereis_name(bar)") == three.foo.eval(
            f"erpc:call('{GUARD}', erlang, whereis, [victim])"
        )
        for node in three.nodes:
            assert node.eval("global:unregister_name(bar), lists:sort(global:registered_names())") == "[baz,foo]"
            node.eval("global:register_name(bar, whereis(counter))")

        # Locks are of a process, so one that stays has to take them.
        lock = "probe:do(victim, fun() -> global:{}_lock({{lock, {}}}, [node() | nodes()]) end)"
        assert three.bar.eval(lock.format("set", "victim")) == "true"
        attempt = "global:set_lock({lock, self()}, [node() | nodes()], 0)"
        assert [node.eval(attempt) for node in three.nodes] == ["false"] * 3
        waiting = three.foo.begin("global:trans({lock, self()}, fun() -> node() end)")
        assert three.bar.eval("timer:sleep(100), " + lock.format("del", "victim")) == "true"
        assert waiting.result() == f"'{FOO}'"

        # Who held a lock and is gone holds it no more.
        assert three.foo.eval(lock.format("set", "victim")) == "true"
        assert [node.eval(attempt) for node in three.nodes] == ["false"] * 3
        three.foo.kill()
        three.bar.wait_until(attempt)
        three.baz.wait_until("global:whereis_name(foo) =:= undefined")


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "distwall"])
def test_names_survive_reconnecting(direct: bool) -> None:
    with mesh(direct=direct) as three:
        for opener in ("bar", "foo", "bar", "foo"):
            three.join(opener)
            for node, name in zip(three.nodes, ("bar", "foo", "baz"), strict=True):
                node.eval(f"global:register_name({name}, whereis(counter))")
            assert registered(three) == [EXPECTED] * 3
            three.part()
            names = [node.eval("lists:sort(global:registered_names())") for node in three.nodes]
            assert names == ["[bar]", "[baz,foo]", "[baz,foo]"]


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "distwall"])
def test_of_two_processes_under_one_name_one_stays(direct: bool) -> None:
    """Registered on both sides while they were apart: `global` resolves it when they meet, the same on all nodes."""
    with mesh(direct=direct) as three:
        for opener in ("bar", "foo"):
            for node in (three.bar, three.foo):
                node.eval("Pid = probe:collector(), global:register_name(one, Pid, fun global:notify_all_name/3)")
                node.eval("global:register_name(two, probe:collector(), fun(_, A, B) -> min(A, B) end)")
            three.join(opener)
            assert [node.eval("global:whereis_name(one)") for node in three.nodes] == ["undefined"] * 3
            (one,) = {node.eval("node(global:whereis_name(two))") for node in three.nodes}
            assert one in (f"'{GUARD}'", f"'{FOO}'")
            three.bar.eval("global:unregister_name(two)")
            three.part()


def test_nothing_is_cut_to_prevent_overlapping_partitions() -> None:
    """`global` ends connections where it believes that others are lost: never here, however often nodes come and go."""
    with mesh(direct=False) as three:
        assert three.bar.eval("application:get_env(kernel, prevent_overlapping_partitions)") in (
            "undefined",
            "{ok,true}",
        )
        for opener in ("bar", "foo", "bar"):
            three.join(opener)
            three.bar.kill()
            for node in (three.foo, three.baz):
                node.wait_until(f"not lists:member('{GUARD}', nodes())")
            three.bar = three.scene.guard(launched=True)
            three.bar.eval(f"{WATCH}, probe:collector(victim), probe:start_server(counter)")
        three.join("bar")
        three.bar.eval("timer:sleep(1000)")
        three.complete()
        assert "nodedown" not in three.bar.eval("probe:got(journal)")
        for node, other in ((three.foo, BAZ), (three.baz, FOO)):
            assert f"{{nodedown,'{other}'}}" not in node.eval("probe:got(journal)")
            # Of one that is dead anyway it may believe so.
            assert f"disconnected node '{other}'" not in node.logged()
        for event in three.scene.wall.events("disconnect"):
            assert event["reason"] == "guarded node closed", event
