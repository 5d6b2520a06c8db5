"""What a peer's shell on a guarded node may call, typed into real remote shells."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support import guarded, raw_peer
from tests.support.attack_scene import HIDDEN
from tests.support.dist import Op, message
from tests.support.epmd import epmd_port
from tests.support.etf import Atom
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.terminal import terminal
from tests.support.wall import CLUSTER_COOKIE, Peer, launcher

FOO = "foo@127.0.0.1"
ALLOWED = [
    "lists:map/2",
    "lists:foreach/2",
    "lists:zipwith3/4",
    "maps:get/2",
    "erlang:self/0",
    "erlang:spawn/1",
    "erlang:spawn/3",
    "ets:lookup/2",
    "timer:sleep/1",
]
RULES = ["deny *", "accept ping", "accept remsh", *(f"accept call {function}" for function in ALLOWED)]
ENTRY = Peer(RULES)
WITH_FUNS = Peer(RULES, extra="funs = true")
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
    "maybe": f"maybe 1 ?= {EFFECT} end",
    "as the number of a line": f"v({EFFECT})",
    "hibernate": "erlang:hibernate(persistent_term, put, [done, yes])",
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
    "a process of that function, as a fun": "(fun erlang:spawn/3)(persistent_term, put, [done, yes])",
    "what starts processes, given away": "lists:zipwith3(fun erlang:spawn/3, [persistent_term], [put], [[done, yes]])",
    "apply, given away": "lists:zipwith3(fun erlang:apply/3, [persistent_term], [put], [[done, yes]])",
    "another node": f"rpc:call('{GUARD}', persistent_term, put, [done, yes])",
    "a message": "gate ! hi",
    "a message to a node": f"{{gate, '{GUARD}'}} ! hi",
    "send/2": "erlang:send(gate, hi)",
    "a timer": "timer:apply_after(0, persistent_term, put, [done, yes])",
    "the evaluator": "erl_eval:expr({call,1,{remote,1,{atom,1,persistent_term},{atom,1,put}},"
    " [{atom,1,done},{atom,1,yes}]}, [])",
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
    "a name made of text": '(list_to_atom([$p | "ersistent_term"])):put(done, yes)',
    "a fun made of names": "(erlang:make_fun(persistent_term, put, 2))(done, yes)",
    "a result that is a fun": "F = fun persistent_term:put/2, F(done, yes)",
    "a fun that hides its name": "(fun H(H) -> H(done, yes) end)(fun persistent_term:put/2)",
    "a process of a process": "spawn(erlang, spawn, [persistent_term, put, [done, yes]])",
    "a process with options": "spawn_opt(persistent_term, put, [done, yes], [])",
    "a request for a process": "spawn_request(persistent_term, put, [done, yes])",
    "an error's formatter": "erlang:raise(error, done, [{m, f, [], [{error_info, #{module => persistent_term,"
    " function => put}}]}])",
    "an error's formatter, caught": "catch erlang:raise(error, done, [{m, f, [], [{error_info,"
    " #{module => persistent_term, function => put}}]}])",
    "a refusal that is caught": f"try {EFFECT} catch _:_ -> ok after {EFFECT} end",
    "the end of a line": f"1, % all that is read\n{EFFECT}",
    "the own modules": "distwall_calls:wrap(x)",
    "the own node": f"distwall:add_filter('{FOO}', call, '_', accept)",
    "bounds": "erase()",
    "a record": "rd(point, {x, y})",
    "forget a record": "rf(point)",
    "a record of a module": "#file_info{}",
    "show records": "rl()",
    "an input of the terminal": 'io:read("")',
    "a macro": "?MODULE",
}
SILENT = "in a process"
"""What is refused in another process is not said in the shell."""


def shown(answer: str) -> str:
    """What a terminal shows, without how."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", answer)


class Shell:
    """A remote shell."""

    def __init__(self, say: Callable[[str, str], str]) -> None:
        self.say, self.number = say, 1
        self.greeting = shown(say("", "1>"))

    def type(self, line: str) -> str:
        """What the shell answers to a line."""
        self.number += 1
        return shown(self.say(f"{line}.", f"){self.number}>"))


