%% The way in for spawn requests that start code of a peer's: the evaluator's, not OTP's, runs it.
%%
%% Theory of operation. distwall rewrites such a request, so that it starts dist_spawn_init/4 with the name of the peer and the
%% function that was asked for. There are three kinds. A shell is started or a name completed, where shells of peers are
%% restricted. A fun of a shell is run, where funs are checked. The forms in which OTP sends them are listed here. Anything else is refused, also where this
%% module is not on the guarded node. What is started is the same as without distwall, except the shell or the fun in it.
-module(distwall_gate).

-export([dist_spawn_init/4]).

-spec dist_spawn_init(node(), module(), atom(), [term()]) -> term().
dist_spawn_init(Peer, Module, Name, Arguments) ->
    {M, F, A} = fit(Peer, Module, Name, Arguments),
    apply(M, F, A).

fit(Peer, shell, start, []) ->
    {distwall_shell, start, [Peer]};
fit(_, edlin_expand, expand, Arguments) when length(Arguments) < 4 ->
    {distwall_shell, expand, []};
fit(Peer, erlang, apply, [Fun, []]) when is_function(Fun, 0) ->
    distwall_budget:enter(Peer),
    {erlang, apply, [distwall_calls:carried(Peer, Fun), []]};
fit(Peer, erpc, execute_call, [Reference, Module, Name, Arguments]) when is_reference(Reference), Module =/= erpc ->
    {M, F, A} = fit(Peer, Module, Name, Arguments),
    {erpc, execute_call, [Reference, M, F, A]};
fit(Peer, erpc, execute_cast, [erlang, apply, Arguments]) ->
    {M, F, A} = fit(Peer, erlang, apply, Arguments),
    {erpc, execute_cast, [M, F, A]};
fit(Peer, proc_lib, init_p, [Parent, Ancestors, Fun]) ->
    is_process(Parent) andalso is_list(Ancestors) andalso lists:all(fun is_process/1, Ancestors) orelse refuse(),
    {_, _, [Own, []]} = fit(Peer, erlang, apply, [Fun, []]),
    {proc_lib, init_p, [Parent, Ancestors, Own]};
fit(Peer, Handler, dist_spawn_init, [Peer, Module, Name, Arguments]) ->
    %% A handler of the guarded node's decides about what is asked for.
    {M, F, A} = fit(Peer, Module, Name, Arguments),
    {Handler, dist_spawn_init, [Peer, M, F, A]};
fit(_, _, _, _) ->
    refuse().

is_process(Process) ->
    is_pid(Process) orelse is_atom(Process).

-spec refuse() -> no_return().
refuse() ->
    distwall_budget:refuse("a start of code", "it has a form that distwall does not know").
