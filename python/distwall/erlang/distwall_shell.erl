%% The restricted shell: a shell that a peer has on this node (`erl -remsh`) may call only what the policy accepts for that peer
%% (rules `accept call M:F/A`). Works on OTP 25 to 29.
%%
%% Theory of operation. distwall rewrites the accepted start of a shell, and names the peer in it (distwall_gate). Three kinds of
%% processes make a shell. The peer's terminal knows the shell process: it keeps the variables and results,
%% and obeys interruptions. The talker alone talks with the terminal, which may never answer. Each line is evaluated in a worker, a
%% bounded process of its own, which the called functions may end or change, or leave messages in. If the shell ends, all end.
%%
%% Code of the peer may send the shell any message. So the talker and the worker of a line speak with a number that nobody can
%% guess.
%%
%% The terminal is the peer's: it answers with any term. Tokens are taken over one by one, each in the form that a scanner
%% gives it. Then erl_parse makes a syntax tree, which distwall_eval evaluates. OTP's shell and its evaluator have no part in it.
-module(distwall_shell).

-export([start/1, expand/0]).

-define(MAX_RESULTS, 20).
%% Most words of all variables and results of a shell, and tokens of a line.
-define(MAX_KEPT, 300000).
-define(MAX_TOKENS, 20000).
%% Most characters of a line that h() shows, and tokens.
-define(MAX_LINE, 500).
%% Milliseconds within which a line may come behind its interruption.
-define(SOON, 300).
%% Milliseconds within which the terminal has to answer, except where it waits for a line.
-define(PATIENCE, 30000).

%% Starts a shell of this peer. Its terminal is the group leader, which has to be on another node.
-spec start(node()) -> pid().
start(Peer) ->
    node(group_leader()) =/= node()
        orelse distwall_budget:refuse("a shell", "its terminal would be a process of this node"),
    spawn_opt(fun() -> shell(Peer) end, distwall_budget:options()).

%% Completes no names: OTP's function for that makes atoms of any text.
-spec expand() -> {no, [], []}.
expand() ->
    {no, [], []}.

shell(Peer) ->
    process_flag(trap_exit, true),
    process_flag(sensitive, true),
    monitor(process, group_leader()),
    distwall_account:join(distwall_account:of_peer(Peer), shell) =/= full orelse exit(too_many_shells),
    Shell = self(),
    Nonce = distwall_ask:nonce(),
    Talker = spawn_opt(fun() -> talker(Shell, Nonce) end, [link | distwall_budget:options()]),
    State = #{peer => Peer, talker => Talker, nonce => Nonce, empty => ets:new(?MODULE, []), bindings => #{}, number => 1,
              results => #{}, lines => #{}},
    put_line("The policy says what this shell may call (help() for more).", State),
    loop(State),
    exit(killed).

%% ---- the shell process ----

