%% Groups of `pg`, in the default scope and in one of its own, between two nodes.
-module(members).
-export([setup/0, run/1, left/0]).

setup() ->
    Keeper = spawn(fun() ->
        {ok, _} = pg:start_link(),
        {ok, _} = pg:start_link(chat),
        receive stop -> ok end
    end),
    probe:until(fun() -> whereis(pg) =/= undefined andalso whereis(chat) =/= undefined end),
    %% One member from before the nodes meet.
    ok = pg:join(chat, lobby, probe:collector(listener)),
    Keeper.

run(Peer) ->
    There = fun(Scope, Group) -> [P || P <- pg:get_members(Scope, Group), node(P) =:= Peer] end,
    [One, Two] = Mine = [probe:collector(), probe:collector()],
    probe:steps([
        {found, fun() -> probe:until(fun() -> length(There(chat, lobby)) =:= 1 end) end},
        {said, fun() ->
            [Listener] = There(chat, lobby),
            Listener ! {said, node() =/= Peer},
            ok
        end},
        {join, fun() -> [pg:join(pg, {group, node()}, One), pg:join(pg, {group, node()}, Mine), pg:join(chat, lobby, Two),
                pg:join(chat, "other", [One, One, Two])] end},
        {scopes, fun() -> {lists:sort(pg:which_groups(chat)), lists:member({group, node()}, pg:which_groups(pg))} end},
        {leave, fun() -> [pg:leave(chat, "other", [One, Two]), length(pg:get_local_members(chat, "other"))] end},
        {monitor, fun() -> watched() end},
        %% A member that ends leaves.
        {ended, fun() ->
            ok = probe:do(One, stop, normal),
            {probe:until(fun() -> pg:get_members(chat, "other") =:= [] end),
             probe:until(fun() -> length(pg:get_members(pg, {group, node()})) =:= 1 end)}
        end},
        {left, fun() -> [pg:leave(pg, {group, node()}, Two), pg:leave(chat, lobby, Two)] end}
    ]).

%% pg:monitor/2 is of OTP 25.1.
watched() ->
    {Ref, #{lobby := Members}} = pg:monitor_scope(chat),
    ok = pg:demonitor(chat, Ref),
    length(Members).

left() -> probe:until(fun() -> lists:sort([length(pg:get_members(chat, lobby)), length(pg:which_groups(pg))]) =:= [0, 2] end).
