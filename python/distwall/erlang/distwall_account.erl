%% The accounts of peers on this node: the sum of its evaluations.
%%
%% Theory of operation. An account is an array of counters. The table of accounts belongs to a process of its own; others only read
%% it. A process that evaluates a peer's code joins the account: another process watches it, gives back what it took when it
%% has ended, and ends it when it is too old. Nobody believes a message here. The joining process looks what was given to it, and
%% the watcher looks whether the process is alive.
%%
%% A process also holds binaries that it has not made: they came in messages, or with the fun that it runs. The watcher looks at
%% intervals what the process really holds, and ends it where that is too much.
%%
%% Heap is given in shares of what is left, so that the sum is bounded, and so is the number of processes.
-module(distwall_account).

-export([of_peer/1, control/0, join/2, has_room/1, steps/2, bytes/2, counted/2, sizes/1, take_turn/1, end_turn/1, keep/0]).

-export_type([account/0, own/0, part/0]).

-opaque account() :: atomics:atomics_ref().
-opaque own() :: atomics:atomics_ref().
-type part() :: {account(), own()}.

%% Steps of one process. Steps of a peer at once, and in a millisecond in the long run.
-define(MAX_OWN_STEPS, 10000000).
-define(MAX_STEPS, 20000000).
-define(STEPS_PER_MS, 100).
%% Words of heap of all processes of a peer (1 GiB). A process gets a share of what is left, if that is enough to be of use.
-define(MAX_HEAP, 16#8000000).
-define(SHARE, 32).
-define(LEAST_HEAP, 16#8000).
%% Bytes of binaries of all processes of a peer.
-define(MAX_BINARIES, 16#10000000).
%% Bytes of binaries of one process, and of a process that is not ended for the binaries of others.
-define(MAX_OWN_BINARIES, 16#8000000).
-define(LITTLE, 16#100000).
-define(MAX_SHELLS, 10).
%% Questions of a peer that are on their way to distwall.
-define(MAX_QUESTIONS, 2).
%% Milliseconds after which a process that evaluates code is ended.
-define(MAX_AGE, 600000).
-define(MAX_ACCOUNTS, 10000).
%% Milliseconds between two looks at what a process holds, and where it holds many binaries.
-define(LOOK, 1000).
-define(LONG_LOOK, 10000).
-define(MANY, 10000).
%% Bytes of a process for each word of heap that it was given: while it is moved, a heap is there twice. Waiting messages count.
-define(BYTES_OF_WORD, 24).
-define(LEAST_MEMORY, 16#2000000).

-define(TABLE, ?MODULE).
-define(STEPS, 1).
-define(REFILLED, 2).
-define(HEAP, 3).
-define(BYTES, 4).
-define(SHELLS, 5).
-define(QUESTIONS, 6).

%% Cells of a process: bytes of its binaries, steps that it took, and words of heap that it was given (-1: none).
-define(HELD, 1).
-define(TAKEN, 2).
-define(GIVEN, 3).

%% ---- accounts ----

%% The account of a peer, which is opened if it is the first time.
-spec of_peer(node()) -> account().
of_peer(Peer) ->
    of_peer(Peer, 1000).

of_peer(Peer, Tries) ->
    try
        ets:lookup_element(?TABLE, Peer, 2)
    catch
        error:badarg when Tries > 0 ->
            whereis(?MODULE) =:= undefined andalso spawn(?MODULE, keep, []),
            catch ?MODULE ! {open, Peer},
            receive after 2 -> of_peer(Peer, Tries - 1) end
    end.

%% The process that keeps the table, for ever.
-spec keep() -> no_return().
keep() ->
    group_leader(whereis(init), self()),
    try register(?MODULE, self()) catch error:badarg -> exit(normal) end,
    Table = ets:new(?TABLE, [named_table, protected, {read_concurrency, true}]),
    ets:insert(Table, {{control}, flag, distwall:flagged()}),
    kept().

%% The names of distwall's own node: by the environment and by the flag, each a name or [].
-spec control() -> {node() | [], node() | []}.
control() ->
    Named = case application:get_env(distwall, node) of
        {ok, Node} when is_atom(Node) -> Node;
        _ -> []
    end,
    {Named, ets:lookup_element(?TABLE, {control}, 3)}.

kept() ->
    receive
        {open, Peer} when is_atom(Peer) -> ets:member(?TABLE, Peer) orelse open(Peer);
        _ -> ok
    end,
    kept().

open(Peer) ->
    ets:info(?TABLE, size) < ?MAX_ACCOUNTS orelse forget(),
    Account = atomics:new(?QUESTIONS, [{signed, true}]),
    atomics:put(Account, ?STEPS, ?MAX_STEPS),
    atomics:put(Account, ?REFILLED, now_ms()),
    ets:info(?TABLE, size) < ?MAX_ACCOUNTS andalso ets:insert(?TABLE, {Peer, Account}).

%% Forgets the accounts of which nothing is in use, and which would be the same if they were new.
forget() ->
    [ets:delete(?TABLE, Peer) || {Peer, Account} <- ets:tab2list(?TABLE), is_as_new(Account)].

is_as_new(Account) ->
    [What || What <- [?HEAP, ?BYTES, ?SHELLS, ?QUESTIONS], atomics:get(Account, What) =/= 0] =:= []
        andalso atomics:get(Account, ?STEPS) + (now_ms() - atomics:get(Account, ?REFILLED)) * ?STEPS_PER_MS >= ?MAX_STEPS.

%% ---- processes ----

%% Puts this process under an account until it ends. It evaluates code, or is a shell. Returns the words of heap that it may have.
-spec join(account(), code | shell) -> {own(), pos_integer()} | full.
join(Account, Kind) ->
    Process = self(),
    Woken = make_ref(),
    Own = atomics:new(?GIVEN, [{signed, true}]),
    {Watcher, Monitor} = spawn_opt(fun() -> watch(Process, Woken, Account, Own, Kind) end, [monitor, {priority, high}]),
    Words = given(Watcher, Monitor, Woken, Own),
    demonitor(Monitor, [flush]),
    receive {Woken, look} -> ok after 0 -> ok end,
    if Words > 0 -> {Own, Words}; true -> full end.

given(Watcher, Monitor, Woken, Own) ->
    receive
        {Woken, look} -> ok;
        {'DOWN', Monitor, _, _, _} -> ok
    end,
    IsAlive = is_process_alive(Watcher),
    case atomics:get(Own, ?GIVEN) of
        0 when IsAlive -> given(Watcher, Monitor, Woken, Own);
        Words -> Words
    end.

watch(Process, Woken, Account, Own, Kind) ->
    process_flag(sensitive, true),
    group_leader(whereis(init), self()),
    Monitor = monitor(process, Process),
    Words = reserve(Account, Kind),
    atomics:put(Own, ?GIVEN, Words),
    Process ! {Woken, look},
    Words > 0 andalso begin
        Until = if Kind =:= shell -> infinity; true -> now_ms() + ?MAX_AGE end,
        Most = max(?LEAST_MEMORY, ?BYTES_OF_WORD * Words),
        ended(Process, Monitor, {Until, {Account, Own}, Most}, now_ms() + ?LOOK),
        give_back(Account, Kind, Words),
        atomics:sub(Account, ?BYTES, atomics:get(Own, ?HELD))
    end.

ended(Process, Monitor, {Until, Part, Most} = Bound, Next) ->
    Now = now_ms(),
    %% An atom is greater than any number.
    receive
        {'DOWN', Monitor, _, _, _} -> is_process_alive(Process) andalso ended(Process, Monitor, Bound, Next)
    after max(0, min(Until, Next) - Now) ->
        case now_ms() < Until andalso held(Process) of
            {Held, Count, Memory} ->
                %% Other processes of the peer may hold too much: it ends only if it holds some of that, too.
                Memory =< Most andalso Held =< ?MAX_OWN_BINARIES andalso (counted(Part, Held) orelse Held < ?LITTLE)
                    orelse exit(Process, kill),
                ended(Process, Monitor, Bound, now_ms() + if Count > ?MANY -> ?LONG_LOOK; true -> ?LOOK end);
            _ ->
                exit(Process, kill),
                is_process_alive(Process) andalso ended(Process, Monitor, Bound, Next)
        end
    end.

%% Bytes of the binaries that a process holds, their number, and the bytes of its memory.
held(Process) ->
    case process_info(Process, [binary, memory]) of
        [{binary, Binaries}, {memory, Memory}] -> {sizes(Binaries), length(Binaries), Memory};
        undefined -> ended
    end.

%% Each binary counts once.
-spec sizes([{term(), non_neg_integer(), pos_integer()}]) -> non_neg_integer().
sizes(Binaries) ->
    lists:sum([Size || {_, Size, _} <- lists:ukeysort(1, Binaries)]).

reserve(Account, shell) ->
    case atomics:add_get(Account, ?SHELLS, 1) of
        Shells when Shells =< ?MAX_SHELLS -> 1;
        _ -> atomics:sub(Account, ?SHELLS, 1), -1
    end;
reserve(Account, code) ->
    Taken = atomics:get(Account, ?HEAP),
    case share(Taken) of
        Words when Words < ?LEAST_HEAP -> -1;
        Words ->
            case atomics:compare_exchange(Account, ?HEAP, Taken, Taken + Words) of
                ok -> Words;
                _ -> reserve(Account, code)
            end
    end.

give_back(Account, shell, _) -> atomics:sub(Account, ?SHELLS, 1);
give_back(Account, code, Words) -> atomics:sub(Account, ?HEAP, Words).

share(Taken) ->
    (?MAX_HEAP - Taken) div ?SHARE.

%% True if one more process would find room.
-spec has_room(part()) -> boolean().
has_room({Account, _}) ->
    share(atomics:get(Account, ?HEAP)) >= ?LEAST_HEAP.

%% ---- steps ----

%% Takes steps. False if none are left.
-spec steps(part(), non_neg_integer()) -> boolean().
steps({Account, Own}, Count) ->
    atomics:add_get(Own, ?TAKEN, Count) =< ?MAX_OWN_STEPS
        andalso (atomics:sub_get(Account, ?STEPS, Count) >= 0 orelse refilled(Account)).

%% Puts in what has come up since the last time.
refilled(Account) ->
    Last = atomics:get(Account, ?REFILLED),
    Now = now_ms(),
    case atomics:compare_exchange(Account, ?REFILLED, Last, Now) of
        ok ->
            Left = atomics:get(Account, ?STEPS),
            atomics:add_get(Account, ?STEPS, min(?MAX_STEPS - Left, (Now - Last) * ?STEPS_PER_MS)) >= 0;
        _ ->
            refilled(Account)
    end.

%% ---- binaries ----

%% Counts bytes of binaries that a process makes. Returns what it holds, and whether all processes of the peer hold too much.
-spec bytes(part(), non_neg_integer()) -> {non_neg_integer(), boolean()}.
bytes({Account, Own}, Bytes) ->
    All = atomics:add_get(Account, ?BYTES, Bytes),
    {atomics:add_get(Own, ?HELD, Bytes), All > ?MAX_BINARIES}.

%% Notes what a process really holds. False if that is too much for the peer.
-spec counted(part(), non_neg_integer()) -> boolean().
counted({Account, Own}, Held) ->
    More = Held - atomics:get(Own, ?HELD),
    All = atomics:add_get(Account, ?BYTES, More),
    atomics:add(Own, ?HELD, More),
    All =< ?MAX_BINARIES.

%% ---- questions ----

%% True if a question may go to distwall now; then end_turn/1 has to follow.
-spec take_turn(account()) -> boolean().
take_turn(Account) ->
    case atomics:add_get(Account, ?QUESTIONS, 1) of
        Questions when Questions =< ?MAX_QUESTIONS -> true;
        _ -> end_turn(Account), false
    end.

-spec end_turn(account()) -> ok.
end_turn(Account) ->
    atomics:sub(Account, ?QUESTIONS, 1).

now_ms() ->
    erlang:monotonic_time(millisecond).
