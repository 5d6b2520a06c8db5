"""Connections to the TLS port that are no node's: each ends, leaves nothing behind, and no other notices."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from distwall.gateway import handshake_connection, pump, tcp_acceptor
from tests.support.dist import EMPTY, Op, Sender, message
from tests.support.etf import Atom, Pid
from tests.support.in_process_wall import FLAGS, PEER, FakeGuard, RawSocket, finish, write_until_stuck
from tests.support.raw_peer import digest
from tests.support.tls import HOST, RawTlsSocket, TlsWall, bare_context, tls_wall
from tests.support.wall import Peer

TICK = bytes(4)
CLOSE_NOTIFY = bytes.fromhex("15 0303 0002 0100")
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
CLIENTS = [Peer(["accept *"], node=f"cli{number}@127.0.0.1", cookie="cli-cookie") for number in range(2)]


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[TlsWall]:
    with tls_wall(tmp_path, [Peer(["accept *"]), *CLIENTS]) as wall:
        yield wall


@pytest.fixture
def guard(wall: TlsWall) -> Iterator[FakeGuard]:
    with FakeGuard(wall.wall).registered() as guard:
        yield guard


@pytest.fixture(autouse=True)
def untouched(wall: TlsWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A channel that lives on, and what is open, before and after."""
    monkeypatch.setattr(tcp_acceptor, "OPENING_TIMEOUT", 0.5)
    monkeypatch.setattr(handshake_connection, "NAME_TIMEOUT", 0.5)
    peer = wall.dial()
    peer.send_name("cli0@127.0.0.1", FLAGS, 5)
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("ok")
    peer.receive_status()
    finish(wall.wall, guard, peer, inner, b"cli-cookie")
    before = _settled(wall)
    yield
    for one, other in ((peer, inner), (inner, peer)):
        one.sock.sendall(TICK)
        assert other.sock.recv(10) == TICK
    end = time.monotonic() + 4
    while any(count > before[what] for what, count in _held(wall).items()):
        assert time.monotonic() < end, f"{before} before, {_held(wall)} now"
        time.sleep(0.02)


def _settled(wall: TlsWall) -> dict[str, int]:
    """What is open once distwall has made a channel of the handshake, whose last step is seen here before that."""
    end = time.monotonic() + 4
    while (held := _held(wall))["channels"] < 1 or held["tickets"] or held["connections"]:
        assert time.monotonic() < end, f"{held} open"
        time.sleep(0.01)
    return held


def _held(wall: TlsWall) -> dict[str, int]:
    """What distwall has open."""
    pending = wall.wall.gateway._pending
    held = {
        "unproved": len(pending._open),
        "tickets": len(pending._by_ticket),
        "connections": len(pending.connections),
        "channels": len(pending.pumps),
        "tasks": len(asyncio.all_tasks(wall.wall._loop)),
    }
    # The tests' own ends are in this process, too.
    own = sum(each.fileno() >= 0 for each in wall.wall._sockets)
    return held | {"descriptors": len([*Path("/proc/self/fd").iterdir()]) - own}


