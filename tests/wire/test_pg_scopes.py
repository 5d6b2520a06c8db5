"""Random messages to scopes of `pg`: what passes fits a model of `pg` of OTP 25, with its failures."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import pytest

from distwall import _core
from distwall._core import DistFlag
from distwall.policy.language.services import service
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_25, OTP_29, Message, Op, message
from tests.support.etf import Atom, Map, Pid, Ref, Term

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom
NAME = A("patients")
GROUPS: list[Term] = [A("a"), 0.0, -0.0, (A("of"), G.pid(7))]
RULES = [
    f"accept {rule.command} {'patients' if rule.command == 'reg_send' else ''} when {rule.pattern.code.hex()}"
    for rule in service("pg", "patients")
    if rule.pattern is not None
]


def without(members: list[Pid], gone: list[Pid]) -> list[Pid]:
    """``members -- gone``"""
    left = list(members)
    for pid in gone:
        if pid in left:
            left.remove(pid)
    return left


def key(group: Term) -> str:
    """A group as OTP 25 tells it from others: 0.0 and -0.0 are the same."""
    return repr(0.0 if group == 0.0 else group)


@dataclass
class Scope:
    """A scope of OTP 25: raises where the real one ends. ``says`` gets what it sends."""

    pid: Pid
    says: list[Message]
    refs: int = 0
    remote: dict[Pid, tuple[Ref, dict[str, list[Pid]]]] = field(default_factory=dict)
    everywhere: dict[str, tuple[list[Pid], list[Pid]]] = field(default_factory=dict)
    """All members and the local ones, of each group."""

    def send(self, to: Pid, payload: Term) -> None:
        self.says.append(message(Op.SEND_SENDER, self.pid, to, payload=payload))

    def know(self, peer: Pid) -> None:
        self.refs += 1
        ref = G.ref(100 * self.pid.id + self.refs)
        self.says.append(message(Op.MONITOR_P, self.pid, peer, ref))
        self.remote[peer] = (ref, {})

    def takes(self, payload: tuple[Term, ...]) -> None:
        if payload[0] == A("$gen_cast"):
            payload = cast(tuple[Term, ...], payload[1])
        peer = cast(Pid, payload[1])
        match payload[0]:
            case "discover" if len(payload) == 2:
                self.send(peer, (A("$gen_cast"), (A("sync"), self.pid, [])))
                if peer not in self.remote:
                    self.know(peer)
                    self.send(peer, (A("discover"), self.pid))
            case "join":
                if peer in self.remote:
                    known, pids = self.remote[peer][1], self.pids(payload[3])
                    self.enter(key(payload[2]), pids)
                    known[key(payload[2])] = pids + known.get(key(payload[2]), [])
            case "leave":
                if peer in self.remote:
                    known, pids = self.remote[peer][1], self.pids(payload[2])
                    names = [key(group) for group in cast(list[Term], payload[3])]
                    for name in names:
                        self.forget(name, pids)
                    for name in names:
                        known[name] = without(known[name], pids)
                        if not known[name]:
                            del known[name]
            case "sync":
                if peer not in self.remote:
                    self.know(peer)
                ref, known = self.remote[peer]
                known = dict(known)
                told = [(key(group), self.pids(pids)) for group, pids in cast(list[tuple[Term, Term]], payload[2])]
                for name, pids in told:
                    if name not in known:
                        self.enter(name, pids)
                    elif (old := known.pop(name)) != pids:
                        members, local = self.everywhere[name]
                        self.everywhere[name] = (pids + without(members, old), local)
                for name, pids in known.items():
                    self.forget(name, pids)
                self.remote[peer] = (ref, dict(told))
            case _:
                raise AssertionError(payload)

    @staticmethod
    def pids(one: Term) -> list[Pid]:
        return cast(list[Pid], one if isinstance(one, list) else [one])

    def enter(self, name: str, pids: list[Pid]) -> None:
        members, local = self.everywhere.get(name, ([], []))
        self.everywhere[name] = (pids + members, local)

    def forget(self, name: str, pids: list[Pid]) -> None:
        if name in self.everywhere:
            members, local = self.everywhere[name]
            left = without(members, pids)
            if left or local:
                self.everywhere[name] = (left, local)
            else:
                del self.everywhere[name]

    def local(self, name: str) -> None:
        """A process of the node joins and leaves, which removes a group without other members."""
        if not self.everywhere.get(name, ([], []))[0]:
            self.everywhere.pop(name, None)

    def down(self, peer: Pid) -> None:
        for name, pids in self.remote.pop(peer)[1].items():
            self.forget(name, pids)


class RandomTalk:
    """A peer that sends anything of the right shape, and a node that starts its scope again now and then."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.channel = CoreChannel(*RULES)
        self.unsent: list[Message] = []
        self.sent: list[Message] = []
        self.scopes = 0
        self.counts: Counter[tuple[str, bool]] = Counter()
        self.start()

    def start(self) -> None:
        self.scopes += 1
        self.scope = Scope(G.pid(500 + self.scopes), self.unsent)

    def members(self) -> list[Term]:
        return [P.pid(self.dice.randint(1, 3)) for _ in range(self.dice.choice([0, 1, 1, 1, 2, 2, 3]))]

    def payload(self) -> Term:
        dice = self.dice
        peer = P.pid(dice.choice([100, 100, 100, 200]))
        groups = dice.choices(GROUPS, weights=[6, 2, 1, 2], k=dice.choice([0, 1, 1, 1, 2]))
        match dice.choice(["discover", "join", "join", "leave", "leave", "leave", "sync"]):
            case "discover":
                return dice.choice([(A("discover"), peer), (A("discover"), peer, 1)])
            case "join":
                return A("join"), peer, dice.choice(GROUPS), dice.choice([self.members(), P.pid(1)])
            case "leave":
                return A("leave"), peer, dice.choice([self.members(), P.pid(1)]), groups
            case _:
                return A("$gen_cast"), (A("sync"), peer, [(group, self.members()) for group in groups])

    def step(self) -> None:
        match self.dice.choices(["peer", "node", "end", "local", "start"], weights=[50, 40, 3, 5, 1])[0]:
            case "node" if self.unsent:
                one = self.unsent.pop(0)
                assert self.channel.outbound(one).closed is None
                self.sent.append(one)
            case "end":
                asked = [(peer, ref) for peer, (ref, _) in self.scope.remote.items()]
                told = [one.args["ref"] for one in self.sent if one.op is Op.MONITOR_P]
                for peer, ref in asked:
                    if ref in told:
                        self.tell(message(Op.MONITOR_P_EXIT, peer, self.scope.pid, ref, A("noproc")))
                        break
            case "local":
                self.scope.local(key(self.dice.choice(GROUPS)))
            case "start":
                self.start()
            case _:
                to = G.pid(500 + self.dice.choice([self.scopes, self.scopes, self.scopes, 1]))
                payload = self.payload()
                if self.dice.random() < 0.1:
                    self.tell(message(Op.REG_SEND, P.pid(), EMPTY, NAME, payload=payload))
                else:
                    self.tell(message(Op.SEND_SENDER, P.pid(), to, payload=payload))

    def tell(self, one: Message) -> None:
        output = self.channel.inbound(one)
        assert output.closed is None
        for passed in output.forward:
            if passed.op is Op.MONITOR_P_EXIT:
                self.scope.down(cast(Pid, passed.args["from"]))
            elif passed.args["to"] in (NAME, self.scope.pid):
                self.scope.takes(cast(tuple[Term, ...], passed.payload))
        if isinstance(one.payload, tuple):
            self.counts[str(one.payload[0]), bool(output.forward)] += 1


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_passes_ends_a_scope(seed: int) -> None:
    session = RandomTalk(seed)
    for _ in range(600):
        session.step()


