%% Broadcasts as Phoenix.PubSub makes them over `pg`. The members of a group of adapters pass messages on to the local
%% subscribers of a topic, through the dispatcher named in the message.
-module(pubsub).
-export([setup/0, run/1, adapter/1]).

-define(SCOPE, 'Elixir.Phoenix.PubSub').
-define(ADAPTER, 'Elixir.Shop.PubSub.Adapter').

setup() ->
    spawn(fun() -> {ok, _} = pg:start_link(?SCOPE), receive stop -> ok end end),
    probe:until(fun() -> whereis(?SCOPE) =/= undefined end),
    Adapter = spawn(?MODULE, adapter, [#{}]),
    register(?ADAPTER, Adapter),
    ok = pg:join(?SCOPE, ?ADAPTER, Adapter),
    subscribe(<<"orders">>, probe:collector(subscriber)).

subscribe(Topic, Pid) -> ?ADAPTER ! {subscribe, Topic, Pid}, ok.

adapter(Subscribers) ->
    receive
        {subscribe, Topic, Pid} -> adapter(Subscribers#{Topic => Pid});
        {forward_to_local, Topic, Message, 'Elixir.Phoenix.PubSub'} ->
            [Pid ! Message || #{Topic := Pid} <- [Subscribers]],
            adapter(Subscribers);
        {forward_to_local, Topic, Message, 'Elixir.Phoenix.Channel.Server'} ->
            [Pid ! {socket, Message} || #{Topic := Pid} <- [Subscribers]],
            adapter(Subscribers)
    end.

broadcast(Topic, Message, Dispatcher) ->
    [Pid ! {forward_to_local, Topic, Message, Dispatcher} || Pid <- pg:get_members(?SCOPE, ?ADAPTER), node(Pid) =/= node()],
    ok.

run(Peer) ->
    probe:steps([
        {found, fun() -> probe:until(fun() -> length(pg:get_members(?SCOPE, ?ADAPTER)) =:= 2 end) end},
        {broadcast, fun() -> broadcast(<<"orders">>, {order, node() =/= Peer, #{id => 1}}, 'Elixir.Phoenix.PubSub') end},
        {channel, fun() ->
            New = #{'__struct__' => 'Elixir.Phoenix.Socket.Broadcast', topic => <<"orders">>, event => <<"new">>, payload => #{id => 1}},
            broadcast(<<"orders">>, New, 'Elixir.Phoenix.Channel.Server'),
            broadcast(<<"orders">>, New#{payload := {binary, <<1, 2>>}}, 'Elixir.Phoenix.Channel.Server')
        end},
        {other_topic, fun() -> broadcast(<<"nobody">>, unheard, 'Elixir.Phoenix.PubSub') end},
        {direct, fun() ->
            {?ADAPTER, Peer} ! {forward_to_local, <<"orders">>, direct, 'Elixir.Phoenix.PubSub'},
            ok
        end}
    ]).
