"""The host that distwall asks for over TLS, and the one that the certificate has to be for."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.epmd import read_exactly
from tests.support.in_process_wall import FLAGS
from tests.support.raw_peer import Handshake
from tests.support.tls import Identity, TlsWall, tls_wall
from tests.support.wall import Peer

PEER = "foo@localhost"


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[TlsWall]:
    with tls_wall(tmp_path, [Peer(["accept *"], PEER)]) as wall:
        yield wall


@contextmanager
def _peer(wall: TlsWall, identity: Identity) -> Iterator[list[str | bytes]]:
    """The host of the peer: its EPMD and its node. Yields the host asked for, and what was said behind TLS."""
    told: list[str | bytes] = []
    context = identity.context(server=True)
    context.sni_callback = lambda _socket, host, _context: told.append(str(host))

    def serve_epmd(port: int) -> None:
        sock, _ = epmd.accept()
        with sock:
            read_exactly(sock, int.from_bytes(read_exactly(sock, 2)))
            sock.sendall(struct.pack(">BBHBBHHH3sH", 119, 0, port, 77, 0, 6, 5, 3, b"foo", 0))

    def serve_node() -> None:
        raw, _ = node.accept()
        raw.settimeout(5)
        try:
            with context.wrap_socket(raw, server_side=True) as sock:
                told.append(sock.recv(1000))
        except OSError:
            return

    with (
        socket.create_server(("127.0.0.1", wall.wall.peers_epmd[1])) as epmd,
        socket.create_server(("127.0.0.1", 0)) as node,
    ):
        threads = [
            threading.Thread(target=serve_epmd, args=[node.getsockname()[1]]),
            threading.Thread(target=serve_node),
        ]
        for each in threads:
            each.start()
        yield told
        for each in threads:
            each.join(5)
            assert not each.is_alive()


def _dial(wall: TlsWall) -> None:
    """As a guarded node dials."""
    ports: list[int | None] = []
    done = threading.Event()

    def ask() -> None:
        ports.append(wall.wall.gateway._target_listeners.port_for(PEER, "127.0.0.1"))
        done.set()

    wall.wall._loop.call_soon_threadsafe(ask)
    assert done.wait(5)
    with socket.create_connection(("127.0.0.1", ports[0] or 0), 5) as sock:
        guard = Handshake(sock)
        guard.send_name("bar@127.0.0.2", FLAGS, 5)
        with contextlib.suppress(ConnectionError):
            guard.receive()


def test_it_asks_for_the_host_in_the_peers_name(wall: TlsWall) -> None:
    with _peer(wall, wall.pki.identity("named", dns=["localhost"])) as told:
        _dial(wall)
    host, said = told
    assert host == "localhost"
    assert b"bar@127.0.0.2" in bytes(said if isinstance(said, bytes) else b"")


def test_a_certificate_for_another_host_is_refused(wall: TlsWall) -> None:
    with _peer(wall, wall.pki.identity("named", dns=["elsewhere.test"])) as told:
        _dial(wall)
    assert told[:1] == ["localhost"]
    assert not any(isinstance(said, bytes) and said for said in told)
    event = wall.wall.wait_event("handshake_refused", reason="tls", opened_by="guard")
    assert event["detail"] == "127.0.0.1: its certificate is for another host"
