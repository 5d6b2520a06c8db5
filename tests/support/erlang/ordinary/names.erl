%% Names and locks of `global`, between two nodes of one mesh.
-module(names).
-export([setup/0, run/1, gone/1]).

setup() -> probe:collector(names_target).

run(Peer) ->
    [One, Two, Three] = [probe:collector() || _ <- [1, 2, 3]],
    Name = fun(What) -> {What, Peer} end,
    Holder = fun(Function, Arguments) -> probe:do(Two, fun() -> apply(global, Function, Arguments) end) end,
    Id = fun(Pid) -> {{lock, Peer}, Pid} end,
    Nodes = [node(), Peer],
    probe:steps([
        {sync, fun() -> global:sync() end},
        {register, fun() -> [global:register_name(Name(one), Pid) || Pid <- [One, Two]] end},
        {whereis, fun() -> global:whereis_name(Name(one)) =:= One end},
        {send, fun() -> _ = global:send(Name(one), hello), probe:await(One, 1, 5000) end},
        {resolvers, fun() ->
            [
                {global:register_name(Name(two), Two, Resolve), global:unregister_name(Name(two))}
             || Resolve <- [fun global:random_exit_name/3, fun global:random_notify_name/3, fun global:notify_all_name/3]
            ]
        end},
        {re_register, fun() ->
            [global:re_register_name(Name(one), Three), global:whereis_name(Name(one)) =:= Three]
        end},
        {lock, fun() ->
            [global:set_lock(Id(self()), Nodes), Holder(set_lock, [Id(Two), Nodes, 0]), global:del_lock(Id(self()), Nodes),
             Holder(set_lock, [Id(Two), Nodes, 0]), Holder(del_lock, [Id(Two), Nodes])]
        end},
        {trans, fun() -> global:trans(Id(self()), fun() -> in_turn end, Nodes) end},
        {lock_of_the_dead, fun() ->
            true = Holder(set_lock, [Id(Two), Nodes, 0]),
            ok = probe:do(Two, stop, normal),
            global:trans(Id(self()), fun() -> in_turn end, Nodes, 20)
        end},
        {unregister, fun() -> {global:unregister_name(Name(one)), global:whereis_name(Name(one))} end},
        {dies, fun() ->
            yes = global:register_name(Name(dies), One),
            ok = probe:do(One, stop, normal),
            probe:until(fun() -> global:whereis_name(Name(dies)) =:= undefined end)
        end},
        {stays, fun() -> global:register_name(Name(stays), Three) end}
    ]).

%% True if this node has forgotten the names registered on a node that went away.
gone(Node) -> probe:until(fun() -> [N || N <- global:registered_names(), node(global:whereis_name(N)) =:= Node] =:= [] end).
