"""What one peer can make distwall spend: time in the event loop for one read, and memory."""

import struct
import time
from collections.abc import Iterable

import pytest

from tests.attacks.costs import STREAMS, first
from tests.attacks.worst_inputs import ORDINARY, WAITED, WORST, cost, ordinary, waited
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_29, plain
from tests.support.etf import Atom

READ = 256 * 1024
"""What one read from a socket gives."""
MIB = 1 << 20


def slowest(channel: CoreChannel, data: Iterable[bytes]) -> float:
    """Feeds frames in reads as a socket would give them; seconds of the slowest one."""
    stream, worst = b"".join(data), 0.0
    for start in range(0, len(stream), READ):
        begun = time.process_time()
        channel.core.receive(True, stream[start : start + READ], 1000.0)
        worst = max(worst, time.process_time() - begun)
    return worst


LIST = b"l" + struct.pack(">I", MIB)


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


@pytest.mark.parametrize("name", WORST)
def test_no_input_costs_much_more_than_ordinary_input(name: str) -> None:
    """CPU for each byte, compared with calls of a server in the same run: twenty times as much at the very most."""
    worst = cost(WORST[name], MIB)
    assert worst.per_byte < 20 * ordinary(WORST[name], MIB).per_byte


USUAL = 3.0
"""Nanoseconds for a byte of ordinary calls on the machine of docs/performance.md."""


def longest_allowed() -> float:
    """Ten milliseconds on that machine; in proportion on a slower one."""
    return 0.01 * max(1, cost(ORDINARY, 4 * MIB, rounds=3).per_byte / USUAL)


@pytest.mark.parametrize("name", WORST)
def test_no_slice_takes_long(name: str) -> None:
    """Four megabytes, most in one frame. CPU time, and the best of three rounds: others want the machine, too."""
    assert cost(WORST[name], 4 * MIB, rounds=3).longest < longest_allowed()


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("name", WAITED)
def test_no_slice_for_a_message_that_waited_takes_long(name: str, changes: bool) -> None:
    """Its scan waits with it. If the rules change meanwhile, it is scanned again in slices."""
    found = waited(WAITED[name], 4 * MIB, changes=changes, rounds=3)
    assert found.longest < longest_allowed()
    assert found.per_byte < 20 * ordinary(ORDINARY, 4 * MIB).per_byte
