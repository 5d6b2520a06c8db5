"""What real programs do over distribution: each program runs on one node and works with another one.

In the code ``Peer`` is the other node's name; there a gen_server ``counter``, a collecting process ``victim`` and the
default ``pg`` scope run, as they do here.
"""

import re
from dataclasses import dataclass

from tests.support.node import ErlangError, Node


@dataclass(frozen=True)
class Program:
    """One program. ``own``: it only asks and gets answers, so it works from a guarded node whatever the policy."""

    name: str
    code: str
    expected: str
    own: bool = True


def run(program: Program, here: Node, there: Node) -> str:
    """What the program results in, as Erlang prints it; a failure is ``{Class,Reason}``.

    Pids and references, which differ from run to run, are left out.
    """
    try:
        result = here.eval(f"Peer = '{there.name}', {program.code}")
    except ErlangError as error:
        result = str(error)
    return re.sub(r"(#Ref)?<[0-9.]+>", "<>", result)


def same_release(one: Node, other: Node) -> bool:
    """Whether both run the same OTP release: between two, the programs that carry a fun or compiled code fail."""
    release = "erlang:system_info(otp_release)"
    return one.eval(release) == other.eval(release)


# Values of every kind that the external term format has; pids, references, ports and functions are of either node.
_TERMS = """
    [0, 255, 256, -1, 2147483647, -2147483648, 1 bsl 60, -(1 bsl 64), 1 bsl 2000, 0.0, -0.1, 1.0e308, '', a,
     'ключ', 'naïve', '漢字', list_to_atom(lists:duplicate(255, $x)), list_to_atom(lists:duplicate(255, 1078)), [],
     "text", "текст",
     lists:seq(1, 1000), [a | b], [[alias | make_ref()]], {}, {{}}, list_to_tuple(lists:seq(1, 300)), <<>>, <<1:3>>,
     <<0:1023>>, binary:copy(<<7>>, 70000), #{}, #{a => 1, [] => #{{} => <<>>}},
     maps:from_list([{N, N} || N <- lists:seq(1, 100)]), self(), make_ref(), hd(erlang:ports()), fun erlang:node/0,
     fun lists:map/2, lists:foldl(fun(_, T) -> [T] end, end_, lists:seq(1, 3000)), node(), Peer]
"""

