"""Random sessions: messages of both nodes that take up what was said before, more or less rightly."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.reference.judge import Rules
from tests.reference.policies import FUNCTIONS, NAMES, policy
from tests.reference.terms import has_fun, identifiers, reference
from tests.reference.tracking import GUARD, PEER, other
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, NOTHING, Message, Op, Style, message
from tests.support.etf import Atom, BitBinary, Export, Fun, Improper, Map, Pid, Ref, Term, alias

ENDS = {PEER: CoreChannel.peer, GUARD: CoreChannel.guard}
THIRD = CoreChannel.third.pid(9)


@dataclass(frozen=True)
class Send:
    """A message of ``side``: how its atoms are written, and in fragments of which size it goes (0: in one)."""

    side: str
    message: Message
    style: Style = "otp"
    fragment: int = 0

    def __str__(self) -> str:
        how = "" if self.style == "otp" and not self.fragment else f" {self.style} {self.fragment}"
        return f"  {self.side}: {self.message.command} {self.message!r}{how}"


@dataclass(frozen=True)
class SetRules:
    rules: Rules

    def __str__(self) -> str:
        return f"  policy: {self.rules!r}"


@dataclass(frozen=True)
class Woven:
    """Messages of one side in fragments, sent by turns: ``order`` says whose fragment is next."""

    sends: tuple[Send, ...]
    order: tuple[int, ...]

    def __str__(self) -> str:
        return f"  woven {self.order}:" + "".join(f"\n  {one}" for one in self.sends)


Step = Send | SetRules | Woven


@dataclass(frozen=True)
class Session:
    """A policy, what is sent under it, and among how many slots of their caches the two nodes spread their atoms."""

    rules: Rules
    steps: list[Step]
    slots: int = 0
    """0: as OTP does."""

    @property
    def has_outbound_rules(self) -> bool:
        later = [step.rules for step in self.steps if isinstance(step, SetRules)]
        return any(rules.outbound is not None for rules in [self.rules, *later])

    def __str__(self) -> str:
        slots = f" ({self.slots} slots for atoms)" if self.slots else ""
        return "\n".join([f"policy: {self.rules}{slots}", *map(str, self.steps)])


def session(random: Random, length: int) -> Session:
    rules, talk = policy(random), Talk(random)
    return Session(rules, [talk.step() for _ in range(length)], random.choice([0, 0, 2, 5, 12]))


class Talk:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.said: list[Send] = []

    def step(self) -> Step:
        kind = self.random.random()
        if kind < 0.04:
            return SetRules(policy(self.random))
        return self.woven() if kind < 0.12 else self.next()

    def woven(self) -> Woven:
        side = self.random.choice([PEER, PEER, GUARD])
        sends: list[Send] = []
        while len(sends) < 3:
            made = self.fresh(side)
            if made.command in ("reg_send", "send", "alias_send") and may_be_cut(made):
                style: Style = self.random.choice(["otp", "new", "inline"])
                sends.append(Send(side, made, style, self.random.choice([40, 60, 90])))
        return Woven(tuple(sends), tuple(self.random.choices(range(3), k=12)))

    def next(self) -> Send:
        made = None
        if self.said and self.random.random() < 0.6:
            made = self.follow(self.random.choice(self.said[-12:]))
        if made is None:
            side = self.random.choice([PEER, PEER, GUARD])
            made = (side, self.fresh(side))
        style: Style = self.random.choice(["otp", "otp", "otp", "new", "inline"])
        fragment = self.random.choice([0] * 6 + [40, 80]) if may_be_cut(made[1]) else 0
        sent = Send(*made, style, fragment)
        self.said.append(sent)
        return sent

    # === words ===

    def pid(self, side: str) -> Pid:
        numbers = [1, 1, 2, 3] if side == PEER else [1, 1, 1, 2, 2, 3, 0]
        return ENDS[side].pid(self.random.choice(numbers))

    def sender(self, side: str) -> Pid:
        """A process of the side's; of the peer, now and then, one that isn't."""
        if side == PEER and self.random.random() < 0.02:
            return self.random.choice([THIRD, ENDS[GUARD].pid(1)])
        return ENDS[side].pid(self.random.choice([1, 1, 2, 3]))

    def target(self, side: str) -> Pid:
        """A process of the other side's; of an earlier guarded node, now and then."""
        if side == PEER and self.random.random() < 0.02:
            return Pid(ENDS[GUARD].name, 1, 0, 5)
        return self.pid(other(side))

    def ref(self, side: str) -> Ref:
        return self.random.choice([*map(ENDS[side].ref, range(1, 6)), *map(ENDS[side].alias, range(6, 9))])

    def tag(self, side: str) -> Term:
        ref = self.ref(side)
        return self.random.choice([ref, alias(ref), (ref, ENDS[side].name), Improper((alias(self.ref(side)),), ref)])

    def name(self) -> Atom:
        return Atom(self.random.choice([*NAMES, "orders", "orders"]))

    def simple(self, side: str) -> Term:
        kind = self.random.randrange(14)
        if kind < 6:
            return self.random.choice(
                [
                    1,
                    -300,
                    1 << 70,
                    1.5,
                    b"abc",
                    [],
                    [1, 2],
                    Atom("stop"),
                    Atom("true"),
                    Atom("x" * 250),
                    Atom("é" * 200),
                ]
            )
        if kind < 8:
            return self.pid(side)
        if kind < 10:
            return self.ref(side)
        return self.random.choice(
            [
                Map(((Atom("a"), 1), (Atom("b"), []))),
                BitBinary(b"\x80", 1),
                THIRD,
                Export(Atom("shop"), Atom("get"), 1),
                Fun(Atom("shop"), 0, b"u" * 16, 1, 1, 1, ENDS[side].pid(1), ()),
                self.pid(other(side)),
                Improper((1,), self.pid(side)),
            ]
        )

    def call(self, side: str) -> tuple[Atom, Atom, list[Term]]:
        module, function, arity = self.random.choice(FUNCTIONS)
        values: list[Term] = [1, 1, 2, Atom("a"), ENDS[side].pid(1)]
        return Atom(module), Atom(function), [self.random.choice(values) for _ in range(arity)]

    def request(self, side: str) -> Term:
        kind = self.random.randrange(12)
        if kind < 4:
            return (Atom("add"), self.random.choice([1, 2, Atom("a")]))
        if kind < 8:
            return self.simple(side)
        return self.random.choice(
            [
                (Atom("start_child"), 1),
                (Atom("sync_notify"), 1),
                Atom("which_handlers"),
                (Atom("is_auth"), ENDS[side].name),
                (Atom("get"), Export(Atom("shop"), Atom("get"), 1)),
                (Atom(self.random.choice(["call", "block_call", "cast", "spawn"])), *self.call(side), self.pid(side)),
                (Atom(self.random.choice(["call", "block_call"])), *self.call(side), self.simple(side)),
            ]
        )

    def payload(self, side: str) -> Term:
        who = self.pid(side) if self.random.random() < 0.85 else self.random.choice([self.pid(other(side)), Atom("x")])
        match self.random.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                return (Atom("$gen_call"), (who, self.tag(side)), self.request(side))
            case 5:
                return (Atom("$gen_cast"), self.request(side))
            case 6:
                return (Atom("system"), (who, self.tag(side)), Atom("get_state"))
            case 7:
                return self.random.choice(
                    [(Atom("EXIT"), who, 1), (Atom("DOWN"), self.ref(side), Atom("process"), who, 1)]
                )
            case 8:
                passed = (Atom(self.random.choice(["send", "sbcast"])), self.name(), self.simple(side))
                return (who, passed if self.random.random() < 0.3 else self.request(side))
            case 9:
                return (Atom("io_request"), who, self.ref(side), self.simple(side))
            case 10:
                one = self.simple(side)
                return (one, self.random.choice([one, self.simple(side)]))
            case 11:
                return (Atom("add"), 1)
            case _:
                return self.simple(side)

    # === messages ===

    def fresh(self, side: str) -> Message:
        sender, target = self.sender(side), self.target(side)
        match self.random.randrange(16):
            case 0 | 1 | 2 | 3:
                return message(Op.REG_SEND, sender, EMPTY, self.name(), payload=self.payload(side))
            case 4 | 5:
                return message(Op.SEND_SENDER, sender, target, payload=self.payload(side))
            case 6:
                return message(Op.ALIAS_SEND, sender, self.ref(other(side)), payload=self.payload(side))
            case 7 | 8:
                return message(Op.MONITOR_P, sender, self.random.choice([target, self.name()]), self.ref(side))
            case 9 | 10:
                return message(Op.LINK, sender, target)
            case 11:
                return message(Op.PAYLOAD_EXIT2, sender, target, payload=self.simple(side))
            case 12:
                return message(Op.GROUP_LEADER, sender, target)
            case 13:
                return self.unasked(side)
            case _:
                return self.spawn(side)

    def unasked(self, side: str) -> Message:
        sender, target = self.sender(side), self.target(side)
        return self.random.choice(
            [
                message(Op.PAYLOAD_EXIT, sender, target, payload=self.simple(side)),
                message(Op.PAYLOAD_MONITOR_P_EXIT, sender, target, self.ref(other(side)), payload=self.simple(side)),
                message(Op.UNLINK_ID, self.random.randint(1, 3), sender, target),
                message(Op.UNLINK_ID_ACK, self.random.randint(1, 3), sender, target),
                message(Op.DEMONITOR_P, sender, target, self.ref(side)),
                message(Op.SPAWN_REPLY, self.ref(other(side)), target, 0, sender),
            ]
        )

    def spawn(self, side: str) -> Message:
        ref, sender = self.ref(side), self.sender(side)
        module, function, arguments = self.call(side)
        for _ in range(self.random.choice([0, 0, 1, 1, 1, 2])):
            carrier = self.random.choice(["execute_call", "execute_cast", "init_p", "apply"])
            inner: list[Term] = [module, function, arguments]
            module = {"apply": Atom("erlang"), "init_p": Atom("proc_lib")}.get(carrier, Atom("erpc"))
            function = Atom(carrier)
            before: dict[str, list[Term]] = {"execute_call": [ref], "init_p": [sender, [self.pid(side), Atom("sup")]]}
            arguments = [*before.get(carrier, []), *inner]
        options: list[Term] = [Atom(one) for one in ("link", "monitor") if self.random.random() < 0.4]
        if self.random.random() < 0.1:
            options.append((Atom("priority"), Atom("high")))
        leader = self.pid(side) if self.random.random() < 0.9 else self.pid(other(side))
        mfa = (module, function, len(arguments))
        return message(Op.SPAWN_REQUEST, ref, sender, leader, mfa, options, payload=arguments)

    def follow(self, before: Send) -> tuple[str, Message] | None:
        """What could come after a message: its answer, its end, or another to the same."""
        side, payload = before.side, before.message.payload
        args: dict[str, Any] = before.message.args
        far, wrong = other(side), self.random.random() < 0.15
        near = self.sender(side) if wrong else args.get("from")
        away = self.sender(far) if wrong or not isinstance(args.get("to"), Pid) else args["to"]
        match before.message.command:
            case "monitor":
                down = message(
                    Op.PAYLOAD_MONITOR_P_EXIT,
                    args["to"] if not wrong else away,
                    near,
                    args["ref"],
                    payload=self.simple(far),
                )
                up = message(Op.DEMONITOR_P, near, args["to"], args["ref"])
                call = (
                    Atom("$gen_call"),
                    (near, self.random.choice([args["ref"], alias(args["ref"])])),
                    self.request(side),
                )
                again = self.sends(near, args["to"], call)
                return self.random.choice([(far, down), (side, up), (side, again), (side, again)])
            case "demonitor":
                down = message(Op.PAYLOAD_MONITOR_P_EXIT, args["to"], near, args["ref"], payload=Atom("normal"))
                return far, down
            case "link" | "exit" | "unlink":
                if before.message.command == "unlink" and self.random.random() < 0.5:
                    return far, message(Op.UNLINK_ID_ACK, args["id"], away, near)
                speaker, one, two = self.random.choice([(side, near, away), (far, away, near)])
                ends = [
                    message(Op.PAYLOAD_EXIT, one, two, payload=self.simple(speaker)),
                    message(Op.UNLINK_ID, self.random.randint(1, 3), one, two),
                    message(Op.SEND_SENDER, one, two, payload=self.payload(speaker)),
                    message(Op.LINK, one, two),
                ]
                return speaker, self.random.choice(ends)
            case "spawn_request":
                result = self.random.choice([self.pid(far), self.pid(far), Atom("badopt")])
                to = args["from"] if far == GUARD else near  # no node answers another process
                return far, message(Op.SPAWN_REPLY, args["ref"], to, self.random.randint(0, 3), result)
            case "spawn_reply":
                if not isinstance(args["result"], Pid):
                    return None
                return far, self.aimed(self.sender(far), args["result"], far, args["ref"])
            case "reg_send" | "send" | "alias_send":
                return self.after_message(side, payload, away)
            case _:
                return None

    def after_message(self, side: str, payload: Term, away: Term) -> tuple[str, Message] | None:
        far = other(side)
        reply = self.request(far)
        to: Pid
        answer: Term
        match payload:
            case (_, (Pid() as pid, tag), _):
                to, answer = pid, (tag, reply)
                if isinstance(tag, Improper) and self.random.random() < 0.5:
                    return far, message(Op.ALIAS_SEND, away, _alias(tag), payload=answer)
            case (Atom("io_request"), Pid() as pid, tag, _):
                to, answer = pid, (Atom("io_reply"), tag, reply)
            case (Pid() as pid, Atom("features_request")):
                to, answer = pid, (Atom("features_reply"), ENDS[far].name, [])
            case (Pid() as pid, _):
                to, answer = pid, (Atom("rex"), reply)
            case Pid() as pid if pid.node == ENDS[side].name:
                return far, self.aimed(self.sender(far), pid, far, self.ref(far))
            case Ref() as ref if ref.node == ENDS[side].name:
                return far, message(Op.ALIAS_SEND, away, ref, payload=self.payload(far))
            case _:
                return None
        if to.node != ENDS[side].name or away == NOTHING:
            return None
        return far, message(Op.SEND_SENDER, away, to, payload=answer)

    def aimed(self, sender: Pid, target: Pid, side: str, ref: Term) -> Message:
        """A command at a process that became known."""
        return self.random.choice(
            [
                message(Op.SEND_SENDER, sender, target, payload=self.payload(side)),
                message(Op.SEND_SENDER, sender, target, payload=self.payload(side)),
                message(Op.LINK, sender, target),
                message(Op.MONITOR_P, sender, target, self.ref(side)),
                message(Op.PAYLOAD_EXIT2, sender, target, payload=self.simple(side)),
                message(Op.GROUP_LEADER, sender, target),
                message(Op.PAYLOAD_EXIT, sender, target, payload=self.simple(side)),
                message(Op.UNLINK_ID, self.random.randint(1, 3), sender, target),
                message(Op.DEMONITOR_P, sender, target, ref),
            ]
        )

    def sends(self, sender: Term, target: Term, payload: Term) -> Message:
        if isinstance(target, Atom):
            return message(Op.REG_SEND, sender, EMPTY, target, payload=payload)
        return message(Op.SEND_SENDER, sender, target, payload=payload)


def may_be_cut(sent: Message) -> bool:
    """True if fragments of a few bytes change nothing.

    The tag of a call and that of an answer have to stand in the first one, or the core doesn't see them. And where a
    third node's process or a fun is found in the middle of a message, the channel may have to be closed.
    """
    match sent.payload:
        case (_, (_, _), _) | (Atom("io_request" | "io_reply" | "rex"), *_) | (Pid(), _):
            return False
        case (tag, _) if reference(tag):
            return False
        case _:
            return not has_fun(sent.payload) and THIRD not in identifiers(sent.payload)


def _alias(tag: Improper) -> Term:
    return tag.tail if tag.elements == (Atom("alias"),) else _alias(tag.elements[0])  # type: ignore[arg-type]