def _hello(context: ssl.SSLContext) -> bytes:
    """The first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    return outgoing.read()


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _garbage(wall: TlsWall) -> None:
    sock = wall.connect()
    sock.sendall(b"\x16" + os.urandom(1000))
    assert wall.wall.own(sock).is_closed()
    wall.wall.wait_event("handshake_refused", reason="tls", opened_by="peer")


def _half_a_hello(wall: TlsWall) -> None:
    sock = wall.connect()
    hello = _hello(bare_context())
    sock.sendall(hello[: len(hello) // 2])
    assert wall.wall.own(sock).is_closed()
    event = wall.wall.wait_event("handshake_refused", reason="timeout")
    assert event["detail"] == "no first byte of a handshake in time"


def _one_byte(first: bytes) -> Callable[[TlsWall], None]:
    def play(wall: TlsWall) -> None:
        sock = wall.connect()
        sock.sendall(first)
        assert wall.wall.own(sock).is_closed()
        wall.wall.wait_event("handshake_refused", reason="timeout")

    return play


def _farewell_in_the_tls_handshake(wall: TlsWall) -> None:
    for greeting in (b"", _hello(bare_context())):
        sock = wall.connect()
        sock.sendall(greeting + CLOSE_NOTIFY)
        assert wall.wall.own(sock).is_closed()
    wall.wall.wait_event("handshake_refused", opened_by="peer")


def _farewell_in_the_handshake(wall: TlsWall) -> None:
    for name in (b"", b"\0\0", b"\0\0\0\x22N"):
        peer = wall.dial()
        peer.sock.sendall(name + b"")
        peer.hang_up()
        wall.wall.wait_event("handshake_refused", reason="peer_closed")


def _resets(wall: TlsWall) -> None:
    hello = _hello(bare_context())
    for sent in (hello[:1], hello[:50], hello):
        sock = wall.connect()
        sock.sendall(sent)
        _reset(sock)
    for sent in (b"\0\0", b"\0\0\0\x22N"):
        peer = wall.dial()
        peer.sock.sendall(sent)
        _reset(peer.sock)
    wall.wall.wait_event("handshake_refused", reason="peer_closed")


def _endless_records(wall: TlsWall) -> None:
    """16 MB where the name should be."""
    peer = wall.dial()
    with contextlib.suppress(OSError):
        peer.sock.sendall(b"\xff" * (16 << 20))
    assert peer.is_closed()
    wall.wall.wait_event("handshake_refused", reason="malformed")


def _no_answer_to_the_farewell(wall: TlsWall) -> None:
    """Refused, it neither reads nor closes."""
    peer = wall.dial()
    peer.send_name("stranger@127.0.0.1", FLAGS, 5)
    wall.wall.wait_event("handshake_refused", reason="unknown_node")
    time.sleep(handshake_connection.RELEASE_TIMEOUT + 0.5)


def _renegotiation(wall: TlsWall) -> None:
    """It asks for new keys over and over, before it has a name."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.2:{wall.port}", "-tls1_2"]
    command += ["-cert", str(wall.peer.cert), "-key", str(wall.peer.key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            for _ in range(20):
                client.stdin.write(b"R\n")
                client.stdin.flush()
                time.sleep(0.05)
        # At its end of input it would hang up by itself.
        wall.wall.wait_event("handshake_refused", reason="timeout")
        with contextlib.suppress(BrokenPipeError):
            client.stdin.close()
        assert client.stdout.read().count(b"RENEGOTIATING") > 1
        client.wait(10)


def _old_versions(wall: TlsWall) -> None:
    for version in (b"\x03\x01", b"\x03\x02"):
        sock = wall.connect()
        body = version + os.urandom(32) + b"\0\0\2\0\x2f\1\0"
        hello = b"\1" + len(body).to_bytes(3) + body
        sock.sendall(b"\x16\x03\x01" + len(hello).to_bytes(2) + hello)
        assert wall.wall.own(sock).is_closed()
    event = wall.wall.wait_event("handshake_refused", reason="tls")
    assert event["detail"] == "it speaks only versions older than TLS 1.2"


PLAYS = [
    _garbage,
    _half_a_hello,
    _farewell_in_the_tls_handshake,
    _farewell_in_the_handshake,
    _resets,
    _endless_records,
    _no_answer_to_the_farewell,
    _renegotiation,
    _old_versions,
]


@pytest.mark.parametrize("play", PLAYS, ids=[play.__name__.strip("_").replace("_", " ") for play in PLAYS])
def test_hostile_tls_ends_its_own_connection_only(wall: TlsWall, play: Callable[[TlsWall], None]) -> None:
    play(wall)


@pytest.mark.parametrize("first", [b"\x16", b"\0"], ids=["of TLS", "of a name"])
def test_one_byte_and_no_more_is_cut(wall: TlsWall, first: bytes) -> None:
    _one_byte(first)(wall)


@pytest.mark.parametrize("per_source", [True, False])
def test_the_oldest_of_too_many_go(wall: TlsWall, monkeypatch: pytest.MonkeyPatch, per_source: bool) -> None:
    monkeypatch.setattr(tcp_acceptor, "OPENING_TIMEOUT", 20)
    hello = _hello(bare_context())
    count, sources = (70, 1) if per_source else (520, 20)
    socks = []
    for number in range(count):
        sock = wall.connect(source=f"127.0.1.{1 + number % sources}")
        sock.sendall(hello[: 1 + number % len(hello)] if number % 2 else b"")
        wall.wall.own(sock)
        socks.append(sock)
    end = time.monotonic() + 5
    while (evicted := sum(event.get("reason") == "flood" for event in wall.wall.seen)) < (6 if per_source else 8):
        assert time.monotonic() < end, evicted
        time.sleep(0.05)
    # One more is let in.
    peer = wall.dial(source="127.0.2.1")
    peer.send_name("stranger@127.0.0.1", FLAGS, 5)
    assert peer.receive_status() == b"not_allowed"
    peer.hang_up()
    assert evicted == (6 if per_source else 8)
    for sock in socks:
        sock.close()


class Trickle:
    """A socket over TLS that sends its records byte by byte."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)
        self._do(self._tls.do_handshake)

    def _do(self, action: Callable[[], Any]) -> Any:
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                result = None
            for byte in self._outgoing.read():
                self._sock.send(bytes([byte]))
            if result is not None or (action == self._tls.do_handshake and self._tls.version()):
                return result
            self._incoming.write(self._sock.recv(1))

    def sendall(self, data: bytes) -> None:
        """Each byte in a record of its own."""
        for byte in data:
            self._do(partial(self._tls.write, bytes([byte])))

    def recv(self, count: int) -> bytes:
        """The next bytes."""
        data: bytes = self._do(lambda: self._tls.read(count))
        return data

    def settimeout(self, seconds: float) -> None:
        """As of a socket."""
        self._sock.settimeout(seconds)

    def close(self) -> None:
        """As of a socket."""
        self._sock.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_may_come_in_single_bytes(wall: TlsWall, guard: FakeGuard, version: str) -> None:
    sock = Trickle(wall.connect(), wall.peer.context(VERSIONS[version]))
    peer = RawTlsSocket(sock)  # type: ignore[arg-type]  # as much of one as it takes
    peer.send_name(PEER, FLAGS, 5)
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("ok")
    assert peer.receive_status() == b"ok"
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    _, challenge, *_ = peer.receive_challenge()
    peer.send_reply(99, digest(b"peer-cookie", challenge))
    theirs, _ = inner.receive_reply()
    inner.send_ack(digest(guard.node.cookie, theirs))
    assert peer.receive_ack() == digest(b"peer-cookie", 99)
    peer.sock.sendall(TICK)
    assert inner.sock.recv(10) == TICK
    inner.close()
    peer.close()


def test_a_peer_that_does_not_read_holds_up_itself_only(wall: TlsWall, guard: FakeGuard) -> None:
    peer, inner = wall.join(guard)
    payload = message(Op.REG_SEND, Pid(Atom(guard.name), 100, 0, 5), EMPTY, Atom("victim"), payload=b"x" * 50000)
    written = write_until_stuck(inner, Sender(guard.flags).bytes(payload))
    assert written < 24 << 20
    (channel,) = [each for each in wall.wall.gateway._pending.pumps if each.handle.peer == PEER]
    assert channel._legs[0].transport.get_write_buffer_size() < pump.HIGH_WATER + (1 << 19)
    # Its own sending is not held up.
    peer.sock.sendall(TICK)
    assert inner.sock.recv(10) == TICK
    _reset(peer.sock)
    assert inner.is_closed()
    inner.close()


@pytest.mark.parametrize("stage", ["status", "challenge", "proof"])
@pytest.mark.parametrize("how", ["farewell", "reset", "garbage"])
def test_a_peer_that_goes_in_the_middle_leaves_nothing_behind(
    wall: TlsWall, guard: FakeGuard, stage: str, how: str
) -> None:
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    inner = guard.accept()
    inner.receive_name()
    if stage != "status":
        inner.send_status("ok")
        peer.receive_status()
        inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
        _, challenge, *_ = peer.receive_challenge()
        if stage == "proof":
            peer.prove(b"peer-cookie", challenge)
            inner.receive_reply()
    if how == "farewell":
        peer.hang_up()
    elif how == "reset":
        _reset(peer.sock)
    else:
        with socket.socket(fileno=peer.sock.detach()) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
            raw.settimeout(5)
            assert RawSocket(raw).is_closed()
    assert inner.is_closed()
    inner.close()
    wall.wall.wait_event("handshake_refused", peer=PEER)
