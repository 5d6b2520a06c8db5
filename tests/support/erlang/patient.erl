%% Processes of a user's under every behaviour, which take whatever comes; and what must stay as it is on their node.
-module(patient).
-export([start/0, exposed/0, state/0]).
-export([init/1, handle_call/3, handle_call/2, handle_cast/2, handle_event/2, handle_event/4, handle_info/2, callback_mode/0]).

start() ->
    {ok, _} = gen_server:start({local, patient_server}, ?MODULE, server, []),
    {ok, _} = gen_statem:start({local, patient_statem}, ?MODULE, statem, []),
    {ok, _} = gen_event:start({local, patient_event}),
    ok = gen_event:add_handler(patient_event, ?MODULE, event),
    probe:collector(patient_collector),
    register(patient_io, spawn(fun io/0)),
    ets:new(patient_table, [named_table, public]),
    ok.

%% A group leader of the kind that every program can be. It ends over text of more than a megabyte.
io() ->
    receive
        {io_request, From, ReplyAs, Request} ->
            Reply = try text(Request) of
                Text when is_list(Text), length(Text) > 1000000 -> exit(flooded);
                Text when is_list(Text) -> ok;
                _ -> {error, put_chars}
            catch _:_ -> {error, put_chars}
            end,
            From ! {io_reply, ReplyAs, Reply};
        _ -> ok
    end,
    io().

text({put_chars, Encoding, M, F, A}) -> unicode:characters_to_list(apply(M, F, A), Encoding);
text({put_chars, Encoding, Chars}) -> unicode:characters_to_list(Chars, Encoding).

exposed() -> [whereis(Name) || Name <- [patient_collector, patient_event, patient_io]].

%% All registered processes, and logger's configuration.
state() ->
    Handlers = [maps:without([config], Handler) || Handler <- logger:get_handler_config()],
    {lists:sort([{Name, whereis(Name)} || Name <- registered()]), erlang:phash2({logger:get_primary_config(), Handlers})}.

callback_mode() -> handle_event_function.
init(mark) -> persistent_term:put(patient_ran, true), {ok, event};
init(statem) -> {ok, open, none};
init(Kind) -> {ok, Kind}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_call(_, State) -> {ok, ok, State}.
handle_cast(_, State) -> {noreply, State}.
handle_event(fail, _) -> error(fail);
handle_event(_, State) -> {ok, State}.
handle_event({call, From}, _, _, _) -> {keep_state_and_data, {reply, From, ok}};
handle_event(_, _, _, _) -> keep_state_and_data.
handle_info(_, event) -> {ok, event};
handle_info(_, State) -> {noreply, State}.
