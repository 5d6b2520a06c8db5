%% The questions of the evaluator: may a peer call that function, and is a module there?
%%
%% Theory of operation. The process that evaluates a peer's code may receive any message, also a forged answer:
%% references are numbered in order, and an alias of a known number is reached without knowing its process. So that process
%% waits for no message. Another process asks, and leaves its answer in a cell, behind a number that was drawn for this question.
%% A message only wakes the waiting process, to look into the cell. What is asked of distwall carries a number that was drawn, too,
%% and the answer has to repeat it. Nobody can look into a process that asks. Without numbers that can't be guessed (the
%% application crypto is not there), nothing is asked.
%%
%% A peer has few questions on their way at a time, whatever the number of its processes: the others' don't wait behind them.
-module(distwall_ask).

-export([verdict/3, loaded/1, nonce/0]).

-export_type([how/0, nonce/0]).

%% whole: also what a rule says about arguments matters; named: the rules that name the function decide; closed: it is
%% refused whatever the rules say, and distwall only has to know.
-type how() :: whole | named | closed.
-opaque nonce() :: <<_:128>>.

-define(PROCESS, distwall).
-define(TIMEOUT, 15000).
%% Milliseconds after which a question is asked again that distwall had no time for, at first and at most.
-define(AGAIN, 20).
-define(LATER, 500).
%% Milliseconds after which a question tries to have its turn.
-define(NO_TURN, 5).

-define(ANSWERS, #{accept => 1, refused => 2, arguments => 3}).

%% Asks distwall about a call of a peer.
-spec verdict(node(), mfa(), how()) -> accept | refused | arguments | unreachable.
verdict(Peer, Function, How) ->
    Account = distwall_account:of_peer(Peer),
    Until = now_ms() + ?TIMEOUT,
    case aside(fun() -> maps:get(asked(Account, [Peer, Function, How], Until), ?ANSWERS, 0) end) of
        1 -> accept;
        2 -> refused;
        3 -> arguments;
        _ -> unreachable
    end.

%% Loads a module if it is not there. True if it is.
-spec loaded(module()) -> boolean().
loaded(Module) ->
    erlang:module_loaded(Module)
        orelse aside(fun() -> case code:ensure_loaded(Module) of {module, Module} -> 1; _ -> 0 end end) =:= 1.

%% Draws a number that nobody can guess.
-spec nonce() -> nonce().
nonce() ->
    crypto:strong_rand_bytes(16).

%% ---- a process of its own ----

%% Runs something in a process that nobody can look into. Returns the small number that it returns; 0: it failed.
aside(Work) ->
    <<Drawn:56, _/bitstring>> = nonce(),
    Cell = atomics:new(1, [{signed, false}]),
    {Process, Monitor} = spawn_opt(fun() -> process_flag(sensitive, true), atomics:put(Cell, 1, Drawn bsl 4 bor Work()) end,
                                   [monitor]),
    Value = awaited(Process, Monitor, Cell, Drawn),
    demonitor(Monitor, [flush]),
    Value.

awaited(Process, Monitor, Cell, Drawn) ->
    receive {'DOWN', Monitor, process, _, _} -> ok end,
    IsAlive = is_process_alive(Process),
    case atomics:get(Cell, 1) of
        Value when Value bsr 4 =:= Drawn -> Value band 15;
        %% Somebody else has sent that.
        _ when IsAlive -> awaited(Process, Monitor, Cell, Drawn);
        _ -> 0
    end.

%% ---- asking distwall ----

asked(Account, Question, Until) ->
    case now_ms() < Until andalso distwall_account:take_turn(Account) of
        true ->
            try
                answered(Question, Until, ?AGAIN)
            after
                distwall_account:end_turn(Account)
            end;
        false ->
            case now_ms() < Until of
                true -> receive after ?NO_TURN -> asked(Account, Question, Until) end;
                false -> unreachable
            end
    end.

%% Keeps its turn while distwall has no time for the peer.
answered(Question, Until, Pause) ->
    case sent(Question) of
        {ok, busy} ->
            case now_ms() + Pause < Until of
                true -> receive after Pause -> answered(Question, Until, min(?LATER, 2 * Pause)) end;
                false -> unreachable
            end;
        {ok, Verdict} -> Verdict;
        _ -> unreachable
    end.

sent(Question) ->
    case distwall:reached() of
        {ok, Node} -> sent(Node, {judge_call, Question, []});
        Unreachable -> Unreachable
    end.

sent(Node, Request) ->
    Monitor = monitor(process, {?PROCESS, Node}, [{alias, demonitor}]),
    Tag = [[alias | Monitor] | nonce()],
    erlang:send({?PROCESS, Node}, {'$gen_call', {self(), Tag}, Request}, [noconnect]),
    receive
        {Tag, Answer} -> Answer;
        {'DOWN', Monitor, _, _, _} -> unreachable
    after ?TIMEOUT ->
        unreachable
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
