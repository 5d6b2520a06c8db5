%% Bounds of what a peer's code may take on this node, and the way in which it ends at one of them.
%%
%% Theory of operation. Code of a peer runs in processes that this module has bounded. Each has joined the account of its peer
%% (distwall_account), for all processes of a peer share steps, heap and bytes, however they were started. Their heap has a limit,
%% which the VM keeps. Each form that is evaluated takes a step, and so does each word of a term that has to be walked over: a
%% small term that names its parts many times may take ages to compare, to copy or to print. Binaries are not on the heap, and
%% are counted before they are made.
%%
%% The dictionary of such a process has keys that no code of a peer may see or change. Nobody else can look into it.
-module(distwall_budget).

-export([enter/1, options/0, has/0, step/0, steps/1, process/0, binary/1, weigh/1, weigh/2, refuse/2, is_refusal/1, is_key/1]).

%% Words on the heap of a process before it has joined an account.
-define(MAX_HEAP, 16#400000).
%% Words of a flat copy of a term that is passed, compared or kept.
-define(MAX_WORDS, 1000000).
%% Bytes of binaries that a process holds.
-define(MAX_BINARIES, 16#8000000).
%% Bytes of binaries that a process may be given without a look.
-define(FEW, 16#10000).
%% Steps of a look at what it really holds.
-define(LOOK, 10000).

%% The account, and the part of this process.
-define(PART, '$distwall_part').
-define(REFUSED, '$distwall_refused').

%% Bounds this process, which evaluates code of that peer.
-spec enter(node()) -> ok.
enter(Peer) ->
    process_flag(sensitive, true),
    Account = distwall_account:of_peer(Peer),
    case distwall_account:join(Account, code) of
        {Own, Words} ->
            process_flag(max_heap_size, heap(Words)),
            put(?PART, {Account, Own}),
            %% Binaries may have come with a fun, or in messages.
            has_many_bytes() andalso look(0),
            ok;
        full ->
            full()
    end.

%% Options for spawn_opt that bound a process from the start.
-spec options() -> [{max_heap_size, map()}].
options() ->
    [{max_heap_size, heap(?MAX_HEAP)}].

heap(Words) ->
    #{size => Words, kill => true, error_logger => false}.

%% True if this process is bounded.
-spec has() -> boolean().
has() ->
    get(?PART) =/= undefined.

%% True for a key of the dictionary that no code of a peer may see or change.
-spec is_key(term()) -> boolean().
is_key(Key) ->
    Key =:= ?PART orelse Key =:= ?REFUSED.

-spec step() -> ok.
step() ->
    steps(1).

-spec steps(non_neg_integer()) -> ok.
steps(Count) ->
    case distwall_account:steps(get(?PART), Count) of
        true -> ok;
        false -> refuse("what takes so long", "the steps of a peer's evaluations are limited")
    end.

%% Refuses a process that is about to be started if there is no room for it.
-spec process() -> ok.
process() ->
    distwall_account:has_room(get(?PART)) orelse full(),
    ok.

-spec full() -> no_return().
full() ->
    refuse("another process", "the processes and the heap of a peer's evaluations are limited").

%% Counts the bits of a binary that is about to be made.
-spec binary(non_neg_integer()) -> ok.
binary(Bits) ->
    Bytes = Bits div 8,
    steps(Bytes div 64),
    case distwall_account:bytes(get(?PART), Bytes) of
        {Held, false} when Held =< ?MAX_BINARIES -> ok;
        _ -> look(Bytes)
    end.

look(Bytes) ->
    steps(?LOOK),
    erlang:garbage_collect(),
    Held = Bytes + really(),
    case distwall_account:counted(get(?PART), Held) of
        true when Held =< ?MAX_BINARIES -> ok;
        _ -> refuse("so much memory", "the binaries of an evaluation are limited")
    end.

has_many_bytes() ->
    really() > ?FEW.

really() ->
    {binary, Binaries} = process_info(self(), binary),
    distwall_account:sizes(Binaries).

%% Walks over a term, which takes as many steps as its flat copy has words.
-spec weigh(term()) -> ok.
weigh(Term) ->
    weigh(Term, ?MAX_WORDS).

-spec weigh(term(), pos_integer()) -> ok.
weigh(Term, _) when is_atom(Term); Term =:= [] ->
    ok;
weigh(Term, Most) ->
    steps(weigh([Term], Most, 0)).

weigh(_, Most, Words) when Words > Most ->
    refuse("a term", "it is too large");
weigh([], _, Words) ->
    Words;
weigh([Term | Rest], Most, Words) ->
    case Term of
        [Head | Tail] -> weigh([Head, Tail | Rest], Most, Words + 2);
        _ when is_tuple(Term), tuple_size(Term) + Words > Most -> weigh([], Most, Words + tuple_size(Term));
        _ when is_tuple(Term) -> weigh(push(tuple_to_list(Term), Rest), Most, Words + 1 + tuple_size(Term));
        _ when is_map(Term), map_size(Term) + Words > Most -> weigh([], Most, Words + map_size(Term));
        _ when is_map(Term) -> weigh(push(maps:keys(Term), push(maps:values(Term), Rest)), Most, Words + 5 + 2 * map_size(Term));
        %% Bytes are shared, but have to be walked over.
        _ when is_bitstring(Term) -> weigh(Rest, Most, Words + 8 + byte_size(Term) div 64);
        _ when is_function(Term) -> weigh(push(inside(Term), Rest), Most, Words + 5);
        _ when is_atom(Term); Term =:= [] -> weigh(Rest, Most, Words);
        %% Integers have any size.
        _ -> weigh(Rest, Most, Words + erts_debug:flat_size(Term))
    end.

push(Terms, Rest) ->
    lists:foldl(fun(Term, Stack) -> [Term | Stack] end, Rest, Terms).

inside(Fun) ->
    case erlang:fun_info(Fun, type) of
        {type, local} -> element(2, erlang:fun_info(Fun, env));
        {type, external} -> []
    end.

%% Ends the evaluation. No code of the peer can catch this: it is known by what this process notes, which no code can note.
-spec refuse(iodata(), iodata()) -> no_return().
refuse(What, Why) ->
    Refused = {distwall_refused, unicode:characters_to_binary([What, " is refused: ", Why])},
    put(?REFUSED, Refused),
    exit(Refused).

%% True for the reason of an exit by which refuse/2 has ended an evaluation of this process.
-spec is_refusal(term()) -> boolean().
is_refusal({distwall_refused, Text} = Reason) when is_binary(Text) ->
    Reason =:= get(?REFUSED);
is_refusal(_) ->
    false.