@contextmanager
def remote(scene: Scene) -> Iterator[Shell]:
    """`erl -remsh` on a terminal of a peer."""
    otp = os.environ.get("DISTWALL_PEER_OTP")
    command = ["erl", "-start_epmd", "false", "-name", FOO, "-setcookie", ENTRY.cookie, "-remsh", GUARD]
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
def guarding(entry: Peer, *, restricted: bool = True) -> Iterator[tuple[Scene, Node]]:
    """A guarded node, whose peers have restricted shells or not."""
    with Scene([entry], extra='node = "distwall@127.0.0.1"\n', start=False) as scene:
        restrict(scene, restricted=restricted)
        scene.wall.start()
        with guarded.node(scene) as bar:
            prepare(bar)
            yield scene, bar


def restrict(scene: Scene, *, restricted: bool) -> None:
    """Writes it into the policy."""
    config = scene.wall.config
    config.write_text(
        config.read_text().replace("[guard]\n", f"[guard]\nrestricted_shell = {str(restricted).lower()}\n")
    )


def prepare(bar: Node) -> None:
    """What the ways are about: a term to write, one to erase, a process to reach, a fun that the node keeps itself."""
    bar.eval("persistent_term:put(kept, yes), probe:collector(gate)")
    bar.eval("spawn(fun() -> ets:new(shelf, [named_table, public]), receive stop -> ok end end)")
    bar.wait_until("ets:whereis(shelf) =/= undefined")
    bar.eval(f"ets:insert(shelf, [{{stored, fun() -> {EFFECT} end}}, {{number, 7}}])")


def effects(bar: Node) -> str:
    """What has happened on the guarded node."""
    return bar.eval("{persistent_term:get(done, no), persistent_term:get(kept, no), probe:got(gate)}")


UNLIKE = {
    "an error's formatter",
    "an error's formatter, caught",
    "the end of a line",
    "query",
    "a defined function",
    "deep in an argument",
    "maybe",
    "as the number of a line",
    "hibernate",
}
"""What does nothing in OTP's shell either, or not in that of each release."""

NOTHING = "{no,yes,[]}"


@pytest.mark.parametrize("entry", [ENTRY, WITH_FUNS], ids=["without funs", "with funs"])
def test_there_is_no_way_round(entry: Peer) -> None:
    with guarding(entry) as (scene, bar), remote(scene) as shell:
        state = (
            "{lists:sort(application:get_all_env(stdlib)), whereis(user), process_info(whereis(user), group_leader)}"
        )
        before = bar.eval(state)
        for way, line in WAYS.items():
            said = shell.type(line)
            assert any(word in said for word in REFUSALS) or way == SILENT, f"{way}: {said}"
            assert effects(bar) == NOTHING, way
            shell.type("f()")
        assert bar.eval(state) == before


REFUSALS = ("is refused: ", "* syntax error")


def test_the_same_ways_work_where_shells_are_not_restricted() -> None:
    """Those that only write, erase or send."""
    with guarding(WITH_FUNS, restricted=False) as (scene, bar), remote(scene) as shell:
        worked = []
        for way, line in WAYS.items():
            if not re.search(r"persistent_term|gate|S\(\)", line) or way in UNLIKE:
                continue
            if (
                way == "a definition that is evaluated"
                and bar.number("list_to_integer(erlang:system_info(otp_release))") < 26
            ):
                continue
            shell.type(line)
            bar.wait_until(
                f"{{persistent_term:get(done, no), persistent_term:get(kept, no), probe:got(gate)}} =/= {NOTHING}"
            )
            worked.append(way)
            bar.eval("persistent_term:erase(done), persistent_term:put(kept, yes), exit(whereis(gate), kill)")
            bar.wait_until("whereis(gate) =:= undefined")
            bar.eval("probe:collector(gate)")
            shell.type("f()")
        assert len(worked) > 30


