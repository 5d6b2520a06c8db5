"""Terms inside payloads: canonical encodings pass whole, split and in fragments; all else closes the channel.

Each case runs as a plain payload, in fragments (the offence then stands in a later frame), in pass-through mode, where
rules demand that the payload be held until it is judged, and in the other direction.
"""

from __future__ import annotations

import struct

import pytest

from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import EMPTY, OTP_25, OTP_29, PASS_THROUGH, Closed, Flag, Message, Op, message, plain
from tests.support.etf import (
    As,
    Atom,
    BitBinary,
    Export,
    Fun,
    Improper,
    InternalAtom,
    Map,
    Pid,
    Port,
    Raw,
    Record,
    Ref,
    Term,
    alias,
    encode,
)
from tests.wire.expect import tell

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
A = Atom("a")
SELF = Export(Atom("erlang"), Atom("self"), 0)
RECORD = Record(Atom("m"), Atom("point"), True, ((Atom("x"), 1), (Atom("y"), [2])))


def fun(**changes: Term) -> Fun:
    parts: dict[str, Term] = {
        "module": Atom("m"),
        "arity": 1,
        "uniq": bytes(16),
        "index": 3,
        "old_index": 3,
        "old_uniq": 99,
        "pid": P.pid(),
        "free": (1, Atom("x")),
        **changes,
    }
    return Fun(**parts)  # type: ignore[arg-type]  # wrong ones are wanted


def wrong_size(term: Fun, size: int) -> Raw:
    data = encode(term)
    return Raw(data[:1] + struct.pack(">I", size) + data[5:])


GOOD: dict[str, Term] = {
    "small integer": 255,
    "integer": -(2**31),
    "integer in four bytes": As(98, 256),
    "big integer": 2**64,
    "negative big integer": -(2**100),
    "long big integer": 2**4000,
    "float": 1.5,
    "negative zero": -0.0,
    "smallest float": 5e-324,
    "atom": A,
    "empty atom": EMPTY,
    "latin-1 atom": Atom("é"),
    "255 wide characters": Atom("𝄞" * 255),
    "empty binary": b"",
    "binary": b"x" * 3000,
    "bitstring": BitBinary(b"\xf0", 4),
    "empty tuple": (),
    "tuple": (1, A, (2,)),
    "tuple of 300": tuple(range(300)),
    "nil": [],
    "string": [1, 2, 3],
    "list": [A, 1.5, [b"x"]],
    "long list": [*range(1000)],
    "improper list": Improper((1, 2), 3),
    "alias tag": alias(P.alias()),
    "map": Map(((A, 1), (b"k", Map()), (1, 2), (1.0, 3))),
    "map with unsorted keys": Map(((3, 1), (1, 1), (2, 1))),
    "map with many keys": Map(tuple((number, number) for number in range(2000))),
    "own pid": P.pid(),
    "guarded node's pid": G.pid(),
    "own port": P.port(),
    "long port": Port(P.name, 1 << 40, P.creation),
    "reference": P.ref(),
    "reference of one word": P.ref(1, 1),
    "reference of five words": P.alias(),
    "guarded node's alias": G.alias(),
    "export": SELF,
    "export of arity 255": Export(Atom("m"), Atom("f"), 255),
    "fun": fun(),
    "fun without variables": fun(free=()),
    "fun of 255 variables": fun(free=tuple(range(255))),
    "fun with old parts in four bytes": fun(old_index=1000, old_uniq=-(2**31)),
    "fun of the guarded node": fun(pid=G.pid()),
    "fun in a fun": fun(free=(fun(),)),
    "fun whose size is wrong": [wrong_size(fun(free=(BitBinary(b"\xf0", 4), SELF)), 77), A],
    "deep list": Raw(b"l\0\0\0\1" * 20000 + b"j" * 20001),
    "deep tuple": Raw(b"h\1" * 20000 + b"j"),
    "deep map": Raw(b"t\0\0\0\1a\1" * 5000 + b"j"),
    "external term in a binary": b"\x83P\0\0\xff\xff" + b"bomb",
    "error of erpc": (P.ref(), Atom("error"), Atom("badarg"), [(Atom("m"), Atom("f"), 1, [(Atom("file"), [109])])]),
}

