"""The data path: bytes in both directions, back-pressure, ends."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distwall import _core
from distwall.control import turns
from distwall.gateway import pump
from tests.support.dist import EMPTY, Op, Receiver, Sender, message
from tests.support.etf import Atom, Pid, Ref
from tests.support.in_process_wall import (
    BIG,
    FLAGS,
    PEER,
    FakeGuard,
    InProcessWall,
    RawSocket,
    hidden,
    join,
    wall_in_process,
    write_until_stuck,
)
from tests.support.waiting import wait_until
from tests.support.wall import Peer

TICK = bytes(4)


class Sides:
    """A channel: both sockets, and what each node would send."""

    def __init__(self, wall: InProcessWall, guard: FakeGuard) -> None:
        self.peer, self.inner = join(wall, guard)
        self.flags = hidden(FLAGS) & _core.KNOWN_FLAGS
        self.from_peer = Sender(self.flags)
        self.at_guard = Receiver(self.flags)
        self.at_peer = Receiver(self.flags)

    def send(self, name: str, payload: Any, fragment: int = 65536) -> bytes:
        """A registered send of the peer, as bytes."""
        sender = Pid(Atom(PEER), 100, 0, 5)
        sent = message(Op.REG_SEND, sender, EMPTY, Atom(name), payload=payload)
        return self.from_peer.bytes(sent, fragment=fragment)

    def monitor(self, number: int) -> bytes:
        ref = Ref(Atom(PEER), 5, (number, 1, 2))
        return self.from_peer.bytes(message(Op.MONITOR_P, Pid(Atom(PEER), 100, 0, 5), Atom("victim"), ref))


@pytest.fixture
def sides(wall: InProcessWall, guard: FakeGuard) -> Sides:
    return Sides(wall, guard)


def read(raw: RawSocket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (part := raw.sock.recv(1 << 20)):
        data += part
    return bytes(data)


def test_messages_go_both_ways(sides: Sides) -> None:
    data = sides.send("victim", [Atom("hello"), 1, b"x" * 1000])
    for byte in data:
        sides.peer.sock.sendall(bytes([byte]))
    (got,) = sides.at_guard.feed(read(sides.inner, len(data)))
    assert got.payload == [Atom("hello"), 1, b"x" * 1000]
    sides.inner.sock.sendall(TICK)
    assert sides.peer.sock.recv(10) == TICK


def test_the_end_of_the_peers_stream_is_passed_on_and_the_other_way_stays_open(
    wall: InProcessWall, sides: Sides
) -> None:
    sides.peer.sock.sendall(TICK * 3)
    sides.peer.sock.shutdown(socket.SHUT_WR)
    assert read(sides.inner, 100) == TICK * 3, "all before the end, then the end"
    sides.inner.sock.sendall(TICK)
    sides.inner.close()
    assert read(sides.peer, 100) == TICK, "what the guarded node sent before it closed in turn"
    assert wall.wait_event("disconnect")["reason"] == "peer closed"


def test_the_end_of_the_guarded_nodes_stream_is_passed_on(wall: InProcessWall, sides: Sides) -> None:
    sides.inner.sock.sendall(TICK)
    sides.inner.close()
    assert read(sides.peer, 100) == TICK
    sides.peer.close()
    assert wall.wait_event("disconnect")["reason"] == "guarded node closed"


@pytest.mark.parametrize("who", ["peer", "inner"])
def test_a_reset_ends_the_other_side_too(wall: InProcessWall, sides: Sides, who: str) -> None:
    one, other = (sides.peer, sides.inner) if who == "peer" else (sides.inner, sides.peer)
    one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    assert read(other, 100) == b""
    assert wall.wait_event("disconnect")["reason"] == ("peer closed" if who == "peer" else "guarded node closed")


def test_what_is_pending_is_written_before_the_end(sides: Sides) -> None:
    data = sides.send("victim", b"x" * (4 << 20))

    def write() -> None:
        sides.peer.sock.sendall(data)
        sides.peer.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    assert len(read(sides.inner, len(data) + 100)) == len(data)
    writer.join()


def test_one_end_is_not_the_other(wall: InProcessWall, sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """A side that doesn't close in turn is cut in the end."""
    monkeypatch.setattr(pump, "LINGER", 0.2)
    sides.peer.sock.shutdown(socket.SHUT_WR)
    assert read(sides.inner, 1) == b""
    sides.inner.sock.sendall(TICK)
    assert sides.peer.sock.recv(10) == TICK
    assert sides.peer.is_closed()
    assert wall.wait_event("disconnect")["reason"] == "peer closed"


