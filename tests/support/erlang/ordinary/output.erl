%% Output, input and log events of processes on the other node whose group leader is here.
-module(output).
-export([setup/0, run/1, prints/0, reads/0, logs/0, io/1]).

setup() -> ok.

prints() ->
    ok = io:format("~ts: ~p~n", [<<"сумма"/utf8>>, {1.5, "two", [3]}]),
    ok = io:put_chars("plain\n"),
    ok = io:write({a, term}),
    ok = io:nl(),
    ok = file:write(group_leader(), "bytes"),
    {error, _} = file:write(group_leader(), [300]),
    printed.

reads() -> {io:get_line("name: "), io:get_chars("", 3)}.

logs() ->
    logger:notice("a format: ~p", [here]),
    logger:warning("a string"),
    logger:error(#{a => report, with => [some, "values"]}, #{domain => [shop]}),
    logged.

run(Peer) ->
    Io = spawn(?MODULE, io, [[]]),
    group_leader(Io, self()),
    probe:steps([
        {prints, fun() -> erpc:call(Peer, ?MODULE, prints, []) end},
        {printed, fun() -> probe:got(Io) end},
        {rpc, fun() -> {rpc:call(Peer, io, format, ["by ~p~n", [rpc]]), lists:last(probe:got(Io))} end}
    ]).

%% An IO server that keeps what is written and has something to read.
io(Written) ->
    receive
        {io_request, From, ReplyAs, Request} ->
            {Reply, Now} = case Request of
                {put_chars, unicode, Chars} -> keep(Chars, Written);
                {put_chars, latin1, Chars} -> keep(Chars, Written);
                {put_chars, unicode, M, F, A} -> keep(apply(M, F, A), Written);
                {get_line, unicode, _} -> {"a line\n", Written};
                {get_chars, unicode, _, N} -> {lists:duplicate(N, $x), Written}
            end,
            From ! {io_reply, ReplyAs, Reply},
            io(Now);
        {'$probe', From, Ref, got} ->
            From ! {Ref, lists:reverse(Written)},
            io(Written)
    end.

keep(Chars, Written) ->
    try unicode:characters_to_binary(Chars) of
        Text when is_binary(Text) -> {ok, [Text | Written]};
        _ -> {{error, no_translation}, Written}
    catch
        _:_ -> {{error, put_chars}, Written}
    end.
