%% The restricted shell: a shell that a peer has on this node (`erl -remsh`) may call only what the policy accepts for that peer
%% (rules `accept call M:F/A`). Shells of this node itself may call anything, as ever. Works on OTP 25 to 29.
%%
%%   erl ... -stdlib restricted_shell distwall_shell shell_prompt_func {distwall_shell,prompt}
%%
%% `distwall exec` adds that where the policy has `[guard] restricted_shell = true`.
%%
%% Theory of operation. OTP has a restricted shell, which asks a module before calls, but not before all calls. From OTP 26 on fd/3
%% evaluates its argument without asking, and rr/1 reads files. Input from a terminal may contain funs that were made without
%% restrictions. The error of a scanner names a module to be called. So OTP's loop does not run a peer's shell. Before it reads
%% a line, it asks for the prompt (shell_prompt_func), in the evaluator. There this module takes a peer's shell over. It suspends the
%% shell process for good, and the evaluator itself reads, judges and evaluates lines, with erl_eval. The callbacks of the
%% restricted shell are a second barrier: they let a peer's shell call only the prompt.
%%
%% Evaluated code calls functions through call/3 only, which knows the name of the peer from the start. So a fun of this shell is
%% judged as the peer's in every process, with any group leader.
-module(distwall_shell).

-export([local_allowed/3, non_local_allowed/3, prompt/1]).

