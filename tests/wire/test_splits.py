"""A byte stream gives the same result however it is cut: whole, in two at every byte, byte by byte, at random.

Time stands still here, because ticks are a matter of time; :func:`test_ticks_stand_between_frames` lets it pass.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from distwall import _core
from tests.support.core_channel import GUARD, GUARD_CREATION, PEER, PEER_CREATION, CoreChannel, core_rules
from tests.support.dist import OTP_25, PASS_THROUGH
from tests.wire import captures
from tests.wire.mixture import RULES, Mixture

Chunk = tuple[bool, bytes]
"""Who sends (True: the peer), and what."""


@dataclass
class Result:
    to_guard: bytes
    to_peer: bytes
    events: list[_core.Event]
    closed: str | None
    counts: object


Make = Callable[[], tuple[_core.Channel, _core.Counters]]


def run(make: Make, chunks: Iterable[Chunk]) -> Result:
    channel, counters = make()
    result = Result(b"", b"", [], None, None)
    guard: list[bytes] = []
    peer: list[bytes] = []
    for inbound, data in chunks:
        forward, back, events, closed = channel.receive(inbound, data, 0.0)
        (guard if inbound else peer).append(b"".join(forward))
        (peer if inbound else guard).append(back or b"")
        result.events += events or []
        result.closed = result.closed or closed
        if closed:
            break
    result.to_guard, result.to_peer, result.counts = unmarked(b"".join(guard)), b"".join(peer), counters.snapshot()
    return result


CLERK = struct.pack(">II", _core.CLERK, _core.CLERK)
REFERENCE = re.compile(rb"Z\x00\x03w.[^@]+@[0-9.]+.{16}", re.DOTALL)


def unmarked(stream: bytes) -> bytes:
    """Frames without the references of the clerk's questions, which differ each time."""
    made = b""
    while stream:
        end = 4 + int.from_bytes(stream[:4], "big")
        frame, stream = stream[:end], stream[end:]
        made += REFERENCE.sub(b"", frame) if CLERK in frame else frame
    return made


def whole(chunks: list[Chunk]) -> list[Chunk]:
    """With neighbours of one direction joined."""
    joined: list[Chunk] = []
    for inbound, data in chunks:
        if joined and joined[-1][0] == inbound:
            joined[-1] = (inbound, joined[-1][1] + data)
        else:
            joined.append((inbound, data))
    return joined


def by_byte(chunks: list[Chunk]) -> Iterator[Chunk]:
    for inbound, data in chunks:
        for position in range(len(data)):
            yield inbound, data[position : position + 1]


def at_random(chunks: list[Chunk], seed: int) -> Iterator[Chunk]:
    choose = random.Random(seed)
    for inbound, data in chunks:
        position = 0
        while position < len(data):
            size = choose.choice((1, 2, 5, 30, 200, 1000, 30_000))
            yield inbound, data[position : position + size]
            position += size


def cut_at(chunks: list[Chunk], at: int) -> Iterator[Chunk]:
    """With one more cut, after ``at`` bytes of the stream."""
    for inbound, data in chunks:
        if 0 < at < len(data):
            yield inbound, data[:at]
            yield inbound, data[at:]
        else:
            yield inbound, data
        at -= len(data)


def maker(texts: tuple[str, ...], flags: int, names: tuple[tuple[str, int], tuple[str, int]] | None = None) -> Make:
    (peer, peer_creation), (guard, guard_creation) = names or ((PEER, PEER_CREATION), (GUARD, GUARD_CREATION))

    def make() -> tuple[_core.Channel, _core.Counters]:
        counters = _core.Counters()
        channel = _core.Channel(
            peer=peer,
            peer_creation=peer_creation,
            guard=guard,
            guard_creation=guard_creation,
            flags=int(flags),
            policy=_core.PeerRules(core_rules(*texts), third_nodes=["*"]),
            counters=counters,
            budget=_core.Budget(),
        )
        return channel, counters

    return make


