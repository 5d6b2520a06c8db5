%% The tests' hand inside a node: evaluates what the test asks for over a loopback socket (never over distribution), and
%% has the small processes that the tests look at from outside. Runs on OTP 23 and later.
-module(probe).
-export([serve/1, pack/1, unpack/1, timed/1, caught/1, steps/1]).
-export([collector/0, collector/1, got/1, await/3, do/2, do/3]).
-export([start/2, stop/1, start_server/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([adding_handler/1, log/2]).
-export([messages/2, realise/1, atoms_of_refused/2]).
-export([until/1, until/2, tokens/0, io/0, watch_setnode/0, setnode_flags/0]).
-export([sink/2, flood/4, echo/0, ping_pong/3]).
-export([number/3, stop_numbering/0, counter/1, counted/1]).

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

%% The results of the steps of a program, taken in order.
steps(Steps) -> [{Name, Step()} || {Name, Step} <- Steps].

%% True if Fun returns true within the time.
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

%% The messages received, once there are at least Count; after Time milliseconds as many as there are.
await(Pid, Count, Time) ->
    until(fun() -> length(got(Pid)) >= Count end, Time),
    got(Pid).

%% An application of the user's.
start(_Type, _Arguments) -> supervisor:start_link({local, shop_sup}, ?MODULE, supervisor).
stop(_State) -> ok.

%% --- a gen_server; also a supervisor without children, and a gen_event handler ---

start_server(Name) ->
    {ok, Pid} = gen_server:start({local, Name}, ?MODULE, 0, []),
    Pid.

init(supervisor) -> {ok, {#{}, []}};
init({handler, Name}) -> Name ! ran, {ok, []};
init({handler, Name, Message}) -> Name ! Message, {ok, []};
init(State) -> {ok, State}.

handle_call({add, N}, _From, State) -> {reply, State + N, State + N};
handle_call(get, _From, State) -> {reply, State, State};
handle_call({echo, Term}, _From, State) -> {reply, Term, State};
handle_call({keep, Term}, _From, _State) -> {reply, ok, Term};
handle_call({sleep, Time}, _From, State) -> timer:sleep(Time), {reply, slept, State};
handle_call({crash, Reason}, _From, State) -> {stop, Reason, State}.

handle_cast({add, N}, State) -> {noreply, State + N}.

handle_info(_Message, State) -> {noreply, State}.

%% A log handler, too.
adding_handler(#{to := Name, mark := Message} = Config) -> Name ! Message, {ok, Config}.
log(_Event, _Config) -> ok.

%% --- traffic, for measuring ---

%% Takes Count messages under the name sink, then tells the process waiting on the other node.
sink(Count, Node) ->
    register(sink, self()),
    sunk(Count),
    unregister(sink),
    {bench, Node} ! sunk.

sunk(0) -> ok;
sunk(Count) -> receive _ -> sunk(Count - 1) end.

%% Sends Count messages of Size bytes to the sink of Node from several senders; microseconds until all have arrived.
flood(Node, Size, Count, Senders) ->
    Message = binary:copy(<<7>>, Size),
    register(bench, self()),
    Start = erlang:monotonic_time(microsecond),
    [spawn_link(fun() -> send({sink, Node}, Message, Count div Senders) end) || _ <- lists:seq(1, Senders)],
    receive sunk -> ok end,
    unregister(bench),
    erlang:monotonic_time(microsecond) - Start.

send(_Target, _Message, 0) -> ok;
send(Target, Message, Count) -> Target ! Message, send(Target, Message, Count - 1).

%% Sends numbered messages to two names of a node until told to stop: two to the open name for each to the shut name.
number(Node, Open, Shut) -> register(numbering, spawn(fun() -> number({Open, Node}, {Shut, Node}, 1, node()) end)).

number(Open, Shut, N, Name) ->
    Open ! {Name, N},
    Shut ! {Name, N},
    Open ! {Name, N + 1},
    receive {stop, From} -> From ! {sent, N + 1}
    after 0 ->
        %% No more of them under way than the other side can take.
        N rem 2000 =:= 1 andalso N > 2000 andalso receive go -> ok end,
        number(Open, Shut, N + 2, Name)
    end.

%% The number of messages sent to the open name.
stop_numbering() ->
    numbering ! {stop, self()},
    receive {sent, N} -> N end.

%% Takes numbered messages, and notes gaps between messages of the same node.
counter(Name) -> register(Name, spawn(fun() -> count(#{}, []) end)).

count(Seen, Gaps) ->
    receive
        {total, From} -> From ! {total, lists:sort(maps:to_list(Seen)), Gaps}, count(Seen, Gaps);
        {Node, N} ->
            N rem 2000 =:= 0 andalso ({numbering, Node} ! go),
            case Seen of
                #{Node := Last} when Last + 1 =:= N -> count(Seen#{Node := N}, Gaps);
                #{Node := Last} -> count(Seen#{Node := N}, [{Node, Last, N} | Gaps]);
                #{} when N =:= 1 -> count(Seen#{Node => N}, Gaps);
                #{} -> count(Seen#{Node => N}, [{Node, 0, N} | Gaps])
            end
    end.

%% The last number from each node, and the gaps.
counted(Name) ->
    Name ! {total, self()},
    receive {total, Seen, Gaps} -> {Seen, Gaps} end.

echo() ->
    receive {From, Message} -> From ! Message, echo() end.

%% Microseconds for Count round trips to the echo of Node, one after the other.
ping_pong(Node, Size, Count) ->
    Message = {self(), binary:copy(<<7>>, Size)},
    Start = erlang:monotonic_time(microsecond),
    round_trips({echo, Node}, Message, Count),
    erlang:monotonic_time(microsecond) - Start.

round_trips(_Target, _Message, 0) -> ok;
round_trips(Target, Message, Count) ->
    Target ! Message,
    receive _ -> round_trips(Target, Message, Count - 1) end.

%% --- things to look at ---

%% A process that tells {Pid, token} which trace token came with it.
tokens() ->
    spawn(fun() ->
        receive {From, token} ->
            Token = seq_trace:get_token(label),
            seq_trace:set_token([]),
            From ! {token, Token}
        end
    end).

%% An IO server that keeps what is written to it.
io() -> spawn(fun() -> io([]) end).

io(Written) ->
    receive
        {io_request, From, ReplyAs, {put_chars, _, Chars}} ->
            From ! {io_reply, ReplyAs, ok},
            io([unicode:characters_to_list(Chars) | Written]);
        {'$probe', From, Ref, got} ->
            From ! {Ref, lists:reverse(Written)},
            io(Written)
    end.

%% Keeps the distribution flags that the next handshake of this node ends with.
watch_setnode() ->
    Parent = self(),
    Tracer = spawn(fun() ->
        register(setnode_flags, self()),
        erlang:trace(new_processes, true, [call]),
        erlang:trace_pattern({erlang, setnode, 3}, true, []),
        Parent ! {self(), ready},
        setnode_flags(undefined)
    end),
    receive {Tracer, ready} -> ok end.

%% Waits for the connection, if it is not up yet.
setnode_flags(undefined) ->
    receive
        {trace, _, call, {erlang, setnode, [_, _, {Negotiated, _}]}} -> setnode_flags(Negotiated)
    end;
setnode_flags(Flags) ->
    receive
        {trace, _, call, {erlang, setnode, [_, _, {Negotiated, _}]}} -> setnode_flags(Negotiated);
        {'$probe', From, Ref, got} -> From ! {Ref, Flags}, setnode_flags(Flags);
        _ -> setnode_flags(Flags)
    end.

setnode_flags() -> got(setnode_flags).

%% --- random messages ---

%% [{open | shut, Skeleton}]: the same for the same seed, on every node. A skeleton holds its atoms as strings: making the
%% list makes no atom.
messages(Seed, Count) ->
    rand:seed(exsss, Seed),
    [case rand:uniform(2) of
         1 -> {open, skeleton("open", 3)};
         2 -> {shut, skeleton("shut", 3)}
     end || _ <- lists:seq(1, Count)].

skeleton(Side, Depth) ->
    case rand:uniform(if Depth > 0 -> 8; true -> 4 end) of
        1 -> {atom, Side ++ "_fresh_" ++ integer_to_list(rand:uniform(1 bsl 40))};
        2 -> {atom, Side ++ "_cached_" ++ integer_to_list(rand:uniform(300))};
        3 -> {atom, "common_" ++ integer_to_list(rand:uniform(3000))};
        4 -> {value, rand:uniform(1 bsl 70)};
        5 -> {value, binary:copy(<<0>>, rand:uniform(2000))};
        6 -> {tuple, skeletons(Side, Depth)};
        7 -> {list, skeletons(Side, Depth)};
        8 -> {map, [{skeleton(Side, 0), skeleton(Side, Depth - 1)} || _ <- lists:seq(1, rand:uniform(4))]}
    end.

skeletons(Side, Depth) -> [skeleton(Side, Depth - 1) || _ <- lists:seq(1, rand:uniform(5))].

realise({atom, Text}) -> list_to_atom(Text);
realise({value, Value}) -> Value;
realise({tuple, Parts}) -> list_to_tuple([realise(P) || P <- Parts]);
realise({list, Parts}) -> [realise(P) || P <- Parts];
realise({map, Pairs}) -> maps:from_list([{realise(K), realise(V)} || {K, V} <- Pairs]).

%% The atoms of refused messages that exist on this node all the same.
atoms_of_refused(Seed, Count) ->
    Messages = messages(Seed, Count),
    Accepted = sets:from_list(lists:append([texts(S) || {open, S} <- Messages])),
    Refused = lists:usort(lists:append([texts(S) || {shut, S} <- Messages])),
    [T || T <- Refused, not sets:is_element(T, Accepted), exists(T)].

texts({atom, Text}) -> [Text];
texts({value, _}) -> [];
texts({map, Pairs}) -> lists:append([texts(K) ++ texts(V) || {K, V} <- Pairs]);
texts({_, Parts}) -> lists:append([texts(P) || P <- Parts]).

exists(Text) ->
    try list_to_existing_atom(Text) of _ -> true
    catch error:badarg -> false
    end.
