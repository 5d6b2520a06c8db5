"""Rules on messages, on calls, for a time, in audit mode, and about what goes out: between real nodes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from distwall.clock import rfc3339, utc
from distwall.policy import loads
from tests.nodes.in_process_scene import FOO, InProcessScene, in_process_scene
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.waiting import wait_until
from tests.support.wall import Peer


@contextmanager
def ground(folder: Path, rules: list[str], extra: str = "") -> Iterator[tuple[InProcessScene, Node]]:
    with in_process_scene(folder, [Peer(rules, extra=extra)]) as here:
        here.bar.eval("probe:start_server(server), probe:collector(target)")
        yield here, here.peer()


def call(foo: Node, request: str) -> str:
    return foo.eval(f"catch gen_server:call({{server, '{GUARD}'}}, {request})")


def test_rules_see_what_a_message_says(tmp_path: Path) -> None:
    rules = [
        "deny *",
        "accept monitor server",
        "accept reg_send server when {'$gen_call', from(), {echo, integer()}}",
        "accept call erlang:'+'/2 when [X, X]",
        "accept reg_send target when #{kind := order, amount := integer()}",
    ]
    with ground(tmp_path, rules) as (here, foo):
        assert call(foo, "{echo, 7}") == "7"
        assert call(foo, "{echo, 1 bsl 80}") == str(1 << 80)
        for refused in ("{echo, seven}", "{echo, 7.0}", "{echo, 7, 8}", "get"):
            assert "not_allowed" in call(foo, refused)
        assert foo.eval(f"erpc:call('{GUARD}', erlang, '+', [4, 4])") == "8"
        assert foo.eval(f"rpc:block_call('{GUARD}', erlang, '+', [4, 4])") == "8"
        assert "not_allowed" in foo.eval(f"catch erpc:call('{GUARD}', erlang, '+', [4, 5])")
        foo.eval(f"[{{target, '{GUARD}'}} ! M || M <- [#{{kind => order, amount => 5, more => x}},"
                 " #{kind => order}, #{kind => other, amount => 5}]]")  # fmt: skip
        here.bar.wait_until("probe:got(target) =:= [#{kind => order, amount => 5, more => x}]")


def test_only_what_was_shown_can_be_reached(tmp_path: Path) -> None:
    rules = ["deny *", "accept ping", "accept send to exposed", "accept exit2 to spawned"]
    rules += ["accept call timer:sleep/1"]
    with ground(tmp_path, rules) as (here, foo):
        hidden = here.bar.term("P = probe:collector(), register(hidden, P), P")
        shown = here.bar.term("P = probe:collector(), register(shown, P), P")
        foo.eval(f"pong = net_adm:ping('{GUARD}'), probe:collector(mine)")
        here.bar.eval(f"{{mine, '{FOO}'}} ! {{see, whereis(shown)}}")
        foo.wait_until("length(probe:got(mine)) =:= 1")
        foo.eval(f"{hidden} ! guessed, {shown} ! seen, exit({shown}, kill)")
        here.bar.wait_until("probe:got(shown) =:= [seen]")
        assert here.bar.eval("probe:got(hidden)") == "[]"
        assert foo.eval(f"{{P, R}} = spawn_monitor('{GUARD}', timer, sleep, [60000]), exit(P, enough),"
                        " receive {'DOWN', R, _, _, Why} -> Why after 3000 -> alive end") == "enough"  # fmt: skip


@pytest.mark.parametrize("where", ["rule", "entry"])
def test_on_trial_all_passes_and_is_told(tmp_path: Path, where: str) -> None:
    rules = ["deny * mode=audit"] if where == "rule" else ["deny *"]
    with ground(tmp_path, rules, 'mode = "audit"' if where == "entry" else "") as (here, foo):
        assert call(foo, "{echo, 7}") == "7"
        assert foo.eval(f"erpc:call('{GUARD}', erlang, node, [])") == f"'{GUARD}'"
        told = here.wall.wait_event("refused", command="spawn_request")
        assert (told["verdict"], told["reason"]) == ("deny", "audit:rule")
        counts = here.firewall.statistics(FOO)["inbound"]
        assert counts["spawn_request"]["accept"] > 0
        assert counts["spawn_request"]["deny"] == 0


def test_a_shadow_policy_changes_nothing_and_tells_what_it_would(tmp_path: Path) -> None:
    with ground(tmp_path, ["deny *", "accept gen_server server"]) as (here, foo):
        firewall = here.firewall
        call(foo, "{echo, 0}")
        text = here.wall.text.replace('"accept gen_server server"', '"accept reg_send target"')
        firewall.set_shadow(loads(text, tmp_path / "shadow.toml", {}))
        assert call(foo, "{echo, 7}") == "7"
        foo.eval(f"{{target, '{GUARD}'}} ! hello")
        here.wall.wait_event("refused", command="reg_send", target="target", reason="rule")
        told = here.wall.wait_event("refused", command="reg_send", target="target", reason="shadow:accept")
        assert (told["verdict"], told["rule"]["text"]) == ("accept", "accept reg_send target")
        here.wall.wait_event("refused", command="reg_send", target="server", verdict="deny", reason="shadow:deny")
        assert here.bar.eval("probe:got(target)") == "[]"
        # The monitor of the call, the call, and the message; and none is forgotten with its channel.
        assert firewall.shadow_differences() == 3
        # The peer is told in its own time: a call before that would end with nodedown instead of connecting anew.
        firewall.disconnect(FOO)
        wait_until(lambda: GUARD not in foo.eval("nodes(connected)"))
        assert call(foo, "{echo, 8}") == "8"
        assert firewall.shadow_differences() == 5
        firewall.set_shadow(None)
        assert call(foo, "{echo, 9}") == "9"
        assert (firewall.shadow(), firewall.shadow_differences()) == (None, 0)


def test_a_rule_may_hold_for_a_time(tmp_path: Path) -> None:
    until = rfc3339(utc() + timedelta(seconds=4))
    rules = ["deny *", f"accept monitor server until={until}", f"accept reg_send server until={until}"]
    with ground(tmp_path, rules) as (_, foo):
        assert call(foo, "{echo, 7}") == "7"
        end = time.monotonic() + 12
        while call(foo, "{echo, 7}") == "7":
            assert time.monotonic() < end
            time.sleep(0.2)
        assert "noproc" in call(foo, "{echo, 7}")


def test_rules_for_what_goes_out_hold(tmp_path: Path) -> None:
    """The guarded node may call one function there, and answer what it was asked; no more."""
    out = 'rules_out = ["deny *", "accept call erlang:node/0", "accept reg_send open"]'
    with ground(tmp_path, ["accept *"], out) as (here, foo):
        foo.eval("probe:collector(open), probe:collector(shut), probe:start_server(theirs)")
        assert call(foo, "{echo, 7}") == "7"
        assert foo.eval(f"erpc:call('{GUARD}', erlang, '+', [1, 2])") == "3"
        assert here.bar.eval(f"erpc:call('{FOO}', erlang, node, [])") == f"'{FOO}'"
        assert "not_allowed" in here.bar.eval(f"catch erpc:call('{FOO}', erlang, nodes, [])")
        assert "noproc" in here.bar.eval(f"catch gen_server:call({{theirs, '{FOO}'}}, {{echo, 7}})")
        here.bar.eval(f"[{{N, '{FOO}'}} ! {{secret, N}} || N <- [shut, open]]")
        foo.wait_until("probe:got(open) =:= [{secret,open}]")
        assert foo.eval("probe:got(shut)") == "[]"
        here.wall.wait_event("refused", direction="outbound", command="reg_send", target="shut", verdict="deny")
