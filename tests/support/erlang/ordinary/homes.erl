%% Servers that are found by names of `global` and reached by their pids, from the other node of a mesh.
-module(homes).
-behaviour(gen_server).
-export([setup/0, run/1]).
-export([init/1, handle_call/3, handle_cast/2]).

%% One server has its name before the nodes meet, the other one gets it afterwards.
setup() ->
    {ok, Early} = gen_server:start(?MODULE, [], []),
    yes = global:register_name({early, node()}, Early),
    {ok, _} = gen_server:start({local, homes}, ?MODULE, [], []).

init([]) -> {ok, []}.

handle_call(where, _, State) -> {reply, {node(), self()}, State};
handle_call({same, Pid}, _, State) -> {reply, {Pid =:= self(), Pid}, State}.

handle_cast({tell, To}, State) -> To ! {self(), told}, {noreply, State}.

run(Peer) ->
    Late = whereis(homes),
    yes = global:register_name({late, node()}, Late),
    probe:steps([
        {early, fun() -> visit({early, Peer}, Peer) end},
        {re_registered, fun() -> {global:re_register_name({late, node()}, Late), visit({early, Peer}, Peer)} end},
        %% The node that runs this first is alone with its late name.
        {late, fun() -> global:whereis_name({late, Peer}) =:= undefined orelse visit({late, Peer}, Peer) end}
    ]).

visit(Name, Peer) ->
    true = probe:until(fun() -> is_pid(global:whereis_name(Name)) end),
    Pid = global:whereis_name(Name),
    {Peer, Pid} = gen_server:call(Pid, where),
    {Peer, Pid} = gen_server:call({global, Name}, where),
    {true, Pid} = gen_server:call(Pid, {same, Pid}),
    ok = gen_server:cast({global, Name}, {tell, self()}),
    receive {Pid, told} -> ok after 5000 -> error(lost) end,
    {Peer, Pid} = gen_server:call(Pid, where),
    visited.
