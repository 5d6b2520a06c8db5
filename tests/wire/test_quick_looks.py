"""Quick looks at commands change nothing, whatever is notable about a command.

Each command is shown to two channels, after commands like it that are not notable. One of them knows neither the quick
walk over small payloads nor precedents: a ``term_depth`` below 64 leaves each payload to the full walk, and with a
shadow policy there are no precedents.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from distwall import _core
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, UNDEFINED, Message, Op, Style, message
from tests.support.etf import Atom, BitBinary, Export, Fun, Improper, Map, Pid, Ref, Term, alias
from tests.wire.expect import passes

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
ME, ALIAS = P.pid(), G.alias(91)
SERVER, GUESS, OLD = G.pid(7), G.pid(8), Pid(G.name, 7, 0, G.creation - 1)
CLERK = Pid(P.name, 0x0FFF_FFFF, 0x0FFF_FFFF, P.creation)
ERPC = (Atom("erpc"), Atom("execute_call"), 4)
MFA = (Atom("m"), Atom("f"), 1)
OPTIONS: list[Term] = [Atom("monitor")]
Q, R = P.ref(40), G.ref(41)

RULES = {
    "each command": [
        "accept reg_send",
        "accept send to exposed",
        "accept alias_send",
        "accept spawn_request m:f/1",
        "accept call m:f/1",
        "deny *",
    ],
    "everything": ["accept *"],
    "messages, but not calls": [
        "accept send",
        "accept alias_send",
        "accept reg_send server",
        "deny call m:f/1",
        "drop *",
    ],
    "everything else": [
        "deny reg_send other",
        "accept reg_send",
        "accept send to spawned",
        "accept spawn_request",
        "accept send",
    ],
}

NOTABLE: dict[str, Term] = {
    "nothing": (Atom("tick"), 70000, 5),
    "an atom": Atom("tick"),
    "a list": [1, 300, [Atom("tick")], b"123"],
    "a process of the peer": [P.pid(), P.ref(), P.alias()],
    "a process of the guarded node": (1, GUESS),
    "a reference of the guarded node": [R],
    "more of them than it may claim": [G.pid(n) for n in range(20, 24)],
    "more references than it may claim": [G.ref(n) for n in range(20, 24)],
    "an alias of the guarded node": [alias(G.alias(8))],
    "a process that is exposed": [SERVER],
    "a process of a creation that any node takes for its own": Pid(G.name, 8, 0, 0),
    "a reference of that creation": Ref(G.name, 0, (1, 2, 3)),
    "an incarnation of the guarded node that is gone": [OLD],
    "an incarnation of the peer that is gone": Pid(P.name, 7, 0, P.creation - 1),
    "a process of a third node": (1, T.pid()),
    "a reference of a third node": (1, [T.ref()]),
    "a port": P.port(),
    "a port of the guarded node": [G.port()],
    "a port of a third node": [T.port()],
    "a fun": (1, Fun(Atom("m"), 0, bytes(16), 0, 0, 0, P.pid(), ())),
    "a fun of the guarded node": Fun(Atom("m"), 0, bytes(16), 0, 0, 0, GUESS, (R,)),
    "an export": [Export(Atom("m"), Atom("f"), 1)],
    "a new atom": (Atom("never heard of"), 1),
    "a map": Map(((1, GUESS),)),
    "a float": 1.5,
    "a large integer": 1 << 40000,
    "bits": BitBinary(b"\x80", 1),
    "a list without end": Improper((1, GUESS), GUESS),
    "a long list": [Atom("tick")] * 100,
    "a long list with a process": [*[1000] * 100, GUESS],
    "a deep list": [[[[[[[[[[[[GUESS]]]]]]]]]]]],
    "a call": (Atom("$gen_call"), (P.pid(), alias(Q)), Atom("get")),
    "a call with a reference": (Atom("$gen_call"), (P.pid(), Q), (Atom("get"), 1)),
    "a call that shows something": (Atom("$gen_call"), (P.pid(), alias(Q)), (Atom("set"), GUESS)),
    "a call by the guarded node": (Atom("$gen_call"), (GUESS, alias(Q)), Atom("get")),
    "a call with its reference": (Atom("$gen_call"), (P.pid(), alias(R)), Atom("get")),
    "a call by a third node": (Atom("$gen_call"), (T.pid(), alias(Q)), Atom("get")),
    "a call to name": (Atom("$gen_call"), (Atom("name"), alias(Q)), Atom("get")),
    "a call for a supervisor": (Atom("$gen_call"), (P.pid(), alias(Q)), Atom("which_children")),
    "a call for a supervisor with a child": (
        Atom("$gen_call"),
        (P.pid(), alias(Q)),
        (Atom("terminate_child"), Atom("x")),
    ),
    "a cast": (Atom("$gen_cast"), (Atom("get"), 1)),
    "a cast for OTP": (Atom("$gen_cast"), (Atom("stop"), 1)),
    "a system message": (Atom("system"), (P.pid(), Q), Atom("get_state")),
    "an exit": (Atom("EXIT"), P.pid(), Atom("shutdown")),
    "an exit of the guarded node": (Atom("EXIT"), GUESS, Atom("shutdown")),
    "a request for output": (Atom("io_request"), P.pid(), Q, (Atom("put_chars"), Atom("unicode"), b"x")),
    "an answer": (R, Atom("ok")),
    "an answer to a call": (G.ref(90), GUESS),
    "an answer to a call by an alias": (alias(G.alias(91)), GUESS),
    "an answer of rex": (Atom("rex"), GUESS),
    "features": (Atom("features_reply"), [Atom("x")]),
    "a call through rex": (Atom("$gen_call"), (P.pid(), alias(Q)), (Atom("call"), Atom("m"), Atom("f"), [1], P.pid())),
    "another through rex": (P.pid(), (Atom("call"), Atom("m"), Atom("f"), [1], P.pid())),
    "a cast through rex": (Atom("$gen_cast"), (Atom("cast"), Atom("m"), Atom("f"), [1], P.pid())),
    "a spawn through net_kernel": (
        Atom("$gen_call"),
        (P.pid(), alias(Q)),
        (Atom("spawn"), Atom("m"), Atom("f"), [1], P.pid()),
    ),
}


def reg_send(payload: Term, name: str = "server", by: Pid = ME) -> Message:
    return message(Op.REG_SEND, by, EMPTY, Atom(name), payload=payload)


def send(payload: Term, to: Pid = SERVER, by: Pid = ME) -> Message:
    return message(Op.SEND_SENDER, by, to, payload=payload)


def unsigned(payload: Term) -> Message:
    return message(Op.SEND, EMPTY, SERVER, payload=payload)


def to_alias(payload: Term, to: Ref = ALIAS, by: Pid = ME) -> Message:
    return message(Op.ALIAS_SEND, by, to, payload=payload)


def spawn(argument: Term, by: Pid = ME, leader: Pid = ME, ref: Ref = Q) -> Message:
    return message(Op.SPAWN_REQUEST, ref, by, leader, MFA, OPTIONS, payload=[argument])


def erpc(argument: Term, by: Pid = ME, leader: Pid = ME, ref: Ref = Q) -> Message:
    arguments: list[Term] = [ref, Atom("m"), Atom("f"), [argument]]
    return message(Op.SPAWN_REQUEST, ref, by, leader, ERPC, OPTIONS, payload=arguments)


MESSAGES: dict[str, Callable[..., Message]] = {
    "reg_send": reg_send,
    "send": send,
    "no sender": unsigned,
    "alias_send": to_alias,
    "spawn": spawn,
    "erpc": erpc,
}
TICK = NOTABLE["nothing"]

CONTROLS: dict[str, list[Message]] = {
    "who sends": [
        make(TICK, by=by)
        for by in (P.pid(101), CLERK, GUESS, T.pid(), Pid(P.name, 100, 0, P.creation - 1))
        for make in (reg_send, send, to_alias, spawn, erpc)
    ],
    "where to": [
        *(send(TICK, to=to) for to in (GUESS, OLD, G.pid(0), P.pid(), T.pid(), Pid(G.name, 7, 0, 0))),
        *(to_alias(TICK, to=to) for to in (G.alias(92), R, P.alias(), Ref(G.name, G.creation - 1, (1, 2, 3)))),
        *(reg_send(TICK, name=name) for name in ("other", "rex", "net_kernel", "init", "never heard of", "tick")),
        *(reg_send(NOTABLE["a call through rex"], name=name) for name in ("rex", "net_kernel", "other")),
        *(reg_send(NOTABLE["another through rex"], name=name) for name in ("rex", "net_kernel", "other")),
    ],
    "which group leader": [
        make(TICK, leader=leader) for leader in (SERVER, GUESS, OLD, T.pid(), CLERK) for make in (spawn, erpc)
    ],
    "which reference": [
        make(TICK, ref=ref) for ref in (R, T.ref(), Ref(P.name, P.creation - 1, (1, 2, 3))) for make in (spawn, erpc)
    ],
    "which function": [
        message(Op.SPAWN_REQUEST, Q, P.pid(), P.pid(), (Atom(m), Atom(f), arity), options, payload=arguments)
        for m, f in (("m", "f"), ("m", "g"), ("erpc", "execute_call"), ("erlang", "apply"), ("proc_lib", "init_p"))
        for arity in (1, 4)
        for options in (
            [],
            OPTIONS,
            [Atom("link"), Atom("monitor")],
            [(Atom("min_heap_size"), 1 << 40)],
            Improper((Atom("link"),), 1),
        )
        for arguments in (
            [],
            [1],
            [Q, Atom("m"), Atom("f"), [1]],
            [Atom("m"), Atom("f"), [1]],
            Improper((1,), 1),
            b"x",
            [GUESS],
        )
    ],
    "what it is traced by": [
        message(Op.REG_SEND_TT, P.pid(), EMPTY, Atom("server"), (1, 0, 0, by, 0), payload=TICK)
        for by in (P.pid(), GUESS, T.pid())
    ],
    "what it does not use": [
        message(Op.REG_SEND, P.pid(), UNDEFINED, Atom("server"), payload=TICK),
        message(Op.SEND, Atom("never heard of"), SERVER, payload=TICK),
    ],
}


def outcome(channel: CoreChannel, data: bytes) -> tuple[list[Message], list[Message], list[_core.Event], str | None]:
    output = channel.inbound(data)
    events = [event for event in output.events if not event[5].startswith("shadow:")]
    return output.forward, output.back, events, output.closed


class Pair:
    """A channel with the short cuts, and one without them."""

    def __init__(self, rules: list[str], funs: bool) -> None:
        limits = {"term_depth": 63, "claims": 3}
        self.quick = CoreChannel(*rules, limits={**limits, "term_depth": 1000}, funs=funs)
        self.full = CoreChannel(*rules, limits=limits, funs=funs, shadow=rules)
        self.open = True

    def outbound(self, *sent: Message) -> None:
        for channel in (self.quick, self.full):
            assert channel.outbound(*sent).forward == list(sent)

    def inbound(self, sent: Message, style: Style = "otp") -> None:
        data = self.quick.from_peer.bytes(sent, style=style)
        one, other = (outcome(channel, data) for channel in (self.quick, self.full))
        assert one == other, sent
        self.open = one[-1] is None

    def check(self) -> None:
        assert self.quick.counts() == self.full.counts()
        assert self.quick.exposures.claims() == self.full.exposures.claims()
        assert len(self.quick.office.asked) == len(self.full.office.asked)


def tried(sent: list[Message], rules: list[str], funs: bool, style: Style) -> None:
    """Sends commands that are not notable, then each of these twice; afterwards, what they left behind."""
    for one in sent:
        pair = Pair(rules, funs)
        pair.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=(SERVER, G.alias(91))))
        pair.outbound(
            *(
                message(Op.REG_SEND, G.pid(1), EMPTY, Atom("x"), payload=(Atom("$gen_call"), (G.pid(1), tag), 1))
                for tag in (G.ref(90), alias(G.alias(91)))
            )
        )
        usual = [make(TICK) for make in MESSAGES.values()]
        for again in [*usual, *usual, one, one, usual[0]]:
            if pair.open:
                pair.inbound(again, style)
        pair.check()
        if pair.open:
            pair.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=[GUESS, R, G.alias(8)]))
            for last in (send(TICK, to=GUESS), to_alias(TICK, to=R), to_alias(TICK, to=G.alias(8))):
                pair.inbound(last)
            pair.check()


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(("funs", "style"), [(True, "otp"), (False, "otp"), (True, "inline")])
def test_nothing_notable_in_a_payload_is_overlooked(rules: str, funs: bool, style: Style) -> None:
    sent = [make(payload) for payload in NOTABLE.values() for make in MESSAGES.values()]
    tried(sent, RULES[rules], funs, style)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("what", CONTROLS)
@pytest.mark.parametrize("style", ["otp", "inline"])
def test_nothing_notable_in_a_command_is_overlooked(rules: str, what: str, style: Style) -> None:
    tried(CONTROLS[what], RULES[rules], True, style)


def test_each_incarnation_of_a_peer_counts_whose_own_is_not_known() -> None:
    channel = CoreChannel("accept reg_send", "deny *", limits={"new_nodes": 3}, peer_creation=0)
    for incarnation in (1, 2, 3, 1, 2, 3):
        passes(channel, reg_send(TICK, by=Pid(P.name, 100, 0, incarnation)))
    assert channel.inbound(reg_send(TICK, by=Pid(P.name, 100, 0, 4))).reasons == ["limit:new_nodes"]
