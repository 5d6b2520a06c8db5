"""What a peer's code on a guarded node takes, imitates or starts beyond what its policy accepts."""

from collections.abc import Iterator

import pytest

from tests.support.guarded import evaluating
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

EFFECT = "persistent_term:put(done, yes)"
STARTS = {
    "proc_lib:spawn/3": "proc_lib:spawn(persistent_term, put, [done, yes])",
    "erpc:call/5": "erpc:call(node(), persistent_term, put, [done, yes], 1000)",
    "erpc:send_request/4": "erpc:send_request(node(), persistent_term, put, [done, yes])",
    "rpc:call/5": "rpc:call(node(), persistent_term, put, [done, yes], 1000)",
    "erlang:spawn_opt/4": "spawn_opt(persistent_term, put, [done, yes], [])",
    "timer:apply_after/5": "timer:apply_after(0, node(), persistent_term, put, [done, yes])",
}
ACCEPTED = [
    *("erlang:'!'/2", "erlang:make_ref/0", "lists:_/_", "maps:_/_", "timer:sleep/1", "erpc:multicast/2"),
    *("erlang:get/0", "erlang:get/1", "erlang:process_flag/2", "atomics:_/_", "ets:insert/2", "ets:lookup/2"),
    *STARTS,
]
DOUBLE = "(fun H(X, 0) -> X; H(X, N) -> H({X, X}, N - 1) end)"


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[Scene, Node, Node]]:
    rules = ["deny *", "accept ping", *(f"accept call {function}" for function in ACCEPTED)]
    with evaluating(Peer(rules, extra='funs = "checked"')) as (scene, bar, foo):
        bar.eval("spawn(fun() -> ets:new(shelf, [named_table, public]), receive stop -> ok end end)")
        bar.wait_until("ets:whereis(shelf) =/= undefined")
        yield scene, bar, foo


FORGERY = f"""
G = '{GUARD}',
P = spawn(G, fun() -> receive go -> {EFFECT} end end),
R = erpc:call(G, fun() -> make_ref() end),
B = term_to_binary(R), Pre = size(B) - 12, <<H:Pre/binary, W0:32, W1:32, W2:32>> = B,
Refs = [binary_to_term(<<H/binary, (W0 + I):32, W:32, W2:32>>) || I <- lists:seq(1, 60), W <- [W1, W1 bor 16#10000]],
Yes = {{ok, #{{verdict => accept, special => []}}}},
Msgs = lists:append([[{{[alias | Ref], Yes}}, {{[alias | Ref], {{ok, accept}}}}, {{Ref, look}}, {{Ref, 1}},
                      {{'DOWN', Ref, process, self(), {{returned, accept}}}}] || Ref <- Refs]),
catch erpc:call(G, fun() ->
    All = [go | (fun L(X, 0) -> X; L(X, N) -> L(X ++ X, N - 1) end)(Msgs, 3)],
    lists:zipwith(fun erlang:'!'/2, lists:duplicate(length(All), P), All), ok end)
"""


