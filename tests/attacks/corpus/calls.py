"""Calls of functions that are not allowed, inside of what is."""

from tests.attacks.corpus.attack import Attack

MFA = "erlang, send, [victim, Mark]"
ALL_BUT_ONE = ("accept *", "deny call erlang:send/2")
"""Whatever carries a call is open; one function is not."""

CARRIERS = (
    *("accept spawn_request erpc:execute_call/4", "accept spawn_request erpc:execute_cast/3"),
    *("accept spawn_request proc_lib:init_p/_", "accept spawn_request erlang:apply/2"),
    *("accept reg_send rex", "accept monitor rex", "accept call lists:seq/2"),
)
"""All that carries calls is accepted by its name, and one harmless function."""

REFUSED = "{error,{erpc,not_allowed}}"
NESTED = "lists:foldl(fun(_, A) -> [erlang, apply, A] end, [erlang, send, [victim, Mark]], lists:seq(1, 12))"


def inside(name: str, does: str, erlang: str, sees: str = REFUSED, policy: tuple[str, ...] = ALL_BUT_ONE) -> Attack:
    """A call that is refused for the function that is really called."""
    reason = "rule" if policy is ALL_BUT_ONE else "default"
    return Attack(name=name, does=does, policy=policy, reason=reason, erlang=erlang, sees=sees)


