"""distwall goes away and comes back: the guarded node registers again and reaches its peers as before."""

import time

from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO, BAZ = "foo@127.0.0.1", "baz@127.0.0.1"
OPEN = [Peer(["accept *"], node="*@127.0.0.1", visible=True)]
WATCH = "monitor_node('{}', true), receive Down -> Down after 5000 -> still_there end"


def test_killed_it_cuts_all_and_the_guarded_node_dials_again_once_it_is_back() -> None:
    with Scene(OPEN) as scene:
        bar, foo, baz = scene.guard(launched=True), *(scene.peer(name, cookie="peer-cookie") for name in (FOO, BAZ))
        for _ in range(3):
            assert bar.eval(f"[net_adm:ping(N) || N <- ['{FOO}', '{BAZ}']]") == "[pong,pong]"
            bar.wait_until(f"lists:sort(nodes()) =:= ['{BAZ}','{FOO}']")
            seen = [bar.begin(WATCH.format(FOO)), foo.begin(WATCH.format(GUARD)), baz.begin(WATCH.format(GUARD))]
            bar.eval("timer:sleep(20)")
            scene.wall.kill()
            assert [each.result() for each in seen] == [
                f"{{nodedown,'{FOO}'}}",
                f"{{nodedown,'{GUARD}'}}",
                f"{{nodedown,'{GUARD}'}}",
            ]
            milliseconds, answer = bar.timed(f"net_adm:ping('{FOO}')")
            assert answer == "pang"
            assert milliseconds < 2000
            scene.wall.start()
            # Out at once: that takes no registration. In again once bar has registered, which it tries every 2 seconds.
            assert bar.eval(f"net_adm:ping('{FOO}')") == "pong"
            # Until then `global` may throw bar out of foo again, because baz fails to connect to it.
            for node in (foo, baz):
                node.wait_until(f"(catch erpc:call('{GUARD}', erlang, node, [])) =:= '{GUARD}'")


def test_programs_that_try_again_by_themselves_are_connected_soon() -> None:
    """What libcluster and the like do: connect to who isn't in nodes(), from both sides, over and over."""
    keep = """spawn(fun Loop() ->
        lists:member('{0}', nodes()) orelse net_kernel:connect_node('{0}'), timer:sleep(200), Loop() end)"""
    with Scene(OPEN) as scene:
        bar, foo = scene.guard(launched=True), scene.peer(cookie="peer-cookie")
        bar.eval(keep.format(FOO))
        foo.eval(keep.format(GUARD))
        for _ in range(5):
            for node, other in ((bar, FOO), (foo, GUARD)):
                node.wait_until(f"nodes() =:= ['{other}']")
            scene.wall.kill()
            bar.wait_until("nodes() =:= []")
            foo.wait_until("nodes() =:= []")
            # Long enough for each side to have failed a few times.
            time.sleep(0.7)
            scene.wall.start()
            start = time.monotonic()
            bar.wait_until(f"nodes() =:= ['{FOO}']")
            foo.wait_until(f"nodes() =:= ['{GUARD}']")
            assert time.monotonic() - start < 3
        assert not [event for event in scene.wall.events("handshake_refused") if event["reason"] == "shut_out"]