def test_much_of_it_passes_and_much_does_not() -> None:
    session = RandomTalk(1)
    for _ in range(3000):
        session.step()
    for what in ("join", "leave", "$gen_cast"):
        assert min(session.counts[what, True], session.counts[what, False]) > 50, session.counts


class Known:
    """A channel with a scope that knows the peer's."""

    def __init__(self, **settings: object) -> None:
        self.channel = CoreChannel(*RULES, **settings)  # type: ignore[arg-type]  # as they come

    def passes(self, payload: Term) -> bool:
        output = self.channel.inbound(message(Op.SEND_SENDER, P.pid(), G.pid(500), payload=payload))
        assert output.closed is None
        return bool(output.forward)


def join(group: Term, *members: int) -> Term:
    return A("join"), P.pid(), group, [P.pid(number) for number in members]


def leave(group: Term, *members: int) -> Term:
    return A("leave"), P.pid(), [P.pid(number) for number in members], [group]


def test_scopes_groups_and_members_are_bounded_together() -> None:
    known = Known(limits={"tracked": 10})
    assert known.passes((A("discover"), P.pid()))
    assert [known.passes(join(number, 1)) for number in range(6)] == [True] * 4 + [False] * 2
    assert known.passes(leave(0, 1))
    assert known.passes(join(9, 1))
    full: list[Term] = [(number, [P.pid(1)]) for number in range(5)]
    assert not known.passes((A("$gen_cast"), (A("sync"), P.pid(), full)))
    assert known.passes((A("$gen_cast"), (A("sync"), P.pid(), full[1:])))
    assert known.passes((A("discover"), P.pid(200)))
    assert not known.passes((A("discover"), P.pid(300)))
    assert known.passes((A("discover"), P.pid()))


