"""Terms inside payloads: canonical encodings pass whole, split and in fragments; all else closes the channel.

Each case runs as a plain payload, in fragments (the offence then stands in a later frame), in pass-through mode, where
rules demand that the payload be held until it is judged, and in the other direction.
"""

from __future__ import annotations

import pytest

from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import EMPTY, OTP_25, OTP_29, PASS_THROUGH, Closed, Message, Op, message, plain
from tests.support.etf import (
    As,
    Atom,
    BitBinary,
    InternalAtom,
    Map,
    Pid,
    Raw,
    Record,
    Ref,
    Term,
    encode,
)
from tests.wire.expect import tell
from tests.wire.term_table import BAD, GOOD, ODD, RECORD, SELF, fun

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom("a")


def forwarded(outputs: list[Output]) -> list[Message]:
    return [one for output in outputs for one in output.forward]


SHAPES = ["whole", "fragments", "pass-through", "held", "held fragments", "outbound"]


def run(shape: str, payload: Term, wrap: bool, flags: int = OTP_25) -> tuple[list[Output], bytes, Message]:
    """Sends the payload inside a list (so that something stands behind it), or bare; returns also the bytes sent."""
    sent = tell([Atom("before"), payload, Atom("behind")] if wrap else payload)
    flags = PASS_THROUGH if shape == "pass-through" else flags
    accepting = ("accept reg_send server", "deny *") if "held" in shape else ("accept *",)
    channel = CoreChannel(*accepting, flags=flags, funs=True, release=29 if flags & DistFlag.NATIVE_RECORDS else 25)
    if shape == "outbound":
        sent = message(Op.REG_SEND, G.pid(), EMPTY, Atom("server"), payload=sent.payload)
        data = channel.from_guard.bytes(sent)
        return [channel.outbound(data)], data, sent
    small = len(encode(payload)) < 5000
    frames = channel.from_peer.frames(sent, fragment=(71 if small else 50_000) if "fragments" in shape else 1 << 30)
    return [channel.inbound(one) for one in frames], b"".join(frames), sent


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GOOD)
def test_good_terms_pass(name: str, shape: str) -> None:
    for wrap in (True, False):
        outputs, data, _ = run(shape, GOOD[name], wrap)
        assert [each.closed for each in outputs] == [None] * len(outputs)
        assert not any(each.events for each in outputs)
        out = b"".join(each.forwarded for each in outputs)
        assert out == data or "held" in shape
        if "deep" not in name:
            check = CoreChannel("accept *", flags=PASS_THROUGH if shape == "pass-through" else OTP_25)
            assert forwarded(outputs) == check.at_guard.feed(data)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BAD)
def test_bad_terms_close(name: str, shape: str) -> None:
    if shape == "fragments" and ("twice" in name or "two forms" in name):
        return  # keys of what streams through are left to the VM, which closes
    for wrap in (True, False):
        outputs, _, _ = run(shape, BAD[name], wrap)
        ended = [index for index, each in enumerate(outputs) if each.closed]
        assert ended, f"{name} passes"
        assert not forwarded(outputs)
        assert not any(each.forwarded.strip(b"\0") for each in outputs[ended[0] :])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ODD)
def test_odd_terms_do_no_harm(name: str, shape: str) -> None:
    try:
        outputs, data, _ = run(shape, ODD[name], True)
    except Closed:
        return
    passed = b"".join(each.forwarded for each in outputs).strip(b"\0")
    assert passed == data.strip(b"\0") or any(each.closed or each.events for each in outputs) or "held" in shape


def test_records_of_otp_29_pass_where_they_were_agreed_on() -> None:
    for shape in SHAPES:
        if shape == "pass-through":
            continue
        outputs, data, _ = run(shape, RECORD, True, OTP_29)
        assert outputs[-1].closed is None
        assert b"".join(each.forwarded for each in outputs) == data or "held" in shape
        for bad in (
            Record(Atom("m"), Atom("r"), True, ((A, 1), (A, 2))),
            Raw(b"C\0\0\0\1\2" + encode(A) * 4),
            Raw(b"C\0\0\0\1\1" + encode(A) * 2 + b"a\1a\1"),
            Raw(b"C\xff\xff\xff\xff\1" + encode(A) * 2),
        ):
            outputs, _, _ = run(shape, bad, True, OTP_29)
            assert any(each.closed for each in outputs)


@pytest.mark.parametrize(
    "control",
    [
        (6, P.pid(), EMPTY, As(100, Atom("server"))),
        (6, P.pid(), EMPTY, InternalAtom(10)),
        (6, As(103, Pid(P.name, 1, 0, 1)), EMPTY, Atom("server")),
        (19, P.pid(), Atom("server"), As(114, Ref(P.name, 1, (1, 2, 3)))),
        (16, P.pid(), EMPTY, Atom("server"), (1, SELF, 3, P.pid(), 2)),
        (16, P.pid(), EMPTY, Atom("server"), (1, Raw(b"qw\1mw\1f" * 20000 + b"a\0"), 3, P.pid(), 2)),
        (8, P.pid(), G.pid(), Raw(b"qw\1mw\1f" * 20000 + b"a\0")),
        (8, P.pid(), G.pid(), InternalAtom(3)),
        (29, P.ref(), P.pid(), P.pid(), (Atom("m"), Atom("f"), 1), [InternalAtom(3)]),
    ],
)
def test_odd_terms_inside_the_control_close(control: tuple[Term, ...]) -> None:
    channel = CoreChannel("accept *")
    payload: tuple[Term, ...] = ([1],) if control[0] not in (8, 19) else ()
    output = channel.inbound(plain(control, *payload))
    assert output.closed or (control[0] == 16 and control[4][1] is SELF)  # type: ignore[index]  # a tuple there


def test_each_byte_matters() -> None:
    """Any one byte of a message changed: it passes unchanged, is refused, or closes; the receiver never fails."""
    sent = tell((Atom("$gen_cast"), [P.pid(), P.ref(), SELF, fun(), Map(((A, 1.5),)), 2**70, BitBinary(b"\xf0", 4)]))
    data = plain(sent.control, sent.payload)
    for position in range(4, len(data)):
        for change in (1, 0x80, 0xFF):
            channel = CoreChannel("accept *")
            changed = data[:position] + bytes([data[position] ^ change]) + data[position + 1 :]
            output = channel.inbound(changed)
            assert output.forwarded in (changed, b"", bytes(4))
