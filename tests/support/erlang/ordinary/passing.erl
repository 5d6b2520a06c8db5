%% Programs that hand pids about. A desk keeps a worker and gives it to clients. They write it back, look it up in a
%% table, use it over a new connection, and are called back.
-module(passing).
-behaviour(gen_server).
-export([setup/0, run/1, reconnects/1, libraries/1, calls_back/2, answers/1, works/0, start_worker/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(SHELF, passing_shelf).

setup() ->
    Keeper = spawn(fun() ->
        ?SHELF = ets:new(?SHELF, [named_table, public]),
        {ok, _} = gen_server:start_link({local, desk}, ?MODULE, [], []),
        receive stop -> ok end
    end),
    probe:until(fun() -> whereis(desk) =/= undefined end),
    Keeper.

start_worker() -> spawn(?MODULE, works, []).

works() ->
    receive
        {From, What} when is_pid(From) -> From ! {self(), What}, works();
        {pass_on, To, What} -> To ! {self(), What}, works();
        {ends, Reason} -> exit(Reason)
    end.

init([]) ->
    Worker = start_worker(),
    ets:insert(?SHELF, {worker, Worker}),
    {ok, #{worker => Worker, lent => []}}.

handle_call(worker, _, #{worker := Worker, lent := Lent} = State) -> {reply, Worker, State#{lent := [Worker | Lent]}};
handle_call({release, Worker}, _, #{lent := Lent} = State) ->
    {reply, {lists:member(Worker, Lent), Worker}, State#{lent := lists:delete(Worker, Lent)}};
handle_call({shelve, Key, Pid}, _, State) -> {reply, ets:insert(?SHELF, {Key, Pid}), State};
handle_call({find, Key}, _, State) -> {reply, ets:lookup(?SHELF, Key), State};
%% The worker reports to a client that it knows from the table only.
handle_call({nudge, Key}, _, #{worker := Worker} = State) ->
    [{Key, Client}] = ets:lookup(?SHELF, Key),
    Worker ! {pass_on, Client, nudged},
    {reply, ok, State}.

handle_cast({report, To}, #{worker := Worker} = State) -> To ! {Worker, reported}, {noreply, State}.

run(Peer) ->
    Desk = {desk, Peer},
    Call = fun(Request) -> gen_server:call(Desk, Request) end,
    probe:steps([
        {worker, fun() -> ask(Call(worker), one) end},
        {written_back, fun() ->
            Worker = Call(worker),
            First = ask(Worker, one),
            %% The server gives back what it was given, in its answer.
            {true, Worker} = Call({release, Worker}),
            {First, ask(Worker, two)}
        end},
        {table, fun() ->
            [{worker, Worker}] = Call({find, worker}),
            true = Call({shelve, mine, Worker}),
            [{mine, Worker}] = Call({find, mine}),
            ask(Worker, from_the_table)
        end},
        {own_pid_in_a_table, fun() ->
            true = Call({shelve, client, self()}),
            ok = Call({nudge, client}),
            heard()
        end},
        {reported, fun() ->
            gen_server:cast(Desk, {report, self()}),
            receive {Worker, reported} -> ask(Worker, three) after 5000 -> lost end
        end},
        {passed_to_another_client, fun() ->
            Self = self(),
            Worker = Call(worker),
            spawn(fun() -> Self ! {asked, ask(Worker, for_another)} end),
            receive {asked, Answer} -> Answer after 5000 -> lost end
        end},
        {called_back, fun() -> erpc:call(Peer, ?MODULE, calls_back, [node(), self()]) end},
        {heard_of_it, fun() -> heard() end},
        {watched, fun() ->
            Worker = erpc:call(Peer, ?MODULE, start_worker, []),
            Ref = monitor(process, Worker),
            Worker ! {ends, done},
            receive {'DOWN', Ref, process, Worker, Reason} -> Reason after 5000 -> lost end
        end}
    ]).

%% Called on the other node: it works with the node that calls, and with the process that it was given.
calls_back(Node, Client) ->
    Answer = erpc:call(Node, ?MODULE, answers, [self()]),
    [{worker, Worker}] = gen_server:call({desk, Node}, {find, worker}),
    Client ! {self(), called},
    {Answer =:= {Node, self()}, ask(Worker, back)}.

answers(Pid) -> {node(), Pid}.

%% A worker is known from one connection and used over the next one.
reconnects(Peer) ->
    Worker = gen_server:call({desk, Peer}, worker),
    Again = fun(What) ->
        true = erlang:disconnect_node(Peer),
        true = probe:until(fun() -> not lists:member(Peer, nodes(connected)) end),
        ask(Worker, What)
    end,
    probe:steps([
        {before, fun() -> ask(Worker, one) end},
        {once, fun() -> Again(two) end},
        {written_back, fun() ->
            {true, Worker} = gen_server:call({desk, Peer}, {release, Worker}),
            {Again(three), ask(Worker, four)}
        end},
        {watched, fun() ->
            true = erlang:disconnect_node(Peer),
            Ref = monitor(process, Worker),
            receive {'DOWN', Ref, _, _, Reason} -> Reason after 300 -> demonitor(Ref), lives end
        end}
    ]).

%% Processes that OTP's own libraries start on the other node.
libraries(Peer) ->
    process_flag(trap_exit, true),
    %% Without a crash report.
    Ended = fun(Worker) ->
        Worker ! {ends, shutdown},
        receive {'EXIT', Worker, Reason} -> Reason after 5000 -> lost end
    end,
    Works = fun(Worker) -> {ask(Worker, started), Ended(Worker)} end,
    probe:steps([
        {proc_lib, fun() -> Works(proc_lib:spawn_link(Peer, ?MODULE, works, [])) end},
        {proc_lib_opt, fun() ->
            Options = [link, {priority, low}, {message_queue_data, off_heap}],
            Works(proc_lib:spawn_opt(Peer, ?MODULE, works, [], Options))
        end},
        {spawn_opt, fun() -> Works(spawn_opt(Peer, ?MODULE, works, [], [link, {priority, normal}])) end},
        {request, fun() ->
            Ref = erlang:spawn_request(Peer, ?MODULE, works, [], [link, {reply_tag, started}, {priority, low}]),
            receive {started, Ref, ok, Worker} -> Works(Worker) after 5000 -> lost end
        end}
    ]).

ask(Worker, What) ->
    Worker ! {self(), What},
    receive {Worker, Said} -> Said after 5000 -> lost end.

heard() -> receive {_, Said} -> Said after 5000 -> lost end.
