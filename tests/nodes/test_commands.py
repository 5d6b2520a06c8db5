"""Every command with every verdict, from a real node, seen at the guarded node and at the caller.

Each test plays one command in four scenes: ``direct`` (without distwall: the command works), ``accept`` (of all
commands, only what the play needs is accepted), ``deny`` and ``drop`` (all is accepted but this command). Where the
command passes, the guarded node must show it; where it is refused, it must not, and the caller must have got what it
should, in time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from distwall import _core
from tests.support.node import Node
from tests.support.scene import GUARD, Scene

Mode = Literal["direct", "accept", "deny", "drop"]
MODES: tuple[Mode, ...] = ("direct", "accept", "deny", "drop")

PROMPT = 1000
"""Milliseconds in which a caller must have its error: far less than any timeout of OTP, far more than it takes."""

SILENCE = 400
"""Milliseconds to wait for what must not come."""


@dataclass
class CommandScene:
    """A connected peer and a guarded node, with a process on each that keeps the messages and signals it gets."""

    command: str
    mode: Mode
    scene: Scene
    foo: Node
    bar: Node
    actor: str
    victim: str

    @property
    def passes(self) -> bool:
        """Whether the command is to reach the guarded node."""
        return self.mode in ("direct", "accept")

    def act(self, expressions: str) -> str:
        """Lets the peer's process do something."""
        return self.foo.eval(f"probe:do({self.actor}, fun() -> {expressions} end)")

    def settle(self) -> None:
        """Returns once the guarded node has seen all that the peer sent before."""
        self.foo.eval(f"{{fence, '{GUARD}'}} ! passed")
        assert self.bar.eval("probe:await(fence, 1, 5000)") == "[passed]"

    def at_caller(self, time: int = PROMPT) -> str:
        """What the peer's process got, as soon as it got something, in at most ``time`` milliseconds."""
        return self.foo.eval(f"probe:await({self.actor}, 1, {time})")

    def monitors(self, process: str) -> str:
        """An expression: the processes that monitor one of the guarded node, without distwall's own."""
        clerk = f".{_core.CLERK}.{_core.CLERK}>"
        all_of_them = f"element(2, process_info({process}, monitored_by))"
        return f'[P || P <- {all_of_them}, not lists:suffix("{clerk}", pid_to_list(P))]'

    def at_guard(self, expected: str) -> bool:
        """Whether an expression is true at the guarded node now that the command was sent."""
        return self.bar.eval(expected) == "true"


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Iterator[Callable[..., CommandScene]]:
    """Sets the scene: ``play(command, mode, *rules)``; ``rules`` are what else the play needs accepted."""
    scenes: list[Scene] = []

    def start(command: str, mode: Mode, *rules: str) -> CommandScene:
        verdicts: dict[Mode, list[str] | None] = {
            "direct": None,
            "accept": ["deny *", "accept reg_send fence", f"accept {command}", *rules],
            "deny": ["accept *", "accept reg_send fence", f"deny {command}"],
            "drop": ["accept *", "accept reg_send fence", f"drop {command}"],
        }
        scene = Scene(verdicts[mode])
        scenes.append(scene)
        bar, foo = scene.guard(), scene.peer()
        assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
        bar.eval("probe:collector(fence), erts_debug:set_internal_state(available_internal_state, true)")
        foo.eval("erts_debug:set_internal_state(available_internal_state, true)")
        actor, victim = foo.term("probe:collector()"), bar.term("probe:collector(victim)")
        return CommandScene(command, mode, scene, foo, bar, actor, victim)

    yield start
    for scene in scenes:
        scene.close()


def check_records(play: CommandScene) -> None:
    """The counters and the audit log tell the same story."""
    if play.mode == "direct":
        return
    counts = play.scene.wall.statistics("foo@127.0.0.1")["inbound"][play.command]
    assert counts[play.mode] >= 1, counts
    if play.passes:
        assert counts["deny"] == counts["drop"] == 0, play.scene.wall.events()
    else:
        refused = play.scene.wall.wait_event("refused", command=play.command)
        assert (refused["peer"], refused["guard"]) == ("foo@127.0.0.1", GUARD)
        assert refused["verdict"] == play.mode
        assert refused["rule"]["text"] == f"{play.mode} {play.command}"
        assert refused["rule"]["line"] > 0


