%% Bounds of what a peer's code may take on this node, and the way in which it ends at one of them.
%%
%% Theory of operation. Code of a peer runs in processes that this module has bounded: their heap has a limit, which the VM
%% keeps, and the key ?STEPS of their dictionary is a counter of the steps that are left. Processes started by such code share the
%% counter. Each form that is evaluated takes a step, and so does each part of a term that has to be walked over: a small term
%% that names its parts many times may take ages to compare, to copy or to print. Binaries are not on the heap, and are counted
%% when they are made.
-module(distwall_budget).

-export([enter/0, enter/1, options/0, has/0, share/0, step/0, steps/1, process/0, binary/1, weigh/1, weigh/2, refuse/2, is_key/1]).

%% Steps of one evaluation, and processes that it may start.
-define(MAX_STEPS, 20000000).
-define(MAX_PROCESSES, 1000).
%% Words on the heap of a process; its stack counts.
-define(MAX_HEAP, 16#800000).
%% Parts of a term that is passed, compared or kept.
-define(MAX_PARTS, 1000000).
%% Bytes of binaries that a process holds, and number of new bytes after which they are counted.
-define(MAX_BINARIES, 16#8000000).
-define(LOOK, 16#1000000).

-define(STEPS, '$distwall_steps').
-define(BYTES, '$distwall_bytes').

-define(STEPS_AT, 1).
-define(PROCESSES_AT, 2).

%% Bounds this process, for one evaluation.
-spec enter() -> ok.
enter() ->
    Counter = atomics:new(2, [{signed, true}]),
    atomics:put(Counter, ?STEPS_AT, ?MAX_STEPS),
    atomics:put(Counter, ?PROCESSES_AT, ?MAX_PROCESSES),
    enter(Counter).

%% Bounds this process, as a part of another's evaluation.
-spec enter(atomics:atomics_ref()) -> ok.
enter(Counter) ->
    process_flag(max_heap_size, heap()),
    put(?STEPS, Counter),
    put(?BYTES, 0),
    ok.

%% Options for spawn_opt that bound a process from the start.
-spec options() -> [{max_heap_size, map()}].
options() ->
    [{max_heap_size, heap()}].

heap() ->
    #{size => ?MAX_HEAP, kill => true, error_logger => false}.

%% True if this process is bounded.
-spec has() -> boolean().
has() ->
    get(?STEPS) =/= undefined.

%% The counter of this process, for a process that it starts.
-spec share() -> atomics:atomics_ref().
share() ->
    get(?STEPS).

%% True for a key of the dictionary that no code of a peer may change.
-spec is_key(term()) -> boolean().
is_key(Key) ->
    Key =:= ?STEPS orelse Key =:= ?BYTES.

-spec step() -> ok.
step() ->
    steps(1).

-spec steps(non_neg_integer()) -> ok.
steps(Count) ->
    case atomics:sub_get(get(?STEPS), ?STEPS_AT, Count) of
        Left when Left >= 0 -> ok;
        _ -> refuse("what takes so long", "the steps of an evaluation are limited")
    end.

%% Counts a process that is started.
-spec process() -> ok.
process() ->
    case atomics:sub_get(get(?STEPS), ?PROCESSES_AT, 1) of
        Left when Left >= 0 -> ok;
        _ -> refuse("another process", "the processes of an evaluation are limited")
    end.

%% Counts the bits of a binary that is about to be made.
-spec binary(non_neg_integer()) -> ok.
binary(Bits) ->
    Bytes = Bits div 8,
    steps(Bytes div 64),
    case get(?BYTES) + Bytes of
        Made when Made < ?LOOK -> put(?BYTES, Made), ok;
        _ -> put(?BYTES, 0), look()
    end.

look() ->
    erlang:garbage_collect(),
    {binary, Held} = process_info(self(), binary),
    case lists:sum([Size || {_, Size, _} <- lists:ukeysort(1, Held)]) > ?MAX_BINARIES of
        true -> refuse("so much memory", "the binaries of an evaluation are limited");
        false -> ok
    end.

%% Walks over a term, which takes as many steps as it has parts.
-spec weigh(term()) -> ok.
weigh(Term) ->
    weigh(Term, ?MAX_PARTS).

-spec weigh(term(), pos_integer()) -> ok.
weigh(Term, _) when is_atom(Term); is_integer(Term); is_pid(Term); is_float(Term); is_reference(Term); Term =:= [] ->
    ok;
weigh(Term, Most) ->
    Parts = weigh([Term], Most, 0),
    steps(Parts).

weigh(_, Most, Parts) when Parts > Most ->
    refuse("a term", "it is too large");
weigh([], _, Parts) ->
    Parts;
weigh([Term | Rest], Most, Parts) ->
    case Term of
        [Head | Tail] -> weigh([Head, Tail | Rest], Most, Parts + 1);
        _ when is_tuple(Term), tuple_size(Term) + Parts > Most -> weigh([], Most, Parts + tuple_size(Term));
        _ when is_tuple(Term) -> weigh(push(tuple_to_list(Term), Rest), Most, Parts + 1);
        _ when is_map(Term), map_size(Term) + Parts > Most -> weigh([], Most, Parts + map_size(Term));
        _ when is_map(Term) -> weigh(push(maps:keys(Term), push(maps:values(Term), Rest)), Most, Parts + 1);
        _ when is_bitstring(Term) -> weigh(Rest, Most, Parts + 1 + byte_size(Term) div 64);
        _ when is_function(Term) -> weigh(push(inside(Term), Rest), Most, Parts + 1);
        _ -> weigh(Rest, Most, Parts + 1)
    end.

push(Terms, Rest) ->
    lists:foldl(fun(Term, Stack) -> [Term | Stack] end, Rest, Terms).

inside(Fun) ->
    case erlang:fun_info(Fun, type) of
        {type, local} -> element(2, erlang:fun_info(Fun, env));
        {type, external} -> []
    end.

%% Ends the evaluation. No code of the peer can catch this.
-spec refuse(iodata(), iodata()) -> no_return().
refuse(What, Why) ->
    exit({distwall_refused, unicode:characters_to_binary([What, " is refused: ", Why])}).
