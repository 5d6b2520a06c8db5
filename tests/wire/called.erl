%% What wrapped calls call in test_calls.py, and how a real node is asked whether they do.
-module(called).

-export([zero/0, one/1, loop/0]).

zero() -> tester ! called.

one(X) -> tester ! {called, X}.

%% One case a line: {Module, Function, Arguments, ItCallsOnAMessage, Expected}, as base64 of the external format.
loop() ->
    register(tester, self()),
    loop(io:get_line("")).

loop(eof) ->
    halt();
loop(Line) ->
    {M, F, A, Waits, Expected} = binary_to_term(base64:decode(string:trim(Line))),
    Pid = spawn(fun() -> apply(M, F, A), receive stop -> ok end end),
    [erlang:send_after(50, Pid, go) || Waits],
    io:format("~p~n", [receive Expected -> true after 2000 -> false end]),
    exit(Pid, kill),
    loop(io:get_line("")).
