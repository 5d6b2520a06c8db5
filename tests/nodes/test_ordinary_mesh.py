"""Two nodes of one mesh: what OTP's own applications say to each other, and what goes through them."""

from dataclasses import dataclass

import pytest

from tests.nodes.ordinary import refused, without_ids
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
MESH = ["accept ping", "accept global"]


@dataclass(frozen=True)
class Story:
    """Modules of ``tests/support/erlang/ordinary``, what makes them ready, and what both nodes see when all is done.

    ``gone`` is what the guarded node sees when the peer is gone; ``groups``: it is about pg.
    """

    modules: tuple[str, ...]
    rules: tuple[str, ...]
    ready: str = "ok"
    seen: tuple[str, ...] = ()
    gone: str = ""
    groups: bool = False

    def play(self, *, direct: bool) -> list[str]:
        """What comes of it: peer first, guarded node second, each working with the other."""
        entry = Peer(["deny *", *MESH, *self.rules], visible=True, extra="funs = true")
        with Scene(None if direct else [entry]) as scene:
            bar, foo = scene.guard(), scene.peer()
            releases = {node.number("list_to_integer(erlang:system_info(otp_release))") for node in (bar, foo)}
            if self.groups and min(releases) == 25 and max(releases) >= 29:
                pytest.skip("a scope of pg of OTP 25 ends on what one of OTP 29 says")
            for node in (bar, foo):
                node.load(*(f"ordinary/{module}" for module in self.modules))
                for module in self.modules:
                    node.eval(f"{module}:setup()")
            results = [foo.eval(f"net_adm:ping('{GUARD}')")]
            bar.wait_until(f"nodes() =:= ['{FOO}']")
            results += [node.eval("global:sync()") for node in (bar, foo)]
            results.append(foo.eval(f"Peer = '{GUARD}', {self.ready}", 30))
            for module in self.modules:
                results.append(foo.eval(f"{module}:run('{GUARD}')", 60))
                results.append(bar.eval(f"{module}:run('{FOO}')", 60))
            results += [node.eval(seen) for seen in self.seen for node in (bar, foo)]
            if not direct:
                assert refused(scene.wall, FOO) == []
            foo.kill()
            bar.wait_until("nodes() =:= []")
            if self.gone:
                results.append(bar.eval(f"Peer = '{FOO}', {self.gone}"))
            return [without_ids(result) for result in results]


STORIES = {
    "global": Story(("names",), (), gone="names:gone(Peer)"),
    "pids of global": Story(
        ("homes",),
        (
            "accept send to exposed when {'$gen_call', from(), where}",
            "accept send to exposed when {'$gen_call', from(), {same, pid()}}",
            "accept send to exposed when {'$gen_cast', {tell, peer_pid()}}",
            "accept send to exposed when {peer_pid(), told}",
        ),
    ),
    "pg": Story(
        ("members",),
        ("accept pg", "accept pg chat", "accept send to exposed when {said, boolean()}"),
        groups=True,
        seen=("members:left()", "probe:got(listener)"),
    ),
    "pubsub": Story(
        ("pubsub",),
        ("accept pg 'Elixir.Phoenix.PubSub'", "accept phoenix_pubsub 'Elixir.Shop.PubSub.Adapter'"),
        groups=True,
        seen=("probe:await(subscriber, 4, 5000)",),
    ),
    "code": Story(
        ("reload",),
        ("accept code_loading", "accept call reloaded_by_foo:version/0"),
    ),
    "mnesia": Story(
        ("ledger",),
        ("accept mnesia",),
        ready="ledger:create(Peer)",
        seen=("ledger:copies()",),
        gone="ledger:gone(Peer)",
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_refused(name: str) -> None:
    directly, through = (STORIES[name].play(direct=direct) for direct in (True, False))
    assert not any("lost" in result for result in directly), directly
    assert through == directly