BAD: dict[str, Term] = {
    "internal atom, two bytes": InternalAtom(5),
    "internal atom, three bytes": Raw(b"K\0\0\5"),
    "compressed": Raw(b"P\0\0\0\5\x78\x9c\x4b\x4c\x4a\x06\0\x02\x4d\x01\x27"),
    "position behind the header": Raw(b"R\xc8"),
    "old float": As(99, 1.5),
    "small integer in four bytes": As(98, 7),
    "small integer as a big one": As(110, 7),
    "big integer with a zero in front": Raw(b"n\x05\0\1\1\1\1\0"),
    "short big integer in the long form": As(111, 2**64),
    "short atom in the long form": As(118, A),
    "atom of 200 characters in the long form": As(118, Atom("x" * 200)),
    "latin-1 atom": As(100, A),
    "small latin-1 atom": As(115, A),
    "old reference": As(101, Ref(P.name, 1, (5,))),
    "older reference": As(114, Ref(P.name, 1, (5, 6, 7))),
    "old port": As(102, Port(P.name, 5, 1)),
    "old pid": As(103, Pid(P.name, 5, 0, 1)),
    "old fun": Raw(b"u\0\0\0\0" + encode(P.pid()) + encode(A) + b"a\0a\0"),
    "local term": Raw(b"y\0\0\0\0a\1"),
    "version": Raw(b"\x83a\1"),
    "header": Raw(b"D\0a\1"),
    "first fragment": Raw(b"E" + bytes(17)),
    "not a number": Raw(b"F\x7f\xf8" + bytes(6)),
    "infinity": Raw(b"F\x7f\xf0" + bytes(6)),
    "negative infinity": Raw(b"F\xff\xf0" + bytes(6)),
    "float cut off": Raw(b"F\x3f"),
    "bitstring of no bits": BitBinary(b"x", 0),
    "bitstring of nine bits": BitBinary(b"x", 9),
    "bitstring without bytes": BitBinary(b"", 4),
    "bitstring cut off": Raw(b"M\0\0\1\0\4x"),
    "binary cut off": Raw(b"m\0\0\1\0x"),
    "binary of four gigabytes": Raw(b"m\xff\xff\xff\xffx"),
    "string cut off": Raw(b"k\xff\xffx"),
    "list cut off": Raw(b"l\0\0\0\2a\1j"),
    "list of four billion": Raw(b"l\xff\xff\xff\xffa\1j"),
    "list without tail": Raw(b"l\0\0\0\1a\1"),
    "tuple cut off": Raw(b"h\3a\1"),
    "tuple of four billion": Raw(b"i\xff\xff\xff\xffa\1"),
    "map cut off": Raw(b"t\0\0\0\2a\1a\1"),
    "map of four billion": Raw(b"t\xff\xff\xff\xffa\1a\1"),
    "map with a key twice": Map(((A, 1), (A, 2))),
    "map with a key in two forms": Map(((1, 1), (As(98, 1), 2))),
    "map with an atom in two forms": Map(((A, 1), (As(118, A), 2))),
    "map with a tuple twice": Map((((1, [A]), 1), (5, 1), ((1, [A]), 2))),
    "map in a map with a key twice": Map(((A, Map(((1, 1), (1, 2)))),)),
    "many keys and one twice": Map((*((number, 0) for number in range(500)), (250, 1))),
    "atom of 256 characters": Raw(b"v\1\0" + b"x" * 256),
    "atom of 256 wide characters": Raw(b"v\2\0" + "ж".encode() * 256),
    "atom that is not UTF-8": Raw(b"w\2\xff\xfe"),
    "atom that is overlong UTF-8": Raw(b"w\2\xc0\x80"),
    "atom with half a surrogate pair": Raw(b"w\3\xed\xa0\x80"),
    "atom beyond Unicode": Raw(b"w\4\xf4\x90\x80\x80"),
    "atom cut off": Raw(b"w\xffx"),
    "big integer cut off": Raw(b"n\x10\0x"),
    "big integer of four gigabytes": Raw(b"o\xff\xff\xff\xff\0x"),
    "pid with a number for the node": Raw(b"Xa\1" + bytes(12)),
    "pid with a pid for the node": Raw(b"X" + encode(P.pid()) + bytes(12)),
    "pid cut off": Raw(encode(P.pid())[:-1]),
    "port with a number for the node": Raw(b"Ya\1" + bytes(8)),
    "reference with a number for the node": Raw(b"Z\0\1a\1" + bytes(8)),
    "reference without words": Ref(P.name, P.creation, ()),
    "reference of six words": P.ref(1, 6),
    "reference of 65535 words": Raw(b"Z\xff\xff" + encode(P.name) + bytes(4)),
    "export of arity 256": Export(Atom("m"), Atom("f"), 256),
    "export of arity in four bytes": Export(Atom("m"), Atom("f"), As(98, 1)),
    "export of negative arity": Export(Atom("m"), Atom("f"), -1),
    "export of a big arity": Export(Atom("m"), Atom("f"), 2**70),
    "export of an atom": Export(Atom("m"), Atom("f"), A),
    "export of a list": Export(Atom("m"), Atom("f"), [A]),
    "export with a number for the module": Export(1, Atom("f"), 0),
    "export with a number for the function": Export(Atom("m"), 1, 0),
    "exports nested": Export(Atom("m"), Atom("f"), SELF),
    "20,000 exports nested": Raw(b"qw\1mw\1f" * 20000 + b"a\0"),
    "20,000 funs nested by index": Raw(
        (b"p\0\0\0\x40\1" + bytes(16) + b"\0\0\0\1\0\0\0\0w\1m") * 20000 + b"a\1" + (b"a\1" + encode(P.pid())) * 20000
    ),
    "funs nested without end": Raw((b"p\0\0\0\x22\1" + bytes(16) + b"\0\0\0\1\0\0\0\0w\1m") * 20000),
    "fun with a list for the old index": fun(old_index=[A]),
    "fun with a big old index": fun(old_index=2**40),
    "fun with a fun for the old uniq": fun(old_uniq=fun()),
    "fun with an export for the pid": fun(pid=SELF),
    "fun with an atom for the pid": fun(pid=A),
    "fun with an old pid": fun(pid=As(103, Pid(P.name, 5, 0, 1))),
    "fun with a number for the module": fun(module=1),
    "fun of 256 variables": fun(free=tuple(range(256))),
    "fun of four billion variables": Raw(encode(fun())[:26] + b"\xff" * 4 + encode(fun())[30:]),
    "fun cut off": Raw(encode(fun())[:-1]),
    "fun's head cut off": Raw(b"p\0\0\0\x10\1"),
    "record that was not agreed on": RECORD,
    "nothing": Raw(b""),
    **{f"unknown tag {tag}": Raw(bytes([tag, 0, 0, 0, 1, 97, 1])) for tag in range(256) if not 67 <= tag <= 131},
    **{
        f"unknown tag {tag}": Raw(bytes([tag, 0, 0, 0, 1])) for tag in (71, 72, 74, 76, 78, 79, 81, 83, 87, 91, 96, 122)
    },
}