def test_what_the_policy_accepts_can_be_called() -> None:
    with guarding(ENTRY) as (scene, _), remote(scene) as shell:
        assert "what this shell may call" in shell.greeting
        for line, answer in (
            ("ets:lookup(shelf, number)", "[{number,7}]"),
            ("1 + 2 * 3", "7"),
            ("[A | B] = [1, 2, 3]", "[1,2,3]"),
            ("[X * 2 || X <- [A | B], X > 1]", "[4,6]"),
            ("lists:map(fun(X) -> X + A end, B)", "[3,4]"),
            ("F = fun F(0) -> 1; F(N) -> N * F(N - 1) end, F(20)", "2432902008176640000"),
            ("apply(maps, get, [a, #{a => found}])", "found"),
            ("(fun maps:get/2)(a, #{a => found})", "found"),
            ("v(1)", "[{number,7}]"),
            ("v(-8)", "7"),
            ("b()", "B = [2,3]"),
            ("f(A)", "ok"),
            ("A", "variable 'A' is unbound"),
            ("1 = 2", "no match of right hand side value 2"),
            ("lists:map(1, 2)", "no function clause matching lists:map(1,2)"),
            ("catch throw(x)", "\nx\n"),
            ("help()", "accept call M:F/A"),
            ("spawn(lists, foreach, [fun(_) -> ok end, []])", "<0."),
        ):
            said = shell.type(line)
            assert answer in said, f"{line}: {said}"
        shell.say("timer:sleep(infinity).", "infinity")
        shell.say("\x07", "-->")
        shell.say("i", "-->")
        assert "** interrupted" in shown(shell.say("c", f"){shell.number + 1}>"))


def test_a_change_of_the_policy_holds_from_the_next_call_on() -> None:
    with guarding(ENTRY) as (scene, bar), remote(scene) as shell:
        assert "{number,7}" in shell.type("ets:lookup(shelf, number)")
        bar.eval(f"distwall:add_filter('{FOO}', call, {{ets, lookup, 2}}, deny)")
        assert "is refused: the policy" in shell.type("ets:lookup(shelf, number)")
        assert "is refused: the policy" in shell.type("ets:member(shelf, number)")
        bar.eval(f"distwall:add_filter('{FOO}', call, {{ets, member, 2}}, accept)")
        assert "true" in shell.type("ets:member(shelf, number)")
        bar.eval("application:set_env(distwall, node, 'nobody@127.0.0.1')")
        assert "is refused: distwall can't be asked" in shell.type("ets:member(shelf, number)")


def test_rules_about_arguments_do_not_accept() -> None:
    rules = [
        "accept call ets:member/2 when [shelf, _]",
        "accept call ets:info/2",
        "deny call ets:info/2 when [other, _]",
    ]
    with guarding(Peer([*RULES, *rules])) as (scene, _), remote(scene) as shell:
        assert "ets:member/2 is refused: the policy does not accept it" in shell.type("ets:member(shelf, number)")
        assert "ets:info/2 is refused: the policy refuses it for some" in shell.type("ets:info(other, size)")


BOUNDED = {
    "(fun F() -> F() end)()": "what takes so long is refused",
    "(fun F(L) -> F(L ++ L) end)([1])": "so much memory is refused",
    "(fun F(N) -> 1 + F(N) end)(1)": "so much memory is refused",
    "(fun F(L) -> F([<<0:8000000>> | L]) end)([])": "so much memory is refused",
    "<<0:100000000000>>": "a binary is refused",
    "1 bsl 1000000000": "a system limit has been reached",
    "(fun F(X, 0) -> X; F(X, N) -> F({X, X}, N - 1) end)(1, 60)": "a term is refused",
    "throw((fun F(X, 0) -> X; F(X, N) -> F({X, X}, N - 1) end)(1, 60))": "a term is refused",
    "#{(fun F(X, 0) -> X; F(X, N) -> F({X, X}, N - 1) end)(1, 60) => 1}": "a term is refused",
    "(fun F() -> spawn(F), F() end)()": "is refused: ",
}


def test_bounds_end_the_line_and_not_the_shell() -> None:
    with guarding(ENTRY) as (scene, bar), remote(scene) as shell:
        for line, answer in BOUNDED.items():
            # Lines are shown wrapped.
            assert answer in shell.type(line)[-3000:], line
        assert "\n7\n" in shell.type("3 + 4")
        assert bar.number("erlang:memory(total)") < 400_000_000


FORMATTED = (
    "erlang:raise(error, [{stdlib, [{poc, 1}]}], [{m, f, [],"
    " [{error_info, #{module => application, function => set_env}}]}])"
)
"""The stack names a formatter that has an effect."""


def test_where_shells_are_not_restricted_an_error_calls_what_it_names() -> None:
    with guarding(WITH_FUNS, restricted=False) as (scene, bar), remote(scene) as shell:
        shell.say(f"{FORMATTED}.", "terminated!")
        assert bar.eval("application:get_env(stdlib, poc)") == "{ok,1}"


