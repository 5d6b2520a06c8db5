"""TLS records that carry nothing: how long they hold the event loop, and who is cut for them."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from distwall.handshake import admission
from distwall.tls.bounded_reads import (
    ALLOWANCE,
    FLOOD,
    RECORDS,
    UNPROVED,
    BoundedReads,
    CountingTls,
    DataReader,
    LoopsTls,
)
from tests.attacks.worst_inputs import longest_allowed
from tests.support.in_process_wall import PEER, FakeGuard
from tests.support.tls import Pki, RawTlsSocket, TlsWall, bare_context, tls_wall
from tests.support.tls_records import Records, key_updates, log_secrets, send_below
from tests.support.wall import Peer

KEY_UPDATE = 27
MANY = 4000
"""Changes of keys: 108 kB. Each takes the test a tenth of a millisecond, and strangers have five seconds."""
TICK = bytes(4)
CROWD = 20


class Rounds:
    """The CPU time of the reads of TLS in each round of the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.longest = 0.0
        self.bytes = 0
        self._spent = 0.0
        take = BoundedReads._take

        def taken(reads: BoundedReads, tls: LoopsTls, size: int) -> float:
            if not self._spent:
                asyncio.get_running_loop().call_soon(self._over)
            begun = time.thread_time()
            seconds = take(reads, tls, size)
            self._spent += time.thread_time() - begun
            self.bytes += size
            return seconds

        monkeypatch.setattr(BoundedReads, "_take", taken)

    def _over(self) -> None:
        self.longest, self._spent = max(self.longest, self._spent), 0.0


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    return Rounds(monkeypatch)


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[TlsWall]:
    with tls_wall(tmp_path, [Peer(["accept *"]), Peer(["accept *"], node="crowd*@127.0.0.1")]) as wall:
        yield wall


@pytest.fixture
def guard(wall: TlsWall) -> Iterator[FakeGuard]:
    with FakeGuard(wall.wall).registered() as guard:
        yield guard


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def flood(peer: RawTlsSocket, log: Path, written: int) -> None:
    """Sends very many changes of keys, as far as they are taken."""
    assert isinstance(peer.sock, ssl.SSLSocket)
    records = key_updates(peer.sock, log, written, MANY)
    with suppress(OSError):
        send_below(peer.sock, records)


def test_a_peer_that_only_changes_its_keys_is_cut(wall: TlsWall, guard: FakeGuard, log: Path, rounds: Rounds) -> None:
    peer, inner = wall.join(guard, log_secrets(wall.peer.context(), log))
    before = rounds.bytes
    flood(peer, log, written=2)
    assert wall.wall.wait_event("disconnect", peer=PEER)["reason"] == FLOOD
    assert inner.is_closed()
    assert rounds.bytes - before <= ALLOWANCE + RECORDS * KEY_UPDATE + 2 * 4096
    assert rounds.longest < longest_allowed()


def test_a_stranger_that_only_changes_its_keys_is_cut(
    wall: TlsWall, guard: FakeGuard, log: Path, rounds: Rounds
) -> None:
    """It has a certificate, and no cookie."""
    peer = wall.dial(log_secrets(wall.peer.context(), log))
    before = rounds.bytes
    flood(peer, log, written=0)
    event = wall.wall.wait_event("handshake_refused", opened_by="peer")
    assert (event["reason"], event["detail"]) == ("tls", FLOOD)
    assert rounds.bytes - before <= UNPROVED + RECORDS * KEY_UPDATE + 2 * 4096
    assert rounds.longest < longest_allowed()
    assert guard.is_left_alone()


def test_floods_of_tls_records_are_failures(
    wall: TlsWall, guard: FakeGuard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer with a channel can't go on so, with one connection after the other."""
    monkeypatch.setattr(admission, "FAILURES_PER_SOURCE", 2)
    monkeypatch.setattr(wall.wall.gateway._pending.admission, "_by_source", admission._Failures(2))
    for number in range(2):
        log = tmp_path / f"secrets{number}"
        peer, inner = wall.join(guard, log_secrets(wall.peer.context(), log))
        flood(peer, log, written=2)
        assert inner.is_closed()
    with suppress(OSError):
        wall.dial()
    assert wall.wall.wait_event("handshake_refused", reason="shut_out")["opened_by"] == "peer"


def test_a_peer_may_change_its_keys(wall: TlsWall, guard: FakeGuard, log: Path) -> None:
    """As often as nobody needs to."""
    peer, inner = wall.join(guard, log_secrets(wall.peer.context(), log))
    assert isinstance(peer.sock, ssl.SSLSocket)
    peer.sock.sendall(TICK)
    assert inner.sock.recv(10) == TICK
    send_below(peer.sock, key_updates(peer.sock, log, 3, UNPROVED // KEY_UPDATE // 2))
    assert wall.wall.wait_event("disconnect", peer=PEER)["reason"] == "peer closed"


def test_the_channels_of_one_entry_have_one_turn_together_for_tls(
    wall: TlsWall, guard: FakeGuard, tmp_path: Path, rounds: Rounds
) -> None:
    """Each sends enough data to change its keys as often as it likes. What that costs counts in the entry's turns."""
    floods = []
    for number in range(CROWD):
        log = tmp_path / f"secrets{number}"
        peer, _ = wall.join(guard, log_secrets(wall.peer.context(), log), name=f"crowd{number}@127.0.0.1")
        assert isinstance(peer.sock, ssl.SSLSocket)
        floods.append((peer.sock, key_updates(peer.sock, log, 2, 500, data=TICK * 16)))
    rounds.longest = 0.0
    for sock, records in floods:
        send_below(sock, records)
    for number in range(CROWD):
        event = wall.wall.wait_event("disconnect", peer=f"crowd{number}@127.0.0.1")
        assert event["reason"] == "peer closed"
    assert 0 < rounds.longest < longest_allowed()


class DialledNode(DataReader):
    """Takes what a node says that distwall has dialled."""

    def __init__(self) -> None:
        self.flood = ""
        self.lost = asyncio.Event()

    def flooded(self, detail: str) -> None:
        self.flood = detail

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()


async def dialled(address: tuple[str, int], context: ssl.SSLContext) -> str:
    """Dials as distwall does; returns why the connection was cut."""
    loop, reader = asyncio.get_running_loop(), DialledNode()
    _, reads = await loop.create_connection(BoundedReads, *address)
    async with asyncio.timeout(30):
        await reads.secure(lambda: reader, context, server_side=False, close_timeout=1)
        await reader.lost.wait()
    return reader.flood


def test_session_tickets_of_a_node_that_is_dialled_are_taken_a_few_at_a_time(tmp_path: Path, rounds: Rounds) -> None:
    """A record of 16 KiB carries 900, and a read brings 16 of them."""
    log = tmp_path / "secrets"
    context = log_secrets(Pki(tmp_path).host("peer", "127.0.0.1").context(server=True), log)
    context.num_tickets = 0
    client = bare_context()
    client.sslobject_class = CountingTls

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            sock = context.wrap_socket(server.accept()[0], server_side=True)
            of = Records(sock, log, 0)
            send_below(sock, b"".join(of.tickets() for _ in range(64)))

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(serve, server)
        assert uvloop.run(dialled(server.getsockname(), client)) == FLOOD
    assert 0 < rounds.longest < longest_allowed()
