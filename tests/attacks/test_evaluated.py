"""Code of a peer on a guarded node: what it holds, starts and names beyond what its policy accepts."""

from collections.abc import Iterator

import pytest

from tests.support.guarded import evaluating
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

CONTROL = "'distwall@127.0.0.1'"
RULES = ["deny *", "accept ping"]
ACCEPTED = [
    *("erlang:'!'/2", "erlang:spawn/1", "erlang:spawn/2", "erlang:spawn/4", "erlang:nodes/1", "erlang:list_to_atom/1"),
    *("lists:_/_", "timer:_/_", "erpc:_/_", "rpc:_/_", "gen_server:call/2"),
]
MB = 1_000_000


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[Scene, Node, Node]]:
    rules = [*RULES, *(f"accept call {function}" for function in ACCEPTED)]
    with evaluating(Peer(rules, extra='funs = "checked"')) as (scene, bar, foo):
        yield scene, bar, foo


def run(foo: Node, fun: str) -> str:
    return foo.eval(f"catch erpc:call('{GUARD}', {fun})", timeout=60)


OPEN = "{'$gen_call', {self(), x}, {add_filter, ['foo@127.0.0.1', call, {persistent_term, put, 2}, accept], []}}"
"""A call of distwall, which it would answer to the guarded node."""

NAMING = {
    "a message": f"fun() -> {{distwall, {CONTROL}}} ! {OPEN} end",
    "a name made at run time": f'fun() -> {{distwall, list_to_atom("distwall@127.0.0.1")}} ! {OPEN} end',
    "a hidden node": f"fun() -> [{{distwall, N}} ! {OPEN} || N <- nodes(hidden)] end",
    "in a fun given away": f"fun() -> lists:map(fun(N) -> {{distwall, N}} ! {OPEN} end, nodes(hidden)) end",
    "a call": f"fun() -> gen_server:call({{distwall, {CONTROL}}}, {{grants, [], []}}) end",
    "by a timer": f"fun() -> timer:send_after(1, {{distwall, {CONTROL}}}, {OPEN}) end",
    "later": f"fun() -> timer:apply_after(1, erlang, '!', [{{distwall, {CONTROL}}}, {OPEN}]) end",
    "given away": f"fun() -> lists:zipwith(fun erlang:'!'/2, [{{distwall, {CONTROL}}}], [{OPEN}]) end",
}


@pytest.mark.parametrize("name", NAMING)
def test_code_of_a_peer_does_not_call_distwall_in_the_guarded_nodes_name(
    ground: tuple[Scene, Node, Node], name: str
) -> None:
    _, bar, foo = ground
    assert "names the node of distwall is refused" in run(foo, NAMING[name])
    assert bar.eval("distwall:test_filter('foo@127.0.0.1', call, {persistent_term, put, 2})") == "deny"


LARGE = "lists, seq, [1, 40000000]"
STARTED = {
    "a timer": f"timer:apply_after(1, {LARGE})",
    "a process": f"spawn(node(), {LARGE})",
    "erpc": f"erpc:call(node(), {LARGE})",
    "rpc": f"rpc:call(node(), {LARGE})",
    "the server of rpc": f"rpc:block_call(node(), {LARGE})",
    "several nodes": f"erpc:multicall([node(), node()], {LARGE})",
    "all nodes": f"rpc:multicall({LARGE})",
}


@pytest.mark.parametrize("name", STARTED)
def test_what_a_runner_starts_on_the_node_is_bounded(ground: tuple[Scene, Node, Node], name: str) -> None:
    _, bar, foo = ground
    rex = bar.eval("whereis(rex)")
    large = foo.begin(f"catch erpc:call('{GUARD}', fun() -> {STARTED[name]}, timer:sleep(500) end)")
    most = max(bar.number("timer:sleep(30), erlang:memory(processes)") for _ in range(20))
    large.result(30)
    assert most < 150 * MB
    # The same with less.
    assert "[1,2,3]" in run(foo, f"fun() -> {STARTED['all nodes'].replace(LARGE, 'lists, seq, [1, 3]')} end")
    assert bar.eval("whereis(rex)") == rex


