"""Transparent mode put in place and taken away; names and addresses of all kinds."""

from tests.redirect.steps import COOKIE, LOOPBACK, attack, part, ping
from tests.support.hosts import A4, A6, B4, B6, HostPair
from tests.support.redirect_scene import EPMD, REGISTER, RedirectScene
from tests.support.wall import CLUSTER_COOKIE, Peer

BAR, BAZ, FOO = f"bar@{A4}", f"baz@{A4}", f"foo@{B4}"


def test_without_the_rules_it_goes_round(pair: HostPair) -> None:
    """The attack that the rules stop works before they are installed, and again after they are removed."""
    # The peer's EPMD is where a stock node with bar's settings looks for it.
    with RedirectScene(pair, [Peer(["accept ping"], FOO, COOKIE)], guards=[BAR], peer_epmd=REGISTER) as scene:
        bar, foo = scene.guard(BAR, flags=LOOPBACK), scene.peer(FOO, COOKIE)

        def connect(cookie: str) -> str:
            foo.eval(f"erlang:set_cookie('{BAR}', '{cookie}')")
            return ping(bar, FOO)

        def goes_round() -> None:
            assert connect(CLUSTER_COOKIE) == "pong"
            assert attack(foo, BAR) == f"'{BAR}'"
            part(bar, FOO)

        goes_round()
        assert scene.wall.events("connect") == []

        scene.redirect("install")
        scene.redirect("install")
        assert pair.a.shell("nft list tables") == "table inet distwall_redirect\n"
        assert connect(CLUSTER_COOKIE) == "pang"
        scene.wall.wait_event("handshake_refused", peer=FOO, guard=BAR, opened_by="guard")
        assert connect(COOKIE) == "pong"
        assert "not_allowed" in attack(foo, BAR)
        scene.wall.wait_event("connect", peer=FOO, guard=BAR)
        part(bar, FOO)

        scene.redirect("remove")
        assert pair.a.shell("nft list ruleset") == ""
        goes_round()
        assert len(scene.wall.events("connect")) == 1


def test_distwall_goes_and_comes_back(pair: HostPair) -> None:
    """Without distwall, nothing gets out."""
    with RedirectScene(pair, [Peer(["accept ping"], FOO, COOKIE)], guards=[BAR, BAZ]) as scene:
        scene.redirect()
        bar, foo = scene.guard(BAR, flags=LOOPBACK), scene.peer(FOO, COOKIE)
        scene.guard(BAZ, flags=LOOPBACK)
        assert [ping(bar, FOO), ping(bar, BAZ)] == ["pong", "pong"]
        assert pair.a.run(scene.wall.stop) == 0
        bar.wait_until("nodes(connected) =:= []")
        assert [ping(bar, FOO), ping(bar, BAZ)] == ["pang", "pang"]
        pair.a.run(scene.wall.start)
        assert ping(bar, FOO) == "pong"
        bar.wait_until(f"net_adm:ping('{BAZ}') =:= pong")  # once it has registered again
        assert "not_allowed" in attack(foo, BAR)


def test_nodes_that_know_only_the_usual_port_of_epmd_are_redirected(pair: HostPair) -> None:
    entry = Peer(["accept ping"], FOO, COOKIE)
    with RedirectScene(pair, [entry], guards=[BAR, BAZ], register=f"127.0.0.1:{EPMD}") as scene:
        scene.redirect()
        bar, foo = scene.guard(BAR, flags=LOOPBACK), scene.peer(FOO, COOKIE)
        scene.guard(BAZ, flags=LOOPBACK)
        assert [ping(bar, FOO), ping(bar, BAZ)] == ["pong", "pong"]
        part(bar, FOO)
        foo.wait_until("nodes(connected) =:= []")
        assert ping(foo, BAR) == "pong"
        for who in ("guard", "peer"):
            scene.wall.wait_event("connect", peer=FOO, guard=BAR, opened_by=who)


def test_entries_with_host_names_are_reached(tools: None) -> None:
    names = {"a.test": A4, "b.test": B4, "b": B4}
    entries = [Peer(["accept ping"], "foo@b.test", COOKIE), Peer(["accept ping"], "shop*@*.test", COOKIE)]
    with HostPair(names) as pair, RedirectScene(pair, entries, guards=["bar@a.test"]) as scene:
        scene.redirect()
        bar = scene.guard("bar@a.test", flags=LOOPBACK)
        for name in ("foo@b.test", "shop7@b.test"):
            scene.peer(name, COOKIE)
            assert ping(bar, name) == "pong"
            scene.wall.wait_event("connect", peer=name, guard="bar@a.test", source=B4)
        scene.peer("other@b.test", COOKIE)
        assert ping(bar, "other@b.test") == "pang"
        scene.wall.wait_event("handshake_refused", peer=f"other@{B4}", reason="unknown_node")


def test_nodes_over_ipv6_are_redirected(tools: None) -> None:
    names = {"a.test": A6, "b.test": B6}
    ipv6 = ["-proto_dist", "inet6_tcp"]
    entry = Peer(["accept ping"], "foo@b.test", COOKIE)
    with (
        HostPair(names) as pair,
        RedirectScene(pair, [entry], guards=["bar@a.test"], register=f"[::1]:{REGISTER}") as scene,
    ):
        scene.redirect()
        bar = scene.guard("bar@a.test", flags=[*ipv6, "-kernel", "inet_dist_use_interface", "{0,0,0,0,0,0,0,1}"])
        foo = scene.peer("foo@b.test", COOKIE, flags=ipv6)
        assert ping(bar, "foo@b.test") == "pong"
        scene.wall.wait_event("connect", peer="foo@b.test", guard="bar@a.test", source=B6)
        assert "not_allowed" in attack(foo, "bar@a.test")
