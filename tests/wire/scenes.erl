%% What real nodes do to each other while record.py listens: one function for each recorded case.
%%
%% run(Scene, Peer) is called on the node that dials; this module is loaded on both.
-module(scenes).

-export([run/2, names/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, start_server/1, start_park/0]).
-export([fail/1, park/0, echo/1, twice/1]).

names() ->
    [ping, gen_server, sys, erpc, rpc, spawn, spawn_request, links, exits, monitors, aliases, names, group, pg,
     fragments, terms, atoms, long_atoms, many_atoms, io, trace, queued, group_leader, gen_event, supervisor, code]
        ++ [Name || erlang:function_exported(erlang, exit, 3), Name <- [priority]]
        ++ [Name || code:ensure_loaded(records) =:= {module, records}, Name <- [records]].

run(Scene, Peer) ->
    {ok, _} = timer:apply_after(20000, erlang, halt, ["the scene hangs"]),
    process_flag(trap_exit, true),
    scene(Scene, Peer),
    flush(100),
    ok.

flush(Time) ->
    receive _ -> flush(Time) after Time -> ok end.

%% === scenes ===

scene(ping, Peer) ->
    pong = net_adm:ping(Peer),
    Peer = erpc:call(Peer, erlang, node, []),
    pong = erpc:call(Peer, net_adm, ping, [node()]);
scene(gen_server, Peer) ->
    server(Peer, counter),
    Dest = {counter, Peer},
    {ok, 1} = gen_server:call(Dest, {add, 1}),
    ok = gen_server:cast(Dest, {add, 2}),
    {ok, 6} = gen_server:call(Dest, {add, 3}),
    {[{Peer, {ok, 7}}], []} = gen_server:multi_call([Peer], counter, {add, 1}),
    abcast = gen_server:abcast([Peer], counter, {add, 1}),
    {'EXIT', {noproc, _}} = (catch gen_server:call({nobody, Peer}, x)),
    {'EXIT', {timeout, _}} = (catch gen_server:call(Dest, {sleep, 50}, 10)),
    Pid = gen_server:call(Dest, self),
    {ok, 8} = gen_server:call(Pid, {add, 0}),
    Requests = [gen_server:send_request(Pid, {add, N}) || N <- lists:seq(1, 20)],
    [{reply, {ok, _}} = gen_server:receive_response(R, 5000) || R <- Requests],
    {noreply, later} = {noreply, gen_server:call(Dest, later)},
    {'EXIT', {{shutdown, stopped}, _}} = (catch gen_server:call(Dest, crash));
scene(sys, Peer) ->
    server(Peer, counter),
    0 = sys:get_state({counter, Peer}),
    {status, _, _, _} = sys:get_status({counter, Peer}),
    sys:suspend({counter, Peer}),
    sys:resume({counter, Peer}),
    5 = sys:replace_state({counter, Peer}, fun(S) -> S + 5 end),
    ok = gen_server:stop({counter, Peer});
scene(erpc, Peer) ->
    3 = erpc:call(Peer, erlang, '+', [1, 2]),
    {'EXIT', _} = (catch erpc:call(Peer, erlang, '+', [1, a])),
    thrown = (catch erpc:call(Peer, erlang, throw, [thrown])),
    {'EXIT', {exception, out}} = (catch erpc:call(Peer, erlang, exit, [out])),
    42 = erpc:call(Peer, fun() -> 42 end),
    ok = erpc:cast(Peer, erlang, self, []),
    [{ok, Peer}] = erpc:multicall([Peer], erlang, node, []),
    ok = erpc:multicast([Peer], erlang, self, []),
    Id = erpc:send_request(Peer, erlang, node, []),
    Peer = erpc:receive_response(Id, 5000),
    {'EXIT', {erpc, timeout}} = strip(catch erpc:call(Peer, timer, sleep, [1000], 20)),
    {'EXIT', _} = (catch erpc:call(Peer, erlang, node, [x | y]));
scene(rpc, Peer) ->
    Peer = rpc:call(Peer, erlang, node, []),
    {badrpc, {'EXIT', {undef, _}}} = rpc:call(Peer, no_such, thing, []),
    {[Peer], []} = rpc:multicall([Peer], erlang, node, []),
    true = rpc:cast(Peer, erlang, self, []),
    Peer = rpc:yield(rpc:async_call(Peer, erlang, node, [])),
    Peer = rpc:block_call(Peer, erlang, node, []),
    abcast = rpc:abcast([Peer], nobody, hello),
    {[Peer], []} = {[Peer], element(2, rpc:sbcast([Peer], rex, hello))},
    rpc:eval_everywhere([Peer], erlang, self, []),
    {[], [Peer]} = rpc:multi_server_call([Peer], nobody_either, hello),
    rpc:pinfo(erpc:call(Peer, erlang, whereis, [rex]));
