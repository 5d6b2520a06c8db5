%% The calls of a peer's code: which function a call really calls, whether the policy accepts it, and what is passed on.
%%
%% Theory of operation. A call is judged when it is made, by its function and number of arguments. The guard functions of the
%% language, throw/1, error/1 and exit/1 are harmless. About any other function distwall is asked, at every call. A function that
%% starts another one is either followed or refused. Followed are apply, spawn and the functions in RUNNERS: the rules that name
%% them and the rules about the started function have to accept. In the modules that start functions, what is neither followed
%% nor known to start none is refused.
%%
%% Funs. A fun of a peer is a #closure{}, in the fun that wrap/1 makes of it. Nothing but that fun is ever given to other code. It
%% evaluates as its peer's code in every process. In a process that is not bounded (a server that was given the fun) a
%% bounded process evaluates it. Funs of erl_eval are read as closures of the peer, wherever they come from: what they may do is what
%% the peer may do. `fun M:F/A` counts as called where it is passed on. Other funs of compiled code are neither called nor passed
%% on: the VM trusts what such a fun holds, and a peer may have made it up.
%%
%% Terms leave in three ways: as arguments of an accepted function, as results of a closure that other code calls, and as
%% reasons of exceptions. In each of them funs are judged and wrapped by release/2. Only the reason of a refusal is distwall's own.
%% No term leaves that names distwall's own node: it takes calls from this node, and may not take them from a peer's code.
%%
%% What a runner starts on this node starts as later/5, which bounds it, and has it judged again each time.
%% The VM and OTP's behaviours print the reason of an exception, and without bounds, unless the group leader is on another node.
%% So a reason is small where it is not.
%%
%% No message is believed that code of a peer could have sent (distwall_ask, bounded/2).
-module(distwall_calls).

-export([judge/3, perform/1, call/3, export/3, wrap/1, carried/2, later/5, guard/2, is_guard/2]).

-export_type([action/0]).

-include("distwall_eval.hrl").

-type callee() :: {term(), term()} | term().
-type action() :: {value, term()} | {raise, throw | error | exit, term()} | {closure, node(), distwall_eval:closure(), [term()]}
    | {apply, module(), atom(), [term()]} | {start, node(), atom(), action()}.

%% Milliseconds that a process which is not bounded waits for a fun of a peer.
-define(PATIENCE, 60000).
%% Words, and steps, of the reason of an exception where this node would print it.
-define(MAX_REASON, 300).
-define(PRINTED, 1000).
%% Steps of a question to distwall.
-define(QUESTION, 20).

-define(OWN, [distwall, distwall_account, distwall_ask, distwall_bits, distwall_budget, distwall_calls, distwall_epmd,
              distwall_eval, distwall_gate, distwall_match, distwall_shell, distwall_text]).

%% Functions that call one of their arguments: a fun without arguments, or a module, function and arguments, at that place.
-define(RUNNERS, #{
    {erlang, spawn, 2} => {'fun', 2}, {erlang, spawn_link, 2} => {'fun', 2}, {erlang, spawn_monitor, 2} => {'fun', 2},
    {erlang, spawn, 4} => {mfa, 2}, {erlang, spawn_link, 4} => {mfa, 2}, {erlang, spawn_monitor, 4} => {mfa, 2},
    {erpc, call, 2} => {'fun', 2}, {erpc, cast, 2} => {'fun', 2},
    {erpc, multicall, 2} => {'fun', 2}, {erpc, multicast, 2} => {'fun', 2},
    {erpc, call, 4} => {mfa, 2}, {erpc, cast, 4} => {mfa, 2}, {erpc, multicall, 4} => {mfa, 2}, {erpc, multicast, 4} => {mfa, 2},
    {rpc, call, 4} => {mfa, 2}, {rpc, cast, 4} => {mfa, 2}, {rpc, block_call, 4} => {mfa, 2}, {rpc, async_call, 4} => {mfa, 2},
    {rpc, multicall, 3} => {mfa, 1}, {rpc, multicall, 4} => {mfa, 2},
    {rpc, eval_everywhere, 3} => {mfa, 1}, {rpc, eval_everywhere, 4} => {mfa, 2},
    {timer, apply_after, 4} => {mfa, 2}, {timer, apply_interval, 4} => {mfa, 2}, {timer, apply_repeatedly, 4} => {mfa, 2},
    {timer, tc, 1} => {'fun', 1}, {timer, tc, 3} => {mfa, 1}
}).

