"""Code that is spawned on the guarded node, by all calls that come as a spawn request."""

from tests.attacks.corpus.attack import Attack

NO_SPAWNS = ["accept *", "deny spawn_request"]
SEND = "erlang, send, [victim, Mark]"

ATTACKS = [
    Attack(
        name="spawn",
        does="`spawn/4` on the guarded node",
        policy=NO_SPAWNS,
        erlang=f"spawn(G, {SEND})",
        sees="{error,not_allowed}",
        reason="rule",
    ),
    Attack(
        name="spawn a fun",
        does="`spawn/2` of a fun that is sent along, `erl_eval`'s, which holds any code as data",
        policy=NO_SPAWNS,
        erlang="spawn(G, fun() -> victim ! Mark end)",
        sees="{error,not_allowed}",
        reason="rule",
    ),
    Attack(
        name="spawn_link",
        does="`spawn_link/4`",
        policy=NO_SPAWNS,
        erlang=f"process_flag(trap_exit, true), spawn_link(G, {SEND})",
        sees="{error,not_allowed}",
        reason="rule",
    ),
    Attack(
        name="spawn_monitor",
        does="`spawn_monitor/4`",
        policy=NO_SPAWNS,
        erlang=f"spawn_monitor(G, {SEND})",
        sees="{error,not_allowed}",
        reason="rule",
    ),
    Attack(
        name="spawn_request",
        does="`spawn_request/5`, with an option for each thing that can be asked for",
        policy=NO_SPAWNS,
        erlang=f"R = spawn_request(G, {SEND}, [link, monitor, {{priority, max}}, {{reply_tag, t}}]),"
        " receive {t, R, error, E} -> E after 5000 -> nothing end",
        sees="not_allowed",
        reason="rule",
    ),
    Attack(
        name="erpc:call",
        does="`erpc:call/4`",
        policy=NO_SPAWNS,
        erlang=f"erpc:call(G, {SEND})",
        sees="{error,{erpc,not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="erpc:call of a fun",
        does="`erpc:call/2` of a fun that is sent along",
        policy=NO_SPAWNS,
        erlang="erpc:call(G, fun() -> victim ! Mark end)",
        sees="{error,{erpc,not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="erpc:cast",
        does="`erpc:cast/4`, which never tells its caller anything",
        policy=NO_SPAWNS,
        erlang=f"erpc:cast(G, {SEND})",
        reason="rule",
    ),
    Attack(
        name="erpc:multicall",
        does="`erpc:multicall/4`",
        policy=NO_SPAWNS,
        erlang=f"erpc:multicall([G], {SEND})",
        sees="[{error,{erpc,not_allowed}}]",
        reason="rule",
    ),
    Attack(
        name="erpc:send_request",
        does="`erpc:send_request/4`, whose answer is asked for later",
        policy=NO_SPAWNS,
        erlang=f"erpc:receive_response(erpc:send_request(G, {SEND}), 5000)",
        sees="{error,{erpc,not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="rpc:call",
        does="`rpc:call/4`",
        policy=NO_SPAWNS,
        erlang=f"rpc:call(G, {SEND})",
        sees="{badrpc,{'EXIT',not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="rpc:cast",
        does="`rpc:cast/4`",
        policy=NO_SPAWNS,
        erlang=f"rpc:cast(G, {SEND})",
        sees="true",
        reason="rule",
    ),
    Attack(
        name="rpc:async_call",
        does="`rpc:async_call/4`",
        policy=NO_SPAWNS,
        erlang=f"rpc:yield(rpc:async_call(G, {SEND}))",
        sees="{badrpc,{'EXIT',not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="rpc:multicall",
        does="`rpc:multicall/4`",
        policy=NO_SPAWNS,
        erlang=f"rpc:multicall([G], {SEND})",
        sees="{[{badrpc,{'EXIT',not_allowed}}],[]}",
        reason="rule",
    ),
    Attack(
        name="remsh",
        does="starts a shell, as `-remsh` does, and types into it",
        policy=NO_SPAWNS,
        setup='application:set_env(stdlib, shell_slogan, "")',
        erlang="""
            group_leader(self(), self()),
            Shell = rpc:call(G, shell, start, []),
            is_pid(Shell) andalso fun Serve(Lines) ->
                receive
                    {io_request, From, ReplyAs, Request} ->
                        {Reply, Rest} = case Request of
                            getopts -> {[], Lines};
                            {get_geometry, _} -> {80, Lines};
                            {get_until, _, _, _, _, _} when Lines =/= [] ->
                                {ok, Tokens, End} = erl_scan:string(hd(Lines)),
                                {{ok, Tokens, End}, tl(Lines)};
                            {get_until, _, _, _, _, _} -> {{error, terminated}, []};
                            _ -> {ok, Lines}
                        end,
                        From ! {io_reply, ReplyAs, Reply},
                        Serve(Rest)
                after 500 -> Shell
                end
            end([lists:flatten(io_lib:format("victim ! ~w.", [Mark]))])""",
        sees="false",
        reason="rule",
        fragments=False,
    ),
    Attack(
        name="the cookie by rpc",
        does="asks for the cluster's cookie",
        policy=NO_SPAWNS,
        erlang="persistent_term:put(Mark, rpc:call(G, erlang, get_cookie, []))",
        effect="persistent_term:get(Mark, none) =:= 'cluster-cookie'",
        on="foe",
        reason="rule",
        fragments=False,
    ),
    Attack(
        name="node lists by rpc",
        does="asks which other nodes there are",
        policy=NO_SPAWNS,
        setup="true = net_kernel:connect_node(Third)",
        erlang="persistent_term:put(Mark, rpc:call(G, erlang, nodes, [connected]))",
        effect="L = persistent_term:get(Mark, none), is_list(L) andalso lists:member(Third, L)",
        on="foe",
        reason="rule",
        fragments=False,
    ),
    Attack(
        name="init:stop by rpc",
        does="ends the guarded node",
        policy=NO_SPAWNS,
        erlang="rpc:call(G, init, stop, [])",
        effect="",
        sees="{badrpc,{'EXIT',not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="a third node by erpc",
        does="has the guarded node call another one, which the peer can't reach",
        policy=NO_SPAWNS,
        erlang=f"erpc:call(G, erpc, call, [Third, {SEND}])",
        on="third",
        sees="{error,{erpc,not_allowed}}",
        reason="rule",
    ),
    Attack(
        name="a third node by spawn",
        does="has the guarded node spawn on another one",
        policy=NO_SPAWNS,
        erlang="spawn(G, erlang, spawn, [Third, erlang, send, [victim, Mark]])",
        on="third",
        sees="{error,not_allowed}",
        reason="rule",
    ),
]
