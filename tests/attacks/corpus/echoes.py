"""Pids that the attacker has the guarded node give back, races with what distwall learns, and names learned wrongly."""

import time
from collections.abc import Sequence

from tests.attacks.corpus.attack import COLLECTOR, GONE, RAN, SERVER, Attack, Prey
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Pid, Term, alias
from tests.support.raw_peer import Connection

ASKING = ("accept gen_server target", "accept send to exposed")
"""One server is open, and what it hands out."""

UNNAMED = ("accept send", "deny reg_send target")
"""Every process but the one with this name."""

LEFT = "lists:member(Mark, probe:got(target))"
A_SECOND = 1.3
"""Longer than an answer about a process holds."""


def to_pid(c: Connection, pid: Pid, payload: Term) -> Message:
    return message(Op.SEND_SENDER, c.pid(), pid, payload=payload)


def question(c: Connection, request: Term) -> Message:
    caller = (c.pid(), alias(c.ref()))
    return message(Op.REG_SEND, c.pid(), EMPTY, Atom("target"), payload=(Atom("$gen_call"), caller, request))


def echoed(name: str, does: str, erlang: str) -> Attack:
    """A real node has a server give back a pid that it has guessed."""
    return Attack(
        name=name,
        does=does,
        policy=ASKING,
        reason="default",
        setup=SERVER,
        knows="whereis(victim)",
        erlang=f"{erlang}, Known ! Mark, ok",
    )


def behind_its_echo(c: Connection, prey: Prey) -> Sequence[Message]:
    """All in one write, so that the answer comes while the message is judged."""
    return [question(c, (Atom("echo"), prey.pid)), *[to_pid(c, prey.pid, prey.mark) for _ in range(50)]]


def burst(c: Connection, prey: Prey) -> Sequence[Message]:
    """While distwall asks who the process is, all that comes behind has to wait."""
    exits = [message(Op.PAYLOAD_EXIT2, c.pid(n), prey.pid, payload=Atom("boom")) for n in range(200, 220)]
    return [to_pid(c, prey.pid, 0), *[to_pid(c, prey.pid, prey.mark) for _ in range(50)], *exits]


def behind_a_new_name(c: Connection, prey: Prey) -> Message:
    c.send(to_pid(c, prey.pid, Atom("hello")))
    prey.ask("probe:await(early, 1, 5000), P = whereis(early), unregister(early), register(target, P)")
    time.sleep(A_SECOND)
    return to_pid(c, prey.pid, prey.mark)


def behind_a_stand_in(c: Connection, prey: Prey) -> Message:
    """Another process answers a call to the name."""
    c.send(question(c, Atom("hello")))
    prey.ask(
        "[{_, From, _} | _] = probe:await(target, 1, 5000), probe:do(victim, fun() -> gen_server:reply(From, yes) end)"
    )
    c.receive(0.2)
    return to_pid(c, prey.pid, prey.mark)


def behind_a_change(c: Connection, prey: Prey) -> Message:
    """The process is called by a name that is open, and then gets a name that is not."""
    c.send(message(Op.REG_SEND, c.pid(), EMPTY, Atom("early"), payload=Atom("hello")), to_pid(c, prey.pid, 1))
    return behind_a_new_name(c, prey)


def behind_a_spawn(c: Connection, prey: Prey) -> Message:
    """A process that the attacker has started gets a name that is not open to it."""
    spawned = c.spawn("probe", "echo", [])
    assert isinstance(spawned, Pid)
    prey.ask(f'register(target, list_to_pid("<0.{spawned.id}.{spawned.serial}>"))')
    return to_pid(c, spawned, (Atom("victim"), prey.mark))


def raced(name: str, does: str, frames: object, **more: object) -> Attack:
    """Under the rules for unnamed processes, with effect on the process ``target``."""
    fields = {"policy": UNNAMED, "reason": "rule", "setup": COLLECTOR, "effect": LEFT, **more}
    return Attack(name=name, does=does, frames=frames, **fields)  # type: ignore[arg-type]


EARLY = COLLECTOR.replace("target", "early")

ATTACKS = [
    echoed(
        "a pid as the key of a map",
        "has a server give back a map with a guessed pid for a key, and sends to it",
        "#{Known := _} = gen_server:call(To, {echo, #{Known => 1}})",
    ),
    echoed(
        "a pid in a tail",
        "has a server keep an improper list that ends in a guessed pid, asks for it, and sends to the pid",
        "gen_server:call(To, {keep, [a | Known]}), [a | Known] = gen_server:call(To, get)",
    ),
    echoed(
        "a pid in a reason",
        "has a server end for a reason with a guessed pid in it, and sends to the pid",
        "catch gen_server:call(To, {crash, [{Known}]})",
    ),
    Attack(
        name="a message behind its echo",
        does="sends to a guessed pid in one write with the request that gives it back",
        policy=ASKING,
        reason="default",
        to="victim",
        setup=SERVER,
        frames=behind_its_echo,
    ),
    raced(
        "a burst",
        "sends messages and exits while distwall asks who the process is",
        burst,
        policy=(*UNNAMED, "accept exit2"),
    ),
    raced(
        "a process that gets a name",
        "goes on sending to a process that has got a refused name in the meantime",
        behind_a_new_name,
        to="early",
        setup=EARLY,
    ),
    Attack(
        name="an answer of a stand-in",
        does="calls a server, which has another process answer, and sends to that one",
        policy=ASKING,
        reason="default",
        to="victim",
        setup=COLLECTOR,
        frames=behind_a_stand_in,
    ),
    raced(
        "a process that changes its name",
        "sends to a process by an open name, and by its pid when it has a refused name",
        behind_a_change,
        policy=(*UNNAMED, "accept reg_send early"),
        to="early",
        setup=EARLY,
    ),
    raced(
        "a name for a spawned process",
        "sends to a process that it has started itself, which has got a refused name",
        behind_a_spawn,
        policy=("accept spawn_request probe:echo/0", "accept send to spawned", "deny reg_send target"),
        setup="ok",
        effect=RAN,
        cleanup=GONE,
    ),
]