def test_an_error_is_printed_without_calling_what_it_names() -> None:
    line = FORMATTED
    with guarding(Peer([*RULES, "accept call erlang:raise/3"])) as (scene, bar), remote(scene) as shell:
        assert "** exception error: [{stdlib,[{poc,1}]}]" in shell.type(line)
        assert "[{stdlib,[{poc,1}]}]" in shell.type(f"catch {line}")
        assert bar.eval("application:get_env(stdlib, poc)") == "undefined"


def test_what_is_typed_may_span_lines_and_hold_odd_characters() -> None:
    with guarding(ENTRY) as (scene, _), remote(scene) as shell:
        shell.say("[1, % a comment", "a comment")
        assert "[1,2]" in shell.type(" 2]")
        assert "[955,10]" in shell.type("[$λ, $\\n]")
        assert "* " in shell.type("1 + ")
        assert "[1,2]" in shell.type("v(1)")
        assert "true" in shell.type(f"{'7' * 200} > 1")
        history = shell.type("h()")
        assert "1: [1, 2]" in history
        assert "...\n-> true" in history
        assert "-> [955,10]" in history


@pytest.mark.parametrize("leader", ["the first process", "a process"])
def test_a_shell_whose_terminal_is_on_the_node_is_refused(leader: str) -> None:
    """Its group leader would be a process of the node's own, which no rule on calls opens."""
    with guarding(ENTRY) as (scene, bar):
        bar.eval("probe:collector(leader)")
        number = 0 if leader == "the first process" else int(bar.eval("whereis(leader)").strip("<>").split(".")[1])
        node = raw_peer.RawPeer(FOO, ENTRY.cookie.encode(), HIDDEN)
        with node.connect(("127.0.0.2", epmd_port("bar", ("127.0.0.2", scene.epmd_port)) or 0)) as peer:
            ref = peer.ref()
            start = [ref, Atom("shell"), Atom("start"), []]
            mfa = (Atom("erpc"), Atom("execute_call"), 4)
            request = (ref, peer.pid(), peer.their_pid(number), mfa, [Atom("monitor")])
            peer.send(message(Op.SPAWN_REQUEST, *request, payload=start))
            assert peer.wait_for(Op.SPAWN_REPLY).args["result"] == "not_allowed"
        assert bar.eval("probe:got(leader)") == "[]"


@pytest.mark.parametrize("leader", ["init", "leader"])
def test_without_distwall_a_shell_talks_to_whatever_terminal_it_is_given(leader: str) -> None:
    """The control: the shell starts, and the process on the node is asked for lines, or nobody refuses."""
    with Scene(None) as scene, scene.guard() as bar:
        bar.eval("probe:collector(leader)")
        node = raw_peer.RawPeer(FOO, CLUSTER_COOKIE.encode(), HIDDEN)
        with node.connect(("127.0.0.2", epmd_port("bar", ("127.0.0.2", scene.epmd_port)) or 0)) as peer:
            number = int(bar.eval(f"whereis({leader})").strip("<>").split(".")[1])
            ref = peer.ref()
            mfa = (Atom("erpc"), Atom("execute_call"), 4)
            request = (ref, peer.pid(), peer.their_pid(number), mfa, [Atom("monitor")])
            peer.send(message(Op.SPAWN_REQUEST, *request, payload=[ref, Atom("shell"), Atom("start"), []]))
            assert peer.wait_for(Op.SPAWN_REPLY).args["result"] != "not_allowed"
            if leader == "leader":
                bar.wait_until("[asked || {io_request, _, _, _} <- probe:got(leader)] =/= []")


@pytest.mark.parametrize("victim", range(2))
def test_when_a_part_of_it_ends_all_ends(victim: int) -> None:
    """The shell itself, or its reader."""
    with guarding(ENTRY) as (scene, bar), remote(scene) as shell:
        shell.type("1")
        parts = f"[P || P <- processes(), {{group_leader, G}} <- [process_info(P, group_leader)], node(G) =:= '{FOO}']"
        assert bar.eval(f"length({parts})") == "2"
        bar.eval(f"exit(lists:nth({victim + 1}, {parts}), kill)")
        bar.wait_until(f"{parts} =:= []")
        shell.say("", "terminated!")


