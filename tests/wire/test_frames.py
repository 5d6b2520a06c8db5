"""Frames, dist headers and fragments: what a VM would close for, or die of, ends at the channel; near misses pass."""

from __future__ import annotations

import struct

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import (
    NO_CACHE,
    OTP_25,
    PASS_THROUGH,
    TICK,
    Header,
    Message,
    Op,
    frame,
    message,
    pass_through,
    plain,
)
from tests.support.etf import Atom, encode, inline
from tests.wire.expect import Case, table, tell

P, G = CoreChannel.peer, CoreChannel.guard
HELLO = tell(Atom("hello"))
CONTROL = encode(HELLO.control)
PAYLOAD = encode(HELLO.payload)


def header(flags: bytes, refs: bytes, count: int | None = None, terms: bytes = CONTROL + PAYLOAD) -> bytes:
    """A D frame with a header written by hand."""
    count = len(flags) * 2 - 1 if count is None else count
    return frame(b"\x83D" + bytes([count]) + flags + refs + terms)


def first(sequence: int, left: int, payload: bytes = PAYLOAD[:3], control: bytes = CONTROL) -> bytes:
    return frame(b"\x83E" + struct.pack(">QQ", sequence, left) + b"\0" + control + payload)


def following(sequence: int, left: int, payload: bytes = PAYLOAD[3:]) -> bytes:
    return frame(b"\x83F" + struct.pack(">QQ", sequence, left) + payload)


def using(index: int) -> bytes:
    """Control and payload, the payload being the header's atom ``index``."""
    return CONTROL + bytes([82, index])


def entry(index: int, text: bytes) -> bytes:
    return bytes([index, len(text)]) + text


@table(
    Case("tick", [TICK], "pass"),
    Case("one byte", [frame(b"\x83")], "close"),
    Case("no version", [frame(b"\x82D\0" + CONTROL + PAYLOAD)], "close"),
    Case("not a dist header", [frame(b"\x83C\0" + CONTROL + PAYLOAD)], "close"),
    Case("a bare term", [frame(b"\x83" + CONTROL)], "close"),
    Case("pass-through where headers were agreed on", [pass_through(HELLO.control, HELLO.payload)], "close"),
    Case("pass-through", [HELLO], "pass", PASS_THROUGH),
    Case("a header where none was agreed on", [plain(HELLO.control, HELLO.payload)], "close", PASS_THROUGH),
    Case("a fragment where none was agreed on", [first(8, 1, PAYLOAD)], "close", PASS_THROUGH),
    Case("pass-through, another first byte", [frame(b"q\x83" + CONTROL + b"\x83" + PAYLOAD)], "close", PASS_THROUGH),
    Case("pass-through, only the p", [frame(b"p")], "close", PASS_THROUGH),
    Case("pass-through, no version of the control", [frame(b"p" + CONTROL + b"\x83" + PAYLOAD)], "close", PASS_THROUGH),
    Case("pass-through, no version of the payload", [frame(b"p\x83" + CONTROL + PAYLOAD)], "close", PASS_THROUGH),
    Case("pass-through, a third term", [frame(b"p\x83" + CONTROL + 2 * (b"\x83" + PAYLOAD))], "close", PASS_THROUGH),
    Case("pass-through, a cached atom", [frame(b"p\x83" + CONTROL + b"\x83R\0")], "close", PASS_THROUGH),
    Case("compressed pass-through", [frame(b"p\x83P\0\0\0\x09" + b"x" * 20)], "close", PASS_THROUGH),
    Case("the longest length", [struct.pack(">I", 0xFFFFFFFF)], "close"),
    Case("a length that a VM refuses", [struct.pack(">I", 0x7FFFFFFC)], "close"),
    Case("a gigabyte announced", [struct.pack(">I", 1 << 30)], "close"),
    Case("version before the control", [frame(b"\x83D\0\x83" + CONTROL + PAYLOAD)], "close"),
    Case("version before the payload", [frame(b"\x83D\0" + CONTROL + b"\x83" + PAYLOAD)], "close"),
    Case("no control", [frame(b"\x83D\0")], "close"),
    Case("control cut off", [frame(b"\x83D\0" + CONTROL[:-1])], "close"),
    Case("payload cut off", [frame(b"\x83D\0" + CONTROL + PAYLOAD[:-1])], "close"),
    Case("no payload", [frame(b"\x83D\0" + CONTROL)], "close"),
    Case("a third term", [frame(b"\x83D\0" + CONTROL + PAYLOAD + PAYLOAD)], "close"),
    Case("a trailing byte", [frame(b"\x83D\0" + CONTROL + PAYLOAD + b"\0")], "close"),
    Case("a payload where none belongs", [plain((1, P.pid(), G.pid()), Atom("x"))], "close"),
    Case("a trailing byte without payload", [frame(b"\x83D\0" + encode((1, P.pid(), G.pid())) + b"\0")], "close"),
    Case("headers without cache", [HELLO], "pass", NO_CACHE),
)
def test_a_bad_frame_closes(case: Case) -> None:
    case.check(CoreChannel("accept *", flags=case.flags))