@pytest.mark.parametrize("mode", MODES)
def test_link_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("link", mode)
    p.act(f"link({p.victim})")
    p.settle()
    assert p.at_guard(f"process_info({p.victim}, links) =:= {{links, [{p.actor}]}}") is p.passes
    assert p.foo.eval(f"probe:await({p.actor}, 1, {SILENCE}) =:= [{{'EXIT', {p.victim}, noproc}}]") == (
        "true" if mode == "deny" else "false"
    )
    if p.passes:
        p.bar.eval(f"probe:do({p.victim}, stop, boom)")
        assert p.foo.eval(f"probe:await({p.actor}, 1, 5000) =:= [{{'EXIT', {p.victim}, boom}}]") == "true"
    elif mode == "drop":
        assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_reg_send_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("reg_send", mode)
    p.foo.eval(f"{{victim, '{GUARD}'}} ! hello")
    p.settle()
    assert p.at_guard("probe:got(victim) =:= [hello]") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("destination", ["name", "pid"])
def test_gen_call_is_refused_at_once_or_times_out(
    play: Callable[..., CommandScene], mode: Mode, destination: str
) -> None:
    """A refused call fails at once with the reason; where it is dropped, with the caller's own timeout."""
    p = play("reg_send" if destination == "name" else "send", mode, "accept monitor", "accept demonitor")
    server = p.bar.term("probe:start_server(counter)")
    target = f"{{counter, '{GUARD}'}}" if destination == "name" else server
    milliseconds, got = p.foo.timed(f"gen_server:call({target}, {{add, 3}}, {PROMPT})")
    p.settle()
    assert p.bar.eval("gen_server:call(counter, get)") == ("3" if p.passes else "0")
    if p.passes:
        assert got == "3"
    elif mode == "deny":
        assert got.startswith("{exit,{not_allowed,{gen_server,call,")
        assert milliseconds < PROMPT
    else:
        assert got.startswith("{exit,{timeout,{gen_server,call,")
    assert p.at_guard(f"{p.monitors(server)} =:= []") or mode == "drop"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_send_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("send", mode)
    p.foo.eval(f"{p.victim} ! hello")
    p.settle()
    assert p.at_guard("probe:got(victim) =:= [hello]") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_alias_send_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("alias_send", mode)
    # Whose alias it is, distwall learns from who sends it.
    show = "fun() -> A = alias(), {nobody, 'foo@127.0.0.1'} ! A, A end"
    alias = p.bar.term(f"probe:do(victim, {show})")
    p.foo.eval(f"{alias} ! hello")
    p.settle()
    assert p.at_guard("probe:got(victim) =:= [hello]") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_group_leader_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("group_leader", mode)
    p.act(f"group_leader({p.actor}, {p.victim})")
    p.settle()
    assert p.at_guard(f"process_info({p.victim}, group_leader) =:= {{group_leader, {p.actor}}}") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("destination", ["name", "pid"])
