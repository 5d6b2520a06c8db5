"""What a peer's shell on a guarded node may call, typed into real remote shells."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.launch import guarded
from tests.launch.terminal import terminal
from tests.nodes.harness import GUARD, Node, Peer, Scene
from tests.nodes.harness.wall import CLUSTER_COOKIE, launcher

FOO = "foo@127.0.0.1"
CONTROL = f'node = "distwall@127.0.0.1"\n[guard.tls]\n'
ALLOWED = ["lists:map/2", "lists:foreach/2", "maps:get/2", "erlang:self/0", "erlang:spawn/1", "erlang:spawn/3", "ets:lookup/2"]
ENTRY = Peer(
    ["deny *", "accept ping", "accept remsh", *(f"accept call {function}" for function in ALLOWED)], extra="funs = true"
)
EFFECT = "persistent_term:put(done, yes)"

WAYS = {
    "call": EFFECT,
    "apply/3": "apply(persistent_term, put, [done, yes])",
    "erlang:apply/3": "erlang:apply(persistent_term, put, [done, yes])",
    "apply of apply": "apply(erlang, apply, [persistent_term, put, [done, yes]])",
    "apply/2": "apply(fun persistent_term:put/2, [done, yes])",
    "apply as a fun": "(fun erlang:apply/3)(persistent_term, put, [done, yes])",
    "apply as a fun of a fun": "(fun erlang:apply/2)(fun persistent_term:put/2, [done, yes])",
    "fun": f"(fun() -> {EFFECT} end)()",
    "named fun": f"(fun F() -> {EFFECT} end)()",
    "external fun": "(fun persistent_term:put/2)(done, yes)",
    "names from variables": "M = persistent_term, M:put(done, yes)",
    "list comprehension": f"[{EFFECT} || _ <- [1]]",
    "filter of a comprehension": f"[X || X <- [1], {EFFECT} =:= ok]",
    "binary comprehension": f"<< <<(begin {EFFECT}, 1 end)>> || _ <- [1] >>",
    "catch": f"catch {EFFECT}",
    "try": f"try {EFFECT} catch _:_ -> {EFFECT} after {EFFECT} end",
    "case": f"case {EFFECT} of _ -> 1 end",
    "if": f"if true -> {EFFECT} end",
    "in a tuple": f"{{{EFFECT}}}",
    "in a map": f"#{{a => {EFFECT}}}",
    "in a binary": f"<<(begin {EFFECT}, 1 end)>>",
    "behind andalso": f"true andalso {EFFECT}",
    "a fun given away": f"lists:map(fun(_) -> {EFFECT} end, [1])",
    "an external fun given away": "lists:foreach(fun persistent_term:erase/1, [kept])",
    "deep in an argument": "maps:get(a, #{a => [{fun persistent_term:erase/1}]})",
    "in a fun given away": "E = fun persistent_term:erase/1, lists:map(fun(_) -> E(kept) end, [1])",
    "in a process": f"spawn(fun() -> {EFFECT} end)",
    "a process of that function": "spawn(persistent_term, put, [done, yes])",
    "another node": f"rpc:call('{GUARD}', persistent_term, put, [done, yes])",
    "a message": "{gate, node()} ! hi",
    "send/2": "erlang:send(gate, hi)",
    "a timer": "timer:apply_after(0, persistent_term, put, [done, yes])",
    "the evaluator": 'erl_eval:expr({call,1,{remote,1,{atom,1,persistent_term},{atom,1,put}},[{atom,1,done},{atom,1,yes}]}, [])',
    "a nested shell": "shell:start()",
    "an interactive shell": "shell:start_interactive()",
    "stop_restricted": "shell:stop_restricted()",
    "start_restricted": "shell:start_restricted(lists)",
    "environment": "application:unset_env(stdlib, restricted_shell)",
    "prompt": "application:set_env(stdlib, shell_prompt_func, default)",
    "group leader": "group_leader(whereis(user), self())",
    "dictionary": "put(restricted_shell_state, [])",
    "a definition that is evaluated": f'fd(x, begin {EFFECT}, fun() -> ok end end, "x")',
    "a defined function": f"x() -> {EFFECT}",
    "records of a file": 'rr("/etc/passwd")',
    "compile": 'c("/tmp/none")',
    "list files": "ls()",
    "load": "l(lists)",
    "messages": "flush()",
    "commands of the system": 'os:cmd("true")',
    "halt": "halt()",
    "stop": "init:stop()",
    "q": "q()",
    "history": "history(1000000)",
    "catch_exception": "catch_exception(true)",
    "receive": "receive F -> F() after 0 -> ok end",
    "query": f"qlc:q([{EFFECT} || _ <- [1]])",
    "a stored fun": "[{_, S}] = ets:lookup(shelf, stored), S()",
    "code from a binary": "(binary_to_term(<<131,100,0,1,97>>))",
}
HARMLESS = {"a process of that function", "in a process"}
"""What is refused in a process of its own is not said in the shell."""


def text(answer: str) -> str:
    """What a terminal shows, without how."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", answer)


