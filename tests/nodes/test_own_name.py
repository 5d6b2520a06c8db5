"""What a peer may ask distwall itself: preflight, and tokens that raise its access."""

import time
from collections.abc import Iterator

import pytest

from tests.nodes.in_process_scene import FOO, InProcessScene, in_process_scene
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.wall import Peer

OTHER = "other@127.0.0.1"
RULES = ["deny *", "accept ping", "accept reg_send distwall", "accept monitor distwall", "accept call inventory:_/_"]
RULES += ["accept reg_send target"]
TABLE = '[tables.ops]\nrules = ["accept reg_send secret", "accept monitor secret"]\n'


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcessScene, Node]]:
    peers = [
        Peer(RULES),
        Peer(["deny *", "accept ping"], node=OTHER),
    ]
    with in_process_scene(tmp_path_factory.mktemp("own"), peers, tables=TABLE) as here:
        here.bar.eval("probe:collector(target), probe:collector(secret)")
        yield here, here.peer()


@pytest.fixture
def here(ground: tuple[InProcessScene, Node]) -> InProcessScene:
    return ground[0]


@pytest.fixture
def foo(ground: tuple[InProcessScene, Node]) -> Node:
    return ground[1]


def ask(foo: Node, request: str) -> str:
    return foo.eval(f"catch gen_server:call({{distwall, '{GUARD}'}}, {request}, 3000)")


class TestPreflight:
    @pytest.mark.parametrize(
        ("command", "key", "verdict"),
        [
            ("reg_send", "target", "accept"),
            ("reg_send", "secret", "deny"),
            ("link", "'_'", "deny"),
            ("call", "{inventory, lookup, 1}", "accept"),
            ("call", "{os, cmd, 1}", "deny"),
            ("spawn_request", "{os, cmd, 1}", "deny"),
        ],
    )
    def test_a_peer_is_told_what_will_become_of_a_command(
        self, foo: Node, command: str, key: str, verdict: str
    ) -> None:
        assert ask(foo, f"{{test_filter, {command}, {key}}}") == verdict

    @pytest.mark.parametrize("key", ["1", "{a, b}", "<<>>", "{a, b, c}"])
    def test_keys_that_are_none_are_bad_arguments(self, foo: Node, key: str) -> None:
        assert ask(foo, f"{{test_filter, reg_send, {key}}}") == "{error,badarg}"

    def test_what_it_does_not_know_is_not_answered(self, foo: Node) -> None:
        assert "timeout" in foo.eval(f"catch gen_server:call({{distwall, '{GUARD}'}}, {{halt, now}}, 300)")
        assert foo.eval(f"{{distwall, '{GUARD}'}} ! hello") == "hello"

    def test_a_monitor_of_it_does_not_fire(self, foo: Node) -> None:
        assert foo.eval(f"R = monitor(process, {{distwall, '{GUARD}'}}), receive {{'DOWN', R, _, _, _}} -> down"
                        " after 300 -> demonitor(R, [flush]) end") == "true"  # fmt: skip

    def test_it_is_there_only_if_the_policy_lets_it(self, here: InProcessScene) -> None:
        other = here.peer(OTHER)
        assert "noproc" in other.eval(f"catch gen_server:call({{distwall, '{GUARD}'}}, {{test_filter, link, '_'}})")

    def test_nothing_of_it_reaches_the_guarded_node(self, here: InProcessScene, foo: Node) -> None:
        here.bar.eval("probe:collector(distwall)")
        assert ask(foo, "{test_filter, link, '_'}") == "deny"
        assert here.bar.eval("Got = probe:got(distwall), unregister(distwall), Got") == "[]"


class TestTokens:
    def token(self, here: InProcessScene, seconds: float = 2, **more: float) -> str:
        return here.firewall.issue_token(FOO, "ops", seconds, "a fix", actor="ann", **more)

    def reach(self, here: InProcessScene, foo: Node, message: str) -> bool:
        foo.eval(f"{{secret, '{GUARD}'}} ! {message}, pong = net_adm:ping('{GUARD}')")
        return here.bar.eval(f"lists:member({message}, probe:got(secret))") == "true"

    def test_it_raises_access_for_a_while(self, here: InProcessScene, foo: Node) -> None:
        token = self.token(here, 5)
        assert not self.reach(here, foo, "before")
        assert ask(foo, f'{{authenticate, "{token}"}}') == "{ok,ops,5}"
        assert self.reach(here, foo, "during")
        here.wall.wait_event("grant_expired")
        assert not self.reach(here, foo, "after_it")

    def test_it_counts_once(self, here: InProcessScene, foo: Node) -> None:
        token = self.token(here, 60)
        assert ask(foo, f'{{authenticate, <<"{token}">>}}') == "{ok,ops,60}"
        assert ask(foo, f'{{authenticate, "{token}"}}') == "{error,not_allowed}"
        here.wall.wait_event("token_refused", reason="it was used before")
        here.firewall.revoke(FOO, "ops", guard=GUARD)

    def test_it_is_for_its_peer_alone(self, here: InProcessScene, foo: Node) -> None:
        token = here.firewall.issue_token(OTHER, "ops", 60, "a fix")
        assert ask(foo, f'{{authenticate, "{token}"}}') == "{error,not_allowed}"

    def test_it_counts_until_it_expires(self, here: InProcessScene, foo: Node) -> None:
        token = self.token(here, valid=1)
        time.sleep(2.1)
        assert ask(foo, f'{{authenticate, "{token}"}}') == "{error,not_allowed}"

    @pytest.mark.parametrize("change", ["flipped", "no secret", "no id", "empty", "odd"])
    def test_it_counts_for_nothing_if_it_was_tampered_with(self, here: InProcessScene, foo: Node, change: str) -> None:
        name, ident, secret = self.token(here).split("_", 2)
        token = {
            "flipped": f"{name}_{ident}_{secret[:-2]}{'AA' if secret[-2:] != 'AA' else 'BB'}",
            "no secret": f"{name}_{ident}_",
            "no id": f"{name}__{secret}",
            "empty": "",
            "odd": "a.b.c",
        }[change]
        assert ask(foo, f'{{authenticate, "{token}"}}') == "{error,not_allowed}"
        assert not self.reach(here, foo, change.replace(" ", "_"))

    def test_what_is_no_token_is_a_bad_argument(self, foo: Node) -> None:
        assert ask(foo, "{authenticate, 17}") == "{error,badarg}"