def test_a_group_that_a_vm_may_take_for_another_is_refused() -> None:
    known = Known()
    assert known.passes((A("discover"), P.pid()))
    own = G.pid(5)
    for group, good in [(own, True), (Pid(own.node, own.id, own.serial, 0), False), (-0.0, False), (0.0, True)]:
        assert known.passes(join([group], 1)) is good, group


@pytest.mark.parametrize(
    "payload", [(A("update"), P.pid(), []), (A("$gen_cast"), (A("local_data"), P.pid(), 1, Map(())))]
)
def test_what_otp_29_says_passes_between_nodes_of_otp_29(payload: Term) -> None:
    assert not Known().passes(payload)
    assert Known(flags=OTP_29, release=29).passes(payload)


@pytest.mark.parametrize("to", [NAME, G.pid(500)])
@pytest.mark.parametrize("fragment", [65536, 200, 20])
@pytest.mark.parametrize("flags", [OTP_25, OTP_25 & ~(DistFlag.FRAGMENTS | DistFlag.DIST_HDR_ATOM_CACHE)])
@pytest.mark.parametrize("hooks", [None, _core.Hooks({"send": "", "reg_send": ""}, None, False, False, False)])
def test_a_greeting_of_otp_29_is_passed_on_as_every_release_takes_it(
    to: Term, fragment: int, flags: int, hooks: _core.Hooks | None
) -> None:
    channel = CoreChannel(*RULES, flags=flags, hooks=hooks)
    target = (P.pid(), EMPTY, NAME) if to == NAME else (P.pid(), to)
    long = message(Op.REG_SEND if to == NAME else Op.SEND_SENDER, *target, payload=(A("discover"), P.pid(), 1))
    output = channel.inbound(long, fragment=fragment)
    for ask in channel.core.asks():
        output = channel.answer(ask[0], "accept")
    assert [one.payload for one in output.forward if one.args["to"] == to] == [(A("discover"), P.pid())]
    assert channel.counts() == {("inbound", "reg_send" if to == NAME else "send", "accept"): 1}


def test_between_nodes_of_otp_29_it_is_passed_on_as_it_is() -> None:
    greeting = message(Op.REG_SEND, P.pid(), EMPTY, NAME, payload=(A("discover"), P.pid(), 1))
    assert CoreChannel(*RULES, flags=OTP_29, release=29).inbound(greeting).forward == [greeting]


def test_a_greeting_over_a_limit_stays_refused() -> None:
    channel = CoreChannel(*RULES, limits={"reg_send_per_second": 1})
    greeting = message(Op.REG_SEND, P.pid(), EMPTY, NAME, payload=(A("discover"), P.pid(), 1))
    assert [len(channel.inbound(greeting).forward) for _ in range(3)] == [1, 0, 0]


def test_a_long_list_of_processes_and_groups_is_bounded_work() -> None:
    known = Known()
    assert known.passes((A("discover"), P.pid()))
    assert known.passes(join(A("a"), *range(2000)))
    many: Term = (A("leave"), P.pid(), [P.pid(number) for number in range(2000)], [A("a")] * 2000)
    output = known.channel.inbound(message(Op.SEND_SENDER, P.pid(), G.pid(500), payload=many))
    assert not output.forward
    assert known.passes(leave(A("a"), *range(2000)))
