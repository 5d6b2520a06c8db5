"""Peers that don't take what waits for them, and two distwalls in a row, on plain sockets."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
import uvloop

from distwall.control.turns import Turns
from distwall.gateway.arrears import MAX_OWED, Arrears
from distwall.gateway.pump import HIGH_WATER, Pump

MIB = 1 << 20
MUCH = 64 * MIB


class PassingCore:
    """A core that lets everything pass as it comes."""

    taken = 0
    """Bytes of the last read that were taken: all."""
    unfinished = False
    steps = 0

    def receive(self, _inbound: bool, data: bytes, _now: float, _start: int) -> tuple[list[bytes], None, None, None]:
        self.taken = len(data)
        return [data], None, None, None

    def parks(self) -> bool:
        return False

    def due(self, *, inbound: bool) -> bool:  # noqa: ARG002  # the core's
        return False

    def outgoing(self, *, inbound: bool) -> int:  # noqa: ARG002
        return 0

    def set_unwritten(self, size: int) -> None:
        """Nothing is counted."""


@dataclass
class Row:
    """Distwalls in a row, in an event loop of their own; the test has the sockets at both ends."""

    walls: int
    sockets: list[socket.socket] = field(default_factory=list)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.left, *ends = _pair()
        pumps = []
        for number in range(self.walls):
            far, near = _pair()
            pump = Pump(loop, lambda _: None, lambda: None)
            pumps.append(pump)
            handle = SimpleNamespace(core=PassingCore(), take_asks=lambda: None, closed=lambda _: None, turns=Turns())
            pump.handle = cast("Any", handle)
            transports = []
            for end in (ends.pop(), far):
                transport, _ = await loop.create_connection(asyncio.Protocol, sock=end)
                transports.append(transport)
            # The walls stand back to back: each has its peer on the side of the other wall.
            peer, guard = transports if number else reversed(transports)
            pump.start(peer, guard, b"", b"")
            ends.append(near)
        self.right = ends.pop()
        for each in (self.left, self.right):
            each.settimeout(120)
        self._ready.set()
        await self._stop.wait()
        for pump in pumps:
            pump.end("over")
            pump.abort()
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.left.close()
        self.right.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


@pytest.fixture(params=[1, 2])
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    with Row(request.param) as row:
        yield row


def write(sock: socket.socket, size: int) -> None:
    block = bytes(MIB)
    for _ in range(size // MIB):
        sock.sendall(block)


def read(sock: socket.socket, size: int, pause: float = 0.0) -> int:
    got = 0
    while got < size and (part := sock.recv(MIB)):
        got += len(part)
        time.sleep(pause)
    return got


@pytest.mark.parametrize("late", [0.0, 1.0])
def test_two_nodes_with_much_to_send_do_not_stop_each_other(row: Row, late: float) -> None:
    """Each reads on a thread of its own, as nodes do; or begins to read only when everything is full."""
    with ThreadPoolExecutor() as threads:
        ends = (row.left, row.right)
        writers = [threads.submit(write, end, MUCH) for end in ends]
        time.sleep(late)
        readers = [threads.submit(read, end, MUCH) for end in ends]
        assert [reader.result(180) for reader in readers] == [MUCH, MUCH]
        for writer in writers:
            writer.result(60)


def test_a_node_that_reads_slowly_may_send_on(row: Row) -> None:
    """One side reads a megabyte at a time with pauses; what it sends arrives."""
    with ThreadPoolExecutor() as threads:
        writers = [threads.submit(write, row.left, MUCH // 2), threads.submit(write, row.right, MUCH // 2)]
        slow = threads.submit(read, row.left, MUCH // 2, 0.002)
        assert read(row.right, MUCH // 2) == MUCH // 2
        assert slow.result(180) == MUCH // 2
        for writer in writers:
            writer.result(60)


def stuck(sock: socket.socket, *, limit: int) -> int:
    """Writes until nothing more is taken, or up to the limit; the bytes that were."""
    sock.settimeout(0.5)
    sent, block = 0, bytes(1 << 16)
    try:
        while sent < limit:
            sent += sock.send(block)
    except TimeoutError:
        pass
    finally:
        sock.settimeout(120)
    return sent


def test_a_peer_that_takes_nothing_is_not_read_until_it_does() -> None:
    """The guarded node is read while there is room, whatever it does itself."""
    with Row(1) as row, ThreadPoolExecutor() as threads:
        peer, guard = row.right, row.left
        # A socket of its own: the time limits of `stuck` are not for the reader.
        reader = guard.dup()
        reader.settimeout(120)
        first = threads.submit(read, reader, 32 * MIB)
        assert stuck(peer, limit=32 * MIB) == 32 * MIB == first.result(30), "nothing waits for the peer"
        waiting = stuck(guard, limit=MUCH)
        assert HIGH_WATER < waiting < MUCH
        second = threads.submit(read, reader, MUCH)
        sent = stuck(peer, limit=MUCH)
        assert sent < MUCH
        assert read(peer, waiting) == waiting
        peer.sendall(bytes(MUCH - sent))
        assert second.result(30) == MUCH
        reader.close()


def test_what_is_taken_makes_room_and_no_more_than_that() -> None:
    taken = 0
    arrears = Arrears(lambda: taken)
    assert not arrears.read(MAX_OWED)
    assert arrears.read(1)
    taken += 1000
    assert arrears.settle() == MAX_OWED + 1 - 1000
    taken += 10 * MAX_OWED
    assert arrears.settle() == 0
    assert not arrears.read(MAX_OWED), "taking much at once is no credit"
    assert arrears.read(1)
