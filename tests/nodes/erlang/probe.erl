%% The tests' hand inside a node: evaluates what the test asks for over a loopback socket (never over distribution), and
%% has the small processes that the tests look at from outside. Runs on OTP 23 and later.
-module(probe).
-export([serve/1, pack/1, unpack/1, timed/1, caught/1]).
-export([collector/0, collector/1, got/1, await/3, do/2, do/3]).
-export([start_server/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([until/1, until/2, digest/1, echo/1, flood/3, sink/1, sunk/1]).

%% --- control ---

%% One request is <<Id:32, Expressions/binary>>, one answer <<Id:32, Ok:8, Printed/binary>>; each runs in its own process.
serve(Socket) ->
    register(probe_control, self()),
    process_flag(priority, high),
    ok = inet:setopts(Socket, [{active, true}]),
    serve(Socket, #{}).

serve(Socket, Running) ->
    receive
        {tcp, Socket, <<Id:32, Text/binary>>} ->
            Control = self(),
            {_, Ref} = spawn_monitor(fun() -> Control ! {answer, Id, evaluate(Text)} end),
            serve(Socket, Running#{Ref => Id});
        {answer, Id, {Ok, Printed}} ->
            ok = gen_tcp:send(Socket, [<<Id:32, Ok>>, Printed]),
            serve(Socket, maps:filter(fun(_, V) -> V =/= Id end, Running));
        {'DOWN', Ref, process, _, Reason} ->
            case maps:take(Ref, Running) of
                {Id, Rest} ->
                    ok = gen_tcp:send(Socket, [<<Id:32, 0>>, printed({killed, Reason})]),
                    serve(Socket, Rest);
                error ->
                    serve(Socket, Running)
            end;
        {tcp_closed, Socket} ->
            erlang:halt(0, [{flush, false}])
    end.

evaluate(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
        {ok, Expressions} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        {1, printed(Value)}
    catch
        Class:Reason -> {0, printed({Class, Reason})}
    end.

printed(Term) -> unicode:characters_to_binary(io_lib:format("~0tp", [Term])).

%% A term to carry to another node by way of the test.
pack(Term) -> base64:encode(term_to_binary(Term)).
unpack(Text) -> binary_to_term(base64:decode(Text)).

%% {Milliseconds, Result}
timed(Fun) ->
    Start = erlang:monotonic_time(microsecond),
    Result = caught(Fun),
    {(erlang:monotonic_time(microsecond) - Start) div 1000, Result}.

caught(Fun) ->
    try Fun()
    catch
        Class:Reason -> {Class, Reason}
    end.

%% Whether Fun returns true within the time.
until(Fun) -> until(Fun, 5000).
until(Fun, Left) when Left =< 0 -> Fun();
until(Fun, Left) ->
    case Fun() of
        true -> true;
        _ -> timer:sleep(20), until(Fun, Left - 20)
    end.

%% --- a process that keeps what it gets, and does what it is told ---

collector() -> spawn(fun() -> process_flag(trap_exit, true), collect([]) end).
collector(Name) ->
    Pid = collector(),
    true = register(Name, Pid),
    Pid.

collect(Kept) ->
    receive
        {'$probe', From, Ref, got} ->
            From ! {Ref, lists:reverse(Kept)},
            collect(Kept);
        {'$probe', From, Ref, {do, Fun}} ->
            From ! {Ref, caught(Fun)},
            collect(Kept);
        {'$probe', From, Ref, {stop, Reason}} ->
            From ! {Ref, ok},
            exit(Reason);
        Message ->
            collect([Message | Kept])
    end.

ask(Pid, Request) ->
    Ref = make_ref(),
    Pid ! {'$probe', self(), Ref, Request},
    receive {Ref, Answer} -> Answer
    after 5000 -> error({no_answer, Pid, Request})
    end.

got(Pid) -> ask(Pid, got).
do(Pid, Fun) -> ask(Pid, {do, Fun}).
do(Pid, stop, Reason) -> ask(Pid, {stop, Reason}).

%% What it got, once there are at least Count messages; after Time milliseconds whatever there is.
await(Pid, Count, Time) ->
    until(fun() -> length(got(Pid)) >= Count end, Time),
    got(Pid).

%% --- a gen_server ---

start_server(Name) ->
    {ok, Pid} = gen_server:start({local, Name}, ?MODULE, 0, []),
    Pid.

init(State) -> {ok, State}.

handle_call({add, N}, _From, State) -> {reply, State + N, State + N};
handle_call(get, _From, State) -> {reply, State, State};
handle_call({echo, Term}, _From, State) -> {reply, Term, State};
handle_call({digest, Term}, _From, State) -> {reply, digest(Term), State};
handle_call({sleep, Time}, _From, State) -> timer:sleep(Time), {reply, slept, State};
handle_call({crash, Reason}, _From, State) -> {stop, Reason, State}.

handle_cast({add, N}, State) -> {noreply, State + N}.

handle_info(_Message, State) -> {noreply, State}.

%% --- traffic ---

digest(Term) -> erlang:md5(term_to_binary(Term, [{minor_version, 2}])).

echo(Parent) ->
    receive
        {echo, From, Term} -> From ! {echoed, Term}, echo(Parent);
        stop -> ok
    end.

%% Counts what arrives until told; for measuring.
sink(Count) ->
    receive
        {sunk, From, Ref} -> From ! {Ref, Count}, sink(Count);
        _ -> sink(Count + 1)
    end.

sunk(Pid) ->
    Ref = make_ref(),
    Pid ! {sunk, self(), Ref},
    receive {Ref, Count} -> Count end.

flood(_Target, _Message, 0) -> ok;
flood(Target, Message, Count) -> Target ! Message, flood(Target, Message, Count - 1).
