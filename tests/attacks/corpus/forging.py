"""Senders that are somebody else, and answers that nobody asked this peer for."""

from collections.abc import Sequence

from tests.attacks.corpus.attack import COLLECTOR, SERVER, Attack, Prey
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Pid, Ref, Term, decode
from tests.support.raw_peer import Connection

ALL_BUT_SENDS = (
    *("accept reg_send", "accept monitor", "accept link", "accept exit2", "accept group_leader"),
    "accept spawn_request",
)
"""Everything that starts something; no answers but those that were asked for."""

LEFT = "lists:member(Mark, probe:got(target))"
ANSWERED = "lists:keymember(Mark, 2, [M || {_, _} = M <- probe:got(victim)])"
ASKING = """
    rpc:call(Third, probe, collector, [silent]),
    spawn(fun() -> register(target, self()), Answer = gen_server:call({silent, Third}, Mark), victim ! Answer end)"""
TAG = """
    true = rpc:call(Third, probe, until, [fun() -> lists:keymember(Mark, 3, probe:got(silent)) end]),
    {_, {_, [alias | Alias] = Tag}, _} = lists:keyfind(Mark, 3, rpc:call(Third, probe, got, [silent])),
    {Alias, Tag, whereis(target)}"""
QUIET = "rpc:call(Third, probe, do, [silent, stop, normal])"


def ref(prey: Prey, code: str) -> Ref:
    """A reference of the guarded node, as the attacker has seen it."""
    words = prey.ask(f"binary_to_list(term_to_binary({code}))")
    data = bytes(int(word) for word in words.strip("[]").split(","))
    found = decode(data[1:])
    assert isinstance(found, Ref)
    return found


def from_guard(c: Connection) -> Pid:
    return c.their_pid(90)


def down(c: Connection, prey: Prey, watched: Term) -> Message:
    watching = ref(prey, "element(2, hd([M || {ref, _} = M <- probe:got(target)]))")
    return message(Op.PAYLOAD_MONITOR_P_EXIT, watched, prey.pid, watching, payload=prey.mark)


def asked(c: Connection, prey: Prey) -> tuple[Pid, Term]:
    """A process of the guarded node asks this peer something: who it is, and the tag that its answer has to have."""
    prey.ask(f"target ! {{ask, '{c.name}'}}")
    (question,) = [one.payload for one in [c.wait_for(Op.REG_SEND)]]
    assert isinstance(question, tuple)
    assert isinstance(question[0], Pid)
    return question[0], question[1]


def answers(c: Connection, prey: Prey, *payloads: tuple[Pid, Term]) -> Sequence[Message]:
    return [message(Op.SEND_SENDER, c.pid(), to, payload=payload) for to, payload in payloads]


def again(c: Connection, prey: Prey) -> Sequence[Message]:
    to, tag = asked(c, prey)
    return answers(c, prey, (to, (tag, 1)), (to, (tag, prey.mark)))


def with_another_tag(c: Connection, prey: Prey) -> Sequence[Message]:
    to, tag = asked(c, prey)
    assert isinstance(tag, Ref)
    guessed = Ref(tag.node, tag.creation, (tag.words[0] + 1, *tag.words[1:]))
    return answers(c, prey, (to, (guessed, prey.mark)))


def to_another_process(c: Connection, prey: Prey) -> Sequence[Message]:
    _, tag = asked(c, prey)
    number, serial = prey.ask("pid_to_list(whereis(victim))").strip('"<>').split(".")[1:]
    return answers(c, prey, (c.their_pid(int(number), int(serial)), (tag, prey.mark)))


def spawned_elsewhere(c: Connection, prey: Prey) -> Message:
    prey.ask(f"target ! {{spawn, '{c.name}'}}")
    request = c.wait_for(Op.SPAWN_REQUEST).args
    return message(Op.SPAWN_REPLY, request["ref"], request["from"], 0, prey.third)


