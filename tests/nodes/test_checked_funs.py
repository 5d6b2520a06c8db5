"""``funs = "checked"``: funs of a peer's shell run on the guarded node, and each of their calls is judged there."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from distwall.etf import Fun as Sample
from distwall.etf import decode
from tests.support import guarded, raw_peer
from tests.support.attack_scene import HIDDEN
from tests.support.dist import Op, message
from tests.support.epmd import epmd_port
from tests.support.etf import Atom, Export, Fun, Map, Term, encode
from tests.support.node import Node
from tests.support.raw_peer import Connection
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

A = Atom
FOO = "foo@127.0.0.1"
EFFECT = "persistent_term:put(done, yes)"
ACCEPTED = [
    *("inventory:touch/1", "inventory:touched/0", "erlang:nodes/0", "erpc:multicast/2", "lists:map/2", "lists:max/1"),
    *(
        "erlang:spawn/1",
        "erlang:spawn/3",
        "erlang:'!'/2",
        "ets:insert/2",
        "ets:lookup/2",
        "timer:sleep/1",
        "lists:foreach/2",
    ),
]
RULES = ["deny *", "accept ping", "accept reg_send target", *(f"accept call {function}" for function in ACCEPTED)]
CHECKED = Peer(RULES, extra='funs = "checked"')


@contextmanager
def guarding(entry: Peer) -> Iterator[tuple[Scene, Node]]:
    with Scene([entry], extra='node = "distwall@127.0.0.1"\n') as scene, guarded.node(scene) as bar:
        bar.load("inventory")
        bar.eval("probe:collector(target)")
        bar.eval("spawn(fun() -> ets:new(shelf, [named_table, public]), receive stop -> ok end end)")
        bar.wait_until("ets:whereis(shelf) =/= undefined")
        bar.eval(f"ets:insert(shelf, [{{stored, fun() -> {EFFECT} end}}, {{export, fun persistent_term:erase/1}}])")
        bar.eval("persistent_term:put(kept, yes)")
        yield scene, bar


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[Scene, Node, Node]]:
    with guarding(CHECKED) as (scene, bar), scene.peer() as foo:
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        yield scene, bar, foo


def nothing(bar: Node) -> bool:
    """True if no effect that the policy does not accept is to be seen."""
    return bar.eval("{persistent_term:get(done, no), persistent_term:get(kept, no)}") == "{no,yes}"


RUN = {
    "a value": ("fun() -> {1, [two], <<3>>, #{four => 5.0}} end", "{1,[two],<<3>>,#{four => 5.0}}"),
    "a call": ("fun() -> inventory:touch(1) end", "1"),
    "a variable": ("begin X = 20, fun() -> X + 1 end end", "21"),
    "a fun in a variable": ("begin F = fun(X) -> X * 2 end, fun() -> F(21) end end", "42"),
    "a fun given to a function": ("begin F = fun(X) -> X * 2 end, fun() -> lists:map(F, [1, 2]) end end", "[2,4]"),
    "a fun made there": ("fun() -> lists:map(fun(X) -> X + 1 end, [1, 2]) end", "[2,3]"),
    "recursion": ("fun() -> (fun H(0) -> done; H(N) -> H(N - 1) end)(1000) end", "done"),
    "an export": ("fun() -> lists:map(fun lists:max/1, [[1, 2], [3]]) end", "[2,3]"),
    "an export in a variable": ("begin F = fun lists:max/1, fun() -> F([1, 7]) end end", "7"),
    "a name made at run time": ("begin M = lists, fun() -> M:max([1, 8]) end end", "8"),
    "patterns and guards": (
        (
            "fun() -> (fun([H | _] = L, #{k := V}) when is_list(L), length(L) > 1; V =:= x -> {H, V} end)"
            '("ab", #{k => 1}) end'
        ),
        "{97,1}",
    ),
    "comprehensions": (
        "fun() -> {[X || X <- [1, a], is_atom(X)], << <<(X + 1)>> || <<X>> <= <<1, 2>> >>} end",
        "{[a],<<2,3>>}",
    ),
    "exceptions": ("fun() -> try error(x) catch error:R:S -> {R, S} after ok end end", "{x,[]}"),
    "processes and messages": (
        "fun() -> S = self(), spawn(fun() -> S ! {self(), hello} end), receive {_, M} -> M after 5000 -> none end end",
        "hello",
    ),
    "a fun of another process": (
        (
            "fun() -> S = self(), spawn(lists, foreach, [fun(X) -> S ! X end, [got]]),"
            " receive M -> M after 5000 -> none end end"
        ),
        "got",
    ),
    "binaries": ("fun() -> <<N, D:N/binary, R/bits>> = <<2, 1, 2, 3:4>>, {N, D, R} end", "{2,<<1,2>>,<<3:4>>}"),
}


@pytest.mark.parametrize("name", RUN)
def test_what_the_policy_accepts_runs(ground: tuple[Scene, Node, Node], name: str) -> None:
    _, _, foo = ground
    fun, value = RUN[name]
    assert foo.eval(f"erpc:call('{GUARD}', {fun})") == value


REFUSED = {
    "the proposal's line": ("fun H() -> erpc:multicast(nodes(), H), erlang:halt(1) end", "erlang:halt/1"),
    "a call": (f"fun() -> {EFFECT} end", "persistent_term:put/2"),
    "without a module": ("fun() -> halt(1) end", "erlang:halt/1"),
    "in a list": (f"fun() -> [1, {EFFECT} | []] end", "persistent_term:put/2"),
    "as a map's key": (f"fun() -> #{{{EFFECT} => 1}} end", "persistent_term:put/2"),
    "in a binary": (f"fun() -> <<({EFFECT}):8>> end", "persistent_term:put/2"),
    "as a size": (f"fun() -> <<1:({EFFECT})>> end", "persistent_term:put/2"),
    "in a generator": (f"fun() -> [X || X <- {EFFECT}] end", "persistent_term:put/2"),
    "in a filter": (f"fun() -> [X || X <- [1], {EFFECT}] end", "persistent_term:put/2"),
    "caught": (f"fun() -> catch {EFFECT} end", "persistent_term:put/2"),
    "tried": (f"fun() -> try {EFFECT} catch _:_ -> caught end end", "persistent_term:put/2"),
    "after": (f"fun() -> try ok after {EFFECT} end end", "persistent_term:put/2"),
    "a time": (f"fun() -> receive after {EFFECT} -> ok end end", "persistent_term:put/2"),
    "in a fun given away": (f"fun() -> lists:map(fun(_) -> {EFFECT} end, [1]) end", "persistent_term:put/2"),
    "an export given away": ("fun() -> lists:map(fun persistent_term:erase/1, [kept]) end", "persistent_term:erase/1"),
    "an export in a variable": (
        "begin F = fun persistent_term:erase/1, fun() -> F(kept) end end",
        "persistent_term:erase/1",
    ),
    "an export in an element": (
        "begin F = #{k => [{fun persistent_term:erase/1}]}, fun() -> ets:insert(shelf, {x, F}) end end",
        "persistent_term:erase/1",
    ),
    "a fun in a variable": (f"begin F = fun() -> {EFFECT} end, fun() -> F() end end", "persistent_term:put/2"),
    "a fun in a variable given away": (
        f"begin F = fun(_) -> {EFFECT} end, fun() -> lists:map(F, [1]) end end",
        "persistent_term:put/2",
    ),
    "names from variables": ("begin M = persistent_term, fun() -> M:put(done, yes) end end", "persistent_term:put/2"),
    "apply": ("fun() -> apply(persistent_term, put, [done, yes]) end", "persistent_term:put/2"),
    "apply of apply": (
        "fun() -> apply(erlang, apply, [persistent_term, put, [done, yes]]) end",
        "persistent_term:put/2",
    ),
    "an atom made at run time": (
        'fun() -> (list_to_atom("persistent_term")):put(done, yes) end',
        "erlang:list_to_atom/1",
    ),
    "a process": ("fun() -> spawn(persistent_term, put, [done, yes]) end", "persistent_term:put/2"),
    "a process that starts one": (
        "fun() -> spawn(erlang, spawn, [persistent_term, put, [done, yes]]) end",
        "persistent_term:put/2",
    ),
    "multicast of a function": ("fun() -> erpc:multicast([node()], fun erlang:halt/0) end", "erlang:halt/0"),
    "the name of the fun, hidden": (
        "begin F = fun persistent_term:put/2, fun() -> (fun H(H) -> H(done, yes) end)(F) end end",
        "persistent_term:put/2",
    ),
    "a stored fun": ("fun() -> [{_, F}] = ets:lookup(shelf, stored), F() end", "persistent_term:put/2"),
    "a stored fun given away": (
        "fun() -> [{_, F}] = ets:lookup(shelf, export), lists:map(F, [kept]) end",
        "persistent_term:erase/1",
    ),
    "an endless loop": ("fun() -> (fun H() -> H() end)() end", "what takes so long"),
    "a big list": ("fun() -> (fun H(L) -> H(L ++ L) end)([1]) end", "killed"),
    "a big binary": ("fun() -> <<0:100000000000>> end", "a binary"),
    "a big integer": ("fun() -> 1 bsl 1000000000 end", "system_limit"),
    "a term that is larger than it seems": (
        "fun() -> (fun H(X, 0) -> [X] =:= [{X, X}]; H(X, N) -> H({X, X}, N - 1) end)(1, 60) end",
        "a term is refused",
    ),
    "what bounds it": ("fun() -> put('$distwall_part', x) end", "it bounds the evaluation"),
    "a wide fun": ("fun() -> fun(_, _, _, _, _, _, _, _, _, _) -> ok end end", "more than nine"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_policy_does_not_accept_is_refused_when_it_is_called(
    ground: tuple[Scene, Node, Node], name: str
) -> None:
    _, bar, foo = ground
    fun, why = REFUSED[name]
    said = foo.eval(f"catch erpc:call('{GUARD}', {fun})", timeout=60)
    assert why in said
    assert nothing(bar)


@pytest.mark.parametrize(
    "start",
    ["spawn('{}', {})", "erpc:cast('{}', {})", "proc_lib:spawn('{}', {})", "rpc:call('{}', erlang, apply, [{}, []])"],
)
def test_each_carrier_is_evaluated(ground: tuple[Scene, Node, Node], start: str) -> None:
    _, bar, foo = ground
    mark = len(start)
    foo.eval("catch " + start.format(GUARD, f"fun() -> inventory:touch({mark}) end"))
    bar.wait_until(f"lists:member({mark}, inventory:touched())")
    foo.eval("catch " + start.format(GUARD, f"fun() -> {EFFECT} end"))
    foo.eval(f"pong = net_adm:ping('{GUARD}'), timer:sleep(200)")
    assert nothing(bar)


@pytest.mark.parametrize(
    "line",
    [
        "{{target, '{}'}} ! {{run, fun() -> ok end}}",
        "catch erpc:call('{}', inventory, touch, [fun() -> ok end])",
        "catch erpc:call('{}', lists, map, [fun(X) -> X end, [1]])",
        "catch erpc:call('{}', timer, tc, [fun() -> inventory:touch(99) end])",
    ],
)
def test_funs_where_nobody_judges_them_are_refused(ground: tuple[Scene, Node, Node], line: str) -> None:
    _, bar, foo = ground
    foo.eval(line.format(GUARD))
    foo.eval(f"pong = net_adm:ping('{GUARD}'), timer:sleep(200)")
    assert bar.eval("probe:got(target)") == "[]"
    assert bar.eval("lists:member(99, inventory:touched())") == "false"


def test_a_fun_that_is_kept_is_its_peers_wherever_it_is_called(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    foo.eval(f"erpc:call('{GUARD}', fun() -> ets:insert(shelf, {{bad, fun() -> {EFFECT} end}}) end)")
    foo.eval(f"erpc:call('{GUARD}', fun() -> ets:insert(shelf, {{good, fun(X) -> lists:max(X) end}}) end)")
    foo.eval(f"erpc:call('{GUARD}', fun() -> ets:insert(shelf, {{given, fun(X) -> X end}}) end)")
    assert "persistent_term:put/2 is refused" in bar.eval("[{_, F}] = ets:lookup(shelf, bad), catch F()")
    assert bar.eval("[{_, F}] = ets:lookup(shelf, good), F([1, 3])") == "3"
    given = "[{_, F}] = ets:lookup(shelf, given), catch F(fun persistent_term:erase/1)"
    assert "persistent_term:erase/1 is refused" in bar.eval(given)
    assert nothing(bar)


def test_a_change_of_the_policy_holds_from_the_next_call_on(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    line = f"catch erpc:call('{GUARD}', fun() -> timer:sleep(1) end)"
    assert foo.eval(line) == "ok"
    bar.eval(f"distwall:add_filter('{FOO}', call, {{timer, sleep, 1}}, deny)")
    assert "timer:sleep/1 is refused" in foo.eval(line)
    bar.eval(f"distwall:del_filter('{FOO}', call, {{timer, sleep, 1}})")


@contextmanager
def forging(entry: Peer = CHECKED) -> Iterator[tuple[Node, Connection, Sample]]:
    """A peer that writes its own funs of erl_eval, from a real one."""
    with guarding(entry) as (scene, bar):
        made = bar.eval("base64:encode(term_to_binary(fun() -> ok end))").split('"')[1]
        sample, _ = decode(base64.b64decode(made), 1)
        assert isinstance(sample, Sample)
        node = raw_peer.RawPeer(FOO, entry.cookie.encode(), HIDDEN)
        with node.connect(("127.0.0.2", epmd_port("bar", ("127.0.0.2", scene.epmd_port)) or 0)) as connection:
            yield bar, connection, sample


BODY = (A("call"), 1, (A("remote"), 1, (A("atom"), 1, A("persistent_term")), (A("atom"), 1, A("put"))),
        [(A("atom"), 1, A("done")), (A("atom"), 1, A("yes"))])  # fmt: skip
ERASE = Export(A("persistent_term"), A("erase"), 1)


NONE, NO_VARIABLES = A("none"), Map()


def typed(body: Term, bindings: Term = NO_VARIABLES, handler: Term = NONE) -> tuple[Term, ...]:
    """What a fun of erl_eval holds, since OTP 25."""
    return 1, bindings, handler, handler, NO_VARIABLES, [(A("clause"), 1, [], [], [body])]


def called(function: Term) -> Term:
    return A("call"), 1, function, [(A("atom"), 1, A("kept"))]


GUARDED: Term = (A("clause"), 1, [], [[BODY]], [(A("atom"), 1, A("x"))])
FORGED: dict[str, tuple[Term, ...]] = {
    "an operator with a function's name": typed((A("op"), 1, A("halt"), (A("integer"), 1, 0))),
    "a handler of calls": typed(BODY, handler=(A("value"), Export(A("erlang"), A("apply"), 2))),
    "an atom that is a fun": typed(called((A("atom"), 1, ERASE))),
    "a value that is a fun": typed(called((A("value"), 1, ERASE))),
    "a call in a guard": typed((A("if"), 1, [GUARDED])),
    "a call in a pattern": typed((A("match"), 1, BODY, (A("atom"), 1, A("ok")))),
    "a form that nobody knows": typed((A("evil"), 1, BODY)),
    "clauses that are none": (*typed(BODY)[:5], A("clauses")),
    "variables that are none": typed(BODY, bindings=A("variables")),
    "as OTP 24 writes it": ([], A("none"), A("none"), typed(BODY)[5]),
    "too short": (1, Map(), A("none")),
}


def quoted(name: str) -> Term:
    return A("atom"), 1, A(name)


def bits(*sized: tuple[Term, Term]) -> Term:
    return A("bin"), 1, [(A("bin_element"), 1, value, size, A("default")) for value, size in sized]


PUT_IN_A_FUN: Term = (A("fun"), 1, (A("clauses"), [(A("clause"), 1, [], [], [BODY])]))
ERASE_IN_A_FUN = (
    *(A("fun"), 1),
    (A("function"), quoted("persistent_term"), quoted("erase"), (A("integer"), 1, 1)),
)
KEPT_IN_A_LIST = (A("cons"), 1, quoted("kept"), (A("nil"), 1))
BYTES_OF_ERASE = (A("string"), 1, [131, *encode(ERASE)])
BITES: dict[str, tuple[tuple[Term, ...], str]] = {
    "an operator that applies": (
        typed((A("op"), 1, A("apply"), ERASE_IN_A_FUN, KEPT_IN_A_LIST)),
        "persistent_term:erase/1 is refused",
    ),
    "an operator that spawns": (typed((A("op"), 1, A("spawn"), PUT_IN_A_FUN)), "the operator spawn/1 is refused"),
    "an operator that decodes": (
        typed(called((A("op"), 1, A("binary_to_term"), bits((BYTES_OF_ERASE, A("default")))))),
        "the operator binary_to_term/1 is refused",
    ),
    "a call with a fun for its place": (
        typed((A("call"), ERASE, (A("remote"), ERASE, quoted("persistent_term"), quoted("erase")), [quoted("kept")])),
        "persistent_term:erase/1 is refused",
    ),
    "a variable that is a fun": (
        typed(called((A("var"), 1, A("F"))), bindings=Map(((A("F"), ERASE),))),
        "persistent_term:erase/1 is refused",
    ),
    "the size of bits": (typed(bits(((A("integer"), 1, 1), BODY))), "persistent_term:put/2 is refused"),
    "the key of a map": (
        typed((A("map"), 1, [(A("map_field_assoc"), 1, BODY, quoted("x"))])),
        "persistent_term:put/2 is refused",
    ),
    "a fun with a name": (
        typed((A("call"), 1, (A("named_fun"), 1, A("H"), [(A("clause"), 1, [], [], [BODY])]), [])),
        "persistent_term:put/2 is refused",
    ),
}
"""Funs that have an effect where nobody looks, and what is said of each."""


def written(environment: tuple[Term, ...], connection: Connection, sample: Sample) -> Fun:
    names = (sample.arity, sample.uniq, sample.index, sample.old_index, sample.old_uniq)
    return Fun(A("erl_eval"), *names, connection.pid(), (environment,))


def test_forged_funs_do_no_more() -> None:
    with forging() as (bar, connection, sample):
        for name, (environment, said) in BITES.items():
            reply = connection.erpc("erlang", "apply", [written(environment, connection, sample), []])
            assert said in str(reply), name
            assert nothing(bar), name
        for name, environment in FORGED.items():
            fun = written(environment, connection, sample)
            connection.spawn("erlang", "apply", [fun, []])
            connection.erpc("erlang", "apply", [fun, []])
            assert nothing(bar), name
        # Nobody calls what stands in the place of a line number.
        placed = written(typed((A("atom"), ERASE, A("x"))), connection, sample)
        assert "'return', 'x'" in str(connection.erpc("erlang", "apply", [placed, []]))
        assert nothing(bar)
        # Through rex, OTP itself would run it.
        call = (A("call"), A("erlang"), A("apply"), [written(typed(BODY), connection, sample), []], A("user"))
        connection.send(message(Op.REG_SEND, connection.pid(), A(""), A("rex"), payload=(connection.pid(), call)))
        connection.receive(0.5)
        assert nothing(bar)


def test_forged_funs_have_their_effect_where_nobody_looks() -> None:
    with forging(Peer(["accept *"], extra="funs = true")) as (bar, connection, sample):
        for environment, _ in BITES.values():
            connection.erpc("erlang", "apply", [written(environment, connection, sample), []])
            bar.wait_until("{persistent_term:get(done, no), persistent_term:get(kept, no)} =/= {no,yes}")
            bar.eval("persistent_term:erase(done), persistent_term:put(kept, yes)")
        halting = written(FORGED["an operator with a function's name"], connection, sample)
        connection.spawn("erlang", "apply", [halting, []], wait=False)
        assert connection.is_closed(10)
        assert bar.wait(10) == 0


def test_without_distwalls_modules_nothing_runs() -> None:
    """The guarded node was started by other means than ``distwall exec``, and lacks the evaluator."""
    with Scene([CHECKED], extra='node = "distwall@127.0.0.1"\n') as scene, scene.guard() as bar, scene.peer() as foo:
        bar.eval("persistent_term:put(kept, yes)")
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        assert "distwall_gate" in foo.eval(f"catch erpc:call('{GUARD}', fun() -> {EFFECT} end)")
        foo.eval(f"spawn('{GUARD}', fun() -> {EFFECT} end), timer:sleep(300)")
        assert nothing(bar)