%% Modules whose functions start functions or processes, each with its functions that don't. (For erlang, see is_closed/3.)
-define(STARTERS, #{
    erpc => [], rpc => [], proc_lib => [], gen => [], pool => [], slave => [], peer => [], error_handler => [], erts_internal => [],
    prim_eval => [], edlin_expand => [],
    timer => [{sleep, 1}, {cancel, 1}, {now_diff, 2}, {hms, 3}, {hours, 1}, {minutes, 1}, {seconds, 1}, {send_after, 2},
              {send_after, 3}, {send_interval, 2}, {send_interval, 3}, {exit_after, 2}, {exit_after, 3}, {kill_after, 1},
              {kill_after, 2}, {start, 0}]
}).

%% ---- judging ----

%% Judges a call of a fun, or of a function by its module and name. Returns what is left to do.
-spec judge(callee(), [term()], distwall_eval:context()) -> action().
judge({erlang, apply}, [Module, Name, Arguments], C) when is_list(Arguments) ->
    judge({Module, Name}, proper(Arguments), C);
judge({erlang, apply}, [Fun, Arguments], C) when is_list(Arguments) ->
    judge(Fun, proper(Arguments), C);
judge({erlang, raise}, [Class, Reason, _], {Peer, _}) when Class =:= throw; Class =:= error; Class =:= exit ->
    %% Without its stack: that names functions to be called by who prints it.
    ask(Peer, erlang, raise, 3, whole),
    {raise, Class, Reason};
judge({erlang, Class}, [Reason], _) when Class =:= throw; Class =:= error; Class =:= exit ->
    {raise, Class, Reason};
judge({erlang, Name}, [Key | _] = Arguments, C) when Name =:= put; Name =:= erase; Name =:= get ->
    distwall_budget:is_key(Key) andalso distwall_budget:refuse("that key of the dictionary", "it bounds the evaluation"),
    other(erlang, Name, Arguments, C);
judge({erlang, Name}, [], _) when Name =:= erase; Name =:= get ->
    distwall_budget:refuse(["erlang:", atom_to_list(Name), "/0"], "it would reach what bounds the evaluation");
judge({erlang, process_flag}, [Flag | _], _) when Flag =/= trap_exit ->
    distwall_budget:refuse("that flag of a process", "flags bound the evaluation");
judge({erlang, Name}, [Fun], C) when Name =:= spawn; Name =:= spawn_link; Name =:= spawn_monitor ->
    start(Name, Fun, [], 1, C);
judge({erlang, Name}, [Module, Function, Arguments], C) when Name =:= spawn; Name =:= spawn_link; Name =:= spawn_monitor ->
    is_list(Arguments) orelse error(badarg),
    start(Name, {Module, Function}, proper(Arguments), 3, C);
judge({Module, Name}, Arguments, {Peer, _} = C) when is_atom(Module), is_atom(Name) ->
    Arity = length(Arguments),
    Arity < 256 orelse error(system_limit),
    case Module =:= erlang andalso is_guard(Name, Arity) of
        true ->
            pay(Name, Arguments),
            {apply, erlang, Name, Arguments};
        false ->
            case ?RUNNERS of
                #{{Module, Name, Arity} := Place} ->
                    ask(Peer, Module, Name, Arity, named),
                    {apply, Module, Name, release(Peer, started(Place, {Module, Name}, Arguments, C))};
                _ ->
                    is_closed(Module, Name, Arity) andalso closed(Peer, Module, Name, Arity, "what it does can't be judged here"),
                    other(Module, Name, Arguments, C)
            end
    end;
judge({_, _}, _, _) ->
    error(badarg);
judge(Fun, Arguments, {Peer, _} = C) when is_function(Fun) ->
    is_function(Fun, length(Arguments)) orelse error({badarity, {Fun, Arguments}}),
    case kind(Peer, Fun) of
        {closure, Closure} -> {closure, Peer, Closure, Arguments};
        {export, Module, Name} -> judge({Module, Name}, Arguments, C);
        compiled -> compiled()
    end;
judge(Other, _, _) ->
    error({badfun, Other}).

other(Module, Name, Arguments, {Peer, _}) ->
    ask(Peer, Module, Name, length(Arguments), whole),
    {apply, Module, Name, release(Peer, Arguments)}.