scene(spawn, Peer) ->
    Self = self(),
    P1 = spawn(Peer, ?MODULE, echo, [Self]),
    P1 ! {self(), one},
    receive {P1, one} -> ok end,
    P2 = spawn_link(Peer, ?MODULE, fail, [linked]),
    receive {'EXIT', P2, linked} -> ok end,
    {P3, R3} = spawn_monitor(Peer, ?MODULE, fail, [monitored]),
    receive {'DOWN', R3, process, P3, monitored} -> ok end,
    {P4, R4} = spawn_opt(Peer, ?MODULE, fail, [options],
                         [link, monitor, {priority, high}, {min_heap_size, 500}, {message_queue_data, off_heap}]),
    receive {'DOWN', R4, process, P4, options} -> ok end,
    receive {'EXIT', P4, options} -> ok end,
    spawn(Peer, fun() -> Self ! done end),
    receive done -> ok end;
scene(spawn_request, Peer) ->
    R1 = spawn_request(Peer, ?MODULE, park, [], [monitor, link]),
    Pid = receive {spawn_reply, R1, ok, New} -> New end,
    exit(Pid, kill),
    receive {'DOWN', R1, process, Pid, killed} -> ok end,
    R2 = spawn_request(Peer, ?MODULE, park, [], [{no_such_option, 1}]),
    receive {spawn_reply, R2, error, badopt} -> ok end,
    R3 = spawn_request(Peer, ?MODULE, fail, [soon], [{reply, no}]),
    R4 = spawn_request(Peer, ?MODULE, fail, [soon], [{reply_tag, my_tag}]),
    receive {my_tag, R4, ok, _} -> ok end,
    R5 = spawn_request(Peer, ?MODULE, park, [], [monitor, {monitor, [{alias, explicit_unalias}]}]),
    flush(100),
    erlang:spawn_request_abandon(R3),
    erlang:spawn_request_abandon(R5);
scene(links, Peer) ->
    Pids = [spawn(Peer, ?MODULE, park, []) || _ <- lists:seq(1, 5)],
    [P1, P2, P3, P4, P5] = Pids,
    [link(P) || P <- Pids],
    unlink(P1),
    link(P1),
    unlink(P1), link(P1), unlink(P1),
    P2 ! {exit, normal_end},
    receive {'EXIT', P2, normal_end} -> ok end,
    Local = spawn(fun() -> link(P3), receive stop -> exit(stopped) end end),
    P5 ! {watch, self(), P3},
    receive {watching, P5} -> ok end,
    Local ! stop,
    receive {down, P5, stopped} -> ok end,
    P4 ! {link, self()},
    receive {linked, P4} -> ok end,
    P4 ! {unlink, self()},
    receive {unlinked, P4} -> ok end,
    [P ! {exit, shutdown} || P <- [P1, P4, P5]],
    link(P2),
    receive {'EXIT', P2, noproc} -> ok end;
scene(exits, Peer) ->
    Pids = [spawn(Peer, ?MODULE, park, []) || _ <- lists:seq(1, 4)],
    [P1, P2, P3, P4] = Pids,
    [monitor(process, P) || P <- Pids],
    exit(P1, kill),
    exit(P2, {reason, [with, <<"parts">>]}),
    exit(P3, normal),
    P4 ! {exit, lists:duplicate(200, {x, 1.5})},
    [receive {'DOWN', _, process, P, _} -> ok end || P <- [P1, P2, P4]],
    exit(P3, shutdown),
    exit(P1, too_late);
scene(monitors, Peer) ->
    server(Peer, counter),
    P1 = spawn(Peer, ?MODULE, park, []),
    R1 = monitor(process, P1),
    R2 = monitor(process, {counter, Peer}),
    R3 = monitor(process, {nobody, Peer}),
    receive {'DOWN', R3, process, {nobody, Peer}, noproc} -> ok end,
    true = demonitor(R1),
    true = demonitor(R2, [flush]),
    R4 = monitor(process, P1),
    P1 ! {exit, bye},
    receive {'DOWN', R4, process, P1, bye} -> ok end,
    R5 = monitor(process, P1),
    receive {'DOWN', R5, process, P1, noproc} -> ok end,
    R6 = monitor(process, {counter, Peer}),
    P2 = spawn(Peer, ?MODULE, park, []),
    P2 ! {watch, self(), self()},
    receive {watching, P2} -> ok end,
    erpc:call(Peer, erlang, exit, [whereis_at(Peer, counter), kill]),
    receive {'DOWN', R6, process, {counter, Peer}, killed} -> ok end,
    [demonitor(monitor(process, P2)) || _ <- lists:seq(1, 20)];