@table(
    Case("no count", [frame(b"\x83D")], "close"),
    Case("one new atom", [header(b"\x08", entry(5, b"new"), terms=using(0))], "pass"),
    Case("two new atoms", [header(b"\x88\x00", entry(5, b"a") + entry(6, b"b"), 2, using(1))], "pass"),
    Case("a new atom, then cached",
         [header(b"\x08", entry(5, b"n"), terms=using(0)), header(b"\0", b"\5", terms=using(0))], "pass"),
    Case("an empty slot", [header(b"\0", b"\5", terms=using(0))], "close"),
    Case("an empty slot of another segment",
         [header(b"\x08", entry(5, b"n"), terms=using(0)), header(b"\1", b"\5", terms=using(0))], "close"),
    Case("no cache, yet a new atom", [header(b"\x08", entry(5, b"new"), terms=using(0))], "close", NO_CACHE),
    Case("slot 2047", [header(b"\x0f", entry(255, b"new"), terms=using(0))], "either"),
    Case("the same slot twice", [header(b"\x88\0", entry(5, b"a") + entry(5, b"b"), 2, using(1))], "either"),
    Case("an unused atom", [header(b"\x08", entry(5, b"never_used"))], "either"),
    Case("unused bits of the last nibble", [header(b"\x28", entry(5, b"new"), terms=using(0))], "close"),
    Case("unused padding", [header(b"\x88\x10", entry(5, b"a") + entry(6, b"b"), 2, using(1))], "close"),
    Case("long atoms", [header(b"\x18", b"\5\0\3new", terms=using(0))], "pass"),
    Case("long atoms, cut off", [header(b"\x18", b"\5\0\xffnew", terms=b"")], "close"),
    Case("255 characters of two bytes", [header(b"\x18", b"\5\x01\xfe" + "ж".encode() * 255, terms=using(0))], "pass"),
    Case("256 characters", [header(b"\x18", b"\5\x01\x00" + b"x" * 256, terms=using(0))], "close"),
    Case("255 characters of four bytes", [header(b"\x18", b"\5\x03\xfc" + "𝄞".encode() * 255, terms=using(0))], "pass"),
    Case("256 characters of two bytes", [header(b"\x18", b"\5\x02\x00" + "ж".encode() * 256, terms=using(0))], "close"),
    Case("not UTF-8", [header(b"\x08", entry(5, b"\xff\xfe"), terms=using(0))], "close"),
    Case("overlong UTF-8", [header(b"\x08", entry(5, b"\xc0\xaf"), terms=using(0))], "close"),
    Case("half a surrogate pair", [header(b"\x08", entry(5, b"\xed\xa0\x80"), terms=using(0))], "close"),
    Case("the empty atom", [header(b"\x08", entry(5, b""), terms=using(0))], "pass"),
    Case("position behind the header", [header(b"\x08", entry(5, b"new"), terms=using(1))], "close"),
    Case("position without header", [frame(b"\x83D\0" + using(0))], "close"),
    Case("flags cut off", [frame(b"\x83D\x05\x88")], "close"),
    Case("references cut off", [header(b"\x88\x88\x08", entry(5, b"a"), 5, b"")], "close"),
    Case("text cut off", [frame(b"\x83D\x01\x08\x05\x09abc")], "close"),
    Case("255 references", [frame(b"\x83D\xff" + b"\x88" * 127 + b"\x08" + b"".join(
        entry(index, b"a%d" % index) for index in range(255)) + using(254))], "pass"),
)  # fmt: skip
def test_a_bad_header_closes(case: Case) -> None:
    case.check(CoreChannel("accept *", flags=case.flags))


