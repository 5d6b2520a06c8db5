%% Functions called on the other node, in every form that `erpc` and `rpc` have.
-module(calls).
-export([setup/0, run/1, classic/1, add/2, same/1, fail/2, nap/1, note/2, whoami/0]).

setup() -> probe:collector(calls_notes).

add(A, B) -> A + B.
same(Term) -> Term.
fail(Class, Reason) -> erlang:raise(Class, Reason, []).
nap(Time) -> timer:sleep(Time), rested.
note(To, What) -> To ! {noted, What}, ok.
whoami() -> node().

run(Peer) ->
    Tried = fun(Fun) -> try Fun() catch Class:{exception, Reason, _} -> {Class, Reason}; Class:Reason -> {Class, Reason} end end,
    process_flag(trap_exit, true),
    probe:steps([
        {call, fun() -> [erpc:call(Peer, ?MODULE, add, [1, 2]), erpc:call(Peer, ?MODULE, whoami, []) =:= Peer] end},
        {failures, fun() -> [Tried(fun() -> erpc:call(Peer, ?MODULE, fail, [Class, oh]) end) || Class <- [throw, exit, error]] end},
        {late, fun() -> Tried(fun() -> erpc:call(Peer, ?MODULE, nap, [200], 30) end) end},
        {undefined, fun() -> Tried(fun() -> erpc:call(Peer, ?MODULE, no_such_function, []) end) end},
        {cast, fun() ->
            [ok = Cast() || Cast <- [
                fun() -> erpc:cast(Peer, ?MODULE, note, [calls_notes, cast]) end,
                fun() -> erpc:multicast([Peer], ?MODULE, note, [calls_notes, multicast]) end
            ]],
            noted(Peer, [cast, multicast])
        end},
        {multicall, fun() -> [erpc:multicall([Peer, node()], ?MODULE, add, [2, 3]), erpc:multicall([Peer], ?MODULE, nap, [200], 30)] end},
        {request, fun() ->
            Requests = [erpc:send_request(Peer, ?MODULE, add, [N, N]) || N <- [1, 2, 3]],
            [erpc:receive_response(R, 5000) || R <- Requests]
        end},
        {requests, fun() ->
            Ids = lists:foldl(fun(N, Ids) -> erpc:send_request(Peer, ?MODULE, add, [N, N], N, Ids) end,
                erpc:reqids_new(), [1, 2, 3]),
            lists:sort(collect(Ids))
        end},
        {large, fun() -> erlang:phash2(erpc:call(Peer, ?MODULE, same, [lists:seq(1, 100000)])) end},
        {rpc, fun() -> [rpc:call(Peer, ?MODULE, add, [1, 2]), rpc:call(Peer, ?MODULE, fail, [throw, oh]), rpc:call(Peer, ?MODULE, nap, [200], 30)] end},
        {rpc_cast, fun() ->
            true = rpc:cast(Peer, ?MODULE, note, [calls_notes, rpc_cast]),
            rpc:eval_everywhere([Peer], ?MODULE, note, [calls_notes, eval_everywhere]),
            noted(Peer, [rpc_cast, eval_everywhere])
        end},
        {rpc_async, fun() -> [rpc:yield(rpc:async_call(Peer, ?MODULE, add, [1, 1])), rpc:nb_yield(rpc:async_call(Peer, ?MODULE, nap, [20]), 5000)] end},
        {rpc_multicall, fun() -> [rpc:multicall([Peer, node()], ?MODULE, add, [1, 1]), rpc:multicall([Peer], ?MODULE, nap, [200], 30)] end},
        {parallel, fun() -> rpc:pmap({?MODULE, add}, [1], [1, 2, 3]) end}
    ]).

%% Calls that still go to the server rex.
classic(Peer) ->
    probe:steps([
        {block_call, fun() -> [rpc:block_call(Peer, ?MODULE, add, [1, 2]), rpc:block_call(Peer, ?MODULE, fail, [throw, oh]),
                      rpc:block_call(Peer, ?MODULE, nap, [10], 5000)] end},
        {abcast, fun() -> [rpc:abcast([Peer], calls_notes, {noted, abcast}), noted(Peer, [abcast])] end}
    ]).

collect(Ids) ->
    case erpc:receive_response(Ids, 5000, true) of
        {Result, Label, More} -> [{Label, Result} | collect(More)];
        no_request -> []
    end.

noted(Peer, What) ->
    probe:until(fun() ->
        Got = [N || {noted, N} <- erpc:call(Peer, probe, got, [calls_notes])],
        lists:all(fun(W) -> lists:member(W, Got) end, What)
    end).
