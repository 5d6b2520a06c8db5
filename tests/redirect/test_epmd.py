"""EPMDs of other hosts that misbehave, and questions that never end."""

import socket
import struct

from tests.redirect.steps import COOKIE
from tests.support.hosts import A4, B4, HostPair
from tests.support.redirect_scene import REGISTER, UID, RedirectScene
from tests.support.wall import Peer

BAR, EPMD = f"bar@{A4}", 4444
REFUSAL = b"\x77\1"


def ask(pair: HostPair, name: bytes) -> socket.socket:
    """Asks for a node on ``b``, as a guarded one does."""
    client = pair.a.connect(B4, REGISTER, user=UID)
    client.sendall(struct.pack(">HB", 1 + len(name), 122) + name)
    return client


def serve(server: socket.socket, name: bytes, answer: bytes) -> None:
    """Plays EPMD for one question."""
    connection, _ = server.accept()
    with connection:
        assert connection.recv(100) == struct.pack(">HB", 1 + len(name), 122) + name
        connection.sendall(answer)


def answered(client: socket.socket) -> bytes:
    with client:
        data = b""
        while more := client.recv(1000):
            data += more
        return data


def test_an_epmd_that_misbehaves_holds_nobody_up(pair: HostPair) -> None:
    entries = [Peer([], f"*@{B4}", COOKIE)]
    only = 'ports = "64000-64001"\n'
    with RedirectScene(pair, entries, guards=[BAR], peer_epmd=EPMD, redirect=only, start_epmd=False) as scene:
        scene.redirect()

        # Nobody is there; and somebody who has not said anything yet, to whom nothing is owed.
        assert answered(ask(pair, b"foo")) == REFUSAL
        scene.wall.wait_event("handshake_refused", peer=f"foo@{B4}", reason="unreachable")
        silent = pair.a.connect(B4, REGISTER, user=UID)

        with pair.b.listen(B4, EPMD) as server:
            for name, nonsense in ((b"a", b""), (b"b", b"\x77"), (b"c", b"HTTP/1.1 400\r\n"), (b"d", b"\x77\0\0\0")):
                client = ask(pair, name)
                serve(server, name, nonsense)
                assert answered(client) == REFUSAL
                scene.wall.wait_event("handshake_refused", peer=f"{name.decode()}@{B4}", reason="unreachable")
            client = ask(pair, b"gone")
            serve(server, b"gone", REFUSAL)
            assert answered(client) == REFUSAL

            # Ports are for as many nodes as there are ports; a node keeps its own.
            for name, port in ((b"one", 64000), (b"two", 64001), (b"one", 64000)):
                client = ask(pair, name)
                serve(server, name, b"\x77\0\x10\x00")
                head = struct.pack(">BBHBBHHH", 119, 0, port, 77, 0, 6, 6, 3)
                assert answered(client) == head + name + b"\0\0"
            client = ask(pair, b"three")
            serve(server, b"three", b"\x77\0\x10\x00")
            assert answered(client) == REFUSAL
            scene.wall.wait_event("handshake_refused", peer=f"three@{B4}", reason="no_port")

            # It never answers.
            client = ask(pair, b"slow")
            connection, _ = server.accept()
            with connection:
                assert answered(client) == REFUSAL
            scene.wall.wait_event("handshake_refused", peer=f"slow@{B4}", reason="unreachable")

        assert answered(silent) == b""
        scene.wall.wait_event("epmd_refused", source=B4, reason="timeout")
