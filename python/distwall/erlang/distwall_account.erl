%% The accounts of peers on this node: the sum of its evaluations.
%%
%% Theory of operation. An account is an array of counters. The table of accounts belongs to a process of its own; others only read
%% it. A process that evaluates a peer's code joins the account: another process watches it, gives back what it took when it
%% has ended, and ends it when it is too old. Nobody believes a message here. The joining process looks what was given to it, and
%% the watcher looks whether the process is alive.
%%
%% Heap is given in shares of what is left, so that the sum is bounded, and so is the number of processes.
-module(distwall_account).

-export([of_peer/1, join/2, has_room/1, steps/2, bytes/2, counted/2, take_turn/1, end_turn/1, keep/0]).

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
-define(MAX_SHELLS, 10).
%% Questions of a peer that are on their way to distwall.
-define(MAX_QUESTIONS, 2).
%% Milliseconds after which a process that evaluates code is ended.
-define(MAX_AGE, 600000).
-define(MAX_ACCOUNTS, 10000).

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
    ets:new(?TABLE, [named_table, protected, {read_concurrency, true}]),
    kept().

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

%% Forgets the accounts of which nothing is in use.
forget() ->
    [ets:delete(?TABLE, Peer) || {Peer, Account} <- ets:tab2list(?TABLE),
                                 [What || What <- [?HEAP, ?BYTES, ?SHELLS, ?QUESTIONS], atomics:get(Account, What) =/= 0] =:= []].

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
        ended(Process, Monitor, now_ms(), Kind),
        give_back(Account, Kind, Words),
        atomics:sub(Account, ?BYTES, atomics:get(Own, ?HELD))
    end.

ended(Process, Monitor, Since, Kind) ->
    Left = if Kind =:= shell -> infinity; true -> max(0, Since + ?MAX_AGE - now_ms()) end,
    receive
        {'DOWN', Monitor, _, _, _} -> ok
    after Left ->
        exit(Process, kill)
    end,
    is_process_alive(Process) andalso ended(Process, Monitor, Since, Kind).

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
