"""A channel of the core beside the reference judge, and what they disagree about."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from tests.reference.judge import Judge, Outcome, Rules
from tests.reference.loading import load
from tests.reference.rules import Rule
from tests.reference.sessions import ENDS, Send, Session, SetRules, Step, Woven
from tests.reference.terms import atoms
from tests.reference.tracking import GUARD, PEER, Undecided, Who, other
from tests.support import office
from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import Message, Op
from tests.support.etf import Atom

PEOPLE = {
    2: Who("orders"),
    3: Who("counter"),
    4: Who("code_server", otp=True),
    5: Who(otp=True),
}
"""Who some of the guarded node's processes are."""


def told(person: Who) -> office.Person:
    """The same as the guarded node tells it."""
    return office.Person(name=person.name, application="kernel" if person.otp else "shop")


class Comparison:
    """Both are shown the same commands, one after the other."""

    def __init__(self, rules: Rules, slots: int = 0, *, follows_peer: bool = True) -> None:
        self.channel = CoreChannel(slot=few(slots) if slots else None, follows_peer=follows_peer)
        peer, guard = ((ENDS[side].name, ENDS[side].creation) for side in (PEER, GUARD))
        self.judge = Judge(peer, guard, rules, PEOPLE)
        self.channel.office.people = {ENDS[GUARD].pid(number): told(person) for number, person in PEOPLE.items()}
        self.closed = False
        self.set(rules)

    def set(self, rules: Rules) -> None:
        self.loaded = load(rules)
        self.channel.core.set_policy(self.loaded.policy, policy_out=self.loaded.policy_out, audit=rules.audit)
        self.judge.set_rules(rules)

    def play(self, step: Step) -> str | None:
        """Plays a step. Returns what the two disagree about."""
        if self.closed:
            return None
        if isinstance(step, SetRules):
            self.set(step.rules)
            return None
        try:
            expected, seen = self.woven(step) if isinstance(step, Woven) else self.sent(step)
        except Undecided:
            self.closed = True
            return None
        self.closed = seen.closed
        if seen != expected:
            return f"the core says      {described(seen)}\n  the reference says {described(expected)}"
        return None

    def sent(self, step: Send) -> tuple[Outcome, Outcome]:
        """What the reference says of a message, and what the core does."""
        sent = self._possible(step.side, step.message)
        expected = self.judge.judge(step.side, sent)
        sender = self.channel.from_peer if step.side == PEER else self.channel.from_guard
        return expected, self._seen(step.side, sender.frames(sent, style=step.style, fragment=step.fragment or 65536))

    def woven(self, step: Woven) -> tuple[Outcome, Outcome]:
        """The same of messages whose fragments are mixed, as if each had come with its last one."""
        side = step.sends[0].side
        sender = self.channel.from_peer if side == PEER else self.channel.from_guard
        left = [sender.frames(one.message, style=one.style, fragment=one.fragment) for one in step.sends]
        frames: list[bytes] = []
        expected = Outcome()
        begun = 0
        for turn in [*step.order, *(turn for turn, one in enumerate(left) for _ in one)]:
            at = min(turn, begun)  # headers fill the cache in the order in which they were made
            if at < len(left) and left[at]:
                begun += at == begun
                frames.append(left[at].pop(0))
                if not left[at]:
                    add(expected, self.judge.judge(side, step.sends[at].message))
        assert not any(left)
        seen = self._seen(side, frames)
        for one in (expected, seen):  # what is refused for its control message is refused when it begins
            one.back.sort(key=repr)
            one.events.sort(key=repr)
        return expected, seen

    def _possible(self, side: str, sent: Message) -> Message:
        """A spawn reply with no link or monitor that wasn't asked for (a channel ends at one)."""
        if sent.op is not Op.SPAWN_REPLY:
            return sent
        assert isinstance(sent.control, tuple)
        ref, to, flags, result = sent.control[1:]
        _, asked = self.judge.tracking.sides[other(side)].spawns.get(ref, (None, set[str]()))
        return Message((31, ref, to, flags & (("link" in asked) | ("monitor" in asked) << 1), result))

    def _seen(self, side: str, frames: Iterable[bytes]) -> Outcome:
        """What the core does with frames."""
        send = self.channel.inbound if side == PEER else self.channel.outbound
        far = self.channel.at_guard if side == PEER else self.channel.at_peer
        seen = Outcome()
        brought: set[Atom] = set()
        far.atoms.clear()
        for frame in frames:
            got = send(frame)
            brought |= {atom for one in got.forward for atom in atoms((one.control, one.payload))}
            add(seen, self._outcome(got))
        brought |= {atom for one in self.channel.office.asked for atom in atoms((one.control, one.payload))}
        leaked = far.atoms - brought
        assert not leaked or seen.closed, f"atoms of no message reached the other node: {leaked}"
        return seen

    def _outcome(self, got: Output) -> Outcome:
        events: list[tuple[str, str | None, str]] = [
            (verdict, None if rule is None else self.loaded.text(direction, rule), reason)
            for direction, _, _, verdict, rule, reason, _ in got.events
        ]
        return Outcome([one for one in got.forward if not is_noise(one)], got.back, events, got.closed is not None)


