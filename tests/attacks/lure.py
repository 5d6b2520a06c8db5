"""Whoever answers where a guarded node looks for a peer; and a guarded node that is made to look there."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import ports
from tests.support.epmd import epmd, read_exactly
from tests.support.in_process_wall import (
    FLAGS,
    GUARD,
    PEER,
    WAIT,
    InProcessWall,
    RawSocket,
    is_left_alone,
    wall_in_process,
)
from tests.support.wall import CLUSTER_COOKIE, Peer


@dataclass
class Lure:
    """An EPMD that says of every node that it is at one port, and a socket that listens there."""

    wall: InProcessWall
    epmd: socket.socket
    server: socket.socket

    def accept(self) -> RawSocket:
        """The next connection that distwall opens."""
        sock, _ = self.server.accept()
        return self.wall.own(sock)

    def was_left_alone(self) -> bool:
        """Nobody dials."""
        return is_left_alone(self.server)

    def lured(self, name: str = PEER, *, guard: str = GUARD) -> tuple[RawSocket, RawSocket]:
        """A guarded node dials ``name``: its connection, and the one that comes out here, both after the name."""
        inner = dial_out(self.wall, name, guard=guard)
        outer = self.accept()
        outer.receive_name()
        return inner, outer

    def serve(self) -> None:
        """Answers questions until the socket is closed."""
        port = self.server.getsockname()[1]
        while True:
            try:
                sock, _ = self.epmd.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                read_exactly(sock, int.from_bytes(read_exactly(sock, 2)))
                sock.sendall(b"w\0" + port.to_bytes(2) + bytes((77, 0, 0, 6, 0, 6, 0, 0, 0, 0)))


@contextmanager
def luring(folder: Path, peers: Sequence[Peer], *, guards: Sequence[str] = (GUARD,)) -> Iterator[Lure]:
    """A gateway with these entries, whose guarded nodes find the lure wherever a peer's host is 127.0.0.1."""
    with ExitStack() as stack:
        port = stack.enter_context(ports.lease())
        wall = stack.enter_context(wall_in_process(folder, peers, guards=guards, extra=f"peer_epmd_port = {port}"))
        epmd_socket = stack.enter_context(socket.create_server(("127.0.0.1", port)))
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        server.settimeout(WAIT)
        here = Lure(wall, epmd_socket, server)
        thread = threading.Thread(target=here.serve)
        thread.start()
        stack.callback(thread.join, WAIT)
        stack.callback(epmd_socket.shutdown, socket.SHUT_RDWR)
        yield here


def way_out(wall: InProcessWall, name: str = PEER) -> int | None:
    """The port where a guarded node reaches ``name``, as its ``distwall_epmd`` asks for it."""
    answer = epmd(b"z" + name.encode(), wall.register_epmd)
    return int.from_bytes(answer[2:4]) if answer[:2] == b"w\0" else None


def dial_out(wall: InProcessWall, name: str = PEER, *, guard: str = GUARD) -> RawSocket:
    """A guarded node dials ``name`` and says its own."""
    port = way_out(wall, name)
    assert port is not None
    inner = wall.own(socket.create_connection(("127.0.0.1", port), WAIT))
    inner.send_name(guard, FLAGS, 5)
    return inner


def answered(inner: RawSocket, outer: RawSocket, challenge: int, *, name: str = PEER) -> tuple[int, bytes]:
    """Whoever answers puts ``challenge``, and the guarded node proves the cluster's cookie.

    What comes out: distwall's own challenge and its proof. Raises ConnectionError if it hangs up instead.
    """
    outer.send_status("ok")
    outer.send_challenge(name, FLAGS, 7, challenge)
    assert inner.receive_status() == b"ok"
    inner.prove(CLUSTER_COOKIE.encode(), inner.receive_challenge()[1])
    return outer.receive_reply()
