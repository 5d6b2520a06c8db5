%% Processes started on the other node and worked with from here.
-module(workers).
-export([setup/0, run/1, work/1, ends/1]).

setup() -> ok.

work(Boss) ->
    receive
        {add, A, B} -> Boss ! {self(), A + B}, work(Boss);
        {ends, Reason} -> exit(Reason);
        {where, From} -> From ! {self(), node()}, work(Boss)
    end.

ends(Reason) -> exit(Reason).

run(Peer) ->
    process_flag(trap_exit, true),
    Boss = self(),
    Told = fun(Pid) -> receive {Pid, What} -> What after 5000 -> lost end end,
    Down = fun(Ref) -> receive {'DOWN', Ref, process, _, Reason} -> Reason after 5000 -> lost end end,
    Exit = fun(Pid) -> receive {'EXIT', Pid, Reason} -> Reason after 5000 -> lost end end,
    probe:steps([
        {spawn, fun() ->
            Pid = spawn(Peer, ?MODULE, work, [Boss]),
            Pid ! {add, 1, 2},
            Sum = Told(Pid),
            Ref = monitor(process, Pid),
            Pid ! {ends, finished},
            {node(Pid) =:= Peer, Sum, Down(Ref)}
        end},
        {spawn_link, fun() ->
            Pid = spawn_link(Peer, ?MODULE, work, [Boss]),
            Pid ! {where, Boss},
            There = Told(Pid) =:= Peer,
            Pid ! {ends, oh},
            {There, Exit(Pid)}
        end},
        {spawn_monitor, fun() -> {_, Ref} = spawn_monitor(Peer, ?MODULE, ends, [done]), Down(Ref) end},
        {spawn_opt, fun() ->
            {Pid, Ref} = spawn_opt(Peer, ?MODULE, work, [Boss], [monitor, link, {priority, low}, {message_queue_data, off_heap}]),
            unlink(Pid),
            exit(Pid, kill),
            Down(Ref)
        end},
        {spawn_request, fun() ->
            Ref = spawn_request(Peer, ?MODULE, ends, [normal], [{reply_tag, started}]),
            receive {started, Ref, ok, Pid} -> node(Pid) =:= Peer after 5000 -> lost end
        end},
        {killed, fun() -> Pid = spawn_link(Peer, ?MODULE, work, [Boss]), exit(Pid, kill), Exit(Pid) end},
        {linked_later, fun() ->
            Pid = spawn(Peer, ?MODULE, work, [Boss]),
            link(Pid), unlink(Pid), link(Pid),
            exit(Pid, stopped),
            Exit(Pid)
        end},
        {boss_ends, fun() ->
            {Middle, Ref} = spawn_monitor(fun() -> Boss ! {self(), spawn_link(Peer, ?MODULE, work, [Boss])}, receive stop -> exit(stopped) end end),
            Pid = Told(Middle),
            Watch = monitor(process, Pid),
            Middle ! stop,
            {Down(Ref), Down(Watch)}
        end},
        {proc_lib, fun() -> Pid = proc_lib:spawn(Peer, ?MODULE, work, [Boss]), Pid ! {add, 2, 2}, Sum = Told(Pid), exit(Pid, shutdown), Sum end},
        {pool, fun() -> [begin Pid ! {add, N, N}, Sum = Told(Pid), Pid ! {ends, normal}, Sum end
            || {N, Pid} <- [{N, spawn(Peer, ?MODULE, work, [Boss])} || N <- lists:seq(1, 20)]] end}
    ]).
