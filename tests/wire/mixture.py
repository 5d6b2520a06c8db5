"""Random traffic with known verdicts, against the reference model: what :mod:`tests.wire.test_mixture` drives.

Inbound messages are accepted or refused by construction (:data:`RULES`); each carries atoms of its own kind, and atoms
that both kinds share. Some are cut into fragments, which other messages and fragments may come between; a process that
is in the middle of a message sends no other, as in OTP.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.core_channel import CoreChannel, End
from tests.support.dist import EMPTY, Message, Op, Sender, Style, message
from tests.support.etf import Atom, BitBinary, Improper, Map, Pid, Term

REFUSALS = (
    "drop reg_send no*",
    "deny monitor no*",
    "deny spawn_request bad:_/_",
    "drop alias_send",
    "deny exit2",
    "deny group_leader",
)
RULES = {
    "allowed one by one": (
        *REFUSALS,
        "accept reg_send ok*",
        "accept monitor ok*",
        "accept spawn_request good:_/_",
        "accept send",
        "accept link",
        "deny *",
    ),
    "all but": (*REFUSALS, "accept *"),
}


STYLES: tuple[tuple[Style, ...], ...] = (("otp",), ("otp", "new", "inline"), ("inline",), ("new",))


@dataclass
class Side:
    """What one node sends, and what must become of it."""

    end: End
    other: End
    sender: Sender
    accepted: dict[Term, list[Message]] = field(default_factory=lambda: defaultdict(list))
    """By sending process, in the order of completion."""
    answers: Counter[str] = field(default_factory=Counter)
    """Made-up answers that this node must get."""
    refused_atoms: set[Atom] = field(default_factory=set)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    open: list[tuple[list[bytes], Term, Callable[[], None]]] = field(default_factory=list)
    """Rest of the fragments, their process, and what to note when the last is sent."""
    stream: bytearray = field(default_factory=bytearray)
    """Not yet given to the channel."""

    def busy(self) -> set[Term]:
        return {process for _, process, _ in self.open}


class Mixture:
    def __init__(self, channel: CoreChannel, seed: int) -> None:
        self.wall = channel
        self.random = random.Random(seed)
        self.number = 0
        self.peer = Side(channel.peer, channel.guard, channel.from_peer)
        self.guard = Side(channel.guard, channel.peer, channel.from_guard)
        self.events = 0
        self.received: dict[str, list[Message]] = {self.peer.end.name: [], self.guard.end.name: []}
        """All that arrived, by node."""
        self.given: list[tuple[bool, bytes]] = []
        """All that was sent, in order; True: by the peer."""

    def run(self, count: int) -> None:
        while self.number < count or self.peer.open or self.guard.open:
            side = self.peer if self.random.random() < 0.7 else self.guard
            if side.open and (self.number >= count or self.random.random() < 0.4):
                self.advance(side)
            elif self.number < count:
                self.number += 1
                self.send(side)
            if self.random.random() < 0.3:
                self.give(side)
        for side in (self.peer, self.guard):
            while side.stream:
                self.give(side)

    def advance(self, side: Side) -> None:
        entry = self.random.choice(side.open)
        frames, _, note = entry
        side.stream += frames.pop(0)
        if not frames:
            side.open.remove(entry)
            note()

    def give(self, side: Side) -> None:
        """Some of the stream, cut anywhere."""
        size = self.random.choice((1, 7, 100, 5000, len(side.stream)))
        data = bytes(side.stream[:size])
        del side.stream[:size]
        self.given.append((side is self.peer, data))
        output = (self.wall.inbound if side is self.peer else self.wall.outbound)(data)
        assert output.closed is None, output.closed
        self.events += sum(1 + event[6] for event in output.events)
        self.received[side.other.name] += output.forward
        self.received[side.end.name] += output.back

    def send(self, side: Side) -> None:
        process = self.random.choice([pid for n in range(12) if (pid := side.end.pid(n)) not in side.busy()])
        refuse = side is self.peer and self.random.random() < 0.5
        sent = self.refused(side, process) if refuse else self.accepted(side, process)
        styles = self.random.choice(STYLES)
        frames = side.sender.frames(
            sent,
            style=lambda _: self.random.choice(styles),
            fragment=self.random.choice((20, 60, 300)) if self.random.random() < 0.3 else 65536,
        )

        def note() -> None:
            verdict = "accept"
            if refuse:
                verdict = "drop" if sent.command in ("reg_send", "alias_send") else "deny"
                self.expect_answer(sent)
            else:
                side.accepted[process].append(sent)
            side.counts[sent.command, verdict] += 1

        side.stream += frames.pop(0)
        if frames:
            side.open.append((frames, process, note))
        else:
            note()

    def expect_answer(self, sent: Message) -> None:
        args = sent.args
        answer: Message | None = None
        if sent.op is Op.MONITOR_P:
            control = (args["to"], args["from"], args["ref"])
            answer = message(Op.PAYLOAD_MONITOR_P_EXIT, *control, payload=Atom("noproc"))
        elif sent.op is Op.SPAWN_REQUEST:
            answer = message(Op.SPAWN_REPLY, args["ref"], args["from"], 0, Atom("not_allowed"))
        if answer:
            self.peer.answers[repr(answer)] += 1

    def accepted(self, side: Side, process: Pid) -> Message:
        payload = self.term(f"accepted_{self.number}")
        to = side.other.pid(self.random.randrange(1, 6))
        name = Atom(f"ok_{self.random.randrange(30)}")
        ref = side.end.ref(self.number)
        match self.random.randrange(6):
            case 0 | 1:
                return message(Op.REG_SEND, process, EMPTY, name, payload=payload)
            case 2 | 3:
                return message(Op.SEND_SENDER, process, to, payload=payload)
            case 4:
                return message(Op.MONITOR_P, process, name, ref)
            case _:
                target = (Atom("good"), Atom(f"f_{self.number % 50}"), 2)
                return message(Op.SPAWN_REQUEST, ref, process, process, target, [], payload=[payload, self.number])

    def refused(self, side: Side, process: Pid) -> Message:
        own = Atom(f"refused_{self.number}")
        side.refused_atoms.add(own)
        payload = self.term(own)
        to = side.other.pid(self.random.randrange(1, 6))
        ref = side.end.ref(self.number)
        match self.random.randrange(6):
            case 0:
                name = Atom(f"no_{self.number}")
                side.refused_atoms.add(name)
                return message(Op.REG_SEND, process, EMPTY, name, payload=payload)
            case 1:
                return message(Op.ALIAS_SEND, process, side.other.alias(self.number), payload=payload)
            case 2:
                name = Atom(f"no_{self.number}")
                side.refused_atoms.add(name)
                return message(Op.MONITOR_P, process, name, ref)
            case 3:
                return message(Op.PAYLOAD_EXIT2, process, to, payload=payload)
            case 4:
                return message(Op.GROUP_LEADER, process, to)
            case _:
                return message(
                    *(Op.SPAWN_REQUEST, ref, process, process, (Atom("bad"), own, 1)), [own], payload=[payload]
                )

    def term(self, own: str, depth: int = 0) -> Term:
        choose = self.random
        atoms = (Atom(own), Atom(f"shared_{choose.randrange(200)}"), Atom("ж" * choose.choice((1, 3, 200))))
        match choose.randrange(12 if depth < 4 else 7):
            case 0 | 1 | 2:
                return choose.choice(atoms)
            case 3:
                return choose.choice((0, 255, -1, 1 << 31, 1 << 200, 1.5))
            case 4:
                return bytes(choose.randrange(100))
            case 5:
                return choose.choice((self.wall.peer, self.wall.guard)).pid(choose.randrange(5))
            case 6:
                return choose.choice((self.wall.peer, self.wall.guard)).alias(choose.randrange(5))
            case 7:
                return tuple(self.term(own, depth + 1) for _ in range(choose.randrange(4)))
            case 8:
                return [self.term(own, depth + 1) for _ in range(choose.randrange(5))]
            case 9:
                return Map(((atoms[0], self.term(own, depth + 1)), (1, self.term(own, depth + 1))))
            case 10:
                return Improper((atoms[1],), atoms[0])
            case _:
                return [BitBinary(b"\xe0", 3), list(b"a string"), *atoms]

    def check(self) -> None:
        """Everything arrived that had to, as it was sent, in order, and nothing else."""
        channel = self.wall
        for side, other in ((self.peer, self.guard), (self.guard, self.peer)):
            by_process: dict[Term, list[Message]] = defaultdict(list)
            made_up = Counter(other.answers)
            for one in self.received[other.end.name]:
                if made_up[repr(one)]:
                    made_up[repr(one)] -= 1
                else:
                    assert isinstance(one.control, tuple)
                    by_process[one.args["from"]].append(one)
            assert not +made_up, "answers that never came"
            assert dict(by_process) == dict(side.accepted)
        assert channel.at_guard.done()
        assert channel.at_peer.done()
        assert not channel.at_guard.atoms & self.peer.refused_atoms, "atoms of refused messages reach the guarded node"
        assert not channel.at_guard.unused, "atoms that no accepted message names"
        counted = {("inbound", *key): count for key, count in self.peer.counts.items()}
        counted |= {("outbound", *key): count for key, count in self.guard.counts.items()}
        assert channel.counts() == counted
        refusals = sum(count for (_, verdict), count in self.peer.counts.items() if verdict != "accept")
        assert self.events + channel.core.folded() == refusals
        assert channel.core.pending() == 0
