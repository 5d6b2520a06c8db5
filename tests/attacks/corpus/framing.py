"""The same command in other bytes: what a VM understands and no node sends."""

from tests.attacks.corpus.attack import COLLECTOR, SERVER, Attack, Prey
from tests.support.dist import EMPTY, Message, Op, frame, message, plain
from tests.support.etf import Atom, Raw, Term, encode
from tests.support.raw_peer import Connection

NO_VICTIM = ("accept *", "deny reg_send victim")
VICTIM = Atom("victim")


def control(c: Connection, name: Term = VICTIM) -> tuple[Term, ...]:
    return 6, c.pid(), EMPTY, name


def interleaved(c: Connection, prey: Prey) -> bytes:
    """An open message in fragments, and in between the fragments of one that isn't."""
    one, two = (
        c.sender.frames(message(Op.REG_SEND, c.pid(), EMPTY, Atom(name), payload=prey.mark), fragment=60, sequence=seq)
        for seq, name in ((8, "target"), (16, "victim"))
    )
    return b"".join(part for pair in zip(one, two, strict=True) for part in pair)


def endless(c: Connection, prey: Prey) -> bytes:
    """500 first fragments of messages whose second ones never come."""
    big = message(Op.REG_SEND, c.pid(), EMPTY, Atom("target"), payload=bytes(100_000))
    return b"".join(c.sender.frames(big)[0] for _ in range(500))


def indices(c: Connection, prey: Prey) -> bytes:
    """The atom of each number, as a VM numbers them for itself."""
    return b"".join(plain(control(c, Raw(b"I" + number.to_bytes(2))), prey.mark) for number in range(16_384))


def wrong_arity(c: Connection, prey: Prey) -> Message:
    """``exit/1``, it says; with two arguments it is ``exit/2``."""
    function = (Atom("erlang"), Atom("exit"), 1)
    return message(Op.SPAWN_REQUEST, c.ref(), c.pid(), c.pid(), function, [], payload=[prey.pid, Atom("kill")])


def large_tuple(c: Connection, prey: Prey) -> bytes:
    return frame(b"\x83D\0i\0\0\0\4" + b"".join(map(encode, control(c))) + encode(prey.mark))


def wide_operation(c: Connection, prey: Prey) -> bytes:
    return frame(b"\x83D\0h\4b\0\0\0\6" + b"".join(map(encode, control(c)[1:])) + encode(prey.mark))


def traced(c: Connection, prey: Prey) -> Message:
    return message(Op.REG_SEND_TT, c.pid(), EMPTY, VICTIM, (1, 1, 1, c.pid(), 1), payload=prey.mark)


ATTACKS = [
    Attack(
        name="interleaved fragments",
        does="mixes the fragments of a refused message with the fragments of an accepted message",
        policy=["accept reg_send target"],
        reason="default",
        setup=COLLECTOR,
        frames=interleaved,
    ),
    Attack(
        name="fragments without end",
        does="begins 500 messages in fragments and ends none: the VM keeps them for as long as the connection lasts",
        policy=["accept *"],
        settings="limits = { open_sequences = 100 }",
        reason="open_sequences",
        closes=True,
        setup=f"{COLLECTOR}, persistent_term:put(before, erlang:memory(total))",
        frames=endless,
        effect="erlang:memory(total) - persistent_term:get(before) > 20000000",
    ),
    Attack(
        name="atoms by number",
        does="names a process by the VM's internal number of the atom (tag 73), which it decodes",
        policy=NO_VICTIM,
        reason="an atom was expected",
        closes=True,
        frames=indices,
    ),
    Attack(
        name="an arity that differs from the number of arguments",
        does="asks for `erlang:exit/1` and sends two arguments: the VM calls `exit/2`",
        policy=["accept spawn_request erlang:exit/1"],
        reason="another number of arguments than it brings",
        closes=True,
        setup=SERVER,
        frames=wrong_arity,
        effect="whereis(target) =:= undefined",
    ),
    Attack(
        name="a control message as a large tuple",
        does="spells the control message in another way",
        policy=NO_VICTIM,
        reason="a control message is not a tuple",
        closes=True,
        frames=large_tuple,
    ),
    Attack(
        name="an operation in four bytes",
        does="spells the number of the operation in another way",
        policy=NO_VICTIM,
        reason="the opcode of a control message is not a small integer",
        closes=True,
        frames=wide_operation,
    ),
    Attack(
        name="a name in Latin-1",
        does="spells the name in another way (tag 100)",
        policy=NO_VICTIM,
        reason="an atom was expected",
        closes=True,
        frames=lambda c, prey: plain(control(c, Raw(b"d\0\6victim")), prey.mark),
    ),
    Attack(
        name="with a trace token",
        does="sends by the operation for traced messages",
        policy=NO_VICTIM,
        reason="rule",
        frames=traced,
    ),
]