class Shell:
    """A remote shell."""

    def __init__(self, say: Callable[[str, str], str]) -> None:
        self.say, self.number = say, 1
        self.greeting = text(say("", "1>"))

    def type(self, line: str, *, counts: bool = True) -> str:
        """What the shell answers to a line; ``counts`` if it has a number of its own."""
        self.number += counts
        return text(self.say(f"{line}.", f"){self.number}>"))


@contextmanager
def remote(scene: Scene, cookie: str = ENTRY.cookie, name: str = FOO) -> Iterator[Shell]:
    """`erl -remsh` on a terminal of a peer."""
    otp = os.environ.get("DISTWALL_PEER_OTP")
    command = ["erl", "-start_epmd", "false", "-name", name, "-setcookie", cookie, "-remsh", GUARD]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/tmp" if otp else str(scene.folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "ERL_EPMD_PORT": str(scene.epmd_port),
    }
    with terminal([*(["chroot", otp] if otp else []), *command], environment, scene.folder) as say:
        yield Shell(say)


@contextmanager
def restricted(*entries: Peer) -> Iterator[tuple[Scene, Node]]:
    """A guarded node whose peers have restricted shells."""
    with Scene([*entries], extra='node = "distwall@127.0.0.1"\n') as scene:
        config = scene.wall.config
        config.write_text(config.read_text().replace("[guard]\n", "[guard]\nrestricted_shell = true\n"))
        with guarded.node(scene) as bar:
            prepare(bar)
            yield scene, bar


def prepare(bar: Node) -> None:
    """What the ways are about: a term to write, one to erase, a process to reach, a fun that the node has stored itself."""
    bar.eval("persistent_term:put(kept, yes), probe:collector(gate)")
    bar.eval(
        "Shelf = spawn(fun() -> ets:new(shelf, [named_table, public]), receive stop -> ok end end), register(shelf, Shelf)"
    )
    scanned = 'erl_parse:parse_exprs(element(2, erl_scan:string("fun() -> persistent_term:put(done, yes) end.")))'
    bar.wait_until("ets:whereis(shelf) =/= undefined")
    bar.eval(
        f"{{ok, E}} = {scanned}, {{value, F, _}} = erl_eval:exprs(E, []), ets:insert(shelf, {{stored, F}}),"
        " ets:insert(shelf, {number, 7})"
    )


def effects(bar: Node) -> str:
    """What has happened on the guarded node."""
    return bar.eval("{persistent_term:get(done, no), persistent_term:get(kept, no), probe:got(gate)}")


def test_no_way_round() -> None:
    with restricted(ENTRY) as (scene, bar), remote(scene) as shell:
        before = bar.eval("[application:get_all_env(stdlib), whereis(user)]")
        for way, line in WAYS.items():
            said = shell.type(line, counts=counted(line))
            print(way, '=>', said)
            assert effects(bar) == "{no,yes,[]}", way
            shell.type("f()")
        assert bar.eval("[application:get_all_env(stdlib), whereis(user)]") == before


def counted(line: str) -> bool:
    """Whether a line is evaluated at all."""
    return not line.startswith(("receive", "x() ->"))


def complaint(said: str) -> bool:
    """Whether the shell says that it does not take such a line."""
    return "* distwall: this shell receives no messages" in said or "* syntax error" in said