def test_what_a_timer_starts_is_judged_each_time(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    many = "length([P || P <- processes(), {_, {timer, sleep, 1}} <- [process_info(P, current_function)]])"
    foo.eval(f"spawn('{GUARD}', fun() -> timer:apply_interval(50, timer, sleep, [60000]), receive x -> x end end), ok")
    bar.wait_until(f"{many} > 3")
    bar.eval("distwall:add_filter('foo@127.0.0.1', call, {timer, sleep, 1}, deny), timer:sleep(200)")
    before = bar.number(many)
    bar.eval("timer:sleep(500)")
    assert bar.number(many) == before
    ours = "[P || P <- processes(), {_, G} <- [process_info(P, group_leader)], node(G) =/= node()]"
    bar.eval(f"distwall:del_filter('foo@127.0.0.1', call, {{timer, sleep, 1}}), [exit(P, kill) || P <- {ours}], ok")


DEEP = "(fun H(X, 0) -> X; H(X, N) -> H({a, X}, N - 1) end)"


def test_the_node_prints_no_large_reasons(ground: tuple[Scene, Node, Node]) -> None:
    """The VM's logger prints what a process died of, if its leader is on this node."""
    _, bar, foo = ground
    for depth in (20, 2000):
        fail = f"error({DEEP}(odd, {depth}))"
        run(foo, f"fun() -> timer:apply_after(1, lists, map, [fun(_) -> {fail} end, [1]]) end")
        run(foo, f"fun() -> timer:apply_after(1, lists, map, [odd, {DEEP}(odd, {depth})]) end")
    bar.wait_until("timer:sleep(500), {status, waiting} =:= process_info(whereis(logger), status)")
    logged = bar.logged()
    assert "odd" in logged
    assert len(logged) < 20_000


def test_a_number_of_arguments_that_no_function_has_is_asked_of_nobody(ground: tuple[Scene, Node, Node]) -> None:
    _, _, foo = ground
    assert "system_limit" in run(foo, "fun() -> apply(lists, map, lists:seq(1, 300)) end")


def test_merged_variables_take_steps(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    left = "hd([atomics:get(A, 1) || {'foo@127.0.0.1', A} <- ets:tab2list(distwall_account)])"
    count = 400
    names = [",".join(f"{letter}{n}" for n in range(count)) for letter in "VW"]
    fields = ",".join(f"V{n} := W{n}" for n in range(count))
    values = f"list_to_tuple(lists:seq(1, {count})), M = maps:from_list([{{N, N}} || N <- lists:seq(1, {count})])"
    run(foo, "fun() -> 1 end")
    before = bar.number(left)
    assert run(foo, f"begin T = {values}, fun() -> {{{names[0]}}} = T, #{{{fields}}} = M, {{W0}} end end") == "{1}"
    assert before - bar.number(left) > count * count // 2 - 50_000


def test_an_account_is_not_opened_anew_for_more_steps(ground: tuple[Scene, Node, Node]) -> None:
    _, bar, foo = ground
    run(foo, "fun() -> (fun F(0) -> ok; F(N) -> F(N - 1) end)(500000) end")
    left = "hd([atomics:get(A, 1) || {'foo@127.0.0.1', A} <- ets:tab2list(distwall_account)])"
    bar.eval('[distwall_account ! {open, list_to_atom("p" ++ integer_to_list(N))} || N <- lists:seq(1, 10001)], ok')
    bar.wait_until("ets:info(distwall_account, size) < 9000")
    assert bar.number(left) < 19_000_000


def test_binaries_count_whoever_made_them() -> None:
    """They come with a fun, or in messages."""
    rules = [*RULES, "accept call erlang:'!'/2", "accept call erlang:spawn/1"]
    extra = 'funs = "checked"\nlimits = { handled_size = 50_000_000 }'
    with evaluating(Peer(rules, extra=extra)) as (_, bar, foo):
        most = 0
        for _ in range(12):
            foo.eval(
                f"B = binary:copy(<<1>>, 40000000), spawn('{GUARD}', fun() -> receive after 60000 -> B end end), ok"
            )
            most = max(most, bar.number("timer:sleep(200), erlang:memory(binary)"))
        assert 150 * MB < most < 350 * MB
        bar.eval("[exit(P, kill) || P <- processes(), {_, G} <- [process_info(P, group_leader)], node(G) =/= node()]")
        bar.wait_until(f"erlang:memory(binary) < 10 * {MB}")
        sent = "(fun F(0) -> ok; F(N) -> P ! <<0:134217728>>, F(N - 1) end)(20)"
        foo.eval(f"spawn('{GUARD}', fun() -> P = spawn(fun() -> receive never -> ok end end), {sent} end), ok")
        bar.wait_until(f"erlang:memory(binary) > 100 * {MB}")
        bar.wait_until(f"erlang:memory(binary) < 10 * {MB}")


TERMINAL = f"""
Self = self(),
Terminal = spawn(fun() -> (fun Loop() ->
    receive
        {{io_request, From, _, {{get_until, _, _, _, _, _}}}} -> Self ! {{talker, From}}, Loop();
        {{io_request, From, Ref, _}} -> From ! {{io_reply, Ref, ok}}, Loop()
    end end)() end),
Old = group_leader(), group_leader(Terminal, self()), erpc:call('{GUARD}', shell, start, []), group_leader(Old, self()),
receive {{talker, T}} -> B = binary:copy(<<1>>, 10000000),
    [T ! {{io_reply, make_ref(), B}} || _ <- lists:seq(1, 30)], ok end
"""


def test_a_shell_keeps_no_answers_that_nobody_asked_for() -> None:
    with evaluating(Peer([*RULES, "accept remsh"]), restricted=True) as (_, bar, foo):
        assert foo.eval(TERMINAL, timeout=30) == "ok"
        bar.eval("timer:sleep(1500)")
        bar.wait_until(f"erlang:memory(binary) < 30 * {MB}", timeout=10)
