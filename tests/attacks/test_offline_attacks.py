"""The attacks of ``distwall check --attack`` are attacks: each has its effect on a bare node."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from distwall.policy.attacks import OfflineAttack, offline_attacks, successes
from distwall.policy.explanation import explain
from tests.support.node import ErlangError, Node
from tests.support.policies import with_rules
from tests.support.scene import GUARD, Scene

ATTACKS = {attack.name: attack for attack in offline_attacks()}

SERVER, COLLECTOR = "probe:start_server(target)", "probe:collector(target)"
CHILD = (
    "spawn(fun() -> gen_server:start_link({local, target}, probe, 0, []), timer:sleep(infinity) end),"
    " probe:until(fun() -> whereis(target) =/= undefined end)"
)

SCENES: dict[str, tuple[str, str, str]] = {
    "a state, replaced": (SERVER, "target", "dies"),
    "a state, read": (SERVER, "target", "gen_server:system_get_state/1"),
    "a process, suspended": (SERVER, "target", "lists:member(suspended, element(4, sys:get_status(target)))"),
    "a process, ended by its parent": (CHILD, "target", "whereis(target) =:= undefined"),
    "a child of a supervisor": ("ok", "kernel_safe_sup", "dies"),
    "a handler of an event manager": (
        "gen_event:start({local, target})",
        "target",
        "error_handler:undefined_function/3",
    ),
    "output of a caller's making": ("ok", "user", "os:cmd/1"),
    "output of a caller's making, in Latin-1": ("ok", "user", "os:cmd/1"),
    "output of a caller's making, among other requests": ("ok", "user", "os:cmd/1"),
    "a program, by proc_lib by erpc": ("ok", "", "os:cmd/1"),
    "a program, as if undefined": ("ok", "", "os:cmd/1"),
    "a program, evaluated": ("ok", "", "os:cmd/1"),
    "a lock of a wrong form": ("ok", "", "dies"),
    "a setting of a wrong form": ("ok", "", "dies"),
    "a cast that a server doesn't know": ("ok", "", "dies"),
    "an end": ("ok", "", "dies"),
    "an orderly end": ("ok", "", "dies"),
    "the cookie, by auth": ("ok", "", "auth:handle_call/3"),
    "the end, by init": ("ok", "", "dies"),
    "code paths": ("ok", "", 'lists:member("/tmp", code:get_path())'),
    "a file, by file_server": ("ok", "", "prim_file:read_file/1"),
    "settings of an application": ("ok", "", "application:get_env(kernel, distwall_attack) =:= {ok, set}"),
    "an application, stopped": (
        "ok = application:start(sasl)",
        "",
        "not lists:keymember(sasl, 1, application:which_applications())",
    ),
    "a lock of global": ("ok", "", "ets:tab2list(global_locks) =/= []"),
    "a name, taken over": ("ok", "", "global:whereis_name(orders) =/= undefined"),
    "a crash of a server": ("ok", "", "dies"),
    "the cookie, by the pid of auth": ("ok", "auth", "auth:handle_call/3"),
    "a plain message to a guessed pid": (COLLECTOR, "target", "lists:member(hello, probe:got(target))"),
    "a process, killed": (COLLECTOR, "target", "whereis(target) =:= undefined"),
    "a process, linked with": (COLLECTOR, "target", "element(2, process_info(whereis(target), links)) =/= []"),
    "a group leader of its own": (
        COLLECTOR,
        "target",
        "node(element(2, process_info(whereis(target), group_leader))) =/= node()",
    ),
}
"""By attack: what is done before, the name of the target, and how its success is seen on the guarded node.

The latter is a condition, the function that is called, or ``dies``. Calls that are missing here call ``os:cmd/1``, or
the function of their key.
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Scene, Node]]:
    with Scene(None) as scene:
        yield scene, scene.peer("foe@127.0.0.1", flags=["-hidden"])


