"""What docs/redirect.md says can't be stopped can't, and the filter that it shows stops it."""

from tests.redirect.page import blocks
from tests.redirect.steps import COOKIE, LOOPBACK, attack, part, ping
from tests.support.hosts import A4, B4, B6, HostPair
from tests.support.redirect_scene import USER, RedirectScene
from tests.support.wall import CLUSTER_COOKIE, Peer

BAR, FOO = f"bar@{A4}", f"foo@{B4}"


def test_a_node_that_chooses_its_port_needs_the_filter(pair: HostPair) -> None:
    with RedirectScene(pair, [Peer(["accept ping"], FOO, COOKIE)], guards=[BAR]) as scene:
        scene.redirect()
        # It dials this port, and asks no EPMD.
        port = ["-erl_epmd_port", "5999"]
        rogue, foo = scene.guard(BAR, flags=[*LOOPBACK, *port]), scene.peer(FOO, COOKIE, flags=port)
        foo.eval(f"erlang:set_cookie('{BAR}', '{CLUSTER_COOKIE}')")
        assert ping(rogue, FOO) == "pong"
        assert attack(foo, BAR) == f"'{BAR}'"
        part(rogue, FOO)

        (rules,) = blocks("nft")
        pair.a.shell("nft -f -", text=rules.replace("rabbitmq", USER))
        assert ping(rogue, FOO) == "pang"
        rogue.kill()

        # Everything else gets through all the same, what the kernel sends by itself included: it looks for neighbours.
        pair.a.shell("ip neigh flush all")
        with pair.b.listen(B6, 8080), pair.a.connect(B6, 8080):
            pass
        foo.eval(f"erlang:set_cookie('{BAR}', '{COOKIE}')")
        bar = scene.guard(BAR, flags=LOOPBACK)
        assert ping(bar, FOO) == "pong"
        scene.wall.wait_event("connect", peer=FOO, guard=BAR, opened_by="guard")