def test_monitor_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode, destination: str) -> None:
    p = play("monitor", mode)
    target = f"{{victim, '{GUARD}'}}" if destination == "name" else p.victim
    p.act(f"erlang:monitor(process, {target})")
    p.settle()
    assert p.at_guard(f"{p.monitors(p.victim)} =:= [{p.actor}]") is p.passes

    def down(reason: str, time: int) -> str:
        return p.foo.eval(
            f"Target = {target}, case probe:await({p.actor}, 1, {time}) of"
            f" [{{'DOWN', _, process, Target, {reason}}}] -> down; Other -> Other end"
        )

    if p.passes:
        p.bar.eval("probe:do(victim, stop, boom)")
        assert down("boom", 5000) == "down"
    else:
        assert down("noproc", PROMPT if mode == "deny" else SILENCE) == ("down" if mode == "deny" else "[]")
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_spawn_request_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("spawn_request", mode)
    p.act(f"erlang:spawn_request('{GUARD}', erlang, send, [victim, hello], [{{reply_tag, reply}}])")
    p.settle()
    assert p.at_guard("probe:await(victim, 1, 200) =:= [hello]") is p.passes
    if p.passes:
        assert p.at_caller().startswith("[{reply,#Ref<")
        assert ",ok,<" in p.at_caller()
    elif mode == "deny":
        assert p.at_caller().endswith(",error,not_allowed}]")
    else:
        assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_erpc_call_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("spawn_request", mode)
    milliseconds, got = p.foo.timed(f"erpc:call('{GUARD}', erlang, node, [], {PROMPT})")
    if p.passes:
        assert got == f"'{GUARD}'"
    elif mode == "deny":
        assert got == "{error,{erpc,not_allowed}}"
        assert milliseconds < PROMPT
    else:
        assert got == "{error,{erpc,timeout}}"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_demonitor_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("demonitor", mode, "accept monitor")
    p.act(f"put(ref, erlang:monitor(process, {p.victim}))")
    p.bar.wait_until(f"{p.monitors(p.victim)} =:= [{p.actor}]")
    assert p.act("demonitor(get(ref))") == "true"
    p.settle()
    assert p.at_guard(f"{p.monitors(p.victim)} =:= []") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_exit_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("exit", mode, "accept link")
    p.act(f"link({p.victim})")
    p.bar.wait_until(f"process_info({p.victim}, links) =:= {{links, [{p.actor}]}}")
    p.foo.eval(f"probe:do({p.actor}, stop, boom)")
    p.foo.wait_until(f"not is_process_alive({p.actor})")
    p.settle()
    assert p.at_guard(f"probe:got(victim) =:= [{{'EXIT', {p.actor}, boom}}]") is p.passes
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_exit2_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("exit2", mode)
    p.act(f"exit({p.victim}, boom)")
    p.settle()
    assert p.at_guard(f"probe:got(victim) =:= [{{'EXIT', {p.actor}, boom}}]") is p.passes
    assert p.at_caller(SILENCE) == "[]"
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_monitor_exit_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("monitor_exit", mode)
    p.bar.eval(f"probe:do(victim, fun() -> erlang:monitor(process, {p.actor}) end)")
    p.foo.wait_until(f"process_info({p.actor}, monitored_by) =:= {{monitored_by, [{p.victim}]}}")
    p.foo.eval(f"probe:do({p.actor}, stop, boom)")
    p.foo.wait_until(f"not is_process_alive({p.actor})")
    p.settle()
    got = p.bar.eval(
        f"Actor = {p.actor}, case probe:got(victim) of [{{'DOWN', _, process, Actor, boom}}] -> down; O -> O end"
    )
    assert got == ("down" if p.passes else "[]")
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_spawn_reply_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("spawn_reply", mode)
    p.foo.eval(f"register(worker, {p.actor})")
    p.bar.eval(
        "probe:do(victim, fun() ->"
        " erlang:spawn_request('foo@127.0.0.1', erlang, send, [worker, ran], [{reply_tag, reply}]) end)"
    )
    assert p.at_caller() == "[ran]", "the guarded node's own spawns are not refused"
    p.settle()
    assert (",ok,<" in p.bar.eval("probe:got(victim)")) is p.passes
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_unlink_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("unlink", mode, "accept link")
    p.act(f"link({p.victim})")
    p.bar.wait_until(f"process_info({p.victim}, links) =:= {{links, [{p.actor}]}}")
    assert p.act(f"unlink({p.victim})") == "true"
    p.settle()
    assert p.at_guard(f"process_info({p.victim}, links) =:= {{links, []}}") is p.passes
    # What the caller sees: the unlink completes, unless its acknowledgement never comes.
    completed = p.foo.eval(
        f"probe:until(fun() -> erts_debug:get_internal_state({{link_list, {p.actor}}}) =:= [] end, {SILENCE})"
    )
    assert completed == ("false" if mode == "drop" else "true")
    check_records(p)


@pytest.mark.parametrize("mode", MODES)
def test_unlink_ack_does_as_the_rule_says(play: Callable[..., CommandScene], mode: Mode) -> None:
    p = play("unlink_ack", mode)
    p.bar.eval(f"probe:do(victim, fun() -> link({p.actor}) end)")
    p.foo.wait_until(f"process_info({p.actor}, links) =:= {{links, [{p.victim}]}}")
    p.bar.eval(f"probe:do(victim, fun() -> unlink({p.actor}) end)")
    p.foo.wait_until(f"process_info({p.actor}, links) =:= {{links, []}}")
    p.settle()
    assert p.at_guard(f"erts_debug:get_internal_state({{link_list, {p.victim}}}) =:= []") is p.passes
    check_records(p)
