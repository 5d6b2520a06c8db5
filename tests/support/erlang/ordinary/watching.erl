%% The questions of observer, etop and observer_cli to a node.
-module(watching).
-export([setup/0, run/1]).

setup() ->
    probe:collector(watched),
    spawn(fun() -> ets:new(watched_table, [named_table, public]), ets:insert(watched_table, [{N, N} || N <- lists:seq(1, 30)]), receive stop -> ok end end),
    ok.

run(Peer) ->
    process_flag(trap_exit, true),
    Backend = fun(Function, Arguments) -> rpc:call(Peer, observer_backend, Function, Arguments) end,
    {ok, _} = Backend(vsn, []),
    probe:steps([
        {connected, fun() -> [net_kernel:connect_node(Peer), rpc:call(Peer, code, ensure_loaded, [observer_backend])] end},
        {sys_info, fun() -> [is_list(Backend(Function, [])) || Function <- [sys_info, get_port_list, get_socket_list]] end},
        {tables, fun() ->
            Tables = Backend(get_table_list, [ets, [{unreadable, false}, {sys_hidden, true}]]),
            length([T || T <- Tables, proplists:get_value(name, T) =:= watched_table])
        end},
        {table, fun() ->
            Sender = Backend(get_table, [self(), watched_table, ets]),
            lists:sort(rows(Sender))
        end},
        {processes, fun() -> lists:keymember(watched, 5, collected(Peer)) end},
        {collected, fun() ->
            spawn_link(Peer, observer_backend, etop_collect, [self()]),
            receive {_, Info} when element(1, Info) =:= etop_info -> element(1, Info) after 5000 -> lost end
        end},
        {statistics, fun() ->
            Sampler = spawn_link(Peer, observer_backend, fetch_stats, [self(), 100]),
            Seen = [receive {stats, _, _, _, Memory} -> length(Memory) > 5 after 5000 -> lost end || _ <- [1, 2]],
            Sampler ! {self(), stop},
            receive {'EXIT', Sampler, Reason} -> {Seen, Reason} after 5000 -> lost end
        end},
        {process, fun() ->
            Row = lists:keyfind(watched, 5, collected(Peer)),
            length(rpc:call(Peer, erlang, process_info, [element(2, Row), [messages, links, dictionary, current_stacktrace]]))
        end},
        {ets, fun() -> [rpc:call(Peer, ets, info, [watched_table, size]), rpc:call(Peer, ets, info, [no_such_table])] end}
    ]).

rows(Sender) ->
    receive
        {Sender, '$end_of_table'} -> [];
        {Sender, Rows} -> Rows ++ rows(Sender)
    after 5000 -> lost
    end.

collected(Peer) ->
    spawn_link(Peer, observer_backend, procs_info, [self()]),
    receive {procs_info, _, Processes} -> Processes after 5000 -> lost end.