def test_nothing_remains_of_a_shell_whose_terminal_is_gone() -> None:
    with guarding(ENTRY) as (scene, bar):
        before = bar.number("length(processes())")
        with remote(scene) as shell:
            shell.type("1")
            shell.say("timer:sleep(infinity).", "infinity")
        theirs = "[P || P <- processes(), {group_leader, G} <- [process_info(P, group_leader)], node(G) =/= node()]"
        bar.wait_until(f"{theirs} =:= []")
        bar.wait_until(f"length(processes()) =< {before} + 4")


HOSTILE = f"""
Fun = fun() -> {EFFECT} end,
Called = [{{'(', 1}}, {{integer, 1, Fun}}, {{')', 1}}, {{'(', 1}}, {{')', 1}}, {{dot, 1}}],
Applied = [{{atom, 1, apply}}, {{'(', 1}}, {{integer, 1, Fun}},
    {{',', 1}}, {{'[', 1}}, {{']', 1}}, {{')', 1}}, {{dot, 1}}],
Odd = [[{{integer, 1}}], x, [{{atom, 1, 2}}, {{dot, 1}}], [{{var, 1, {{}}}}, {{dot, 1}}]],
Lines = [Called, Applied | Odd] ++ [[{{integer, 1, 1}}, {{dot, 1}}]],
Self = self(),
Terminal = spawn(fun() -> (fun Loop(Left) ->
    receive
        {{io_request, From, Ref, {{get_until, _, _, _, _, _}}}} when Left =/= [] ->
            From ! {{io_reply, Ref, {{ok, hd(Left), {{1, 1}}}}}}, Loop(tl(Left));
        {{io_request, _, _, {{get_until, _, _, _, _, _}}}} -> Self ! asked_for_more, Loop(Left);
        {{io_request, From, Ref, getopts}} -> From ! {{io_reply, Ref, []}}, Loop(Left);
        {{io_request, From, Ref, _}} -> From ! {{io_reply, Ref, ok}}, Loop(Left)
    end end)(Lines) end),
Old = group_leader(), group_leader(Terminal, self()),
erpc:call('{GUARD}', shell, start, []),
group_leader(Old, self()),
receive asked_for_more -> ok after 10000 -> late end
"""


@pytest.mark.parametrize(("restricted", "happened"), [(True, "no"), (False, "yes")])
def test_a_terminal_may_answer_what_no_terminal_does(restricted: bool, happened: str) -> None:
    """With funs among the tokens that were made where nothing is restricted, and tokens that are none."""
    with guarding(WITH_FUNS, restricted=restricted) as (scene, bar):
        foo = scene.peer()
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        if restricted:
            assert foo.eval(HOSTILE, timeout=30) == "ok"
        else:
            foo.begin(HOSTILE)
            bar.wait_until("persistent_term:get(done, no) =:= yes")
        assert bar.eval("persistent_term:get(done, no)") == happened


LOCAL = [
    "X = persistent_term:put(done, yes).",
    "apply(fun persistent_term:get/1, [done]).",
    '[os:getenv(Name, none) || Name <- ["NONE"]].',
    "F = fun(A) -> A + 1 end, F(1).",
    "lists:map(F, [1, 2]).",
    "P = self(), spawn(fun() -> P ! erlang:system_info(process_limit) > 0 end), receive M -> M end.",
    "rd(point, {x, y}).",
    "#point{x = 1}.",
    "exit(gone).",
    "b().",
    "1/0.",
    "application:get_env(stdlib, none).",
]


@pytest.mark.skipif(guarded.GUARD_OTP is not None, reason="the shell of this host's OTP")
def test_the_nodes_own_shells_stay_as_they_are() -> None:
    said = []
    for restricted in (True, False):
        with Scene([ENTRY], extra='node = "distwall@127.0.0.1"\n') as scene:
            restrict(scene, restricted=restricted)
            command = [*launcher(scene.wall.config), "erl", "-name", GUARD, "-setcookie", CLUSTER_COOKIE]
            done = subprocess.run(
                command,
                input="\n".join(LOCAL) + "\n",
                env=guarded.environment(scene),
                cwd=scene.folder,
                stdout=subprocess.PIPE,
                text=True,
                timeout=60,
                check=True,
            )
            said.append(re.sub(r"<0\.\d+\.0>", "<pid>", done.stdout.partition("(abort")[2]))
    assert said[0].count(f"({GUARD})") == len(LOCAL) + 1
    assert said[0] == said[1]
