"""Streams that would cost distwall much time or memory."""

import struct

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, frame, plain
from tests.support.etf import Atom, Raw, encode

SEND = encode((6, CoreChannel.peer.pid(), EMPTY, Atom("x")))


def first(seq: int, count: int, payload: bytes) -> bytes:
    return frame(b"\x83E" + struct.pack(">QQ", seq, count) + b"\0" + SEND + payload)


def following(seq: int, number: int, payload: bytes = b"") -> bytes:
    return frame(b"\x83F" + struct.pack(">QQ", seq, number) + payload)


def record(fields: int) -> bytes:
    """The beginning of a native record whose field names are as long as can be."""
    names = b"".join(b"v" + struct.pack(">H", 1000) + ("\U0001f600" * 246 + f"{i:016}").encode() for i in range(fields))
    return b"C" + struct.pack(">IB", fields - 2, 0) + names


P = CoreChannel.peer
STREAMS = {
    "a long name in empty fragments": lambda: [first(7, 10_002, record(4098)[:-9])]
    + [following(7, n) for n in range(10_001, 1, -1)],
    "refused monitors": lambda: [plain((19, P.pid(), Atom("x" * 255), P.ref(i))) for i in range(5000)],
    "refused messages": lambda: [plain((6, CoreChannel.peer.pid(), EMPTY, Atom("x" * 255)), 1)] * 20_000,
    "empty fragments": lambda: [first(7, 60_000, b"m\0\0\1\0")] + [following(7, n) for n in range(59_999, 1, -1)],
    "the same small maps": lambda: [plain((6, P.pid(), EMPTY, Atom("x")), Raw(b"t\0\0\0\2a\1ja\2j"))] * 5000,
    "keys that begin alike": lambda: [
        frame(
            b"\x83D\0" + SEND + b"t" + struct.pack(">I", 2000) + b"".join(
                b"m" + struct.pack(">I", 500) + b"x" * 496 + struct.pack(">I", i) + b"j" for i in range(2000)
            )
        )
    ],
    "unanswered depth": lambda: [frame(b"\x83D\0" + SEND + b"h\1" * 65_000 + b"j")] * 4,
}  # fmt: skip