BIG = first(8, 3), following(8, 2, b""), following(8, 1)


@table(
    Case("one fragment", [first(8, 1, PAYLOAD)], "either"),
    Case("two fragments", [first(8, 2), following(8, 1)], "pass"),
    Case("nothing of the payload in the first", [first(8, 2, b""), following(8, 1, PAYLOAD)], "pass"),
    Case("an empty fragment", list(BIG), "pass"),
    Case("all in the first", [first(8, 2, PAYLOAD), following(8, 1, b"")], "pass"),
    Case("a message in between", [BIG[0], BIG[1], plain(HELLO.control, HELLO.payload)], "pass"),
    Case("another sequence in between", [first(8, 2), first(16, 2), following(8, 1), following(16, 1)], "pass"),
    Case("the sequence id again", [first(8, 2), following(8, 1), first(8, 2)], "pass"),
    Case("the longest sequence id", [first(2**64 - 1, 2), following(2**64 - 1, 1)], "pass"),
    Case("a tick in between", [first(8, 2), TICK], "pass"),
    Case("fragment id 0", [first(8, 0, PAYLOAD)], "close"),
    Case("sequence id 0", [first(0, 2)], "close"),
    Case("sequence id 0, one fragment", [first(0, 1, PAYLOAD)], "close"),
    Case("2^28 fragments", [first(8, 1 << 28)], "close"),
    Case("2^64-1 fragments", [first(8, 2**64 - 1)], "close"),
    Case("2^63 fragments", [first(8, 1 << 63)], "close"),
    Case("the sequence is open", [first(8, 2), first(8, 2)], "close"),
    Case("the sequence is unknown", [following(8, 1)], "close"),
    Case("the sequence is complete", [first(8, 2), following(8, 1), following(8, 1)], "close"),
    Case("the same fragment again", [first(8, 3), following(8, 2), following(8, 2)], "close"),
    Case("a fragment left out", [first(8, 3), following(8, 1)], "close"),
    Case("fragments in the wrong direction", [first(8, 3), following(8, 4)], "close"),
    Case("fragment id 0 at the end", [first(8, 2), following(8, 0)], "close"),
    Case("a short fragment", [first(8, 2), frame(b"\x83F" + struct.pack(">QQ", 8, 1)[:15])], "close"),
    Case("no ids in a fragment", [first(8, 2), frame(b"\x83F")], "close"),
    Case("a short first fragment", [frame(b"\x83E" + struct.pack(">QQ", 8, 1)[:15])], "close"),
    Case("no header in the first fragment", [frame(b"\x83E" + struct.pack(">QQ", 8, 1))], "close"),
    Case("control cut in two", [first(8, 2, b"", CONTROL[:-5])], "close"),
    Case("the payload ends too early", [first(8, 2, PAYLOAD), following(8, 1, b"\0")], "close"),
    Case("the payload never ends", [first(8, 2), following(8, 1, PAYLOAD[3:-1])], "close"),
    Case("two payloads", [first(8, 2), following(8, 1, PAYLOAD[3:] + PAYLOAD)], "close"),
    Case("no payload", [first(8, 2, b""), following(8, 1, b"")], "close"),
    Case("no payload in the only fragment", [first(8, 1, b"")], "close"),
    Case("a bad payload", [first(8, 2, b"\x49"), following(8, 1, b"\0\5")], "close"),
    Case("a payload for an op that has none", [first(8, 1, PAYLOAD, encode((1, P.pid(), G.pid())))], "close"),
    Case("an op without payload", [first(8, 1, b"", encode((1, P.pid(), G.pid())))], "either"),
)  # fmt: skip
@pytest.mark.parametrize("rules", ["accept *", "accept reg_send"])
def test_bad_fragments_close(case: Case, rules: str) -> None:
    channel = CoreChannel("accept *")
    if rules == "accept *":
        case.check(channel)
        return
    # The payload may matter here, so a sequence may be held: what counts is the sum of what comes out.
    channel = CoreChannel("accept reg_send", "accept link", funs=False)
    sent = list(case.sent(channel) if callable(case.sent) else case.sent)
    data = b"".join(one for one in sent if isinstance(one, bytes))
    outputs = [channel.inbound(one) for one in sent]
    if case.outcome == "pass" and case.name not in ("a message in between", "a tick in between"):
        assert [each for one in outputs for each in one.forward] == CoreChannel("accept *").at_guard.feed(data)
    elif case.outcome == "close":
        assert any(each.closed for each in outputs)