def test_a_violation_closes_both_sides(wall: InProcessWall, sides: Sides) -> None:
    good = sides.send("victim", Atom("last"))
    sides.peer.sock.sendall(good + struct.pack(">I", 0x7FFFFFFF))
    assert read(sides.inner, len(good) + 1) == good, "what was accepted before is delivered"
    assert sides.peer.is_closed()
    assert wall.wait_event("disconnect")["reason"]


def test_one_channel_does_not_end_another(wall: InProcessWall, guard: FakeGuard, sides: Sides) -> None:
    other_peer, other_inner = join(wall, guard, "cli1@127.0.0.1", cookie=b"cli-cookie")
    sides.peer.sock.sendall(b"\xff" * 100)
    assert sides.peer.is_closed()
    other_peer.sock.sendall(TICK)
    assert other_inner.sock.recv(10) == TICK


def test_a_defect_ends_its_own_channel_only(
    wall: InProcessWall, guard: FakeGuard, sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_peer, other_inner = join(wall, guard, "cli1@127.0.0.1", cookie=b"cli-cookie")
    (leg,) = [each._legs[0] for each in wall.gateway._pending.pumps if each.handle.peer == PEER]
    monkeypatch.setattr(leg, "_receive", lambda *_: 1 // 0)
    sides.peer.sock.sendall(TICK)
    assert sides.peer.is_closed()
    assert sides.inner.is_closed()
    assert wall.wait_event("disconnect")["reason"] == "internal error: ZeroDivisionError"
    other_peer.sock.sendall(TICK)
    assert other_inner.sock.recv(10) == TICK
    assert isinstance(wall.errors.pop()["exception"], ZeroDivisionError)


# === back-pressure ===


def test_a_side_that_does_not_read_stops_the_other_and_only_that(sides: Sides) -> None:
    data = sides.send("victim", b"x" * 60_000)
    written = write_until_stuck(sides.peer, data)
    assert written < BIG
    for _ in range(3):
        sides.inner.sock.sendall(TICK)
        assert read(sides.peer, 4) == TICK, "the other direction goes on"
    whole = written - written % len(data)
    got = sides.at_guard.feed(read(sides.inner, written - 100_000)[:whole])
    assert got, "and all of it arrives"
    sides.peer.sock.settimeout(5)
    sides.peer.sock.sendall(data[written % len(data) :])


def test_both_directions_may_be_full_at_once(sides: Sides) -> None:
    """Two nodes that both have much to send before they read do not stop each other for good."""
    data = sides.send("victim", b"x" * 60_000)
    back = Sender(sides.flags).bytes(
        message(Op.REG_SEND, Pid(Atom("bar@127.0.0.2"), 9, 0, 0x0A0B0C0D), EMPTY, Atom("x"), payload=b"y" * 60_000)
    )
    out, inn = write_until_stuck(sides.peer, data), write_until_stuck(sides.inner, back)
    # As nodes do, each reads whatever its own sending does.
    with ThreadPoolExecutor() as threads:
        at_guard = threads.submit(read, sides.inner, out)
        assert len(read(sides.peer, inn)) == inn
        assert len(at_guard.result()) == out


@pytest.fixture
def denying(tmp_path: Path) -> Iterator[Sides]:
    with wall_in_process(tmp_path, [Peer(["deny *"])]) as wall, FakeGuard(wall).registered() as guard:
        yield Sides(wall, guard)


def test_a_peer_that_does_not_read_its_refusals_is_not_read(denying: Sides) -> None:
    data = b"".join(denying.monitor(number) for number in range(1000))
    written = write_until_stuck(denying.peer, data)
    assert written < BIG
    answers = denying.at_peer.feed(read(denying.peer, 1 << 20))
    assert answers[0].op is Op.PAYLOAD_MONITOR_P_EXIT
    assert write_until_stuck(denying.peer, data[written % len(data) :] + data) > 0, "once it reads, it is read"


def test_answers_and_forwarded_bytes_share_the_way_back(denying: Sides) -> None:
    denying.peer.sock.sendall(denying.monitor(1))
    denying.inner.sock.sendall(TICK)
    received = b""
    messages: list[Any] = []
    while not messages or TICK not in received:
        received += (part := denying.peer.sock.recv(1000))
        messages += denying.at_peer.feed(part)
    assert messages[0].op is Op.PAYLOAD_MONITOR_P_EXIT


# === slices ===

ENDS = ("_, {}", "{}, _")
"""Two ends of a pattern in turn: no one part of a message tells all of the patterns apart."""

COSTLY = [f"accept reg_send victim when {{[X, _, X|_], _, {ENDS[i % 2].format(i)}}}" for i in range(60)]


@pytest.fixture
def costly(tmp_path: Path) -> Iterator[tuple[InProcessWall, FakeGuard]]:
    """A gateway whose policy compares each message of one peer with sixty patterns."""
    peers = [
        Peer([*COSTLY, "accept reg_send victim", "deny *"]),
        Peer(["accept *"], node="cli*@127.0.0.1", cookie="cli-cookie"),
    ]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        yield wall, guard


def test_costly_reads_are_taken_in_slices(
    costly: tuple[InProcessWall, FakeGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it arrives, in order, and the end of the stream behind it; meanwhile other channels have their turns."""
    wall, guard = costly
    sides = Sides(wall, guard)
    other_peer, other_inner = join(wall, guard, "cli1@127.0.0.1", cookie=b"cli-cookie")
    turns: list[pump.Leg] = []
    go_on = pump.Leg._go_on

    def noted(leg: pump.Leg) -> None:
        turns.append(leg)
        go_on(leg)

    monkeypatch.setattr(pump.Leg, "_go_on", noted)
    sent = [([7] * 40, number, 0, 1000) for number in range(4000)]
    data = b"".join(sides.send("victim", payload) for payload in sent)

    def write() -> None:
        sides.peer.sock.sendall(data)
        sides.peer.sock.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(5):
        other_peer.sock.sendall(TICK)
        assert other_inner.sock.recv(10) == TICK
    received = read(sides.inner, len(data) + 1)
    writer.join()
    assert [got.payload for got in sides.at_guard.feed(received)] == sent
    assert len(turns) > 3
    sides.inner.sock.sendall(TICK)
    assert read(sides.peer, 4) == TICK, "the other way stays open"
    sides.inner.close()
    assert wall.wait_event("disconnect")["reason"] == "peer closed"


def test_busy_channels_of_one_entry_are_read_in_their_turn(
    costly: tuple[InProcessWall, FakeGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it arrives, and the ends behind it, also if one is cut, and another's node does not read for long."""
    # As if others stood in line at all times.
    monkeypatch.setattr(turns.Turns, "is_over", lambda _: True)
    invited: list[float] = []
    monkeypatch.setattr(turns.Turns, "came", lambda _, seconds: invited.append(seconds))
    wall, guard = costly
    names = [f"cli{number}@127.0.0.1" for number in range(6)]
    sides = [join(wall, guard, name, cookie=b"cli-cookie") for name in names]
    flags = hidden(FLAGS) & _core.KNOWN_FLAGS

    def write(name: str, peer: RawSocket) -> int:
        sent = message(Op.REG_SEND, Pid(Atom(name), 100, 0, 5), EMPTY, Atom("victim"), payload=b"x" * 1000)
        sender = Sender(flags)
        data = sender.bytes(sent) + sender.bytes(sent) * 6000
        peer.sock.sendall(data)
        peer.sock.shutdown(socket.SHUT_WR)
        return len(data)

    with ThreadPoolExecutor(2 * len(sides)) as threads:
        (cut, _), (last, slow), *others = sides
        cut.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        written = [threads.submit(write, *each) for each in zip(names[2:], [peer for peer, _ in others], strict=True)]
        late = threads.submit(write, names[1], last)
        cut.sock.sendall(TICK * 100_000)
        cut.close()
        arrived = [threads.submit(read, inner, BIG) for _, inner in others]
        for sent, got in zip(written, arrived, strict=True):
            assert len(got.result()) == sent.result()
        assert len(read(slow, BIG)) == late.result()
    assert invited


# === long messages ===


def handing_out(wall: InProcessWall) -> int:
    """Bytes of the peer that were accepted and are not handed out."""
    return sum(each.handle.core.outgoing(inbound=True) for each in wall.gateway._pending.pumps)


def send_and_end(raw: RawSocket, data: bytes) -> threading.Thread:
    """Writes data and the end of the stream, in a thread."""

    def write() -> None:
        raw.sock.sendall(data)
        raw.sock.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    return writer


def test_a_long_message_goes_out_in_turns(denying_out: Sides, wall_out: InProcessWall) -> None:
    """A receiver that does not read ends the turns. Its answers wait behind the message, and so does the end."""
    data = denying_out.send("victim", b"x" * BIG, fragment=2 * BIG)
    writer = send_and_end(denying_out.peer, data)
    wait_until(lambda: handing_out(wall_out) > 0)
    time.sleep(0.3)
    left = handing_out(wall_out)
    assert BIG // 2 < left < len(data)
    guard = Pid(Atom("bar@127.0.0.2"), 9, 0, 0x0A0B0C0D)
    ref = Ref(Atom("bar@127.0.0.2"), 0x0A0B0C0D, (1, 2, 3))
    denying_out.inner.sock.sendall(
        Sender(denying_out.flags).bytes(message(Op.MONITOR_P, guard, Atom("victim"), ref)) + TICK
    )
    assert read(denying_out.peer, 4) == TICK, "the other direction goes on"
    assert handing_out(wall_out) >= left
    got = read(denying_out.inner, len(data) + 1000)
    writer.join()
    assert got.startswith(data)
    answers = denying_out.at_guard.feed(got[len(data) :])
    assert [one.op for one in answers] == [Op.PAYLOAD_MONITOR_P_EXIT]
    denying_out.inner.close()
    assert wall_out.wait_event("disconnect")["reason"] == "peer closed"


@pytest.mark.parametrize("who", ["peer", "inner"])
def test_a_side_that_goes_in_the_middle_of_a_long_message_ends_the_channel(
    denying_out: Sides, wall_out: InProcessWall, who: str
) -> None:
    sides = denying_out
    sides.peer.sock.sendall(sides.send("victim", b"x" * BIG, fragment=2 * BIG))
    wait_until(lambda: handing_out(wall_out) > 0)
    one = sides.peer if who == "peer" else sides.inner
    one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    if who == "peer":
        assert len(read(sides.inner, 2 * BIG)) > BIG, "what was accepted is delivered first"
        sides.inner.close()
    wall_out.wait_event("disconnect")
    wait_until(lambda: not wall_out.gateway._pending.pumps)


@pytest.fixture
def wall_out(tmp_path: Path) -> Iterator[InProcessWall]:
    """A gateway that refuses the guarded node's monitors."""
    with wall_in_process(tmp_path, [Peer(["accept *"], extra='rules_out = ["deny monitor", "accept *"]')]) as wall:
        yield wall


@pytest.fixture
def denying_out(wall_out: InProcessWall) -> Iterator[Sides]:
    with FakeGuard(wall_out).registered() as guard:
        yield Sides(wall_out, guard)
