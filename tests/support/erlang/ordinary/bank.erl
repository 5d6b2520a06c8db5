%% A gen_server bank under a supervisor: accounts by calls and casts, tellers that belong to one client, a report that a
%% worker writes.
-module(bank).
-behaviour(gen_server).
-export([setup/0, run/1, start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

setup() ->
    Keeper = spawn(fun() ->
        process_flag(trap_exit, true),
        {ok, _} = supervisor:start_link(?MODULE, supervisor),
        receive stop -> ok end
    end),
    probe:until(fun() -> whereis(bank) =/= undefined end),
    Keeper.

start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, bank, []).

init(supervisor) ->
    {ok, {#{intensity => 10}, [#{id => bank, start => {?MODULE, start_link, [bank]}}]}};
init(bank) -> {ok, #{accounts => #{}, watched => []}};
init({teller, Client}) ->
    _ = monitor(process, Client),
    {ok, #{teller => Client, served => 0}}.

handle_call({open, Name, Sum}, _From, #{accounts := Accounts} = State) ->
    {reply, ok, State#{accounts := Accounts#{Name => Sum}}};
handle_call({balance, Name}, _From, #{accounts := Accounts} = State) ->
    {reply, maps:find(Name, Accounts), State};
handle_call({transfer, From, To, Sum}, _From, #{accounts := Accounts} = State) ->
    case Accounts of
        #{From := Has, To := Had} when Has >= Sum ->
            {reply, ok, State#{accounts := Accounts#{From := Has - Sum, To := Had + Sum}}};
        #{From := _, To := _} -> {reply, {error, short}, State};
        #{} -> {reply, {error, no_such_account}, State}
    end;
handle_call({statement, Lines}, _From, State) -> {reply, [{N, <<N:32>>} || N <- lists:seq(1, Lines)], State};
handle_call({sleep, Time}, _From, State) -> timer:sleep(Time), {reply, slept, State};
handle_call(audit, From, State) ->
    %% Another process answers.
    spawn(fun() -> timer:sleep(20), gen_server:reply(From, audited) end),
    {noreply, State};
handle_call(teller, {Client, _}, State) ->
    {ok, Teller} = gen_server:start(?MODULE, {teller, Client}, []),
    {reply, Teller, State};
handle_call({tell, Name, Watcher}, _From, #{watched := Watched} = State) ->
    {reply, ok, State#{watched := [{Name, Watcher} | Watched]}};
handle_call(robbery, _From, State) -> {stop, robbed, State};
handle_call(served, _From, #{served := N} = State) -> {reply, N, State}.

handle_cast({deposit, Name, Sum}, #{accounts := Accounts, watched := Watched} = State) ->
    [Watcher ! {deposited, Name, Sum} || {Account, Watcher} <- Watched, Account =:= Name],
    {noreply, State#{accounts := maps:update_with(Name, fun(Had) -> Had + Sum end, Sum, Accounts)}};
handle_cast(serve, #{served := N} = State) -> {noreply, State#{served := N + 1}};
handle_cast(close, State) -> {stop, {shutdown, closed}, State}.

handle_info({'DOWN', _, process, Client, _}, #{teller := Client} = State) -> {stop, normal, State};
handle_info(_, State) -> {noreply, State}.

run(Peer) ->
    Bank = {bank, Peer},
    Call = fun(Request) -> gen_server:call(Bank, Request) end,
    process_flag(trap_exit, true),
    probe:steps([
        {open, fun() -> [Call({open, Name, Sum}) || {Name, Sum} <- [{alice, 100}, {<<"боб"/utf8>>, 50}, {"carol", 0}]] end},
        {transfer, fun() -> [
            Call({transfer, alice, "carol", 30}), Call({transfer, "carol", alice, 31}), Call({transfer, alice, dave, 1})
        ] end},
        {balance, fun() -> [Call({balance, Name}) || Name <- [alice, <<"боб"/utf8>>, "carol", dave]] end},
        {casts, fun() ->
            [gen_server:cast(Bank, {deposit, alice, 1}) || _ <- lists:seq(1, 200)],
            Call({balance, alice})
        end},
        {statement, fun() -> erlang:phash2(Call({statement, 20000})) end},
        {told, fun() ->
            ok = Call({tell, "carol", self()}),
            gen_server:cast(Bank, {deposit, "carol", 7}),
            heard()
        end},
        {late, fun() -> catch gen_server:call(Bank, {sleep, 150}, 30) end},
        {audit, fun() -> Call(audit) end},
        {requests, fun() ->
            Requests = [gen_server:send_request(Bank, {balance, Name}) || Name <- [alice, "carol"]],
            [gen_server:receive_response(R, 5000) || R <- Requests]
        end},
        {multi_call, fun() ->
            {Replies, Bad} = gen_server:multi_call([node(), Peer], bank, {balance, nobody}),
            {[{Node =:= node(), R} || {Node, R} <- Replies], Bad}
        end},
        {multi_call_timeout, fun() ->
            {Replies, Bad} = gen_server:multi_call([node(), Peer], bank, {balance, nobody}, 5000),
            {[{Node =:= node(), R} || {Node, R} <- Replies], Bad}
        end},
        {abcast, fun() -> {gen_server:abcast([node(), Peer], bank, {deposit, {all, Peer}, 5}), Call({balance, {all, Peer}})} end},
        {nobody, fun() -> [catch gen_server:call({nobody, Peer}, hi), gen_server:cast({nobody, Peer}, hi)] end},
        {teller, fun() ->
            Teller = Call(teller),
            Ref = monitor(process, Teller),
            link(Teller),
            gen_server:cast(Teller, serve),
            Served = gen_server:call(Teller, served),
            gen_server:cast(Teller, close),
            {Served, lists:sort([case heard() of
                {'DOWN', Ref, process, Teller, Reason} -> {down, Reason};
                {'EXIT', Teller, Reason} -> {exit, Reason}
            end || _ <- [1, 2]])}
        end},
        {teller_who_has_left, fun() ->
            Teller = Call(teller),
            Ref = monitor(process, Teller),
            gen_server:cast(Teller, close),
            {'DOWN', Ref, process, Teller, _} = heard(),
            gen_server:cast(Teller, serve),
            {'EXIT', {Reason, {gen_server, call, _}}} = (catch gen_server:call(Teller, served)),
            link(Teller),
            {Reason, heard()}
        end},
        {unlinked, fun() ->
            Teller = Call(teller),
            link(Teller),
            unlink(Teller),
            Ref = monitor(process, Teller),
            demonitor(Ref, [flush]),
            gen_server:cast(Teller, close),
            receive {Kind, _, _} -> Kind after 200 -> silence end
        end},
        {client_dies, fun() ->
            Self = self(),
            {Client, _} = spawn_monitor(fun() -> Self ! {teller, Call(teller)}, receive die -> exit(died) end end),
            Teller = receive {teller, T} -> T after 5000 -> error(lost) end,
            Ref = monitor(process, Teller),
            Client ! die,
            receive {'DOWN', _, process, Client, _} -> ok end,
            receive {'DOWN', Ref, process, Teller, Reason} -> Reason after 5000 -> lost end
        end},
        {linked_client_dies, fun() ->
            Self = self(),
            {Client, _} = spawn_monitor(fun() ->
                Teller = Call(teller),
                link(Teller),
                0 = gen_server:call(Teller, served),
                Self ! {teller, Teller},
                receive die -> exit(died) end
            end),
            Teller = receive {teller, T} -> T after 5000 -> error(lost) end,
            Ref = monitor(process, Teller),
            Client ! die,
            receive {'DOWN', _, process, Client, _} -> ok end,
            %% The end of the client's link comes first of the two.
            receive {'DOWN', Ref, process, Teller, Reason} -> Reason after 5000 -> lost end
        end},
        {robbery, fun() ->
            Ref = monitor(process, Bank),
            {'EXIT', {Reason, {gen_server, call, _}}} = (catch Call(robbery)),
            {Reason, receive {'DOWN', Ref, process, _, Down} -> Down after 5000 -> lost end}
        end},
        %% The supervisor has started it again, without accounts.
        {restarted, fun() -> probe:until(fun() -> (catch Call({balance, alice})) =:= error end) end}
    ]).

heard() -> receive Message -> Message after 5000 -> lost end.