def test_an_answer_of_distwall_cannot_be_imitated(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    for _ in range(5):
        assert foo.eval(FORGERY, timeout=60) == "ok"
        foo.eval("timer:sleep(100)")
        assert bar.eval("persistent_term:get(done, no)") == "no"
    # The same process, if the policy accepts what it does.
    bar.eval("distwall:add_filter('foo@127.0.0.1', call, {persistent_term, put, 2}, accept)")
    foo.eval(FORGERY, timeout=60)
    bar.wait_until("persistent_term:get(done, no) =:= yes")
    bar.eval("distwall:del_filter('foo@127.0.0.1', call, {persistent_term, put, 2}), persistent_term:erase(done)")


COMPILED = (
    "(fun() -> {ok, _, Beam} = compile:forms([{attribute, 1, module, made}, {attribute, 1, export, [{f, 0}]},"
    " {function, 1, f, 0, [{clause, 1, [], [], [{'fun', 1, {clauses, [{clause, 1, [{var, 1, 'X'}], [],"
    " [{var, 1, 'X'}]}]}}]}]}]), code:load_binary(made, [], Beam), made:f() end)()"
)
"""A fun of compiled code of the peer's."""

REFUSED = {
    "a refusal made up, with a large term": (
        f"fun() -> exit({{distwall_refused, {DOUBLE}(x, 29)}}) end",
        "a term is refused",
    ),
    "a large integer, many times": (
        "fun() -> X = 1 bsl 65000, (fun H(L, 0) -> L; H(L, N) -> H(L ++ L, N - 1) end)([X], 12) end",
        "a term is refused",
    ),
    "large segments": (f'fun() -> <<"{"a" * 50}":134217728>> end', "a binary is refused"),
    "large segments in a guard": (
        f'fun() -> if <<"{"a" * 50}":134217728>> =:= <<>> -> 1; true -> 2 end end',
        "a binary is refused",
    ),
    "products": (
        "fun() -> X = (1 bsl 32700) - 1, (fun H(0) -> ok; H(N) -> X * X, H(N - 1) end)(3000) end",
        "what takes so long",
    ),
    "the dictionary": ("fun() -> get() end", "what bounds the evaluation"),
    "its own key": ("fun() -> get('$distwall_part') end", "bounds the evaluation"),
    "the cells": ("fun() -> atomics:new(1, []) end", "atomics:new/2 is refused"),
    "the bound of the heap": ("fun() -> process_flag(max_heap_size, 0) end", "flags bound"),
    "get, given away": ("fun() -> lists:map(fun erlang:get/1, ['$distwall_part']) end", "erlang:get/1 is refused"),
    "a compiled fun": (f"begin F = {COMPILED}, fun() -> F(1) end end", "a fun of compiled code"),
    "a compiled fun, given away": (
        f"begin F = {COMPILED}, fun() -> lists:map(F, [1]) end end",
        "a fun of compiled code",
    ),
    **{f"{name} starts": (f"fun() -> {line} end", f"{name} is refused") for name, line in STARTS.items()},
}

SAME_KIND = {
    "a made-up refusal is a reason": ("fun() -> exit({distwall_refused, <<1>>}) end", "{distwall_refused,<<1>>}"),
    "a large integer": ("fun() -> (1 bsl 65000) bsr 65000 end", "1"),
    "segments": ('fun() -> <<"ab":16>> end', "<<0,97,0,98>>"),
    "segments in a guard": ('fun() -> if <<"ab":16>> =:= <<0, 97, 0, 98>> -> 1; true -> 2 end end', "1"),
    "a product": ("fun() -> X = (1 bsl 32700) - 1, X * X > X end", "true"),
    "a flag": ("fun() -> process_flag(trap_exit, true) end", "false"),
    "what starts nothing": ("fun() -> timer:sleep(1) end", "ok"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(ground: tuple[Scene, Node, Node], name: str) -> None:
    _, bar, foo = ground
    fun, why = REFUSED[name]
    assert why in foo.eval(f"catch erpc:call('{GUARD}', {fun})", timeout=60)
    assert bar.eval("persistent_term:get(done, no)") == "no"
    assert bar.number("erlang:memory(total)") < 300_000_000


@pytest.mark.parametrize("name", SAME_KIND)
def test_less_of_the_same_is_evaluated(ground: tuple[Scene, Node, Node], name: str) -> None:
    _, _, foo = ground
    fun, value = SAME_KIND[name]
    # After an evaluation that took all steps there are few.
    foo.eval("timer:sleep(500)")
    assert value in foo.eval(f"catch erpc:call('{GUARD}', {fun})", timeout=60)


TERMINALS = f"""
T = spawn(fun() -> receive never -> ok end end), Old = group_leader(), group_leader(T, self()),
[spawn('{GUARD}', shell, start, []) || _ <- lists:seq(1, 200)], group_leader(Old, self()), ok
"""


def test_a_peer_has_one_account_for_all_that_it_runs() -> None:
    """A bomb that is started anew by an accepted function, and what many funs hold."""
    rules = ["deny *", "accept ping", "accept call erpc:multicast/2"]
    with evaluating(Peer(rules, extra='funs = "checked"')) as (_, bar, foo):
        before = bar.number("length(processes())")
        held = ",".join(["<<0:134217728>>"] * 7)
        foo.eval(f"[spawn('{GUARD}', fun() -> L = [{held}], receive x -> L end end) || _ <- lists:seq(1, 8)], ok")
        foo.eval("timer:sleep(2000)")
        assert 100 << 20 < bar.number("erlang:memory(binary)") < 400 << 20
        bomb = "fun H() -> erpc:multicast([node(), node(), node()], H), receive never -> ok end end"
        foo.eval(f"erpc:cast('{GUARD}', {bomb}), timer:sleep(5000)")
        # Each evaluation has a watcher, and perhaps a process that waits for it.
        assert before + 20 < bar.number("length(processes())") < before + 1000
        # What has ended is given back.
        bar.wait_until(
            "begin [exit(P, kill) || P <- processes(), {_, G} <- [process_info(P, group_leader)], node(G) =/= node()],"
            " [A || {_, A} <- ets:tab2list(distwall_account), N <- [3, 4], atomics:get(A, N) =/= 0] =:= [] end"
        )
        assert foo.eval(f"erpc:call('{GUARD}', fun() -> 1 + 1 end)") == "2"


def test_the_shells_of_a_peer_are_counted_and_complete_no_names() -> None:
    rules = ["deny *", "accept ping", "accept remsh"]
    with evaluating(Peer(rules), restricted=True) as (_, bar, foo):
        before = bar.number("length(processes())")
        foo.eval(TERMINALS)
        foo.eval("timer:sleep(2000)")
        assert before + 10 < bar.number("length(processes())") < before + 50
        atoms = bar.number("erlang:system_info(atom_count)")
        line = f'erpc:call(\'{GUARD}\', edlin_expand, expand, [lists:reverse("zq" ++ integer_to_list(N) ++ ":")])'
        assert foo.eval(f"lists:usort([{line} || N <- lists:seq(1, 300)])") == "[{no,[],[]}]"
        assert bar.number("erlang:system_info(atom_count)") < atoms + 200


def test_refused_calls_are_in_the_log(ground: tuple[Scene, Node, Node]) -> None:
    scene, _, foo = ground
    foo.eval(f"catch erpc:call('{GUARD}', fun() -> os:getenv() end)")
    foo.eval(f"catch erpc:call('{GUARD}', fun() -> proc_lib:spawn(a, b, []) end)")
    scene.wall.wait_event("refused", target="os:getenv/0", reason="rule", peer="foo@127.0.0.1")
    scene.wall.wait_event("refused", target="proc_lib:spawn/3", reason="evaluator")