def forwarded(outputs: list[Output]) -> list[Message]:
    return [one for output in outputs for one in output.forward]


ODD: dict[str, Term] = {
    "string as a list": As(108, [1, 2]),
    "small tuple with a large head": As(105, (1, 2)),
    "integer as a big one": As(110, 2**31 - 1),
    "port in the long form": As(120, P.port()),
    "bitstring of eight bits": Raw(b"M\0\0\0\1\x08x"),
    "reference of no node": Ref(EMPTY, 1, (1,)),
    "fun with a small part in four bytes": fun(old_index=As(98, 1)),
    "list of nothing": Raw(b"l\0\0\0\0j"),
    "empty string": Raw(b"k\0\0"),
    "map with a string in two forms": Map((([1, 2], 1), (As(108, [1, 2]), 2))),
}
"""What some libraries write and no node does, or what a VM only closes the connection for: it passes or is stopped."""

SHAPES = ["whole", "fragments", "pass-through", "held", "held fragments", "outbound"]


def run(shape: str, payload: Term, wrap: bool, flags: Flag = OTP_25) -> tuple[list[Output], bytes, Message]:
    """Sends the payload inside a list (so that something stands behind it), or bare; returns also the bytes sent."""
    sent = tell([Atom("before"), payload, Atom("behind")] if wrap else payload)
    flags = PASS_THROUGH if shape == "pass-through" else flags
    accepting = ("accept reg_send server", "deny *") if "held" in shape else ("accept *",)
    channel = CoreChannel(*accepting, flags=flags, funs=True, release=29 if flags & Flag.NATIVE_RECORDS else 25)
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


def test_records_of_otp_29() -> None:
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
def test_terms_inside_the_control(control: tuple[Term, ...]) -> None:
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
