%% The runtime API of distwall, for Erlang programs on guarded nodes and on operators' nodes: filters, tables, grants, handlers
%% and statistics of the firewall before the guarded nodes. Works on OTP 25 to 29.
%%
%%   1> distwall:add_filter('foo@127.0.0.1', reg_send, my_secret_process, deny).
%%   accept
%%
%% Each call goes to distwall's own node ([control] node in its policy). `distwall exec` tells a program the name of that node, by
%% the flag -distwall_control NODE. Without the flag: application:set_env(distwall, node, NODE).
%%
%% A guarded node's calls affect its own channels only. Nodes need not be connected, nor ever have been. Verdicts are accept,
%% deny (also written reject) and drop. With the option persist a setting survives a restart of distwall.
-module(distwall).

-export([set_filter/3, set_filter/4, add_filter/4, add_filter/5, del_filter/3, test_filter/3, explain/3]).
-export([set_default_filter/3, set_default_filter/4]).
-export([set_handler/3, set_handler/4, filter/2, filter/3]).
-export([attach/2, attach/3, detach/2, detach/3, set_table/2, set_table/3]).
-export([grant/4, revoke/2, grants/0]).
-export([statistics/0, statistics/1, peers/0, disconnect/1]).
-export([format_error/2, reached/0, flagged/0]).

-export_type([command/0, key/0, verdict/0, given_verdict/0, option/0, table/0, rule/0, counts/0]).

-type verdict() :: accept | deny | drop.
-type given_verdict() :: verdict() | reject.
-type command() :: alias_send | demonitor | exit | exit2 | group_leader | link | monitor | monitor_exit | reg_send | send
    | spawn_reply | spawn_request | unlink | unlink_ack | atom().
%% One of the 14 commands of erlang:statistics(dist), another subject of rules (call, otp_internal, ping, ...), or '_'.
-type key() :: '_' | atom() | {module() | '_', atom(), arity() | '_'} | {to, atom()} | pid() | reference() | string() | binary().
%% A registered name, a function, a process or an alias of the guarded node; a string is read as in a rule.
-type option() :: persist.
-type table() :: atom() | string() | binary().
-type rule() :: string() | binary().
-type counts() :: [{command(), [{verdict(), non_neg_integer()}]}].

-define(PROCESS, distwall).
-define(TIMEOUT, 15000).

%% ---- filters ----

%% Sets the verdict on a command, for targets without a filter of their own. Returns the previous verdict.
-spec set_filter(node(), command(), given_verdict()) -> verdict().
set_filter(Node, Command, Verdict) ->
    call(set_filter, [Node, Command, Verdict]).

-spec set_filter(node(), command(), given_verdict(), [option()]) -> verdict().
set_filter(Node, Command, Verdict, Options) ->
    call(set_filter, [Node, Command, Verdict], Options).

%% Sets the verdict on a command with that key. Returns the previous verdict.
-spec add_filter(node(), command(), key(), given_verdict()) -> verdict().
add_filter(Node, Command, Key, Verdict) ->
    call(add_filter, [Node, Command, Key, Verdict]).

-spec add_filter(node(), command(), key(), given_verdict(), [option()]) -> verdict().
add_filter(Node, Command, Key, Verdict, Options) ->
    call(add_filter, [Node, Command, Key, Verdict], Options).

%% Removes a filter made by add_filter, or with the key '_' by set_filter. Returns the previous verdict.
-spec del_filter(node(), command(), key()) -> verdict().
del_filter(Node, Command, Key) ->
    call(del_filter, [Node, Command, Key]).

%% Returns the verdict on such a command.
-spec test_filter(node(), command(), key()) -> verdict().
test_filter(Node, Command, Key) ->
    call(test_filter, [Node, Command, Key]).

%% Returns the verdict, the rule that decides, its place in the policy, and the rules that lost against it.
-spec explain(node(), command(), key()) -> #{atom() => term()}.
explain(Node, Command, Key) ->
    call(explain, [Node, Command, Key]).

%% Sets the verdict on commands that no rule of a node matches; '_' for all commands, all keys. Returns the previous default.
-spec set_default_filter(command(), key(), given_verdict()) -> verdict().
set_default_filter(Command, Key, Verdict) ->
    call(set_default_filter, [Command, Key, Verdict]).

-spec set_default_filter(command(), key(), given_verdict(), [option()]) -> verdict().
set_default_filter(Command, Key, Verdict, Options) ->
    call(set_default_filter, [Command, Key, Verdict], Options).

%% ---- handlers ----

%% Sets the module that handles an accepted command; undefined removes it. Returns the previous module.
-spec set_handler(node(), command(), module() | undefined) -> module() | undefined.
set_handler(Node, Command, Module) ->
    call(set_handler, [Node, Command, Module]).

-spec set_handler(node(), command(), module() | undefined, [option()]) -> module() | undefined.
set_handler(Node, Command, Module, Options) ->
    call(set_handler, [Node, Command, Module], Options).

%% Sets the module whose filter(Node, Command) decides about accepted commands; undefined removes it. Returns the previous
%% module.
-spec filter(node(), module() | undefined) -> module() | undefined.
filter(Node, Module) ->
    call(filter, [Node, Module]).

-spec filter(node(), module() | undefined, [option()]) -> module() | undefined.
filter(Node, Module, Options) ->
    call(filter, [Node, Module], Options).

%% ---- tables ----

-spec attach(node(), table()) -> ok.
attach(Node, Table) ->
    call(attach, [Node, Table]).

-spec attach(node(), table(), [option()]) -> ok.
attach(Node, Table, Options) ->
    call(attach, [Node, Table], Options).