def few(slots: int) -> Callable[[Atom], int]:
    """A choice of cache slots by which many atoms share few of them."""
    return lambda atom: zlib.crc32(atom.encode()) % slots


def add(whole: Outcome, part: Outcome) -> None:
    whole.forward += part.forward
    whole.back += part.back
    whole.events += part.events
    whole.closed = whole.closed or part.closed


def is_noise(passed: Message) -> bool:
    """True for a message to the name ``undefined``, which no process can have: it brings a header, and no more."""
    return passed.op is Op.REG_SEND and passed.args["to"] == "undefined" and passed.payload == []


def described(outcome: Outcome) -> str:
    parts = [f"pass {outcome.forward}" if outcome.forward else "stop"]
    parts += [f"back {outcome.back}"] if outcome.back else []
    parts += ["{} by {} ({})".format(*event) for event in outcome.events]
    parts += ["close"] if outcome.closed else []
    return ", ".join(parts)


def difference(session: Session) -> str | None:
    """The first thing that the core and the reference disagree about."""
    comparison = Comparison(session.rules, session.slots, follows_peer=session.has_outbound_rules)
    try:
        return next((found for found in map(comparison.play, session.steps) if found), None)
    except AssertionError as error:
        return str(error)


def reduced(session: Session) -> Session:
    """The same disagreement with as few steps and rules as removing them one by one leaves."""
    while smaller := next((one for one in _smaller(session) if difference(one)), None):
        session = smaller
    return session


def _smaller(session: Session) -> Iterator[Session]:
    steps = session.steps
    for size in (8, 4, 2, 1):
        for at in range(0, len(steps), size):
            yield replace(session, steps=steps[:at] + steps[at + size :])
    for fewer in _fewer(session.rules):
        yield replace(session, rules=fewer)
    if session.slots:
        yield replace(session, slots=0)
    for at, step in enumerate(steps):
        for simpler in _simpler(step):
            yield replace(session, steps=[*steps[:at], *simpler, *steps[at + 1 :]])


def _simpler(step: Step) -> list[list[Step]]:
    match step:
        case SetRules(rules):
            return [[SetRules(fewer)] for fewer in _fewer(rules)]
        case Woven(sends, order):
            shorter: list[list[Step]] = [[Woven(sends, order[:at] + order[at + 1 :])] for at in range(len(order))]
            return [list(sends), *shorter]
        case Send(side, message, style, fragment):
            return [[Send(side, message)]] if style != "otp" or fragment else []


def _fewer(rules: Rules) -> list[Rules]:
    def without(listed: Sequence[Rule], at: int) -> list[Rule]:
        left = [*listed[:at], *listed[at + 1 :]]
        gone = listed[at]
        return [one for one in left if not gone.service or repr(one) != repr(gone)]  # a service goes as a whole

    out = [replace(rules, inbound=without(rules.inbound, at)) for at in range(len(rules.inbound))]
    if rules.outbound is not None:
        out.append(replace(rules, outbound=None))
        out += [replace(rules, outbound=without(rules.outbound, at)) for at in range(len(rules.outbound))]
    out += [replace(rules, audit=False)] if rules.audit else []
    out += [replace(rules, third_nodes=())] if rules.third_nodes else []
    out += [replace(rules, funs=None)] if rules.funs is not None else []
    return out


def story(session: Session) -> str:
    """A disagreement, to be read: the policy, the session, and what each of the two says at its end."""
    return f"{session}\n  {difference(session)}"
