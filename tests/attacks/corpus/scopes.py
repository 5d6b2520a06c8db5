"""Processes that were never shown to the attacker, and names that are met by their pids."""

from tests.attacks.corpus.attack import COLLECTOR, SERVER, Attack, Prey
from tests.support.dist import Message, Op, message
from tests.support.raw_peer import Connection

LEFT = "lists:member(Mark, probe:got(target))"
TARGET = "whereis(target)"
DEAD = "whereis(target) =:= undefined"


def from_its_sender(c: Connection, prey: Prey) -> Message:
    """A process that has sent this peer something."""
    prey.ask(f"probe:do(target, fun() -> {{nobody, '{c.name}'}} ! hello end)")
    c.wait_for(Op.REG_SEND)
    return message(Op.SEND_SENDER, c.pid(), prey.pid, payload=prey.mark)


ATTACKS = [
    Attack(
        name="a pid that was guessed",
        does="sends to a process that was never disclosed to the peer",
        policy=["accept send to exposed"],
        reason="default",
        setup=COLLECTOR,
        knows=TARGET,
        erlang="Known ! Mark, ok",
        effect=LEFT,
    ),
    Attack(
        name="a pid that another peer was told",
        does="sends to a process that was disclosed to somebody else",
        policy=["accept send to exposed"],
        reason="default",
        setup=f"{COLLECTOR}, {{victim, Third}} ! {{here, {TARGET}}}",
        knows=TARGET,
        erlang="Known ! Mark, ok",
        effect=LEFT,
    ),
    Attack(
        name="the pid of a sender",
        does="sends to a process that has sent it something: what it sent did not say who it is",
        policy=["accept send to exposed"],
        reason="default",
        setup=COLLECTOR,
        frames=from_its_sender,
        effect=LEFT,
    ),
    Attack(
        name="a process that it has not spawned",
        does="kills a process, when it may kill only processes that it has spawned",
        policy=["accept exit2 to spawned", "accept spawn_request timer:sleep/1"],
        reason="default",
        setup=SERVER,
        knows=TARGET,
        erlang="exit(spawn(G, timer, sleep, [60000]), kill), exit(Known, kill)",
        sees="true",
        effect=DEAD,
    ),
    Attack(
        name="a link to what was not shown",
        does="links to a process that was never disclosed, and ends",
        policy=["accept link to exposed"],
        reason="default",
        setup=SERVER,
        knows=TARGET,
        erlang="P = spawn(fun() -> process_flag(trap_exit, true), link(Known),"
        " receive {'EXIT', _, Why} -> exit(Why) after 1000 -> exit(boom) end end),"
        " R = monitor(process, P), receive {'DOWN', R, _, _, Why} -> Why end",
        sees="noproc",
        effect=DEAD,
    ),
    Attack(
        name="the group leader of what it has not spawned",
        does="becomes the group leader of a process, when it may only for processes that it has spawned",
        policy=["accept group_leader to spawned"],
        reason="default",
        setup=SERVER,
        knows=TARGET,
        erlang="group_leader(self(), Known)",
        sees="true",
        effect="{group_leader, L} = process_info(whereis(target), group_leader), node(L) =/= node()",
    ),
    Attack(
        name="init by its pid",
        does="stops the guarded node by the pid of a process whose name is refused",
        policy=["accept *", "deny reg_send init"],
        reason="rule",
        knows="whereis(init)",
        erlang="Known ! {stop, stop}, ok",
        effect="",
    ),
    Attack(
        name="the process behind a name",
        does="casts to the pid of a server that takes one question by its name",
        policy=[
            "accept reg_send target when {'$gen_call', _, get}",
            "deny reg_send target",
            "accept monitor",
            "accept send",
        ],
        reason="rule",
        setup=SERVER,
        knows=TARGET,
        erlang="gen_server:call(To, get), gen_server:cast(Known, {add, 4})",
        effect="gen_server:call(target, get) =:= 4",
    ),
]