PROGRAMS = (
    Program("ping", "net_adm:ping(Peer)", "pong"),
    Program("call by name", "gen_server:call({counter, Peer}, {echo, hello})", "hello"),
    Program(
        "call by pid", "gen_server:call(erpc:call(Peer, erlang, whereis, [counter]), {echo, hello})", "hello", own=True
    ),
    Program(
        "terms of every kind",
        f"Terms = {_TERMS}, gen_server:call({{counter, Peer}}, {{echo, Terms}}) =:= Terms",
        "true",
    ),
    Program(
        "a fun",
        "F = fun(X) -> X * 2 end, G = gen_server:call({counter, Peer}, {echo, F}), {G =:= F, G(21)}",
        "{true,42}",
    ),
    Program(
        "a large call",
        "B = rand:bytes(3000000), gen_server:call({counter, Peer}, {echo, B}) =:= B",
        "true",
    ),
    Program(
        "cast",
        "N = gen_server:call({counter, Peer}, get), gen_server:cast({counter, Peer}, {add, 5}),"
        " gen_server:call({counter, Peer}, get) - N",
        "5",
    ),
    Program(
        "multi_call",
        "gen_server:multi_call([node(), Peer], counter, {echo, hi}) =:= {[{node(), hi}, {Peer, hi}], []}",
        "true",
    ),
    Program(
        "send_request",
        "R = gen_server:send_request({counter, Peer}, {echo, later}), gen_server:receive_response(R, 5000)",
        "{reply,later}",
    ),
    Program(
        "a call that times out",
        "catch gen_server:call({counter, Peer}, {sleep, 300}, 50), gen_server:call({counter, Peer}, {echo, on})",
        "on",
    ),
    Program(
        "a call to nobody",
        "try gen_server:call({nobody, Peer}, hi) catch exit:{Reason, {gen_server, call, _}} -> Reason end",
        "noproc",
    ),
    Program(
        "a call to one who crashes",
        "P = erpc:call(Peer, probe, start_server, [crasher]),"
        " try gen_server:call(P, {crash, oh}) catch exit:{Reason, _} -> Reason end",
        "oh",
    ),
    Program("erpc:call", "erpc:call(Peer, lists, seq, [1, 3])", "[1,2,3]"),
    Program(
        "erpc:call with a fun",
        "Mine = node(), erpc:call(Peer, fun() -> {node() =:= Mine, node() =:= Peer} end)",
        "{false,true}",
    ),
    Program("erpc:call throws", "try erpc:call(Peer, erlang, throw, [t]) catch C:R -> {C, R} end", "{throw,t}"),
    Program(
        "erpc:call exits", "try erpc:call(Peer, erlang, exit, [e]) catch C:R -> {C, R} end", "{exit,{exception,e}}"
    ),
    Program(
        "erpc:call fails",
        "try erpc:call(Peer, erlang, error, [r]) catch C:{exception, R, _} -> {C, R} end",
        "{error,r}",
    ),
    Program(
        "erpc:call times out",
        "try erpc:call(Peer, timer, sleep, [300], 50) catch C:R -> {C, R} end",
        "{error,{erpc,timeout}}",
    ),
    Program("erpc:multicall", "erpc:multicall([node(), Peer], erlang, abs, [-1])", "[{ok,1},{ok,1}]"),
    Program(
        "erpc:cast",
        "register(caster, self()), erpc:cast(Peer, erlang, send, [{caster, node()}, did]),"
        " receive did -> did after 5000 -> lost end",
        "did",
        own=False,
    ),
    Program("rpc:call", "rpc:call(Peer, erlang, node, []) =:= Peer", "true"),
    Program("rpc:call fails", "{badrpc, {'EXIT', {R, _}}} = rpc:call(Peer, erlang, error, [r]), R", "r"),
    Program("rpc:block_call", "rpc:block_call(Peer, erlang, abs, [-2])", "2"),
    Program("rpc:async_call", "rpc:yield(rpc:async_call(Peer, erlang, abs, [-3]))", "3"),
    Program("rpc:multicall", "rpc:multicall([node(), Peer], erlang, abs, [-4])", "{[4,4],[]}"),
    Program(
        "rpc:abcast",
        "rpc:abcast([Peer], victim, abcasted), erpc:call(Peer, probe, await, [victim, 1, 5000]) =/= []",
        "true",
    ),
    Program("rpc:sbcast", "rpc:sbcast([Peer], victim, sbcasted) =:= {[Peer], []}", "true"),
    Program(
        "spawn",
        "spawn(Peer, erlang, send, [self(), spawned]), receive spawned -> ok after 5000 -> lost end",
        "ok",
        own=False,
    ),
    Program(
        "spawn_link",
        "process_flag(trap_exit, true), P = spawn_link(Peer, erlang, exit, [gone]),"
        " receive {'EXIT', P, R} -> {R, node(P) =:= Peer} after 5000 -> lost end",
        "{gone,true}",
    ),
    Program(
        "spawn_monitor",
        "{P, Ref} = erlang:spawn_monitor(Peer, erlang, exit, [gone]),"
        " receive {'DOWN', Ref, process, P, R} -> R after 5000 -> lost end",
        "gone",
    ),
    Program(
        "spawn_opt",
        "{P, Ref} = erlang:spawn_opt(Peer, fun() -> exit(process_info(self(), priority)) end, [monitor,"
        " {priority, high}]),"
        " receive {'DOWN', Ref, process, P, R} -> R after 5000 -> lost end",
        "{priority,high}",
    ),
    Program(
        "spawn_request",
        "Ref = erlang:spawn_request(Peer, erlang, node, [], [{reply_tag, tag}]),"
        " receive {tag, Ref, ok, P} -> node(P) =:= Peer after 5000 -> lost end",
        "true",
    ),
    Program(
        "spawn_request, bad option",
        "Ref = erlang:spawn_request(Peer, erlang, node, [], [{priority, nonsense}]),"
        " receive {spawn_reply, Ref, error, R} -> R after 5000 -> lost end",
        "badopt",
    ),
    Program(
        "link, then exit over there",
        "process_flag(trap_exit, true), P = erpc:call(Peer, probe, collector, []), link(P),"
        " {links, L} = process_info(self(), links), erpc:call(Peer, probe, do, [P, stop, boom]),"
        " receive {'EXIT', P, R} -> {lists:member(P, L), R} after 5000 -> lost end",
        "{true,boom}",
    ),
    Program(
        "link, then exit here",
        "P = erpc:call(Peer, probe, collector, []), Mine = probe:collector(), probe:do(Mine, fun() -> link(P) end),"
        " erpc:call(Peer, probe, until, [fun() -> process_info(P, links) =:= {links, [Mine]} end]),"
        " probe:do(Mine, stop, boom), erpc:call(Peer, probe, await, [P, 1, 5000]) =:= [{'EXIT', Mine, boom}]",
        "true",
    ),
    Program(
        "unlink",
        "process_flag(trap_exit, true), P = erpc:call(Peer, probe, collector, []), link(P), unlink(P),"
        " erpc:call(Peer, probe, do, [P, stop, boom]), receive {'EXIT', P, R} -> R after 200 -> unlinked end",
        "unlinked",
    ),
    Program(
        "link to the dead",
        "process_flag(trap_exit, true), P = erpc:call(Peer, erlang, self, []), link(P),"
        " receive {'EXIT', P, R} -> R after 5000 -> lost end",
        "noproc",
    ),
    Program(
        "exit/2",
        "P = erpc:call(Peer, probe, collector, []), exit(P, boom),"
        " erpc:call(Peer, probe, await, [P, 1, 5000]) =:= [{'EXIT', self(), boom}]",
        "true",
    ),
    Program(
        "exit/2 with a large reason",
        "P = erpc:call(Peer, probe, collector, []), B = rand:bytes(200000), exit(P, B),"
        " erpc:call(Peer, probe, await, [P, 1, 5000]) =:= [{'EXIT', self(), B}]",
        "true",
    ),
    Program(
        "monitor",
        "P = erpc:call(Peer, probe, collector, []), Ref = monitor(process, P),"
        " erpc:call(Peer, probe, do, [P, stop, boom]),"
        " receive {'DOWN', Ref, process, P, R} -> R after 5000 -> lost end",
        "boom",
    ),
    Program(
        "monitor a name",
        "P = erpc:call(Peer, probe, collector, ['имя']), Ref = monitor(process, {'имя', Peer}),"
        " erpc:call(Peer, probe, do, [P, stop, boom]),"
        " receive {'DOWN', Ref, process, {'имя', Peer}, R} -> R after 5000 -> lost end",
        "boom",
    ),
    Program(
        "monitor nobody",
        "Ref = monitor(process, {nobody, Peer}),"
        " receive {'DOWN', Ref, process, {nobody, Peer}, R} -> R after 5000 -> lost end",
        "noproc",
    ),
    Program(
        "demonitor",
        "P = erpc:call(Peer, probe, collector, []), Ref = monitor(process, P), demonitor(Ref),"
        " erpc:call(Peer, erlang, process_info, [P, monitored_by])",
        "{monitored_by,[]}",
    ),
    Program(
        "an alias",
        "A = alias(), erpc:call(Peer, erlang, send, [A, one]), receive one -> ok after 5000 -> error(lost) end,"
        " unalias(A), erpc:call(Peer, erlang, send, [A, two]), receive two -> heard after 200 -> unheard end",
        "unheard",
        own=False,
    ),
    Program(
        "an alias that answers once",
        "A = alias([reply]), erpc:call(Peer, fun() -> A ! one, A ! two end),"
        " receive one -> ok after 5000 -> error(lost) end, receive two -> twice after 200 -> once end",
        "once",
        own=False,
    ),
    Program(
        "a registered name that is not Latin-1",
        "erpc:call(Peer, probe, collector, ['получатель']), {'получатель', Peer} ! {'привет', 'мир'},"
        " R = erpc:call(Peer, probe, await, ['получатель', 1, 5000]),"
        " erpc:call(Peer, probe, do, ['получатель', stop, normal]), R",
        "[{'привет','мир'}]",
    ),
    Program(
        "messages in order",
        "P = erpc:call(Peer, probe, collector, []), [P ! N || N <- lists:seq(1, 2000)],"
        " erpc:call(Peer, probe, await, [P, 2000, 5000]) =:= lists:seq(1, 2000)",
        "true",
    ),
    Program(
        "a trace token",
        "P = erpc:call(Peer, probe, tokens, []), seq_trace:set_token(label, 17), P ! {self(), token},"
        " R = receive {token, T} -> T after 5000 -> lost end, seq_trace:set_token([]), R",
        "{label,17}",
        own=False,
    ),
    Program(
        "output to the caller's group leader",
        'Io = probe:io(), group_leader(Io, self()), ok = rpc:call(Peer, io, put_chars, ["heard"]), probe:got(Io)',
        '["heard"]',
        own=False,
    ),
    Program("nodes()", "lists:member(Peer, nodes())", "true"),
    Program("nodes(visible), nodes(hidden)", "{nodes(visible) =:= [Peer], nodes(hidden)}", "{true,[]}"),
    Program("connect_node", "net_kernel:connect_node(Peer)", "true"),
    Program("net_adm:names-free monitor_node", "monitor_node(Peer, true), monitor_node(Peer, false)", "true"),
    Program(
        "global names",
        "yes = global:register_name({'имя', node()}, whereis(victim)),"
        " P = erpc:call(Peer, global, whereis_name, [{'имя', node()}]),"
        " R = {P =:= whereis(victim), lists:member({'имя', node()}, erpc:call(Peer, global, registered_names, []))},"
        " global:unregister_name({'имя', node()}), {R, erpc:call(Peer, global, whereis_name, [{'имя', node()}])}",
        "{{true,true},undefined}",
        own=False,
    ),
    Program(
        "global locks",
        "Id = {probe_lock, self()}, true = global:set_lock(Id), Other = {probe_lock, other},"
        " false = erpc:call(Peer, global, set_lock, [Other, [node(), Peer], 0]), global:del_lock(Id),"
        " erpc:call(Peer, global, trans, [Other, fun() -> in_turn end])",
        "in_turn",
        own=False,
    ),
    Program(
        "pg",
        "pg:join('группа', whereis(victim)),"
        " Joined = erpc:call(Peer, probe, until, [fun() -> length(pg:get_members('группа')) =:= 1 end]),"
        " [M] = erpc:call(Peer, pg, get_members, ['группа']), pg:leave('группа', whereis(victim)),"
        " {Joined, M =:= whereis(victim),"
        " erpc:call(Peer, probe, until, [fun() -> pg:get_members('группа') =:= [] end])}",
        "{true,true,true}",
        own=False,
    ),
    Program(
        "group: sending to the members of pg",
        "Q = probe:collector(), pg:join(casts, Q),"
        " erpc:call(Peer, probe, until, [fun() -> length(pg:get_members(casts)) =:= 1 end]),"
        " erpc:call(Peer, fun() -> [P ! hi || P <- pg:get_members(casts)], ok end), R = probe:await(Q, 1, 5000),"
        " pg:leave(casts, Q), R",
        "[hi]",
        own=False,
    ),
    Program(
        "code to load",
        "{ok, _, B} = compile:forms([{attribute, 1, module, carried}, {attribute, 1, export, [{f, 0}]},"
        " {function, 1, f, 0, [{clause, 1, [], [], [{atom, 1, here}]}]}]),"
        ' {module, carried} = erpc:call(Peer, code, load_binary, [carried, "carried.erl", B]),'
        " erpc:call(Peer, carried, f, [])",
        "here",
    ),
    Program(
        "sys",
        "P = erpc:call(Peer, probe, start_server, [watched]), S = sys:get_state(P),"
        " sys:replace_state(P, fun(_) -> 9 end), T = sys:get_state(P), gen_server:stop(P), {S, T}",
        "{0,9}",
    ),
)