scene(aliases, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    A1 = erlang:alias(),
    P ! {A1, hello},
    receive {P, hello} -> ok end,
    erlang:unalias(A1),
    P ! {A1, nobody_hears},
    A2 = erlang:monitor(process, P, [{alias, reply_demonitor}]),
    P ! {A2, once},
    receive {P, once} -> ok end,
    A3 = erlang:monitor(process, P, [{alias, explicit_unalias}]),
    P ! {A3, <<0:3>>},
    receive {P, <<0:3>>} -> ok end,
    A4 = erlang:alias([reply]),
    P ! {A4, 1}, P ! {A4, 2},
    receive {P, 1} -> ok end,
    exit(P, kill);
scene(names, Peer) ->
    pong = net_adm:ping(Peer),
    timer:sleep(500),
    yes = global:register_name(here, self()),
    _ = global:sync(),
    Mine = self(),
    Mine = erpc:call(Peer, global, whereis_name, [here]),
    erpc:call(Peer, global, send, [here, hello]),
    receive hello -> ok end,
    true = global:set_lock({some_lock, self()}),
    true = global:del_lock({some_lock, self()}),
    Other = erpc:call(Peer, erlang, spawn, [?MODULE, park, []]),
    yes = global:re_register_name(there, Other),
    global:send(there, {exit, gone}),
    global:unregister_name(here);
scene(group, Peer) ->
    {ok, _} = pg:start(pg),
    erpc:call(Peer, pg, start, [pg]),
    ok = pg:join(things, self()),
    timer:sleep(100),
    P = erpc:call(Peer, erlang, spawn, [?MODULE, park, []]),
    ok = erpc:call(Peer, pg, join, [things, P]),
    timer:sleep(100),
    2 = length(pg:get_members(things)),
    ok = pg:join(others, [self(), self()]),
    ok = pg:leave(things, self()),
    exit(P, kill),
    timer:sleep(100);
scene(pg, Peer) ->
    {ok, _} = pg:start_link(my_scope),
    ok = pg:join(my_scope, {group, 1}, self()),
    {ok, _} = erpc:call(Peer, pg, start, [my_scope]),
    timer:sleep(200),
    [_] = erpc:call(Peer, pg, get_members, [my_scope, {group, 1}]);
scene(fragments, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    Big = fun(N) -> binary:copy(<<"0123456789abcdef">>, N) end,
    P ! {self(), Big(5000)},
    receive {P, <<_:80000/binary>>} -> ok end,
    Others = [spawn(fun() -> P ! {self(), {N, Big(5000 + N)}}, receive {P, _} -> ok end end) || N <- lists:seq(1, 6)],
    [P ! {self(), small} || _ <- lists:seq(1, 20)],
    [receive {P, small} -> ok end || _ <- lists:seq(1, 20)],
    [begin R = monitor(process, O), receive {'DOWN', R, _, _, _} -> ok end end || O <- Others],
    _ = erpc:call(Peer, erlang, byte_size, [Big(20000)]),
    _ = erpc:call(Peer, binary, copy, [<<"x">>, 200000]),
    {Q, R} = spawn_monitor(Peer, ?MODULE, fail, [{big, Big(4500)}]),
    receive {'DOWN', R, process, Q, {big, _}} -> ok end,
    exit(P, {big, Big(4200)}),
    _ = erpc:call(Peer, lists, seq, [1, 30000]),
    true = lists:seq(1, 30000) =:= erpc:call(Peer, ?MODULE, twice, [lists:seq(1, 30000)]);
scene(terms, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    [Port | _] = erlang:ports(),
    X = rand:uniform(),
    Terms = [0, 255, 256, -1, 1 bsl 27, -(1 bsl 27) - 1, 1 bsl 31, 1 bsl 59, 1 bsl 64, -(1 bsl 200), 1 bsl 2100,
             0.0, -0.0, 1.5, 1.0e308, 5.0e-324, '', a, 'with space', 'é', 'ж', '日本語', '𝄞',
             <<>>, <<"bytes">>, <<1:1>>, <<255, 1:7>>, binary:copy(<<1>>, 300), {}, {1}, list_to_tuple(lists:seq(1, 300)),
             [], "string", "строка", [1, 2 | 3], [[]], lists:seq(1, 1000), lists:seq(1, 255), [256],
             #{}, #{a => 1, "b" => #{c => [x]}}, maps:from_list([{I, I * I} || I <- lists:seq(1, 100)]),
             self(), P, Port, make_ref(), erlang:alias(), fun lists:map/2, fun(Y) -> Y + X end, fun() -> ok end,
             fun(A, B) -> {A, B, [P, X]} end, make_fun(10), os:timestamp(), calendar:local_time(),
             nested(200), {'EXIT', {badarith, [{m, f, 1, [{file, "m.erl"}, {line, 1}]}]}}],
    [begin P ! {self(), T}, receive {P, T} -> ok end end || T <- Terms],
    P ! {self(), Terms},
    receive {P, Terms} -> ok end,
    exit(P, kill);
scene(atoms, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    Atoms = [list_to_atom("atom_" ++ integer_to_list(N)) || N <- lists:seq(1, 3000)],
    lists:foreach(fun(Round) -> [P ! {self(), A} || A <- Atoms, erlang:phash2({A, Round}, 3) =:= 0] end,
                  lists:seq(1, 3)),
    drain(P, 500),
    exit(P, kill);
scene(long_atoms, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    Long = [list_to_atom(lists:duplicate(255, C)) || C <- [$x, $ж, 16#65e5, 16#1d11e]],
    [begin P ! {self(), T}, receive {P, T} -> ok end end || T <- Long ++ [Long, [short | Long], {Long, Long}]],
    exit(P, kill);
scene(many_atoms, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    Atoms = fun(N) -> [list_to_atom("many_" ++ integer_to_list(I)) || I <- lists:seq(1, N)] end,
    [begin P ! {self(), Atoms(N)}, receive {P, _} -> ok end end || N <- [1, 2, 3, 250, 252, 253, 254, 255, 256, 300, 1000]],
    exit(P, kill);
scene(io, Peer) ->
    User = whereis_at(Peer, user),
    io:format(User, "~s ~p ~ts~n", ["text", {a, 1}, "жж"]),
    io:put_chars(User, <<"binary\n">>),
    _ = io:getopts(User),
    erpc:call(Peer, io, format, ["printed here ~p~n", [x]]),
    erpc:call(Peer, logger, warning, ["logged ~p", [x]]),
    {ok, File} = erpc:call(Peer, file, open, ["/dev/null", [read, write]], 5000),
    _ = (catch file:write(File, <<"data">>)),
    error_logger:info_msg("~p", [self()]);
scene(trace, Peer) ->
    server(Peer, counter),
    P = spawn(Peer, ?MODULE, echo, [self()]),
    seq_trace:set_token(label, 17),
    seq_trace:set_token(send, true),
    P ! {self(), traced},
    receive {P, traced} -> ok end,
    {ok, _} = gen_server:call({counter, Peer}, {add, 1}),
    seq_trace:set_token(label, {any, [term]}),
    {ok, _} = gen_server:call({counter, Peer}, {add, 1}),
    A = erlang:alias(),
    P ! {A, by_alias},
    receive {P, by_alias} -> ok end,
    4 = erpc:call(Peer, erlang, '+', [2, 2]),
    {Q, R} = spawn_monitor(Peer, ?MODULE, fail, [traced]),
    receive {'DOWN', R, process, Q, _} -> ok end,
    link(P),
    seq_trace:set_token(send, true),
    exit(P, traced_exit),
    Q2 = spawn(Peer, ?MODULE, park, []),
    Local = spawn(fun() -> link(Q2), receive stop -> exit(traced_too) end end),
    timer:sleep(50),
    seq_trace:set_token(send, true),
    Local ! stop,
    seq_trace:set_token([]);
scene(priority, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    A = erlang:alias([priority]),
    P ! {A, plain},
    receive {P, plain} -> ok end,
    P ! {priority, A, urgent},
    receive {P, urgent} -> ok end,
    Q = erpc:call(Peer, ?MODULE, start_park, []),
    apply(erlang, exit, [Q, soon, [priority]]),
    seq_trace:set_token(send, true),
    P ! {priority, A, traced},
    receive {P, traced} -> ok end,
    seq_trace:set_token([]),
    apply(erlang, exit, [P, killed, [priority]]);
scene(records, Peer) ->
    P = spawn(Peer, ?MODULE, echo, [self()]),
    Make = fun(Name, Fields, Exported) ->
                   apply(records, create, [?MODULE, Name, Fields, #{is_exported => Exported}])
           end,
    Point = Make(point, [{x, 1}, {y, [2]}], true),
    Terms = [Point, Make(empty, [], false), [Make(other, [{p, Point}, {'é', #{k => Point}}], true) | tail]],
    [begin P ! {self(), T}, receive {P, T} -> ok end end || T <- [Terms | Terms]],
    exit(P, kill);
scene(queued, Peer) ->
    %% Before the connection is up: all of it waits, and goes out in older forms.
    {nobody, Peer} ! hello,
    {gone, Peer} ! {hello, [self(), make_ref()], fun lists:map/2},
    _ = monitor(process, {nobody, Peer}),
    _ = spawn_request(Peer, ?MODULE, fail, [queued], [monitor]),
    gen_server:cast({nobody, Peer}, x),
    flush(300),
    erlang:disconnect_node(Peer),
    flush(100);
scene(group_leader, Peer) ->
    P = spawn(Peer, ?MODULE, park, []),
    group_leader(self(), P),
    group_leader(P, self()),
    group_leader(whereis(user), self()),
    exit(P, kill);
scene(gen_event, Peer) ->
    Dest = {error_logger_or_not, Peer},
    gen_event:notify(Dest, event),
    (catch gen_event:sync_notify(Dest, event, 1000)),
    {ok, Manager} = erpc:call(Peer, gen_event, start, []),
    [] = gen_event:which_handlers(Manager),
    ok = gen_event:sync_notify(Manager, event),
    gen_event:add_handler(Manager, no_such_handler, []),
    ok = gen_event:stop(Manager);
scene(supervisor, Peer) ->
    [_ | _] = supervisor:which_children({kernel_safe_sup, Peer}) ++ [x],
    _ = supervisor:start_child({kernel_safe_sup, Peer},
                               #{id => extra, start => {?MODULE, start_server, [extra]}, restart => temporary}),
    _ = supervisor:terminate_child({kernel_safe_sup, Peer}, extra),
    _ = erpc:call(Peer, application, which_applications, []);
scene(code, Peer) ->
    {Module, Binary, File} = code:get_object_code(scenes),
    _ = rpc:call(Peer, code, load_binary, [Module, File, Binary]),
    _ = erpc:call(Peer, code, get_path, []),
    {file, _} = erpc:call(Peer, code, is_loaded, [Module]),
    _ = erpc:call(Peer, erlang, statistics, [wall_clock]),
    _ = erpc:call(Peer, erlang, memory, []),
    _ = erpc:call(Peer, erlang, system_info, [c_compiler_used]),
    _ = erpc:call(Peer, ets, all, []).

%% === helpers ===

strip({'EXIT', {Reason, [_ | _]}}) -> {'EXIT', Reason};
strip(Other) -> Other.

make_fun(0) -> fun() -> 0 end;
make_fun(N) -> Inner = make_fun(N - 1), fun() -> Inner() + 1 end.

nested(0) -> [];
nested(N) -> [{nested(N - 1)}].

drain(P, Time) ->
    receive {P, _} -> drain(P, Time) after Time -> ok end.

whereis_at(Peer, Name) -> erpc:call(Peer, erlang, whereis, [Name]).

twice(Term) -> Term.

server(Peer, Name) -> {ok, _} = erpc:call(Peer, ?MODULE, start_server, [Name]).

start_server(Name) -> gen_server:start({local, Name}, ?MODULE, [], []).

init([]) -> {ok, 0}.

handle_call({add, N}, _From, Sum) -> {reply, {ok, Sum + N}, Sum + N};
handle_call(self, _From, Sum) -> {reply, self(), Sum};
handle_call({sleep, Time}, _From, Sum) -> timer:sleep(Time), {reply, ok, Sum};
handle_call(later, From, Sum) -> self() ! {reply, From}, {noreply, Sum};
handle_call(crash, _From, Sum) -> {stop, {shutdown, stopped}, Sum}.

handle_cast({add, N}, Sum) -> {noreply, Sum + N}.

handle_info({reply, From}, Sum) -> gen_server:reply(From, later), {noreply, Sum};
handle_info(_, Sum) -> {noreply, Sum}.

fail(Reason) -> exit(Reason).

start_park() -> spawn(?MODULE, park, []).

echo(Owner) ->
    receive
        {To, Term} -> To ! {self(), Term}, echo(Owner);
        {priority, To, Term} -> apply(erlang, send, [To, {self(), Term}, [priority]]), echo(Owner)
    end.

park() ->
    receive
        {exit, Reason} -> exit(Reason);
        {link, Pid} -> link(Pid), Pid ! {linked, self()}, park();
        {unlink, Pid} -> unlink(Pid), Pid ! {unlinked, self()}, park();
        {watch, From, Pid} ->
            Ref = monitor(process, Pid),
            From ! {watching, self()},
            receive {'DOWN', Ref, process, Pid, Reason} -> From ! {down, self(), Reason} end,
            park();
        _ -> park()
    end.