-define(MAX_RESULTS, 20).
%% Most parts of arguments and results, which are searched for funs. Larger terms are refused.
-define(MAX_PARTS, 1000000).
%% Milliseconds between looks at the messages of the shell process, and the limits that end the shell (messages, bytes).
-define(LOOK, 100).
-define(MAX_MESSAGES, 10000).
-define(MAX_MEMORY, 16#4000000).

%% ---- callbacks of OTP's shell ----

-spec local_allowed(atom(), [term()], term()) -> {boolean(), term()}.
local_allowed(_, _, State) ->
    {is_own(), State}.

-spec non_local_allowed({module(), atom()} | fun(), [term()], term()) -> {boolean(), term()}.
non_local_allowed({?MODULE, prompt}, [_], State) ->
    {true, State};
non_local_allowed(_, _, State) ->
    {is_own(), State}.

is_own() ->
    node(group_leader()) =:= node().

%% The prompt of this node's own shells. For a peer's shell it never returns: it takes the shell over.
-spec prompt([{history, pos_integer()}]) -> iolist().
prompt([{history, N}]) ->
    case is_own() of
        true -> prompt_text(N);
        false -> take_over(node(group_leader()))
    end.

prompt_text(N) ->
    case is_alive() of
        true -> io_lib:format("(~ts)~w> ", [node(), N]);
        false -> io_lib:format("~w> ", [N])
    end.

%% ---- taking over ----

take_over(Peer) ->
    Evaluator = self(),
    {parent, Shell} = process_info(Evaluator, parent),
    {Keeper, Monitor} = spawn_monitor(fun() -> keep(Shell, Evaluator) end),
    receive
        {Keeper, suspended} -> demonitor(Monitor, [flush]);
        {'DOWN', Monitor, _, _, _} -> exit(Shell, kill), exit(kill)
    end,
    process_flag(trap_exit, true),
    put_line("The policy says what this shell may call (help() for more)."),
    loop(#{peer => Peer, keeper => Keeper, bindings => erl_eval:new_bindings(), number => 1, results => #{}}),
    exit(Shell, kill),
    exit(self(), kill).

%% Keeps the shell process suspended until the evaluator ends, and reads its messages. The peer never learns of this process. Without
%% it OTP's loop would go on after the evaluator. If one of the processes ends, all end.
keep(Shell, Evaluator) ->
    [monitor(process, Process) || Process <- [Shell, Evaluator, group_leader()]],
    true = erlang:suspend_process(Shell),
    %% If this process ends, the shell ends, too.
    process_flag(trap_exit, true),
    link(Shell),
    Evaluator ! {self(), suspended},
    watch(Shell, Evaluator, ets:new(?MODULE, []), 0),
    exit(Evaluator, kill),
    exit(Shell, kill),
    %% Only now may it go on: it has nothing left to do.
    erlang:resume_process(Shell).

%% Looks at the messages of the suspended shell now and then: they can't be received.
watch(Shell, Evaluator, Empty, Seen) ->
    receive
        {'DOWN', _, _, _, _} -> ok
    after ?LOOK ->
        case process_info(Shell, [message_queue_len, memory]) of
            [{message_queue_len, Seen}, _] ->
                watch(Shell, Evaluator, Empty, Seen);
            [{message_queue_len, Count}, {memory, Memory}] when Count =< ?MAX_MESSAGES, Memory =< ?MAX_MEMORY ->
                {messages, Messages} = process_info(Shell, messages),
                New = lists:nthtail(Seen, Messages),
                lists:all(fun(Message) -> heed(Message, Evaluator, Empty) end, New)
                    andalso watch(Shell, Evaluator, Empty, Seen + length(New));
            _ ->
                ok
        end
    end.

%% Acts on a message; true if the shell goes on.
heed({'EXIT', _, interrupt}, Evaluator, _) ->
    Evaluator ! {self(), interrupt},
    true;
heed({'EXIT', _, _}, _, _) ->
    false;
heed({shell_state, From}, _, Empty) when is_pid(From), node(From) =:= node() ->
    %% A process that completes names asks for the shell's definitions (OTP 26 and later).
    From ! {shell_state, [], Empty, Empty},
    true;
heed(_, _, _) ->
    true.

%% ---- reading ----

loop(#{number := N} = State) ->
    forget_messages(),
    io:setopts(group_leader(), [{line_history, true}]),
    case io:scan_erl_exprs(group_leader(), prompt_text(N), {1, 1}, [text]) of
        {ok, Tokens, _} -> read(Tokens, State);
        {error, Info, _} -> put_line(["* ", scan_error(Info)]), skip_line(), loop(State#{number := N + 1});
        {error, interrupted} -> loop(State);
        _ -> ok
    end.

%% Reads tokens. They come from the peer's node, so they may be any term.
read(Tokens, #{number := N} = State) ->
    case parse(Tokens, State) of
        {ok, [{call, _, {atom, _, exit}, []}]} -> ok;
        {ok, Expressions} -> loop(run(Expressions, State));
        {error, Text} -> put_line(["* ", Text]), loop(State#{number := N + 1})
    end.

parse(Tokens, #{bindings := Bindings}) ->
    try
        [] = funs(Tokens),
        case erl_parse:parse_exprs(Tokens) of
            {ok, Expressions} -> check(Expressions, Bindings);
            {error, Info} -> {error, scan_error(Info)}
        end
    catch
        _:_ -> {error, "that makes no sense"}
    end.

check([{call, _, {atom, _, f}, [{var, _, _}]}] = Expressions, _) ->
    {ok, Expressions};
check(Expressions, Bindings) ->
    case receives(Expressions) of
        true ->
            %% Any process may send a message with funs.
            {error, "distwall: this shell receives no messages"};
        false ->
            case erl_lint:exprs_opt(Expressions, erl_eval:bindings(Bindings), []) of
                {ok, _} -> {ok, Expressions};
                {error, [{_, [Info | _]} | _], _} -> {error, scan_error(Info)}
            end
    end.

receives(Form) when is_tuple(Form), element(1, Form) =:= 'receive' -> true;
receives(Form) when is_tuple(Form) -> lists:any(fun receives/1, tuple_to_list(Form));
receives([Form | Forms]) -> receives(Form) orelse receives(Forms);
receives(_) -> false.

scan_error({_, Module, What}) when Module =:= erl_scan; Module =:= erl_parse; Module =:= erl_lint ->
    try unicode:characters_to_list(Module:format_error(What)) of
        Text when is_list(Text) -> Text;
        _ -> "syntax error"
    catch
        _:_ -> "syntax error"
    end;
scan_error(_) ->
    "syntax error".

skip_line() ->
    io:get_line(group_leader(), "").

forget_messages() ->
    receive _ -> forget_messages() after 0 -> ok end.

%% ---- evaluating ----

run(Expressions, #{number := N, bindings := Bindings, results := Results} = State) ->
    case command(Expressions, State) of
        {done, NewBindings} ->
            State#{number := N + 1, bindings := NewBindings};
        evaluate ->
            case evaluated(fun() -> evaluate(Expressions, State) end, State) of
                {value, Value, NewBindings} ->
                    put_value(Value),
                    Kept = maps:remove(N - ?MAX_RESULTS, Results#{N => Value}),
                    State#{number := N + 1, bindings := NewBindings, results := Kept};
                {failed, Text} ->
                    put_line(Text),
                    State#{number := N + 1, bindings := Bindings}
            end
    end.

%% Evaluates in a process of its own, which the called functions may end or change, or leave messages in.
evaluated(Fun, #{keeper := Keeper}) ->
    Self = self(),
    Tag = make_ref(),
    Worker = spawn_link(fun() -> Self ! {Tag, Fun()} end),
    receive
        {Tag, Result} ->
            Result;
        {Keeper, interrupt} ->
            exit(Worker, kill),
            {failed, "** interrupted"};
        {'EXIT', Worker, Reason} ->
            {failed, io_lib:format("** exception exit: ~tp", [Reason])}
    end.

evaluate(Expressions, #{peer := Peer, bindings := Bindings, results := Results, number := N}) ->
    Local = {eval, fun(Name, Arguments, Bound) -> local(Name, Arguments, Bound, Peer, Results, N) end},
    try
        erl_eval:exprs(Expressions, Bindings, Local, {value, handler(Peer)})
    catch
        exit:{restricted_shell_disallowed, {What, Why}} ->
            {failed, io_lib:format("** distwall: ~ts is refused: ~ts", [What, Why])};
        Class:Reason:Stack ->
            {failed, ["** ", erl_error:format_exception(Class, Reason, lists:sublist(Stack, 1))]}
    end.

handler(Peer) ->
    fun(Function, Arguments) -> call(Peer, Function, Arguments) end.

command([{call, _, {atom, _, f}, []}], _) ->
    put_line("ok"),
    {done, erl_eval:new_bindings()};
command([{call, _, {atom, _, f}, [{var, _, Name}]}], #{bindings := Bindings}) ->
    put_line("ok"),
    {done, erl_eval:del_binding(Name, Bindings)};
command([{call, _, {atom, _, b}, []}], #{bindings := Bindings}) ->
    [put_line(io_lib:format("~ts = ~tp", [Name, Value])) || {Name, Value} <- erl_eval:bindings(Bindings)],
    put_line("ok"),
    {done, Bindings};
command([{call, _, {atom, _, help}, []}], #{bindings := Bindings, peer := Peer}) ->
    put_line(["A shell of ", atom_to_list(Peer), ". It may call what the policy of distwall accepts (accept call M:F/A).\n"
              "b() shows the variables, f() and f(X) forget them, v(N) is the result of line N, exit() leaves."]),
    {done, Bindings};
command(_, _) ->
    evaluate.

local(v, [{integer, _, Line}], Bindings, _, Results, _) when is_map_key(Line, Results) ->
    {value, map_get(Line, Results), Bindings};
local(v, [{op, _, '-', {integer, _, Back}}], Bindings, _, Results, N) when is_map_key(N - Back, Results) ->
    {value, map_get(N - Back, Results), Bindings};
local(v, [_], _, _, _, _) ->
    refuse("v/1", "there is no such result");
local(Name, Arguments, _, _, _, _) ->
    refuse(io_lib:format("~tw/~w", [Name, length(Arguments)]), "the shell of a peer has no such command").

%% ---- judging ----

%% All calls of a peer's shell, in any process.
call(Peer, Function, Arguments) ->
    judge(Peer, Function, Arguments),
    Value = case Function of
        {Module, Name} -> apply(Module, Name, Arguments);
        _ -> apply(Function, Arguments)
    end,
    [refuse(print(Function, Arguments), "its result holds a fun of another shell") || Fun <- funs(Value), is_foreign(Peer, Fun)],
    Value.

-define(STARTS(Name), (Name =:= spawn orelse Name =:= spawn_link orelse Name =:= spawn_monitor orelse Name =:= spawn_opt
                       orelse Name =:= spawn_request orelse Name =:= hibernate)).

judge(Peer, {erlang, apply}, [Module, Name, Arguments]) when is_list(Arguments) ->
    judge(Peer, {Module, Name}, Arguments);
judge(Peer, {erlang, apply}, [Fun, Arguments]) when is_list(Arguments) ->
    judge(Peer, Fun, Arguments);
judge(Peer, {erlang, Name}, Arguments) when ?STARTS(Name) ->
    ask_named(Peer, Name, length(Arguments)),
    [judge(Peer, Started, Its) || {Started, Its} <- started(Arguments)],
    judge_funs(Peer, Arguments);
judge(Peer, {erlang, Name} = Function, Arguments) ->
    case is_harmless(Name, length(Arguments)) of
        true ->
            ok;
        false ->
            ask(Peer, Function, Arguments),
            judge_funs(Peer, Arguments)
    end;
judge(_, {shell, Name}, Arguments) when is_atom(Name) ->
    %% shell:start/0 is accepted only for this shell itself.
    refuse(print({shell, Name}, Arguments), "no shell in a shell");
judge(Peer, {Module, Name} = Function, Arguments) when is_atom(Module), is_atom(Name) ->
    ask(Peer, Function, Arguments),
    judge_funs(Peer, Arguments);
judge(Peer, Fun, Arguments) when is_function(Fun) ->
    case erlang:fun_info(Fun, type) of
        {type, external} ->
            {module, Module} = erlang:fun_info(Fun, module),
            {name, Name} = erlang:fun_info(Fun, name),
            judge(Peer, {Module, Name}, Arguments);
        {type, local} ->
            judge_fun(Peer, Fun),
            judge_funs(Peer, Arguments)
    end;
judge(_, Function, Arguments) ->
    refuse(print(Function, Arguments), "that is not a function").

%% True for operators, and for the function with which the evaluator itself raises errors.
is_harmless(raise, 3) -> true;
is_harmless(Name, Arity) ->
    erl_internal:arith_op(Name, Arity) orelse erl_internal:bool_op(Name, Arity) orelse erl_internal:comp_op(Name, Arity)
        orelse erl_internal:list_op(Name, Arity).

%% The function that a new process would call.
started(Arguments) ->
    case Arguments of
        [Module, Function, Its | _] when is_atom(Module), is_atom(Function), is_list(Its), length(Arguments) < 5 ->
            [{{Module, Function}, Its}];
        _ ->
            [{{Module, Function}, Its} || [_, Module, Function, Its | _] <- [Arguments], is_atom(Module), is_atom(Function), is_list(Its)]
    end.

judge_funs(Peer, Arguments) ->
    [judge_fun(Peer, Fun) || Fun <- funs(Arguments)].

%% Judges a fun as called: its receiver may call it. Funs of this shell are judged when they call a function.
judge_fun(Peer, Fun) ->
    {module, Module} = erlang:fun_info(Fun, module),
    {name, Name} = erlang:fun_info(Fun, name),
    {arity, Arity} = erlang:fun_info(Fun, arity),
    case is_handler(Peer, Fun) of
        true -> ok;
        false when Module =:= erl_eval -> not is_foreign(Peer, Fun) orelse refuse("a fun", "it is of another shell");
        false when Module =:= shell -> refuse(io_lib:format("shell:~tw/~w", [Name, Arity]), "no shell in a shell");
        false when Module =:= erlang, Name =:= apply orelse ?STARTS(Name) ->
            refuse(io_lib:format("fun erlang:~tw/~w", [Name, Arity]), "what it would call can't be seen");
        false -> ask(Peer, Module, Name, Arity)
    end.

is_foreign(Peer, Fun) ->
    case {erlang:fun_info(Fun, module), erlang:fun_info(Fun, env)} of
        {{module, erl_eval}, {env, [Info]}} -> not (is_tuple(Info) andalso is_handled(Peer, tuple_to_list(Info)));
        {{module, erl_eval}, {env, _}} -> true;
        _ -> false
    end.

is_handled(Peer, [_, _, {eval, Local}, {value, Handler} | _]) -> is_handler(Peer, Local) andalso is_handler(Peer, Handler);
is_handled(_, _) -> false.

%% True for a fun with which this module judges the calls of a shell of this peer.
is_handler(Peer, Fun) when is_function(Fun) ->
    erlang:fun_info(Fun, module) =:= {module, ?MODULE} andalso erlang:fun_info(Fun, type) =:= {type, local}
        andalso lists:member(Peer, element(2, erlang:fun_info(Fun, env)));
is_handler(_, _) ->
    false.

ask(Peer, {Module, Name}, Arguments) ->
    ask(Peer, Module, Name, length(Arguments)).

%% Asks distwall, at every call: a change of the policy takes effect with the next one. The shell can't ask about arguments (`when`).
%% A rule that accepts some arguments accepts none here, and a rule that refuses some refuses all.
ask(Peer, Module, Name, Arity) ->
    Why = try distwall:explain(Peer, call, {Module, Name, Arity}) of
        #{verdict := accept, special := Special} ->
            lists:any(fun(#{verdict := Verdict}) -> Verdict =/= accept end, Special)
                andalso "the policy refuses it for some arguments";
        _ ->
            not_accepted(Peer)
    catch
        _:_ -> "distwall can't be asked"
    end,
    Why =:= false orelse refuse(io_lib:format("~tw:~tw/~w", [Module, Name, Arity]), Why).

%% Asks about a function that starts another: what it starts is known here and judged besides, so the rules that name it decide.
ask_named(Peer, Name, Arity) ->
    Why = try distwall:test_filter(Peer, call, {erlang, Name, Arity}) of
        accept -> false;
        _ -> not_accepted(Peer)
    catch
        _:_ -> "distwall can't be asked"
    end,
    Why =:= false orelse refuse(io_lib:format("erlang:~tw/~w", [Name, Arity]), Why).

not_accepted(Peer) ->
    ["the policy does not accept it for ", atom_to_list(Peer)].

-spec refuse(iodata(), iodata()) -> no_return().
refuse(What, Why) ->
    exit({restricted_shell_disallowed, {lists:flatten(What), lists:flatten(Why)}}).

print({Module, Name}, Arguments) -> io_lib:format("~tw:~tw/~w", [Module, Name, length(Arguments)]);
print(_, _) -> "a fun".

%% All funs anywhere in a term.
funs(Term) ->
    funs([Term], ?MAX_PARTS, []).

funs([], _, Found) ->
    Found;
funs(_, 0, _) ->
    refuse("what is that big", "it can't be searched for funs");
funs([Term | Rest], Left, Found) ->
    case Term of
        [Head | Tail] -> funs([Head, Tail | Rest], Left - 1, Found);
        _ when is_tuple(Term) -> funs([tuple_to_list(Term) | Rest], Left - 1, Found);
        _ when is_map(Term) -> funs([maps:to_list(Term) | Rest], Left - 1, Found);
        _ when is_function(Term) -> funs([inside(Term) | Rest], Left - 1, [Term | Found]);
        _ -> funs(Rest, Left - 1, Found)
    end.

inside(Fun) ->
    case erlang:fun_info(Fun, type) of
        {type, local} -> element(2, erlang:fun_info(Fun, env));
        {type, external} -> []
    end.

%% ---- writing ----

put_value(Value) ->
    put_line(io_lib:format("~tp", [Value])).

put_line(Text) ->
    io:put_chars(group_leader(), [Text, $\n]).
