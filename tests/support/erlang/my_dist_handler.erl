%% The handlers of the proposal, with a trace of what they have seen; `quirk` in a message makes them behave badly.
-module(my_dist_handler).
-export([reg_send/3, send/3, alias_send/3, group_leader/3, dist_spawn_init/4, filter/2]).

reg_send(Node, From, Name) -> deliver({reg_send, Node, From, Name}, Name).
send(Node, From, Pid) -> deliver({send, Node, From, Pid}, Pid).
alias_send(Node, From, Alias) -> deliver({alias_send, Node, From, Alias}, Alias).

deliver(What, To) ->
    seen(What),
    receive
        {secret, _} -> ok;
        {double, Message} -> To ! Message, To ! Message;
        crash -> exit(crashed);
        Message -> catch To ! Message
    end,
    exit(normal).

group_leader(Node, Leader, Pid) ->
    seen({group_leader, Node, Leader, Pid}),
    true = erlang:group_leader(Leader, Pid),
    exit(normal).

dist_spawn_init(_Node, erlang, halt, _Arguments) ->
    exit(refused);
dist_spawn_init(Node, Module, Function, Arguments) ->
    seen({spawn, Node, Module, Function, Arguments}),
    erlang:apply(Module, Function, Arguments).

filter(_Node, {reg_send, shut}) -> deny;
filter(_Node, {reg_send, boom}) -> error(boom);
filter(_Node, {reg_send, odd}) -> perhaps;
filter(Node, Command) -> seen({filter, Node, Command}), accept.

seen(What) ->
    case whereis(seen) of
        undefined -> ok;
        Pid -> Pid ! What
    end.