loop(#{talker := Talker, nonce := Nonce, number := N} = State) ->
    Talker ! {Nonce, {read, prompt(N)}},
    %% Before it waits for a line, the talker puts a question to the terminal. A terminal answers that at once.
    case wait(Talker, Nonce, State, ?PATIENCE) of
        {_, ready} -> go_on(wait(Talker, Nonce, State, infinity), State);
        interrupt -> again(wait(Talker, Nonce, State, ?PATIENCE), State);
        _ -> ok
    end.

%% The talker had not begun to read when an interruption came.
again({_, ready}, #{talker := Talker, nonce := Nonce} = State) -> go_on(wait(Talker, Nonce, State, infinity), State);
again(interrupt, #{talker := Talker, nonce := Nonce} = State) -> again(wait(Talker, Nonce, State, ?PATIENCE), State);
again(_, _) -> ok.

go_on({_, {tokens, Tokens}}, State) -> loop(line(Tokens, State));
go_on({_, {failed, Text}}, #{number := N} = State) -> put_line(Text, State), loop(State#{number := N + 1});
go_on({_, again}, State) -> loop(State);
go_on(interrupt, #{talker := Talker, nonce := Nonce, number := N} = State) ->
    %% An interruption may overtake its line.
    receive
        {Nonce, {tokens, _}} -> put_line("** interrupted", State), loop(State#{number := N + 1});
        {Nonce, _} = Read -> go_on(Read, State)
    after ?SOON ->
        go_on(wait(Talker, Nonce, State, infinity), State)
    end;
go_on(_, _) -> ok.

%% Waits for what a process says, and heeds signals that come meanwhile.
wait(Process, Nonce, State, Patience) ->
    wait_until(Process, Nonce, State, if is_integer(Patience) -> erlang:monotonic_time(millisecond) + Patience; true -> Patience end).

wait_until(Process, Nonce, #{empty := Empty} = State, Until) ->
    Left = if is_integer(Until) -> max(0, Until - erlang:monotonic_time(millisecond)); true -> Until end,
    receive
        {Nonce, _} = Said -> Said;
        {'EXIT', Process, Reason} -> {Process, {ended, Reason}};
        {'EXIT', _, interrupt} -> interrupt;
        {'EXIT', _, normal} -> wait_until(Process, Nonce, State, Until);
        {'EXIT', _, _} -> ended;
        {'DOWN', _, _, _, _} -> ended;
        {shell_state, From} when is_pid(From), node(From) =:= node() ->
            %% A process that completes names asks for the shell's definitions (OTP 26 and later).
            From ! {shell_state, [], Empty, Empty},
            wait_until(Process, Nonce, State, Until);
        _ -> wait_until(Process, Nonce, State, Until)
    after Left ->
        ended
    end.

line(Tokens, #{number := N, bindings := Bindings, results := Results, lines := Lines} = State) ->
    Shell = self(),
    Nonce = distwall_ask:nonce(),
    Worker = spawn_opt(fun() -> Shell ! {Nonce, worked(Tokens, State)} end, [link | distwall_budget:options()]),
    case wait(Worker, Nonce, State, infinity) of
        {Nonce, {value, Value, Bound, Text, Written}} ->
            put_line(Text, State),
            Old = N - ?MAX_RESULTS,
            State#{number := N + 1, bindings := Bound, results := maps:remove(Old, Results#{N => Value}),
                   lines := maps:remove(Old, Lines#{N => Written})};
        {Nonce, {done, Bound, Text}} ->
            put_line(Text, State),
            State#{number := N + 1, bindings := Bound};
        {Nonce, {failed, Text}} ->
            put_line(Text, State),
            State#{number := N + 1, bindings := Bindings};
        {Nonce, exit} ->
            exit(killed);
        {Worker, {ended, killed}} ->
            put_line("** distwall: so much memory is refused: the heap and the time of an evaluation are limited", State),
            State#{number := N + 1};
        {Worker, {ended, _}} ->
            put_line("** the process that evaluated the line has ended", State),
            State#{number := N + 1};
        interrupt ->
            stop(Worker, Nonce),
            put_line("** interrupted", State),
            State#{number := N + 1};
        ended ->
            exit(Worker, kill),
            exit(killed)
    end.

stop(Worker, Nonce) ->
    exit(Worker, kill),
    receive {'EXIT', Worker, _} -> ok end,
    receive {Nonce, _} -> ok after 0 -> ok end.

put_line(Text, #{talker := Talker, nonce := Nonce} = State) ->
    Talker ! {Nonce, {write, [Text, $\n]}},
    shown(wait(Talker, Nonce, State, ?PATIENCE), State).

%% An interruption is of no use any more where a line is being shown.
shown({_, shown}, _) -> ok;
shown(interrupt, #{talker := Talker, nonce := Nonce} = State) -> shown(wait(Talker, Nonce, State, ?PATIENCE), State);
shown(_, _) -> exit(killed).

%% ---- the talker ----

talker(Shell, Nonce) ->
    process_flag(sensitive, true),
    talk(Shell, Nonce).

talk(Shell, Nonce) ->
    receive
        {Nonce, {read, Prompt}} ->
            terminal({setopts, [{line_history, true}]}, Nonce),
            Shell ! {Nonce, ready},
            Shell ! {Nonce, read(terminal({get_until, unicode, Prompt, erl_scan, tokens, [1, []]}, Nonce), Nonce)};
        {Nonce, {write, Text}} ->
            terminal({put_chars, unicode, Text}, Nonce),
            Shell ! {Nonce, shown};
        _ ->
            ok
    end,
    talk(Shell, Nonce).

%% The answer of the terminal to a request. All else that the peer sends is thrown away: a mailbox has no bound.
terminal(Request, Nonce) ->
    Reference = make_ref(),
    group_leader() ! {io_request, self(), Reference, Request},
    answer(Reference, Nonce).

answer(Reference, Nonce) ->
    receive
        {io_reply, Reference, Answer} -> Answer;
        Other when element(1, Other) =/= Nonce -> answer(Reference, Nonce);
        Other when not is_tuple(Other); tuple_size(Other) =:= 0 -> answer(Reference, Nonce)
    end.

read({ok, Tokens, _}, _) -> {tokens, Tokens};
read({error, interrupted}, _) -> again;
read({error, {_, Module, What}, _}, Nonce) ->
    terminal({get_line, unicode, ""}, Nonce),
    {failed, ["* ", scan_error(Module, What)]};
read(_, _) -> eof.

%% The text of an error of a scanner or a parser: only these modules have the words for it.
scan_error(Module, What) when Module =:= erl_scan; Module =:= erl_parse ->
    try unicode:characters_to_binary(Module:format_error(What)) of
        Text when is_binary(Text), byte_size(Text) =< ?MAX_LINE -> Text;
        _ -> "syntax error"
    catch
        _:_ -> "syntax error"
    end;
scan_error(_, _) ->
    "syntax error".

prompt(N) ->
    io_lib:format("(~ts)~w> ", [node(), N]).

%% ---- a line ----

%% Evaluates a line, in the worker. What it returns is bounded.
worked(Tokens, #{bindings := Bindings, number := N, results := Results} = State) ->
    try
        distwall_budget:enter(maps:get(peer, State)),
        distwall_budget:weigh(Tokens),
        case parsed(Tokens) of
            {ok, [{call, _, {atom, _, exit}, []}]} ->
                exit;
            {ok, Forms} ->
                case command(Forms, State) of
                    {done, _, _} = Done ->
                        Done;
                    evaluate ->
                        {Value, Bound} = distwall_eval:expressions(Forms, Bindings, {maps:get(peer, State), local(State)}),
                        Text = text(distwall_text:value(Value)),
                        distwall_budget:steps(byte_size(Text)),
                        distwall_budget:weigh([Value, Bound, maps:values(maps:remove(N - ?MAX_RESULTS, Results))], ?MAX_KEPT),
                        {value, Value, Bound, Text, written(Tokens, Forms)}
                end;
            {error, Text} ->
                {failed, text(["* ", Text])}
        end
    catch
        Class:Reason:Stack -> {failed, failure(Class, Reason, Stack)}
    end.

failure(Class, Reason, Stack) ->
    try
        text(distwall_text:exception(Class, Reason, Stack))
    catch
        exit:Refused -> text(distwall_text:exception(exit, Refused, []));
        _:_ -> <<"** exception">>
    end.

text(Text) ->
    case unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> Binary;
        _ -> <<"** that can't be printed">>
    end.

written(Tokens, _) when length(Tokens) > ?MAX_LINE ->
    <<"...">>;
written(Tokens, Forms) ->
    try
        %% Long integers and strings take long to write.
        true = lists:all(fun is_short/1, Tokens),
        distwall_budget:steps(?MAX_LINE),
        Text = unicode:characters_to_binary(string:slice(erl_pp:exprs(Forms), 0, ?MAX_LINE)),
        true = is_binary(Text),
        Text
    catch
        _:_ -> <<"...">>
    end.

is_short({_, _, Value}) when is_list(Value) -> length(Value) =< ?MAX_LINE;
is_short({_, _, Value}) when is_integer(Value) -> abs(Value) < 1 bsl ?MAX_LINE;
is_short(_) -> true.

parsed(Tokens) ->
    is_list(Tokens) andalso length(Tokens) =< ?MAX_TOKENS
        orelse distwall_budget:refuse("that line", "it is too long, or none"),
    case erl_parse:parse_exprs([token(Token) || Token <- Tokens]) of
        {ok, Forms} -> {ok, Forms};
        {error, {_, Module, What}} -> {error, scan_error(Module, What)}
    end.

%% A token as a scanner makes it. Where it stood does not matter.
token({Category, _}) when is_atom(Category) -> {Category, 1};
token({Category, _, Value}) when is_atom(Category) ->
    case Category of
        _ when is_atom(Value), Category =:= atom orelse Category =:= var orelse Category =:= sigil_prefix -> ok;
        _ when is_integer(Value), Category =:= integer orelse Category =:= char -> ok;
        float when is_float(Value) -> ok;
        _ when Category =:= string; Category =:= sigil_suffix ->
            is_list(Value) andalso lists:all(fun(One) -> is_integer(One) andalso One >= 0 andalso One < 16#110000 end, Value)
                orelse bad_token();
        _ -> bad_token()
    end,
    {Category, 1, Value};
token(_) -> bad_token().

-spec bad_token() -> no_return().
bad_token() ->
    distwall_budget:refuse("that line", "it makes no sense").

%% ---- commands ----

command([{call, _, {atom, _, f}, []}], _) ->
    {done, #{}, "ok"};
command([{call, _, {atom, _, f}, [{var, _, Name}]}], #{bindings := Bindings}) ->
    {done, maps:remove(Name, Bindings), "ok"};
command([{call, _, {atom, _, b}, []}], #{bindings := Bindings}) ->
    Listed = [[atom_to_list(Name), " = ", distwall_text:term(Value), $\n] || {Name, Value} <- lists:sort(maps:to_list(Bindings))],
    {done, Bindings, text([Listed, "ok"])};
command([{call, _, {atom, _, h}, []}], #{bindings := Bindings, lines := Lines, results := Results}) ->
    Listed = [io_lib:format("~w: ~ts~n-> ~ts~n", [N, Line, distwall_text:term(maps:get(N, Results))])
              || {N, Line} <- lists:sort(maps:to_list(Lines))],
    {done, Bindings, text([Listed, "ok"])};
command([{call, _, {atom, _, help}, []}], #{bindings := Bindings, peer := Peer}) ->
    {done, Bindings,
     text(["A shell of ", atom_to_list(Peer), ". It may call what the policy of distwall accepts (accept call M:F/A).\n"
           "b() shows the variables, f() and f(X) forget them, v(N) is the result of line N, h() shows lines and results,\n"
           "exit() leaves."])};
command(_, _) ->
    evaluate.

%% The command that is an expression: v(N).
local(#{results := Results, number := N}) ->
    fun(v, [Line]) when is_map_key(Line, Results) -> {value, map_get(Line, Results)};
       (v, [Back]) when is_integer(Back), Back < 0, is_map_key(N + Back, Results) -> {value, map_get(N + Back, Results)};
       (v, [_]) -> distwall_budget:refuse("v/1", "there is no such result");
       (_, _) -> none
    end.
