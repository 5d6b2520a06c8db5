%% A gen_statem: coins and pushes, timeouts, postponed calls.
-module(turnstile).
-behaviour(gen_statem).
-export([setup/0, run/1]).
-export([init/1, callback_mode/0, locked/3, open/3]).

setup() ->
    {ok, Pid} = gen_statem:start({local, turnstile}, ?MODULE, 0, []),
    Pid.

callback_mode() -> [state_functions, state_enter].

init(Passed) -> {ok, locked, Passed}.

locked(enter, _, _) -> keep_state_and_data;
locked(cast, coin, Passed) -> {next_state, open, Passed};
locked({call, From}, {coin, Time}, Passed) -> {next_state, open, Passed, [{reply, From, thanks}, {state_timeout, Time, shut}]};
locked({call, _}, push, _) -> {keep_state_and_data, postpone};
locked({call, From}, state, Passed) -> {keep_state_and_data, {reply, From, {locked, Passed}}}.

open(enter, _, _) -> keep_state_and_data;
open(cast, coin, _) -> keep_state_and_data;
open(state_timeout, shut, Passed) -> {next_state, locked, Passed};
open({call, From}, push, Passed) -> {next_state, locked, Passed + 1, {reply, From, {passed, Passed + 1}}};
open({call, From}, state, Passed) -> {keep_state_and_data, {reply, From, {open, Passed}}};
open({call, _}, {coin, _}, _) -> keep_state_and_data.

run(Peer) ->
    Turnstile = {turnstile, Peer},
    Call = fun(Request) -> gen_statem:call(Turnstile, Request) end,
    probe:steps([
        {state, fun() -> Call(state) end},
        {coin, fun() -> gen_statem:cast(Turnstile, coin), Call(state) end},
        {push, fun() -> Call(push) end},
        {late, fun() -> catch gen_statem:call(Turnstile, push, 50) end},
        {late_dirty, fun() -> catch gen_statem:call(Turnstile, push, {dirty_timeout, 50}) end},
        {coin_for_the_late, fun() -> [Call({coin, 5000}), Call({coin, 5000}), Call(state)] end},
        {postponed, fun() ->
            Request = gen_statem:send_request(Turnstile, push),
            gen_statem:cast(Turnstile, coin),
            gen_statem:receive_response(Request, 5000)
        end},
        {timeout, fun() -> {Call({coin, 30}), probe:until(fun() -> element(1, Call(state)) =:= locked end)} end},
        {nobody, fun() -> catch gen_statem:call({nobody, Peer}, state) end}
    ]).