POLICIES = {
    "accept all": ("accept *",),
    "deny all": ("deny *",),
    "some": ("accept reg_send", "accept monitor", "deny *"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", captures.names())
def test_recorded_traffic_is_judged_the_same_in_any_pieces(name: str, policy: str) -> None:
    capture = captures.load(captures.RECORDINGS / name)
    chunks = [(who == 0, data) for who, data in capture.chunks]
    names = ((capture.dialler.name, capture.dialler.creation), (capture.acceptor.name, capture.acceptor.creation))
    make = maker(POLICIES[policy], capture.flags, names)
    expected = run(make, whole(chunks))
    assert expected.closed is None
    assert run(make, chunks) == expected
    size = sum(len(data) for _, data in chunks)
    if size < 20_000:
        assert run(make, by_byte(chunks)) == expected
    assert run(make, at_random(chunks, 1)) == expected
    for at in range(1, min(size, 20_000), 1 + size // 150):
        assert run(make, cut_at(whole(chunks), at)) == expected


@pytest.mark.parametrize("name", ["otp25_gen_server", "otp29_monitors", "passthrough_erpc", "oldexit_links"])
def test_recorded_traffic_is_judged_the_same_cut_at_every_byte(name: str) -> None:
    capture = captures.load(captures.RECORDINGS / name)
    chunks = whole([(who == 0, data) for who, data in capture.chunks])
    names = ((capture.dialler.name, capture.dialler.creation), (capture.acceptor.name, capture.acceptor.creation))
    make = maker(POLICIES["some"], capture.flags, names)
    expected = run(make, chunks)
    for at in range(1, sum(len(data) for _, data in chunks)):
        assert run(make, cut_at(chunks, at)) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("flags", [OTP_25, PASS_THROUGH], ids=["cached", "pass-through"])
def test_random_traffic_is_judged_the_same_in_any_pieces(flags: int, seed: int) -> None:
    texts = RULES["all but" if seed % 2 else "allowed one by one"]
    mixture = Mixture(CoreChannel(*texts, flags=flags), seed)
    mixture.run(60)
    make = maker(texts, flags)
    chunks = whole(mixture.given)
    expected = run(make, chunks)
    assert expected.closed is None
    assert run(make, by_byte(chunks)) == expected
    for trial in range(5):
        assert run(make, at_random(chunks, trial)) == expected
    for at in range(1, sum(len(data) for _, data in chunks), 7):
        assert run(make, cut_at(chunks, at)) == expected


@pytest.mark.parametrize("seed", range(60))
def test_damaged_traffic_closes_at_the_same_place_in_any_pieces(seed: int) -> None:
    """The channel closes at the same place, for the same reason, and has let through the same."""
    choose = random.Random(seed)
    texts = RULES["all but" if seed % 2 else "allowed one by one"]
    flags = OTP_25 if seed % 3 else PASS_THROUGH
    mixture = Mixture(CoreChannel(*texts, flags=flags), seed)
    mixture.run(30)
    chunks = [(inbound, data) for inbound, data in whole(mixture.given) if inbound]
    stream = bytearray(b"".join(data for _, data in chunks))
    stream[choose.randrange(len(stream))] ^= choose.choice((1, 2, 0x10, 0x80, 0xFF))
    make = maker(texts, flags)
    expected = run(make, [(True, bytes(stream))])
    assert run(make, by_byte([(True, bytes(stream))])) == expected
    for trial in range(10):
        assert run(make, at_random([(True, bytes(stream))], trial)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_ticks_stand_between_frames(seed: int) -> None:
    choose = random.Random(seed)
    source = Mixture(CoreChannel(*RULES["all but"]), seed)
    source.run(60)
    channel = CoreChannel(*(RULES["all but"] if seed % 2 else ("deny *",)))
    for inbound, data in at_random(source.given, seed):
        channel.now += choose.choice((0, 0.3, 2))
        output = (channel.inbound if inbound else channel.outbound)(data)
        assert output.closed is None
    assert channel.at_guard.done()
    assert channel.at_guard.ticks