ATTACKS = [
    inside(
        "one function, spawned",
        "the one function that is refused, by `spawn/4`",
        f"spawn(G, {MFA})",
        "{error,not_allowed}",
    ),
    inside("one function, by erpc", "by `erpc:call/4`", f"erpc:call(G, {MFA})"),
    inside("one function, cast", "by `erpc:cast/4`", f"erpc:cast(G, {MFA})", "ok"),
    inside("one function, to many", "by `erpc:multicall/4`", f"erpc:multicall([G], {MFA})", f"[{REFUSED}]"),
    inside("one function, by rpc", "by `rpc:call/4`", f"rpc:call(G, {MFA})", "{badrpc,{'EXIT',not_allowed}}"),
    inside(
        "one function, by rex",
        "by a message to rex",
        f"{{rex, G}} ! {{self(), {{call, {MFA}, group_leader()}}}}, ok",
        "ok",
    ),
    inside(
        "one function, by a cast to rex",
        "by a cast to rex",
        f"gen_server:cast({{rex, G}}, {{cast, {MFA}, group_leader()}})",
        "ok",
    ),
    inside(
        "one function, by block_call",
        "by `rpc:block_call/4`",
        f"rpc:block_call(G, {MFA})",
        "{badrpc,{'EXIT',{not_allowed,...",
    ),
    inside(
        "a function by net_kernel",
        "by a call to net_kernel, as nodes before OTP 23 spawn",
        f"gen_server:call({{net_kernel, G}}, {{spawn, {MFA}, group_leader()}})",
        "{exit,{not_allowed,...",
        policy=(*CARRIERS, "accept reg_send net_kernel", "accept monitor net_kernel"),
    ),
    inside("a function, applied", "through `apply/3`", f"erpc:call(G, erlang, apply, [{MFA}])", policy=CARRIERS),
    inside(
        "a function, as an export",
        "as an external fun with arguments",
        "erpc:call(G, erlang, apply, [fun erlang:send/2, [victim, Mark]])",
        policy=CARRIERS,
    ),
    inside(
        "a function, spawned over there",
        "through `spawn/3`",
        f"erpc:call(G, erlang, spawn, [{MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function, by proc_lib",
        "through `proc_lib:spawn/3`",
        f"erpc:call(G, proc_lib, spawn, [{MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function, later",
        "through `timer:apply_after/4`",
        f"erpc:call(G, timer, apply_after, [0, {MFA}])",
        policy=CARRIERS,
    ),
    inside("a function, timed", "through `timer:tc/3`", f"erpc:call(G, timer, tc, [{MFA}])", policy=CARRIERS),
    inside(
        "a function, as if undefined",
        "through the function that the VM calls for an undefined one",
        f"erpc:call(G, error_handler, undefined_function, [{MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function, cast to itself",
        "through `rpc:cast/4` to the guarded node itself",
        f"erpc:call(G, rpc, cast, [G, {MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function, by proc_lib by erpc",
        "through the function that carries what `proc_lib` spawns",
        f"erpc:call(G, proc_lib, init_p, [self(), [], {MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function, evaluated",
        "as a form for `erl_eval`",
        '{ok, Tokens, _} = erl_scan:string(lists:flatten(io_lib:format("victim ! ~w.", [Mark]))),'
        " {ok, [Form]} = erl_parse:parse_exprs(Tokens), erpc:call(G, erl_eval, expr, [Form, []])",
        policy=CARRIERS,
    ),
    inside(
        "a carrier in a carrier",
        "through `erpc:execute_cast/3`, by erpc",
        f"erpc:call(G, erpc, execute_cast, [{MFA}])",
        policy=CARRIERS,
    ),
    inside(
        "a function by rex and apply",
        "through `apply/3`, in a message to rex",
        f"{{rex, G}} ! {{self(), {{call, erlang, apply, [{MFA}], group_leader()}}}}, ok",
        "ok",
        policy=CARRIERS,
    ),
    inside(
        "a function by its carrier",
        "any function, where only what carries it is accepted by name",
        f"erpc:call(G, {MFA})",
        policy=CARRIERS,
    ),
    inside(
        "a fun by its carrier",
        "a fun that is sent along",
        "erpc:call(G, fun() -> victim ! Mark end)",
        policy=CARRIERS,
    ),
    inside(
        "a fun, applied",
        "a fun as an argument of `apply/2`",
        "erpc:call(G, erlang, apply, [fun() -> victim ! Mark end, []])",
        policy=CARRIERS,
    ),
    inside(
        "a function twelve deep",
        "twelve times through `apply/3`",
        f"[M, F, A] = {NESTED}, erpc:call(G, M, F, A)",
        policy=CARRIERS,
    ),
    Attack(
        name="a function by rex, all of it open",
        does="any function, where sends to rex are accepted, and what OTP obeys there, beside one function",
        policy=["accept reg_send rex", "accept monitor rex", "accept otp_internal rex", "accept call lists:seq/2"],
        reason="default",
        erlang=f"{{rex, G}} ! {{self(), {{call, {MFA}, group_leader()}}}}, ok",
    ),
    Attack(
        name="a function by rex, by its carrier",
        does="any function, where sends to rex are accepted",
        policy=CARRIERS,
        reason="default",
        erlang=f"{{rex, G}} ! {{self(), {{call, {MFA}, group_leader()}}}}, ok",
    ),
    Attack(
        name="a function on a third node",
        does="has the guarded node call another one by `erpc:call/4`",
        policy=CARRIERS,
        reason="default",
        erlang=f"erpc:call(G, erpc, call, [Third, {MFA}])",
        sees=REFUSED,
        on="third",
    ),
    Attack(
        name="a function of another arity",
        does="calls `exit/2` where `exit/1` is accepted",
        policy=["accept call erlang:exit/1"],
        reason="default",
        knows="whereis(target)",
        setup="probe:start_server(target)",
        erlang="erpc:call(G, erlang, exit, [Known, kill])",
        sees=REFUSED,
        effect="whereis(target) =:= undefined",
    ),
    Attack(
        name="a fun for a function that calls it",
        does="gives an accepted function a fun to call",
        policy=["accept call lists:_/_"],
        reason="funs",
        erlang="erpc:call(G, lists, foreach, [fun(M) -> victim ! M end, [Mark]])",
        sees=REFUSED,
    ),
    Attack(
        name="an export for a function that calls it",
        does="gives an accepted function an external fun to call",
        policy=["accept call lists:_/_"],
        reason="funs",
        erlang="erpc:call(G, lists, zipwith, [fun erlang:send/2, [victim], [Mark]])",
        sees=REFUSED,
    ),
]
