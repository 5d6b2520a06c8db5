%% Log events of processes on the other node whose group leader is here: they are logged here, too.
-module(logging).
-export([setup/0, run/1, logs/0, log/2]).

setup() ->
    probe:collector(logbook),
    ok = logger:set_primary_config(level, all),
    ok = logger:add_handler(?MODULE, ?MODULE, #{}),
    ok = logger:set_handler_config(default, level, none).

%% A handler of logger.
log(#{level := Level, msg := Message, meta := #{domain := [shop], pid := Pid}}, _) ->
    logbook ! {Level, Message, node(Pid) =:= node()};
log(_, _) ->
    ok.

logs() ->
    Meta = #{domain => [shop]},
    logger:notice("a format: ~p ~ts", [here, <<"сумма"/utf8>>], Meta),
    logger:warning("a string", Meta),
    logger:error(#{a => report, with => [some, "values"]}, Meta),
    logger:debug([{a, report}, {with, pairs}], Meta),
    logged.

run(Peer) ->
    probe:steps([
        {logs, fun() -> erpc:call(Peer, ?MODULE, logs, []) end},
        {arrived, fun() -> {probe:until(fun() -> length(from_there()) =:= 4 end), from_there()} end}
    ]).

from_there() -> [Event || {_, _, false} = Event <- probe:got(logbook)].
