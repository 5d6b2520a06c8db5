"""rex and net_kernel: what they call, spawn and send on for others."""

from functools import partial

from tests.attacks.corpus import attack

MFA = "erlang, send, [victim, Mark]"
BLOCKED = "{badrpc,{'EXIT',{not_allowed,..."

REFUSED = {"reason": "default", "by_pid_reason": "otp_internal"}
"""Rules on calls refuse what these servers run; by pid it is a message like any other."""
asked, called, told = (partial(made, **REFUSED) for made in (attack.asked, attack.called, attack.told))

ATTACKS = [
    told(
        "rex",
        "rex",
        "`{From, {call, M, F, A, GroupLeader}}`: rpc as it was before OTP 23, and as C nodes still do it",
        f"{{self(), {{call, {MFA}, group_leader()}}}}",
    ),
    told(
        "rex, to the caller's output",
        "rex",
        "the same in the form that `erl_call` uses",
        f"{{self(), {{call, {MFA}, send_stdout_to_caller}}}}",
    ),
    asked("rex, called", "rex", "`rpc:call/4` of OTP 22: a gen_server call", f"{{call, {MFA}, group_leader()}}"),
    called(
        "rpc:block_call",
        "rex",
        "`rpc:block_call/4`, which is a call to rex to this day",
        f"rpc:block_call(G, {MFA})",
        by_pid=None,
        sees=BLOCKED,
    ),
    asked("rex, called, blocked", "rex", "the same call by hand", f"{{block_call, {MFA}, group_leader()}}"),
    told("rex, cast", "rex", "`rpc:cast/4` of OTP 22", f"{{'$gen_cast', {{cast, {MFA}, group_leader()}}}}"),
    told(
        "rex sends on",
        "rex",
        "rex sends what it is told to another registered process",
        "{self(), {send, victim, Mark}}",
        effect="lists:keymember(Mark, 2, [M || {_, _} = M <- probe:got(victim)])",
    ),
    told(
        "rex sends on, and answers", "rex", "the same as `rpc:sbcast/3` asks for it", "{self(), {sbcast, victim, Mark}}"
    ),
    told(
        "a third node by rex",
        "rex",
        "rex sends to a registered process of another node, which the peer can't reach",
        "{self(), {sbcast, {victim, Third}, Mark}}",
        on="third",
    ),
    called(
        "a third node by block_call",
        "rex",
        "rex calls another node",
        f"rpc:block_call(G, rpc, call, [Third, {MFA}])",
        on="third",
        by_pid=None,
        sees=BLOCKED,
    ),
    asked(
        "net_kernel spawns",
        "net_kernel",
        "`spawn/4` as nodes did it before OTP 23; still served",
        f"{{spawn, {MFA}, group_leader()}}",
    ),
    asked(
        "net_kernel spawns, linked",
        "net_kernel",
        "`spawn_link/4` likewise",
        f"{{spawn_link, {MFA}, group_leader()}}",
    ),
    asked(
        "net_kernel spawns with options",
        "net_kernel",
        "`spawn_opt/5` likewise",
        f"{{spawn_opt, {MFA}, [], no_link, group_leader()}}",
    ),
    told(
        "net_kernel sends on",
        "net_kernel",
        "net_kernel sends what it is told to a registered process",
        "{self(), registered_send, victim, Mark}",
        reason="otp_internal",
    ),
    asked(
        "net_kernel disconnects",
        "net_kernel",
        "has the guarded node cut its connection to another node",
        "{disconnect, Third}",
        setup="true = net_kernel:connect_node(Third)",
        effect="not lists:member(Third, nodes(connected))",
        reason="otp_internal",
    ),
    told(
        "net_kernel disconnects, cast",
        "net_kernel",
        "the same without an answer",
        "{'$gen_cast', {async_disconnect, Third}}",
        setup="true = net_kernel:connect_node(Third)",
        effect="not lists:member(Third, nodes(connected))",
        reason="otp_internal",
    ),
    asked(
        "net_kernel connects",
        "net_kernel",
        "has the guarded node dial a node of the attacker's choice",
        "{connect, normal, Third}",
        setup="erlang:disconnect_node(Third)",
        effect="lists:member(Third, nodes(connected))",
        reason="otp_internal",
    ),
]
