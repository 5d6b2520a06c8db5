%% The adapter of Phoenix.PubSub over `pg`, under its supervisor, with one client of a channel that speaks JSON. It passes
%% on what is broadcast, in the process of the adapter itself, as Phoenix does.
-module(adapter).
-behaviour(supervisor).
-export([start/0, start_link/0, init/1, handle_info/2, handle_call/3, handle_cast/2]).

start() ->
    probe:collector(client),
    Started = spawn(fun() -> {ok, Pid} = supervisor:start_link({local, pubsub_supervisor}, ?MODULE, supervisor), unlink(Pid) end),
    Ref = monitor(process, Started),
    receive {'DOWN', Ref, _, _, normal} -> persistent_term:put(adapter, whereis(adapter)), ok end.

start_link() -> gen_server:start_link({local, adapter}, ?MODULE, worker, []).

%% With the defaults of Elixir's supervisors.
init(supervisor) ->
    {ok, {#{strategy => one_for_one, intensity => 3, period => 5}, [#{id => adapter, start => {?MODULE, start_link, []}}]}};
init(worker) ->
    {ok, none}.

handle_info({forward_to_local, Topic, Message, Dispatcher}, State) ->
    dispatch(Dispatcher, Topic, Message),
    {noreply, State};
handle_info(_, State) ->
    {noreply, State}.

handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.

dispatch('Elixir.Phoenix.Channel.Server', _, #{'__struct__' := 'Elixir.Phoenix.Socket.Broadcast'} = Message) ->
    whereis(client) ! {socket, encoded(Message)};
dispatch(_, _, Message) ->
    whereis(client) ! Message.

encoded(#{topic := Topic, event := Event, payload := {binary, Data}}) ->
    <<(byte_size(Topic)), (byte_size(Event)), Topic/binary, Event/binary, Data/binary>>;
encoded(#{topic := Topic, event := Event, payload := Payload}) when is_map(Payload) ->
    iolist_to_binary(json([Topic, Event, Payload])).

json(Map) when is_map(Map) -> [${, [[json(Key), $:, json(Value), $,] || {Key, Value} <- maps:to_list(Map)], $}];
json(List) when is_list(List) -> [$[, [[json(Element), $,] || Element <- List], $]];
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Integer) when is_integer(Integer) -> integer_to_binary(Integer);
json(Text) when is_binary(Text) -> [$", valid(Text), $"].

valid(Text) ->
    Text = unicode:characters_to_binary(Text).