-spec detach(node(), table()) -> ok.
detach(Node, Table) ->
    call(detach, [Node, Table]).

-spec detach(node(), table(), [option()]) -> ok.
detach(Node, Table, Options) ->
    call(detach, [Node, Table], Options).

%% Sets all rules of a table, written as in the policy file; undefined brings back the rules of the file. The rules apply at
%% once to all nodes with that table.
-spec set_table(table(), [rule()] | undefined) -> ok.
set_table(Table, Rules) ->
    call(set_table, [Table, Rules]).

-spec set_table(table(), [rule()] | undefined, [option()]) -> ok.
set_table(Table, Rules, Options) ->
    call(set_table, [Table, Rules], Options).

%% ---- temporary access ----

%% Grants a table to a node for some seconds; its rules decide before all others. The reason is for the audit log.
-spec grant(node(), table(), Seconds :: number(), Reason :: atom() | string() | binary()) -> ok.
grant(Node, Table, Seconds, Reason) ->
    call(grant, [Node, Table, Seconds, Reason]).

-spec revoke(node(), table()) -> ok.
revoke(Node, Table) ->
    call(revoke, [Node, Table]).

-spec grants() -> [#{atom() => term()}].
grants() ->
    call(grants, []).

%% ---- what happens ----

%% Counts commands of all peers, or of one, since distwall was started, in the shape of erlang:statistics(dist).
-spec statistics() -> counts().
statistics() ->
    call(statistics, []).

-spec statistics(node()) -> counts().
statistics(Node) ->
    call(statistics, [Node]).

%% The open channels.
-spec peers() -> [#{atom() => term()}].
peers() ->
    call(peers, []).

%% Ends the channels of a peer. It may connect again.
-spec disconnect(node()) -> ok.
disconnect(Node) ->
    call(disconnect, [Node]).

%% ---- asking distwall ----

call(Function, Args) ->
    call(Function, Args, [], Args).

call(Function, Args, Options) ->
    call(Function, Args, Options, Args ++ [Options]).

%% Calls distwall. Given has the arguments as the caller wrote them, for the error.
call(Function, Args, Options, Given) ->
    case ask({Function, Args, Options}) of
        {ok, Value} -> Value;
        {error, badarg, Argument, Text} -> fail(badarg, {Function, Given}, Argument, Text);
        {error, _, _, Text} -> fail({distwall, refused}, {Function, Given}, 0, Text);
        {unreachable, Text} -> fail({distwall, unreachable}, {Function, Given}, 0, Text)
    end.

ask(Request) ->
    case reached() of
        {ok, Node} -> ask(Node, Request);
        Unreachable -> Unreachable
    end.

%% The name of distwall's node, when this node is connected to it. For distwall's own modules.
-spec reached() -> {ok, node()} | {unreachable, iodata()}.
reached() ->
    case control_node() of
        {ok, Node} ->
            case is_alive() andalso connect(Node) of
                true -> {ok, Node};
                _ when node() =:= nonode@nohost -> {unreachable, "this node is not distributed: give it a name"};
                _ -> {unreachable, [print(Node), " can't be reached: does distwall run, is that its [control] node, and does "
                                    "this node have a cookie for it?"]}
            end;
        Unreachable ->
            Unreachable
    end.

ask(Node, Request) ->
    try
        gen_server:call({?PROCESS, Node}, Request, ?TIMEOUT)
    catch
        exit:{timeout, _} -> {unreachable, [print(Node), " does not answer"]};
        exit:{{nodedown, _}, _} -> {unreachable, ["the connection to ", print(Node), " is lost; distwall's log may say why"]};
        exit:{_, _} -> {unreachable, [print(Node), " is not distwall"]}
    end.

%% Connects to distwall's node, even if programs may not connect by themselves (dist_auto_connect).
connect(Node) ->
    lists:member(Node, nodes(connected)) orelse net_kernel:hidden_connect_node(Node).

control_node() ->
    case {application:get_env(distwall, node), flagged()} of
        {{ok, Node}, _} when is_atom(Node) -> {ok, Node};
        {_, Node} when is_atom(Node) -> {ok, Node};
        _ -> {unreachable, "which node is distwall's is not known: start this one by distwall exec where the policy has [control] "
                           "node, or call application:set_env(distwall, node, Node)"}
    end.

%% The name of distwall's node by the flag, or []. For distwall's own modules.
-spec flagged() -> node() | [].
flagged() ->
    case init:get_argument(distwall_control) of
        {ok, [[Name | _] | _]} -> list_to_atom(Name);
        _ -> []
    end.

print(Node) -> io_lib:format("~tw", [Node]).

%% ---- errors ----

%% Raises an error as if the called function itself had failed.
fail(Reason, {Function, Given}, Argument, Text) ->
    Info = #{cause => {Argument, unicode:characters_to_binary(Text)}, module => ?MODULE},
    {current_stacktrace, Stack} = process_info(self(), current_stacktrace),
    Callers = lists:dropwhile(fun({Module, _, _, _}) -> Module =:= ?MODULE orelse Module =:= erlang end, Stack),
    erlang:raise(error, Reason, [{?MODULE, Function, Given, [{error_info, Info}]} | Callers]).

%% Formats an error for the shell.
-spec format_error(term(), erlang:stacktrace()) -> #{pos_integer() | general | reason => unicode:chardata()}.
format_error(_, [{_, _, _, Info} | _]) ->
    case proplists:get_value(error_info, Info) of
        #{cause := {0, Text}} -> #{general => Text};
        #{cause := {Argument, Text}} -> #{Argument => Text};
        _ -> #{}
    end;
format_error(_, _) ->
    #{}.