start(Name, Callee, Arguments, Arity, {Peer, _} = C) ->
    ask(Peer, erlang, Name, Arity, named),
    {start, Peer, Name, judge(Callee, Arguments, C)}.

%% Judges the function that a runner starts, which has to be an ordinary one. Returns the arguments of the runner.
started({'fun', At}, Runner, Arguments, {Peer, _} = C) ->
    Fun = lists:nth(At, Arguments),
    is_function(Fun, 0) orelse error(badarg),
    case kind(Peer, Fun) of
        {export, Module, Name} ->
            ordinary(judge({Module, Name}, [], C)),
            case is_own(Runner, Arguments) of
                true -> put_at(At, [calling(Peer, Module, Name)], Arguments);
                false -> Arguments
            end;
        {closure, _} -> Arguments;
        compiled -> compiled()
    end;
started({mfa, At}, Runner, Arguments, {Peer, _} = C) ->
    [Module, Name, Its] = lists:sublist(Arguments, At, 3),
    is_list(Its) orelse error(badarg),
    ordinary(judge({Module, Name}, proper(Its), C)),
    case is_own(Runner, Arguments) of
        true -> put_at(At, [?MODULE, later, [Peer, Runner, Module, Name, Its]], Arguments);
        false -> Arguments
    end.

put_at(At, New, List) ->
    {Before, Rest} = lists:split(At - 1, List),
    Before ++ New ++ lists:nthtail(length(New), Rest).