def test_fragments_that_were_not_agreed_on_close() -> None:
    no_fragments = CoreChannel("accept *", flags=OTP_25 & ~(1 << 23))
    assert no_fragments.inbound(first(8, 1, PAYLOAD)).closed


def test_atoms_of_fragments_belong_to_their_first_frame() -> None:
    channel = CoreChannel("accept *")
    one, two = Header({}), Header({})
    control_one = encode(tell(Atom("x")).control, one.atom)
    payload_one = encode([Atom("of_the_first"), 1, 2, 3], one.atom)
    control_two = encode(tell(Atom("x")).control, two.atom)
    payload_two = encode(Atom("of_the_second"), two.atom)
    e = frame(b"\x83E" + struct.pack(">QQ", 8, 2) + one.encode() + control_one)
    d = frame(b"\x83D" + two.encode() + control_two + payload_two)
    f = frame(b"\x83F" + struct.pack(">QQ", 8, 1) + payload_one)
    output = channel.inbound(e + d + f)
    assert output.closed is None
    assert [each.payload for each in output.forward] == [Atom("of_the_second"), [Atom("of_the_first"), 1, 2, 3]]


def test_a_slot_may_change_while_a_sequence_is_held() -> None:
    """The held message's header names an atom whose slot means another one when the message goes out."""
    slots = {"server": 1, "first": 2, "second": 2, P.name: 3, "": 4}
    channel = CoreChannel("accept reg_send server", "deny *", funs=False, slot=slots.__getitem__)
    held = tell([Atom("first"), *[1.5] * 20])
    other = message(Op.REG_SEND, P.pid(1), Atom(""), Atom("server"), payload=Atom("second"))
    pieces = channel.from_peer.frames(held, fragment=70)
    assert len(pieces) > 2
    between = [channel.from_peer.bytes(other) for _ in range(2)]
    output = channel.inbound(pieces[0], between[0], *pieces[1:-1], between[1], pieces[-1])
    assert output.closed is None
    assert output.forward == [other, other, held]
    assert channel.inbound(other, held, other).forward == [other, held, other]


def test_messages_of_the_guarded_node_are_checked_too() -> None:
    for bad in (
        frame(b"\x83"),
        first(8, 0, PAYLOAD),
        following(8, 1),
        frame(b"\x83D\0" + CONTROL + inline(Atom("x"))[:-1]),
    ):
        channel = CoreChannel("accept *")
        output = channel.outbound(bad)
        assert output.closed
        assert not output.forwarded


def test_every_op_passes_in_every_shape() -> None:
    for flags in (OTP_25, NO_CACHE, PASS_THROUGH):
        channel = CoreChannel("accept *", flags=flags)
        for one in (HELLO, message(Op.LINK, P.pid(), G.pid()), message(Op.SEND, Atom(""), G.pid(), payload=1)):
            output = channel.inbound(one)
            assert output.forward == [Message(one.control, one.payload)]
