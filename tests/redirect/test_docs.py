"""What docs/redirect.md says can't be stopped can't, and the filter that it shows stops it."""

import re
from pathlib import Path

from tests.nodes.harness.wall import CLUSTER_COOKIE, Peer
from tests.redirect.nodes import USER, Ground
from tests.redirect.space import A4, B4, B6, Pair
from tests.redirect.test_nodes import COOKIE, LOOPBACK, attack, part, ping

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redirect.md"
BAR, FOO = f"bar@{A4}", f"foo@{B4}"


def blocks(language: str) -> list[str]:
    """The blocks of code on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_a_node_that_chooses_its_port_needs_the_filter(pair: Pair) -> None:
    with Ground(pair, [Peer(["accept ping"], FOO, COOKIE)], guards=[BAR]) as ground:
        ground.redirect()
        # It dials this port, and asks no EPMD.
        port = ["-erl_epmd_port", "5999"]
        rogue, foo = ground.guard(BAR, flags=[*LOOPBACK, *port]), ground.peer(FOO, COOKIE, flags=port)
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
        bar = ground.guard(BAR, flags=LOOPBACK)
        assert ping(bar, FOO) == "pong"
        ground.wall.wait_event("connect", peer=FOO, guard=BAR, opened_by="guard")
