"""What one peer can make distwall spend: time in the event loop for one read, and memory."""

import struct
import time
from collections.abc import Iterable

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_29, frame, plain
from tests.support.etf import Atom, Raw, encode

READ = 256 * 1024
"""What one read from a socket gives."""

SEND = encode((6, CoreChannel.peer.pid(), EMPTY, Atom("x")))
MIB = 1 << 20


def slowest(channel: CoreChannel, data: Iterable[bytes]) -> float:
    """Feeds frames in reads as a socket would give them; seconds of the slowest one."""
    stream, worst = b"".join(data), 0.0
    for start in range(0, len(stream), READ):
        begun = time.process_time()
        channel.core.receive(True, stream[start : start + READ], 1000.0)
        worst = max(worst, time.process_time() - begun)
    return worst


def first(seq: int, count: int, payload: bytes) -> bytes:
    return frame(b"\x83E" + struct.pack(">QQ", seq, count) + b"\0" + SEND + payload)


def following(seq: int, number: int, payload: bytes = b"") -> bytes:
    return frame(b"\x83F" + struct.pack(">QQ", seq, number) + payload)


def record(fields: int) -> bytes:
    """The beginning of a native record whose field names are as long as can be."""
    names = b"".join(b"v" + struct.pack(">H", 1000) + ("\U0001f600" * 246 + f"{i:016}").encode() for i in range(fields))
    return b"C" + struct.pack(">IB", fields - 2, 0) + names


LIST = b"l" + struct.pack(">I", MIB)

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


@pytest.mark.parametrize("rules", ["accept *", "deny *"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_read_stops_the_others_for_long(name: str, rules: str) -> None:
    """Bytes chosen to cost more than they should; one read of 256 KiB takes a tenth of a second at the very most."""
    channel = CoreChannel(rules, flags=OTP_29, release=29)
    assert slowest(channel, STREAMS[name]()) < 0.1


def test_following_many_deep_messages_has_a_limit() -> None:
    """Each of a thousand messages in fragments stops 65,000 levels deep: 130 kB cost distwall a megabyte, each."""
    channel = CoreChannel("accept *", limits={"held_bytes": 16 * MIB})
    closed = None
    for seq in range(1, 1000):
        closed = channel.core.receive(True, first(seq, 3, b"h\1" * 65_000), 1000.0)[3]
        if closed:
            break
    assert closed is not None
    assert "held_bytes" in closed
    assert seq < 20
    assert channel.core.pending() == 0


def test_many_messages_that_wait_have_a_limit() -> None:
    """A thousand messages that can't be judged yet: beyond the limit they are refused, and nothing of them is kept."""
    channel = CoreChannel("accept reg_send", "deny *", limits={"held_bytes": MIB})
    for seq in range(1, 1000):
        channel.core.receive(True, first(seq, 3, b"m\1\0\0\0" + b"x" * 60_000), 1000.0)
    assert channel.core.pending() <= MIB


def test_a_flood_of_refusals_is_told_in_few_events() -> None:
    """20,000 refusals in one second: fifty events, and the number of the others."""
    channel = CoreChannel("deny *")
    told = 0
    for _ in range(20):
        told += len(
            channel.core.receive(True, plain((6, CoreChannel.peer.pid(), EMPTY, Atom("x")), 1) * 1000, 1000.0)[2] or ()
        )
    assert told == 50
    assert channel.core.folded() == 20_000 - 50