def _erlang(attack: OfflineAttack, target: str) -> str:
    """The expression with which a hostile node sends the command."""
    asked = attack.question
    term = (asked.term or "none").replace("<9.1.0>", "self()").replace("#Ref<9.1.2.3>", "make_ref()")
    term = term.replace("<0.1.0>", "Parent")
    if asked.command in ("call", "spawn_request"):
        module, function = re.split("[:/]", asked.key or "")[:2]
        return f"erlang:spawn_request(G, {module}, {function}, {term}, [])"
    to = f"{{{target or asked.key}, G}}"
    match asked.command:
        case "reg_send":
            return f"{to} ! {term}"
        case "send":
            return f"To ! {term}"
        case "exit2":
            return f"exit(To, {term})"
        case "link":
            return "link(To)"
        case _:
            return "group_leader(self(), To)"


@pytest.mark.parametrize("name", ATTACKS)
def test_it_takes_effect_on_a_bare_node(nodes: tuple[Scene, Node], name: str) -> None:
    (scene, foe), attack = nodes, ATTACKS[name]
    named = attack.kind == "calls" and attack.question.command == "call"
    ends = (named and attack.question.key) or "os:cmd/1"
    setup, target, effect = SCENES.get(name, ("ok", "", ends))
    bar = scene.guard()
    try:
        bar.eval(setup)
        traced = re.fullmatch(r"(\w+):(\w+)/(\d+)", effect)
        if traced:
            trace = "probe:collector(tracer), erlang:trace(all, true, [call, {tracer, whereis(tracer)}])"
            of = f"{{{traced[1]}, {traced[2]}, {traced[3]}}}"
            bar.eval(f"code:ensure_loaded({traced[1]}), {trace}, erlang:trace_pattern({of}, true, [local])")
            effect = f"[called || {{trace, _, call, {{{traced[1]}, {traced[2]}, _}}}} <- probe:got(tracer)] =/= []"
        to = bar.term(f"whereis({target or 'init'})")
        parent = bar.term(_PARENT) if "<0.1.0>" in (attack.question.term or "") else "none"
        foe.wait_until(f"net_kernel:connect_node('{GUARD}') =:= true")
        with suppress(ErlangError):
            # The sender goes on for a while: its end would undo a link.
            foe.eval(
                f"G = '{GUARD}', To = {to}, Parent = {parent},"
                f" spawn(fun() -> {_erlang(attack, target)}, timer:sleep(5000) end)"
            )
        if effect == "dies":
            _wait_for_its_end(bar)
        else:
            bar.wait_until(effect)
    finally:
        bar.kill()


_PARENT = "hd([P || {dictionary, D} <- [process_info(whereis(target), dictionary)], {'$ancestors', [P | _]} <- D])"


def _wait_for_its_end(bar: Node) -> None:
    for _ in range(200):
        time.sleep(0.05)
        if not bar.running:
            return
    raise AssertionError("it lives")


def test_a_tight_policy_lets_none_of_them_in() -> None:
    rules = ["deny *", "accept ping", "accept gen_server orders", "accept send to exposed", "accept call lists:seq/2"]
    made = with_rules(rules)
    assert [success.attack.name for success in successes(made, made.entries[0])] == []


def test_an_open_policy_lets_all_of_them_in() -> None:
    made = with_rules(["accept *"])
    assert {success.attack.name for success in successes(made, made.entries[0])} == set(ATTACKS)


def test_the_rule_behind_a_success_is_named() -> None:
    made = with_rules(["deny *", "accept call os:cmd/1"])
    found = list(successes(made, made.entries[0]))
    assert {success.rule.text for success in found if success.rule} == {"accept call os:cmd/1"}
    assert {"a program of the host", "a program, by erpc", "a program, by rex"} <= {s.attack.name for s in found}


def test_each_asks_as_a_policy_test_would() -> None:
    made = with_rules(["accept *"])
    for attack in offline_attacks():
        explain(made, "foo@h", attack.at("a").question if attack.question.key == "NAME" else attack.question)