MONITORING = f"""
    {COLLECTOR}, rpc:call(Third, probe, collector, [silent]),
    probe:do(target, fun() -> self() ! {{ref, monitor(process, rpc:call(Third, erlang, whereis, [silent]))}} end)"""
DOWN = "lists:any(fun({'DOWN', _, _, _, Why}) -> Why =:= Mark; (_) -> false end, probe:got(target))"
ASKER = """
    spawn(fun() ->
        register(target, self()),
        fun Loop() ->
            receive
                {ask, Node} -> {server, Node} ! {self(), make_ref()};
                {spawn, Node} -> erlang:spawn_request(Node, erlang, node, []);
                {spawn_reply, _, ok, Pid} when node(Pid) =:= Third -> victim ! Mark;
                {_, Answer} -> victim ! Answer
            end,
            Loop()
        end()
    end), probe:until(fun() -> whereis(target) =/= undefined end)"""

ATTACKS = [
    Attack(
        name="a sender of a third node",
        does="sends under the name of a process of another node",
        policy=["accept *"],
        reason="spoofed",
        setup=COLLECTOR,
        frames=lambda _, prey: message(Op.SEND_SENDER, prey.third, prey.pid, payload=prey.mark),
        effect=LEFT,
    ),
    Attack(
        name="a sender of a third node, by name",
        does="the same to a registered name",
        policy=["accept *"],
        reason="spoofed",
        setup=COLLECTOR,
        frames=lambda _, prey: message(Op.REG_SEND, prey.third, EMPTY, Atom("target"), payload=prey.mark),
        effect=LEFT,
    ),
    Attack(
        name="a sender of the guarded node",
        does="sends under the name of the guarded node's own process",
        policy=["accept *"],
        reason="spoofed",
        setup=COLLECTOR,
        frames=lambda c, prey: message(Op.REG_SEND, from_guard(c), EMPTY, Atom("target"), payload=prey.mark),
        effect=LEFT,
    ),
    Attack(
        name="a sender of an older incarnation",
        does="sends under the name of a process that its own node had before it was restarted",
        policy=["accept *"],
        reason="spoofed",
        setup=COLLECTOR,
        frames=lambda c, prey: message(
            Op.SEND_SENDER, Pid(c.name, 100, 0, c.creation - 1), prey.pid, payload=prey.mark
        ),
        effect=LEFT,
    ),
    Attack(
        name="a spawn for a third node",
        does="spawns in the name of a process of another node, which the reply makes the guarded node dial",
        policy=["accept *"],
        reason="spoofed",
        frames=lambda c, prey: message(
            *(Op.SPAWN_REQUEST, c.ref(), prey.third, prey.third, (Atom("erlang"), Atom("send"), 2), []),
            payload=prey.send,
        ),
    ),
    Attack(
        name="a group leader of a third node",
        does="spawns a process whose output goes to another node",
        policy=["accept *"],
        reason="third_node",
        setup="erlang:disconnect_node(Third)",
        frames=lambda c, prey: message(
            *(Op.SPAWN_REQUEST, c.ref(), c.pid(), prey.third, (Atom("io"), Atom("format"), 1), []),
            payload=[[104, 105]],
        ),
        effect="lists:member(Third, nodes(connected))",
    ),
    Attack(
        name="a call for a third node",
        does="calls a gen_server so that its answer goes to another node, which the peer can't reach",
        policy=["accept reg_send target", "accept monitor target"],
        reason="third_node",
        knows="rpc:call(Third, erlang, whereis, [victim])",
        setup=SERVER,
        erlang="To ! {'$gen_call', {Known, make_ref()}, {echo, Mark}}, ok",
        effect=ANSWERED,
        on="third",
    ),
    Attack(
        name="a call for another process",
        does="calls a gen_server so that its answer goes to another process of the guarded node",
        policy=["accept reg_send target", "accept monitor target"],
        by_pid=["accept send"],
        reason="otp_internal",
        knows="whereis(victim)",
        setup=SERVER,
        erlang="To ! {'$gen_call', {Known, make_ref()}, {echo, Mark}}, ok",
        effect=ANSWERED,
    ),
    Attack(
        name="a call for a name",
        does="calls a gen_server so that its answer is a cast to a registered process",
        policy=["accept reg_send target", "accept monitor target"],
        by_pid=["accept send"],
        reason="otp_internal",
        setup=SERVER,
        erlang="To ! {'$gen_call', {victim, '$gen_cast'}, {echo, Mark}}, ok",
        effect=ANSWERED,
    ),
    Attack(
        name="a call that halts the node",
        does="calls a gen_server so that its answer is `{stop, stop}` for init",
        policy=["accept reg_send target", "accept monitor target"],
        by_pid=["accept send"],
        reason="otp_internal",
        setup=SERVER,
        erlang="To ! {'$gen_call', {init, stop}, {echo, stop}}, ok",
        effect="",
    ),
    Attack(
        name="a stolen answer",
        does="answers a call that the guarded node made to another node, by the alias in it",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=ASKING,
        knows=TAG,
        erlang="{Alias, Tag, _} = Known, Alias ! {Tag, Mark}, ok",
        cleanup=f"{QUIET}, catch exit(whereis(target), kill)",
    ),
    Attack(
        name="a stolen answer, by pid",
        does="the same to the calling process",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=ASKING,
        knows=TAG,
        erlang="{_, Tag, Caller} = Known, Caller ! {Tag, Mark}, ok",
        cleanup=f"{QUIET}, catch exit(whereis(target), kill)",
    ),
    Attack(
        name="an alias of somebody else",
        does="sends to an alias that the guarded node made for another one",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=COLLECTOR,
        knows="probe:do(target, fun() -> alias() end)",
        erlang="Known ! Mark, ok",
        effect=LEFT,
    ),
    Attack(
        name="an answer, again",
        does="answers a question of the guarded node twice",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=ASKER,
        frames=again,
    ),
    Attack(
        name="an answer to something else",
        does="answers a question of the guarded node with a tag that it has guessed",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=ASKER,
        frames=with_another_tag,
    ),
    Attack(
        name="an answer to somebody else",
        does="answers a question of the guarded node to another one of its processes",
        policy=ALL_BUT_SENDS,
        reason="default",
        setup=ASKER,
        frames=to_another_process,
        effect=ANSWERED,
    ),
    Attack(
        name="a spawn reply with a process of a third node",
        does="says that what the guarded node asked it to spawn runs somewhere else",
        policy=["accept *"],
        reason="spoofed",
        setup=ASKER,
        frames=spawned_elsewhere,
    ),
    Attack(
        name="a forged DOWN",
        does="says that a process of another node has ended, with the reference of the guarded node's monitor",
        policy=["accept *"],
        reason="spoofed",
        setup=MONITORING,
        frames=lambda c, prey: down(c, prey, prey.third),
        effect=DOWN,
        cleanup=f"{QUIET}, catch exit(whereis(target), kill)",
    ),
    Attack(
        name="a forged DOWN of its own",
        does="the same in the name of a process of its own",
        policy=["accept *"],
        reason="default",
        setup=MONITORING,
        frames=lambda c, prey: down(c, prey, c.pid()),
        effect=DOWN,
        cleanup=f"{QUIET}, catch exit(whereis(target), kill)",
    ),
    Attack(
        name="a stolen name",
        does="registers a name in global that another process is asked for by",
        policy=["accept *", "deny reg_send global_name_server"],
        reason="rule",
        erlang="P = spawn(fun() -> timer:sleep(9000) end),"
        " gen_server:call({global_name_server, G}, {register, bank, P, fun global:random_exit_name/3})",
        sees="{exit,{not_allowed,...",
        effect="global:whereis_name(bank) =/= undefined",
        cleanup="global:unregister_name(bank)",
    ),
]