%% A fun that only calls this function.
calling(Peer, Module, Name) ->
    Call = {call, 0, {remote, 0, {atom, 0, Module}, {atom, 0, Name}}, []},
    wrap(#closure{peer = Peer, clauses = [{clause, 0, [], [], [Call]}], bindings = #{}, name = none}).

%% True if a runner starts its function on this node. Other nodes need not have distwall's modules, so the function is named to
%% them as it is. It is refused to name both.
is_own({timer, tc}, _) -> false;
is_own({timer, _}, _) -> true;
is_own({rpc, Name}, [Module | _] = Arguments)
  when Name =:= multicall, length(Arguments) =:= 3; Name =:= eval_everywhere, length(Arguments) =:= 3 ->
    is_atom(Module) andalso (nodes() =:= [] orelse among_others());
is_own(_, [Nodes | _]) when is_list(Nodes) ->
    case lists:partition(fun(Node) -> Node =:= node() end, proper(Nodes)) of
        {[], _} -> false;
        {_, []} -> true;
        _ -> among_others()
    end;
is_own(_, [Node | _]) ->
    Node =:= node().

-spec among_others() -> no_return().
among_others() ->
    distwall_budget:refuse("a start of code on this node and on others at once", "each needs a call of its own").

%% Runs a function that code of a peer has started on this node through another function.
-spec later(node(), {module(), atom()}, module(), atom(), [term()]) -> term().
later(Peer, Runner, Module, Name, Arguments) ->
    Run = fun() -> outcome(Peer, fun() -> call({Module, Name}, Arguments, {Peer, none}) end) end,
    case Runner of
        %% The process is one of OTP's, which goes on afterwards.
        {rpc, block_call} ->
            bounded(Peer, Run);
        _ ->
            distwall_budget:has() orelse distwall_budget:enter(Peer),
            Run()
    end.

ordinary({apply, _, _, _}) -> ok;
ordinary(_) -> distwall_budget:refuse("a function that starts another", "it can't be followed there").

proper(List) ->
    try length(List) of _ -> List catch error:_ -> error(badarg) end.

%% ---- performing ----

-spec call(callee(), [term()], distwall_eval:context()) -> term().
call(Callee, Arguments, C) ->
    perform(judge(Callee, Arguments, C)).

-spec perform(action()) -> term().
perform({closure, Peer, Closure, Arguments}) -> distwall_eval:run(Peer, Closure, Arguments);
perform({apply, Module, Name, Arguments}) -> apply(Module, Name, Arguments);
perform({value, Value}) -> Value;
perform({raise, Class, Reason}) -> erlang:raise(Class, Reason, []);
perform({start, Peer, Name, Action}) ->
    distwall_budget:process(),
    %% The new process gets a copy.
    distwall_budget:weigh(Action),
    Begin = fun() ->
        distwall_budget:enter(Peer),
        outcome(Peer, fun() -> perform(Action) end)
    end,
    Ways = #{spawn => [], spawn_link => [link], spawn_monitor => [monitor]},
    spawn_opt(Begin, maps:get(Name, Ways) ++ distwall_budget:options()).

%% Runs code of the peer for other code. The value or the exception is made fit to be seen there.
outcome(Peer, Run) ->
    try
        release(Peer, Run())
    catch
        Class:Reason ->
            distwall_budget:is_refusal(Reason) andalso exit(Reason),
            node(group_leader()) =:= node() andalso printed(Reason),
            erlang:raise(Class, release(Peer, Reason), [])
    end.

printed(Reason) ->
    distwall_budget:steps(?PRINTED),
    distwall_budget:weigh(Reason, ?MAX_REASON).

%% ---- funs ----

%% Makes the value of a fun expression: fun M:F/A.
-spec export({term(), term()}, term(), distwall_eval:context()) -> fun().
export({Module, Name}, Arity, {Peer, _}) when is_atom(Module), is_atom(Name), is_integer(Arity), Arity >= 0, Arity < 256 ->
    given(Peer, Module, Name, Arity),
    %% An export of a function that does not exist would stay in the VM for good.
    distwall_ask:loaded(Module) andalso erlang:function_exported(Module, Name, Arity) orelse error(undef),
    fun Module:Name/Arity;
export(_, _, _) ->
    error(badarg).

kind(Peer, Fun) ->
    {module, Module} = erlang:fun_info(Fun, module),
    {env, Env} = erlang:fun_info(Fun, env),
    case {erlang:fun_info(Fun, type), Module, Env} of
        {{type, external}, _, _} ->
            {name, Name} = erlang:fun_info(Fun, name),
            {export, Module, Name};
        {_, ?MODULE, [#closure{peer = Peer} = Closure]} ->
            Fun =:= wrap(Closure) orelse distwall_budget:refuse("a fun", "it is of a form that distwall does not know"),
            {closure, Closure};
        {_, erl_eval, [Info]} ->
            {closure, closure(Peer, Info)};
        _ ->
            lists:member(Module, ?OWN) andalso distwall_budget:refuse("a fun", "it is of another peer"),
            compiled
    end.

%% Reads what a fun of erl_eval holds, in OTP 23 and 24, and since OTP 25.
closure(Peer, Info) ->
    {Bs, Clauses, Name} = case Info of
        {_, Bound, _, _, _, Its} -> {Bound, Its, none};
        {_, Bound, _, _, _, Its, Named} -> {Bound, Its, Named};
        {Bound, _, _, Its} -> {Bound, Its, none};
        {Bound, _, _, Its, Named} -> {Bound, Its, Named};
        _ -> {none, none, none}
    end,
    is_atom(Name) andalso (is_map(Bs) orelse is_list(Bs))
        orelse distwall_budget:refuse("a fun of erl_eval", "it is of a form that distwall does not know"),
    distwall_budget:weigh(Bs),
    #closure{peer = Peer, clauses = Clauses, bindings = if is_map(Bs) -> Bs; true -> maps:from_list(Bs) end, name = Name}.

-spec compiled() -> no_return().
compiled() ->
    distwall_budget:refuse("a fun of compiled code", "it might hold what its code does not expect").

%% Judges a function that is given away: its receiver may call it.
given(Peer, Module, Name, Arity) ->
    Followed = Module =:= erlang andalso lists:member(Name, [put, erase, get, process_flag])
        orelse is_map_key({Module, Name, Arity}, ?RUNNERS) orelse is_closed(Module, Name, Arity),
    Followed andalso closed(Peer, Module, Name, Arity, "what it would call can't be seen"),
    Module =:= erlang andalso is_guard(Name, Arity) orelse ask(Peer, Module, Name, Arity, whole).

%% Makes a term fit to be given to other code: its funs are judged, and funs of the peer are wrapped.
-spec release(node(), term()) -> term().
release(Peer, Term) ->
    distwall_budget:weigh(Term),
    case holds_fun(Term, distwall_account:control(), false) of
        true -> released(Peer, Term);
        false -> Term
    end.

%% True if there is a fun in a term, or if it is known. Refuses what names distwall's own node: one of these, or [].
holds_fun([Head | Tail], Control, Is) ->
    holds_fun(Tail, Control, holds_fun(Head, Control, Is));
holds_fun(Term, Control, Is) when is_tuple(Term) ->
    holds_fun(tuple_to_list(Term), Control, Is);
holds_fun(Term, Control, Is) when is_map(Term) ->
    holds_fun(maps:to_list(Term), Control, Is);
holds_fun(Term, {One, Other}, _) when is_atom(Term), Term =:= One orelse Term =:= Other ->
    names_control();
holds_fun(Term, {One, Other}, _) when is_pid(Term) orelse is_reference(Term) orelse is_port(Term), node(Term) =:= One orelse node(Term) =:= Other ->
    names_control();
holds_fun(Term, _, Is) ->
    Is orelse is_function(Term).

-spec names_control() -> no_return().
names_control() ->
    distwall_budget:refuse("a term that names the node of distwall", "that node takes calls from this node, and none from a peer").

released(Peer, [Head | Tail]) -> [released(Peer, Head) | released(Peer, Tail)];
released(Peer, Term) when is_tuple(Term) -> list_to_tuple(released(Peer, tuple_to_list(Term)));
released(Peer, Term) when is_map(Term) -> maps:from_list(released(Peer, maps:to_list(Term)));
released(Peer, Fun) when is_function(Fun) ->
    case kind(Peer, Fun) of
        {closure, Closure} ->
            wrap(Closure);
        {export, Module, Name} ->
            {arity, Arity} = erlang:fun_info(Fun, arity),
            given(Peer, Module, Name, Arity),
            Fun;
        compiled ->
            compiled()
    end;
released(_, Term) -> Term.

%% The fun of a peer's shell that a spawn request carries, as other code may call it.
-spec carried(node(), fun()) -> fun().
carried(Peer, Fun) ->
    case kind(Peer, Fun) of
        {closure, Closure} -> wrap(Closure);
        _ -> distwall_budget:refuse("a fun", "it is none of a shell")
    end.

%% The fun that stands for a closure everywhere outside of the evaluator. Each has the closure alone as its environment.
-spec wrap(distwall_eval:closure()) -> fun().
wrap(#closure{clauses = Clauses} = C) ->
    case arity(Clauses) of
        0 -> fun() -> entry(C, []) end;
        1 -> fun(A) -> entry(C, [A]) end;
        2 -> fun(A, B) -> entry(C, [A, B]) end;
        3 -> fun(A, B, D) -> entry(C, [A, B, D]) end;
        4 -> fun(A, B, D, E) -> entry(C, [A, B, D, E]) end;
        5 -> fun(A, B, D, E, F) -> entry(C, [A, B, D, E, F]) end;
        6 -> fun(A, B, D, E, F, G) -> entry(C, [A, B, D, E, F, G]) end;
        7 -> fun(A, B, D, E, F, G, H) -> entry(C, [A, B, D, E, F, G, H]) end;
        8 -> fun(A, B, D, E, F, G, H, I) -> entry(C, [A, B, D, E, F, G, H, I]) end;
        9 -> fun(A, B, D, E, F, G, H, I, J) -> entry(C, [A, B, D, E, F, G, H, I, J]) end;
        _ -> distwall_budget:refuse("a fun", "it has no clauses, or more than nine arguments")
    end.

arity([{clause, _, Patterns, _, _} | _]) when is_list(Patterns) -> length(proper(Patterns));
arity(_) -> none.

%% Entrance for other code that calls a fun of a peer.
entry(#closure{peer = Peer} = Closure, Arguments) ->
    Run = fun() -> outcome(Peer, fun() -> distwall_eval:run(Peer, Closure, Arguments) end) end,
    case distwall_budget:has() of
        true -> Run();
        false -> bounded(Peer, Run)
    end.

%% Runs in a bounded process, for a process that is not. Its result is known by a number that code of the peer can't know.
bounded(Peer, Run) ->
    Nonce = distwall_ask:nonce(),
    Waiting = self(),
    Begin = fun() ->
        Waiting ! {Nonce, try distwall_budget:enter(Peer), {returned, Run()} catch Class:Reason -> {raised, Class, Reason} end}
    end,
    {Process, Monitor} = spawn_opt(Begin, [monitor | distwall_budget:options()]),
    Result = result(Process, Monitor, Nonce, erlang:monotonic_time(millisecond) + ?PATIENCE),
    exit(Process, kill),
    demonitor(Monitor, [flush]),
    case Result of
        {returned, Value} -> Value;
        {raised, Class, Reason} -> erlang:raise(Class, Reason, []);
        ended -> distwall_budget:refuse("so much memory", "the heap and the time of an evaluation are limited");
        late -> distwall_budget:refuse("what takes so long", "another process waits for it")
    end.

result(Process, Monitor, Nonce, Until) ->
    receive
        {Nonce, Result} -> Result;
        {'DOWN', Monitor, _, _, _} ->
            case is_process_alive(Process) of
                true -> result(Process, Monitor, Nonce, Until);
                false -> receive {Nonce, Result} -> Result after 0 -> ended end
            end
    after max(0, Until - erlang:monotonic_time(millisecond)) ->
        late
    end.

%% ---- harmless functions ----

%% True for the functions that guards may call. They only read their arguments.
-spec is_guard(atom(), arity()) -> boolean().
is_guard(Name, 0) -> lists:member(Name, [node, self]);
is_guard(Name, 1) ->
    lists:member(Name, [abs, bit_size, byte_size, ceil, float, floor, hd, is_atom, is_binary, is_bitstring, is_boolean, is_float,
                        is_function, is_integer, is_list, is_map, is_number, is_pid, is_port, is_reference, is_tuple, length,
                        map_size, node, round, size, tl, trunc, tuple_size]);
is_guard(Name, 2) -> lists:member(Name, [binary_part, element, is_function, is_map_key, is_record, map_get, max, min]);
is_guard(Name, 3) -> lists:member(Name, [binary_part, is_record]);
is_guard(_, _) -> false.

%% Takes the steps of a guard function that walks over its arguments.
pay(Name, Arguments) when Name =:= is_map_key; Name =:= map_get; Name =:= max; Name =:= min ->
    lists:foreach(fun distwall_budget:weigh/1, Arguments);
pay(length, [List]) when is_list(List) ->
    distwall_budget:steps(length(List) div 8);
pay(_, _) ->
    ok.

%% Calls a function in a guard.
-spec guard(term(), [term()]) -> term().
guard(Name, Arguments) ->
    is_guard(Name, length(Arguments)) orelse distwall_budget:refuse(["a guard of ", distwall_text:term(Name)], "guards call guard functions only"),
    pay(Name, Arguments),
    apply(erlang, Name, Arguments).

%% True for functions that are refused whatever the policy accepts: other shells, distwall's own modules, the cells in which it
%% counts, and what might start functions in ways that are not followed here.
is_closed(erlang, Name, _) ->
    lists:member(Name, [hibernate, apply]) orelse lists:prefix("spawn", atom_to_list(Name));
is_closed(Module, _, _) when Module =:= shell; Module =:= atomics; Module =:= counters ->
    true;
is_closed(Module, Name, Arity) ->
    case ?STARTERS of
        #{Module := Others} -> not lists:member({Name, Arity}, Others);
        _ -> lists:member(Module, ?OWN)
    end.

%% ---- asking distwall ----

%% Asks at every call: a change of the policy takes effect with the next one. Nobody can ask about arguments (`when`) here: a rule
%% that accepts some arguments accepts none, and a rule that refuses some refuses all. About a function that starts another, the
%% rules that name it decide: what it starts is judged besides.
ask(Peer, Module, Name, Arity, How) ->
    distwall_budget:steps(?QUESTION),
    case distwall_ask:verdict(Peer, {Module, Name, Arity}, How) of
        accept -> ok;
        refused -> refuse(Module, Name, Arity, ["the policy does not accept it for ", atom_to_list(Peer)]);
        arguments -> refuse(Module, Name, Arity, "the policy refuses it for some arguments");
        unreachable -> refuse(Module, Name, Arity, "distwall can't be asked")
    end.

%% Refuses whatever the policy says. distwall is told, for its log.
-spec closed(node(), module(), atom(), arity(), iodata()) -> no_return().
closed(Peer, Module, Name, Arity, Why) ->
    distwall_budget:steps(?QUESTION),
    distwall_ask:verdict(Peer, {Module, Name, Arity}, closed),
    refuse(Module, Name, Arity, Why).

-spec refuse(module(), atom(), arity(), iodata()) -> no_return().
refuse(Module, Name, Arity, Why) ->
    distwall_budget:refuse(io_lib:format("~tw:~tw/~w", [Module, Name, Arity]), Why).
