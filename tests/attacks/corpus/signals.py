"""Links, monitors, exits and group leaders."""

from tests.attacks.corpus.attack import COLLECTOR, SERVER, Attack

TARGET = "whereis(target)"
DEAD = "whereis(target) =:= undefined"
HIJACKED = "{group_leader, L} = process_info(whereis(target), group_leader), node(L) =/= node()"
SYSTEM = "whereis(application_controller)"

ATTACKS = [
    Attack(
        name="exit",
        does="kills a process whose pid it has guessed",
        policy=["accept *", "deny exit2"],
        reason="rule",
        knows=TARGET,
        setup=SERVER,
        erlang="exit(Known, kill)",
        sees="true",
        effect=DEAD,
    ),
    Attack(
        name="exit, a large reason",
        does="the same with a reason of 100 kB, which comes in fragments",
        policy=["accept *", "deny exit2"],
        reason="rule",
        knows=TARGET,
        setup=SERVER,
        erlang="exit(Known, {Mark, binary:copy(<<0>>, 100000)})",
        sees="true",
        effect=DEAD,
        fragments=False,
    ),
    Attack(
        name="exit of a system process",
        does="kills one of the node's first processes, whose pids are the same everywhere: the VM ends",
        policy=["accept *", "deny exit2"],
        reason="rule",
        knows=SYSTEM,
        erlang="exit(Known, kill)",
        sees="true",
        effect="",
    ),
    Attack(
        name="link and die",
        does="links to a process and ends",
        policy=["accept *", "deny link"],
        reason="rule",
        knows=TARGET,
        setup=SERVER,
        erlang="P = spawn(fun() -> process_flag(trap_exit, true), link(Known),"
        " receive {'EXIT', _, Why} -> exit(Why) after 1000 -> exit(boom) end end),"
        " R = monitor(process, P), receive {'DOWN', R, _, _, Why} -> Why end",
        sees="noproc",
        effect=DEAD,
    ),
    Attack(
        name="group leader takeover",
        does="becomes the group leader of a process, which from then on asks the attacker for its input and output",
        policy=["accept *", "deny group_leader"],
        reason="rule",
        knows=TARGET,
        setup=SERVER,
        erlang="group_leader(self(), Known)",
        sees="true",
        effect=HIJACKED,
    ),
    Attack(
        name="monitor flood",
        alone=True,
        does="monitors one process 3,000 times: each costs the guarded node memory",
        policy=["accept monitor target", "accept reg_send target"],
        settings="limits = { tracked = 1000 }",
        reason="limit:tracked",
        setup=COLLECTOR,
        erlang="{_, R} = spawn_monitor(fun() -> [monitor(process, To) || _ <- lists:seq(1, 3000)],"
        " receive {'DOWN', _, _, _, Why} -> exit(Why) after 9000 -> ok end end),"
        " receive {'DOWN', R, _, _, Why} -> Why after 1000 -> up end",
        sees="noproc",
        effect="{_, L} = process_info(whereis(target), monitored_by), length(L) > 2000",
    ),
    Attack(
        name="link flood",
        alone=True,
        does="3,000 processes link to one",
        policy=["accept link"],
        settings="limits = { tracked = 1000 }",
        reason="limit:tracked",
        knows=TARGET,
        setup=COLLECTOR,
        erlang="Ps = [spawn(fun() -> link(Known), receive after 3000 -> ok end end) || _ <- lists:seq(1, 3000)],"
        " Rs = [monitor(process, P) || P <- Ps], lists:sum([receive {'DOWN', R, _, _, noproc} -> 1;"
        " {'DOWN', R, _, _, _} -> 0 end || R <- Rs]) > 1000",
        sees="true",
        effect="L = probe:got(target), length([1 || {'EXIT', _, _} <- L]) > 2000",
    ),
]
