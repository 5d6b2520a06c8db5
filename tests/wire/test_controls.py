"""Control messages: every op in every legal form passes; wrong ops, arities, types and identities are stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel
from tests.support.dist import (
    CATEGORY,
    EMPTY,
    OTP_25,
    OTP_28,
    PASS_THROUGH,
    PAYLOAD,
    Alt,
    Message,
    Op,
    message,
    pass_through,
    plain,
)
from tests.support.etf import As, Atom, BitBinary, Improper, Map, Pid, Raw, Ref, Term
from tests.wire.expect import Case, table
from tests.wire.good_controls import (
    GOOD,
    REASON,
    SPAWNING,
    TOKEN,
    Ask,
)

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER = Atom("server")
OLD_PID = Pid(G.name, 100, 0, G.creation - 1)
OLD_REF = Ref(G.name, G.creation - 1, (1, 2, 3, 4, 5))


@pytest.mark.parametrize("flags", [OTP_25, OTP_28, PASS_THROUGH], ids=["cached", "otp28", "pass-through"])
@pytest.mark.parametrize("name", GOOD)
def test_every_op_passes_and_is_counted(name: str, flags: int) -> None:
    good, ask = GOOD[name]
    channel = CoreChannel("accept *", flags=flags)
    if ask:
        ask(channel)
    data = channel.from_peer.bytes(good)
    output = channel.inbound(data)
    assert (output.closed, output.events, output.forwarded) == (None, [], data)
    assert channel.counts()["inbound", good.command, "accept"] == 1


@pytest.mark.parametrize("name", [name for name, (_, ask) in GOOD.items() if not ask])
def test_every_op_passes_towards_the_peer(name: str) -> None:
    """The same messages with the roles turned: rules do not judge what the guarded node sends."""

    def turned(term: Term) -> Term:
        match term:
            case Pid(node, number, serial):
                return (P if node == G.name else G).pid(number, serial)
            case Ref(node, _, words):
                return Ref(*((P.name, P.creation) if node == G.name else (G.name, G.creation)), words)
            case tuple():
                return tuple(turned(item) for item in term)
            case _:
                return term

    good, _ = GOOD[name]
    channel = CoreChannel("deny *")
    turned_message = Message(turned(good.control), good.payload)
    output = channel.outbound(turned_message)
    assert output.forward == [turned_message]
    assert channel.counts() == {("outbound", good.command, "accept"): 1}


def test_the_table_is_complete() -> None:
    covered = {name.split()[0] for name in GOOD}
    endings = {"UNLINK", "DEMONITOR_P", "UNLINK_ID"}
    assert covered | endings == {op.name for op in CATEGORY}


def test_endings_pass() -> None:
    channel = CoreChannel("accept *")
    monitor = message(Op.MONITOR_P, P.pid(), SERVER, P.ref())
    demonitor = message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref())
    link, unlink = message(Op.LINK, P.pid(), G.pid()), message(Op.UNLINK_ID, 9, P.pid(), G.pid())
    output = channel.inbound(monitor, demonitor, link, unlink)
    assert output.forward == [monitor, demonitor, link, unlink]
    assert not output.events
    ack = message(Op.UNLINK_ID_ACK, 9, G.pid(), P.pid())
    assert channel.outbound(ack).forward == [ack]


# === op 37 ===


def alt(flags: int, to: Term, *token: Term, payload: Term = 1) -> Message:
    return message(Op.ALTACT_SIG_SEND, flags, P.pid(), to, *token, payload=payload)


@pytest.mark.parametrize(
    ("sent", "command"),
    [
        (alt(Alt.ALIAS, G.alias()), "alias_send"),
        (alt(Alt.ALIAS | Alt.PRIO, G.alias()), "alias_send"),
        (alt(Alt.NAME | Alt.PRIO, SERVER), "reg_send"),
        (alt(Alt.PRIO, G.pid()), "send"),
        (alt(Alt.EXIT | Alt.PRIO, G.pid(), payload=REASON), "exit2"),
        (alt(Alt.EXIT | Alt.ALIAS, G.alias(), payload=REASON), "exit2"),
        (alt(Alt.EXIT | Alt.ALIAS | Alt.PRIO, G.alias(), payload=REASON), "exit2"),
        (alt(Alt.ALIAS | Alt.TOKEN, G.alias(), TOKEN), "alias_send"),
        (alt(Alt.NAME | Alt.TOKEN | Alt.PRIO, SERVER, TOKEN), "reg_send"),
        (alt(Alt.TOKEN | Alt.PRIO, G.pid(), TOKEN), "send"),
    ],
)
def test_altact_messages_pass_by_their_flags(sent: Message, command: str) -> None:
    channel = CoreChannel("accept *", flags=OTP_28, release=28)
    data = channel.from_peer.bytes(sent)
    assert channel.inbound(data).forwarded == data
    assert channel.counts() == {("inbound", command, "accept"): 1}
    refusing = CoreChannel(f"drop {command}", "accept *", flags=OTP_28, release=28)
    output = refusing.inbound(sent)
    assert (output.forward, output.closed, output.reasons) == ([], None, ["rule"])
    assert output.events[0][1] == command


@table(
    Case("not agreed on", [alt(Alt.ALIAS, G.alias())], "close"),
    Case("alias and name", [alt(Alt.ALIAS | Alt.NAME, SERVER)], "close", OTP_28),
    Case("token missing", [alt(Alt.TOKEN, G.pid())], "close", OTP_28),
    Case("token unannounced", [alt(Alt.PRIO, G.pid(), TOKEN)], "close", OTP_28),
    Case("unknown flag", [alt(32, G.pid())], "close", OTP_28),
    Case("flags above a byte", [alt(256 | Alt.PRIO, G.pid())], "close", OTP_28),
    Case("flags far above", [alt((1 << 64) | Alt.PRIO, G.pid())], "close", OTP_28),
    Case("flags not a number", [plain((37, Atom("prio"), P.pid(), G.pid()), 1)], "close", OTP_28),
    Case("negative flags", [plain((37, -1, P.pid(), G.pid()), 1)], "close", OTP_28),
    Case("an extra element", [plain((37, 2, P.pid(), G.pid(), TOKEN, 0), 1)], "close", OTP_28),
    Case("pid to an alias", [alt(Alt.ALIAS, G.pid())], "close", OTP_28),
    Case("name to an alias", [alt(Alt.ALIAS, SERVER)], "close", OTP_28),
    Case("reference to a pid", [alt(Alt.PRIO, G.alias())], "close", OTP_28),
    Case("name to a pid", [alt(Alt.PRIO, SERVER)], "close", OTP_28),
    Case("pid to a name", [alt(Alt.NAME, G.pid())], "close", OTP_28),
    Case("exit to a name", [alt(Alt.EXIT | Alt.NAME, SERVER)], "either", OTP_28),
    Case("no payload", [plain((37, 4, P.pid(), G.alias()))], "close", OTP_28),
    Case("somebody else's pid", [plain((37, 4, T.pid(), G.alias()), 1)], "stop", OTP_28),
    Case("somebody else's alias", [alt(Alt.ALIAS, T.alias())], "stop", OTP_28),
    Case("no flags at all", [alt(0, G.pid())], "either", OTP_28),
)
def test_bad_altact_messages_close(case: Case) -> None:
    case.check(CoreChannel("accept *", flags=case.flags, release=28))


# === what no node sends ===


def retired() -> list[Case]:
    numbers = [0, 5, 9, 10, 11, 14, 15, 17, 38, 39, 127, 128, 255, 256, 65536, 2**31, 2**64, -1, -37]
    return [
        *(Case(f"op {number}", [plain((number, P.pid(), G.pid()), 1)], "close") for number in numbers),
        *(Case(f"op {number} alone", [plain((number,))], "close") for number in (1, 2, 5, 6, 29, 37)),
    ]


@table(
    *retired(),
    Case("an empty tuple", [plain(())], "close"),
    Case("not a tuple", [plain(6, 1)], "close"),
    Case("a list", [plain([6, P.pid(), EMPTY, SERVER], 1)], "close"),
    Case("a map", [plain(Map(((6, P.pid()),)), 1)], "close"),
    Case("an atom for the op", [plain((Atom("link"), P.pid(), G.pid()))], "close"),
    Case("a float for the op", [plain((1.0, P.pid(), G.pid()))], "close"),
    Case("a huge tuple", [plain((6, *range(300)), 1)], "close"),
    Case("a tuple longer than the frame", [plain(Raw(b"i\xff\xff\xff\xff\x61\x01"))], "close"),
    Case("op in four bytes", [plain((As(98, 6), P.pid(), EMPTY, SERVER), 1)], "either"),
    Case("op as a big integer", [plain((As(110, 6), P.pid(), EMPTY, SERVER), 1)], "either"),
    Case("a large tuple", [plain(As(105, (6, P.pid(), EMPTY, SERVER)), 1)], "either"),
    Case("the old UNLINK", [message(Op.LINK, P.pid(), G.pid()), message(Op.UNLINK, P.pid(), G.pid())], "either"),
)
def test_a_control_that_is_none_closes(case: Case) -> None:
    case.check(CoreChannel("accept *"))


def with_length(good: Message, length: int) -> Message:
    assert isinstance(good.control, tuple)
    return Message((*good.control, 0, 0)[:length], good.payload)


ARITIES = [
    pytest.param(good, ask, delta, id=f"{name} {delta:+}") for name, (good, ask) in GOOD.items() for delta in (-1, 1)
]


@pytest.mark.parametrize(("good", "ask", "delta"), ARITIES)
def test_a_wrong_arity_closes(good: Message, ask: Ask | None, delta: int) -> None:
    channel = CoreChannel("accept *")
    if ask:
        ask(channel)
    assert isinstance(good.control, tuple)
    bad = with_length(good, len(good.control) + delta)
    output = channel.inbound(plain(bad.control, bad.payload))
    assert output.closed
    assert not output.forwarded


WRONG: list[Term] = [Atom("x"), 7, -1, 2**70, [], b"x", (1, 2), G.port(), 1.5, Map(), BitBinary(b"\xf0", 4)]
TYPES: dict[str, Callable[[Term], bool]] = {
    "from": lambda term: isinstance(term, Pid),
    "to": lambda term: isinstance(term, Pid | Ref | Atom),
    "ref": lambda term: isinstance(term, Ref),
    "group_leader": lambda term: isinstance(term, Pid),
    "mfa": lambda _: False,
    "options": lambda _: True,  # the VM answers badopt
    "id": lambda term: isinstance(term, int) and 0 < term < 2**64,
    "flags": lambda term: isinstance(term, int) and 0 <= term < 4,
    "result": lambda term: isinstance(term, Pid | Atom),
    "token": lambda _: False,
}


def wrong_types() -> Iterator[tuple[str, bytes, Ask | None]]:
    for name, (good, ask) in GOOD.items():
        assert isinstance(good.control, tuple)
        for index, (field, value) in enumerate(good.args.items()):
            if field not in TYPES or (field == "from" and "MONITOR_P_EXIT" in name):
                continue
            for wrong in WRONG:
                kind_of_name = (
                    field == "to" and isinstance(wrong, Atom) and (isinstance(value, Atom) or "MONITOR_P" in name)
                )
                if kind_of_name or (field != "to" and TYPES[field](wrong)):
                    continue
                bad = (*good.control[: index + 1], wrong, *good.control[index + 2 :])
                yield f"{name} {field} {wrong!r}", plain(bad, good.payload), ask


@pytest.mark.parametrize(("bad", "ask"), [pytest.param(bad, ask, id=name) for name, bad, ask in wrong_types()])
def test_a_field_of_a_wrong_type_closes(bad: bytes, ask: Ask | None) -> None:
    channel = CoreChannel("accept *")
    if ask:
        ask(channel)
    output = channel.inbound(bad)
    assert output.closed
    assert not output.forwarded


def token(*parts: Term) -> Message:
    return Message((16, P.pid(), EMPTY, SERVER, tuple(parts)), 1)


@table(
    Case("a token", [token(1, 17, 3, P.pid(), 2)], "pass"),
    Case("any term as the label", [token(1, (Atom("label"), [1]), 3, P.pid(), 2)], "pass"),
    Case("the guarded node's own pid in it", [token(1, 0, 3, G.pid(), 2)], "pass"),
    Case("four elements", [token(1, 17, 3, P.pid())], "close"),
    Case("six elements", [token(1, 17, 3, P.pid(), 2, 0)], "close"),
    Case("no elements", [token()], "close"),
    Case("flags an atom", [token(Atom("x"), 17, 3, P.pid(), 2)], "close"),
    Case("serial an atom", [token(1, 17, Atom("x"), P.pid(), 2)], "close"),
    Case("from an atom", [token(1, 17, 3, Atom("x"), 2)], "close"),
    Case("last count an atom", [token(1, 17, 3, P.pid(), Atom("x"))], "close"),
    Case("flags a big integer", [token(2**70, 17, 3, P.pid(), 2)], "close"),
    Case("serial a big integer", [token(1, 17, 2**70, P.pid(), 2)], "close"),
    Case("last count a big integer", [token(1, 17, 3, P.pid(), 2**70)], "close"),
    Case("a third node's pid: traces go where messages go", [token(1, 17, 3, T.pid(), 2)], "either"),
    Case("nil", [Message((16, P.pid(), EMPTY, SERVER, []), 1)], "close"),
)
def test_trace_tokens_pass_in_their_form_only(case: Case) -> None:
    case.check(CoreChannel("accept *"))


# === who and whom ===


def replaced(name: str, field: str, value: Term) -> bytes:
    good = GOOD[name][0]
    arguments = {key: value if key == field else old for key, old in good.args.items()}
    return plain((good.op, *arguments.values()), good.payload)


FROM_FIELDS = [
    (name, field)
    for name, (good, _) in GOOD.items()
    for field, value in good.args.items()
    if field == "from" and isinstance(value, Pid) and name != "GROUP_LEADER"
]
SPOOFED = {"third": T.pid(), "guarded": G.pid(3), "old incarnation": Pid(P.name, 100, 0, P.creation - 1)}


@pytest.mark.parametrize("who", SPOOFED)
@pytest.mark.parametrize(("name", "field"), FROM_FIELDS)
def test_a_spoofed_sender_gets_nothing_through(name: str, field: str, who: str) -> None:
    channel = CoreChannel("accept *")
    if ask := GOOD[name][1]:
        ask(channel)
    output = channel.inbound(replaced(name, field, SPOOFED[who]))
    assert not output.forwarded.strip(b"\0")
    assert output.closed or output.reasons[0] in ("spoofed", "third_node")
    assert not output.answered, "a spoofed request is answered"


@pytest.mark.parametrize("name", ["GROUP_LEADER", "SPAWN_REQUEST", "SPAWN_REQUEST_TT"])
def test_group_leaders_of_third_nodes_are_refused(name: str) -> None:
    """What is written to it would make the guarded node dial; a process of either node may well be a group leader."""
    field = "from" if name == "GROUP_LEADER" else "group_leader"
    channel = CoreChannel("accept *")
    output = channel.inbound(replaced(name, field, T.pid()))
    assert not output.forwarded.strip(b"\0")
    assert output.reasons == ["third_node"]
    assert CoreChannel("accept *").inbound(replaced(name, field, G.pid(9))).forward
    assert CoreChannel("accept *", third_nodes=["baz@*"]).inbound(replaced(name, field, T.pid())).forward


TO_FIELDS = [(name, value) for name, (good, _) in GOOD.items() if isinstance(value := good.args.get("to"), Pid | Ref)]


@pytest.mark.parametrize(("name", "value"), TO_FIELDS)
@pytest.mark.parametrize("whom", ["third", "peer", "old incarnation"])
def test_a_foreign_or_stale_target_gets_nothing(name: str, value: Term, whom: str) -> None:
    targets: dict[str, tuple[Term, Term]] = {
        "third": (T.pid(), T.alias()),
        "peer": (P.pid(3), P.alias(3)),
        "old incarnation": (OLD_PID, OLD_REF),
    }
    channel = CoreChannel("accept *")
    if ask := GOOD[name][1]:
        ask(channel)
    output = channel.inbound(replaced(name, "to", targets[whom][isinstance(value, Ref)]))
    assert not output.forwarded.strip(b"\0")
    assert output.closed or output.events


@table(
    Case("SPAWN_REQUEST, reference of a third node", [replaced("SPAWN_REQUEST", "ref", T.ref())], "stop"),
    Case("SPAWN_REQUEST, reference of the guarded node", [replaced("SPAWN_REQUEST", "ref", G.ref())], "stop"),
    Case("SPAWN_REQUEST, fewer arguments", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f"), 3))], "close"),
    Case("SPAWN_REQUEST, more arguments", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f"), 1))], "close"),
    Case("SPAWN_REQUEST, arity 256", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f"), 256))], "close"),
    Case("SPAWN_REQUEST, negative arity", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f"), -1))], "close"),
    Case("SPAWN_REQUEST, arity an atom", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f"), SERVER))], "close"),
    Case("SPAWN_REQUEST, module a number", [replaced("SPAWN_REQUEST", "mfa", (1, Atom("f"), 2))], "close"),
    Case("SPAWN_REQUEST, function a number", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), 1, 2))], "close"),
    Case("SPAWN_REQUEST, a pair", [replaced("SPAWN_REQUEST", "mfa", (Atom("m"), Atom("f")))], "close"),
    Case("SPAWN_REQUEST, improper arguments",
         [Message(GOOD["SPAWN_REQUEST"][0].control, Improper((1, 2), 3))], "close"),
    Case("SPAWN_REQUEST, arguments not a list", [Message(GOOD["SPAWN_REQUEST"][0].control, (1, 2))], "close"),
    Case("SPAWN_REQUEST, improper options", [replaced("SPAWN_REQUEST", "options", Improper((1,), 2))], "either"),
    Case("SPAWN_REQUEST, unknown option", [replaced("SPAWN_REQUEST", "options", [Atom("new_option")])], "either"),
    Case("UNLINK_ID 0", [GOOD["LINK"][0], plain((35, 0, P.pid(), G.pid()))], "close"),
    Case("UNLINK_ID 2^64-1", [GOOD["LINK"][0], plain((35, 2**64 - 1, P.pid(), G.pid()))], "pass"),
    Case("UNLINK_ID 2^64", [GOOD["LINK"][0], plain((35, 2**64, P.pid(), G.pid()))], "close"),
    Case("UNLINK_ID below 0", [GOOD["LINK"][0], plain((35, -5, P.pid(), G.pid()))], "close"),
    Case("MONITOR_P, reference of a third node", [replaced("MONITOR_P of a pid", "ref", T.ref())], "stop"),
    Case("MONITOR_P, reference of the guarded node", [replaced("MONITOR_P of a pid", "ref", G.ref())], "stop"),
    Case("MONITOR_P, six words", [replaced("MONITOR_P of a pid", "ref", P.ref(1, 6))], "close"),
    Case("MONITOR_P, no words", [replaced("MONITOR_P of a pid", "ref", Ref(P.name, P.creation, ()))], "close"),
    Case("REG_SEND to a pid", [plain((6, P.pid(), EMPTY, G.pid()), 1)], "close"),
    Case("REG_SEND without a name", [plain((6, P.pid(), EMPTY, EMPTY), 1)], "either"),
    Case("REG_SEND with a cookie", [plain((6, P.pid(), Atom("secret"), SERVER), 1)], "either"),
    Case("REG_SEND, another first element", [plain((6, P.pid(), 17, SERVER), 1)], "either"),
    Case("ALIAS_SEND to a pid", [plain((33, P.pid(), G.pid()), 1)], "close"),
    Case("SEND_SENDER to a name", [plain((22, P.pid(), SERVER), 1)], "close"),
    Case("SEND_SENDER to a reference", [plain((22, P.pid(), G.alias()), 1)], "close"),
    Case("a local pid out of range", [plain((22, P.pid(), G.pid(1 << 28)), 1)], "stop"),
)  # fmt: skip
def test_nodes_speak_for_themselves_and_to_the_other_only(case: Case) -> None:
    case.check(CoreChannel("accept *"))


@pytest.mark.parametrize("flags", [0, 3, 4, 2**27, -1, 2**64])
def test_a_spawn_reply_has_no_flags_but_its_own(flags: int) -> None:
    channel = CoreChannel("accept *")
    SPAWNING(channel)
    output = channel.inbound(plain((31, G.ref(), G.pid(), flags, P.pid(7))))
    if flags == 0:
        assert output.forward
    elif flags != 3:
        assert output.closed
        assert not output.forwarded


def test_result_of_a_spawn_reply_must_be_the_peers() -> None:
    for result in (T.pid(), G.pid(9)):
        channel = CoreChannel("accept *")
        SPAWNING(channel)
        output = channel.inbound(plain((31, G.ref(), G.pid(), 0, result)))
        assert not output.forwarded.strip(b"\0")


@pytest.mark.parametrize("op", [Op.SEND, Op.EXIT, Op.EXIT2, Op.MONITOR_P_EXIT])
def test_plain_forms_pass_beside_payload_forms(op: Op) -> None:
    """Messages queued before the connection was up go out in the older forms, whatever was agreed on."""
    name = {Op.MONITOR_P_EXIT: "MONITOR_P_EXIT of a pid"}.get(op, op.name)
    good, ask = GOOD[name]
    channel = CoreChannel("accept *", flags=OTP_25)
    if ask:
        ask(channel)
    assert channel.inbound(good).forward == [good]


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        (DistFlag.SEND_SENDER, "SEND_SENDER"),
        (DistFlag.EXIT_PAYLOAD, "PAYLOAD_EXIT2"),
        (DistFlag.SPAWN, "SPAWN_REQUEST"),
        (DistFlag.ALIAS, "ALIAS_SEND"),
    ],
)
def test_ops_of_capabilities_that_were_not_agreed_on_do_no_harm(missing: int, name: str) -> None:
    """A VM takes most of them all the same; no node sends them."""
    channel = CoreChannel("accept *", flags=PASS_THROUGH & ~missing)
    output = channel.inbound(GOOD[name][0])
    assert output.closed or output.events or output.forward


def test_pass_through_and_headers_agree() -> None:
    for name, (good, ask) in GOOD.items():
        walls = [CoreChannel("accept *", flags=OTP_25), CoreChannel("accept *", flags=PASS_THROUGH)]
        for channel in walls:
            if ask:
                ask(channel)
        outputs = [
            walls[0].inbound(plain(good.control, good.payload)),
            walls[1].inbound(pass_through(good.control, good.payload)),
        ]
        assert outputs[0].forward == outputs[1].forward == [good], name


def test_payloads_belong_to_their_ops() -> None:
    for name, (good, ask) in GOOD.items():
        channel = CoreChannel("accept *")
        if ask:
            ask(channel)
        wrong = plain(good.control) if good.op in PAYLOAD else plain(good.control, Atom("extra"))
        output = channel.inbound(wrong)
        assert output.closed, name
        assert not output.forwarded
