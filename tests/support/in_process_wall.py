"""A distwall in this process, its event loop in a thread of its own; the test plays both nodes on blocking sockets."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from distwall._core import DistFlag
from distwall.audit.log import AuditLog
from distwall.control import Firewall, StateFile
from distwall.gateway import Gateway
from distwall.policy import loads
from tests.support import ports
from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port, epmd_registered
from tests.support.raw_peer import Handshake, RawPeer, digest
from tests.support.wall import CLUSTER_COOKIE, Peer, policy_text

GUARD = "bar@127.0.0.2"
PEER = "foo@127.0.0.1"
PEER_COOKIE = b"peer-cookie"
FLAGS = OTP_25
WAIT = 20.0


class InProcessWall:
    """The running gateway."""

    def __init__(self, folder: Path, text: str, epmd: int, register: int) -> None:
        self.peers_epmd = ("127.0.0.2", epmd)
        self.register_epmd = ("127.0.0.1", register)
        self.text = text
        self._sockets: list[socket.socket] = []
        self.seen: list[dict[str, Any]] = []
        self._new_event = threading.Condition()
        (folder / "cluster.cookie").write_text(CLUSTER_COOKIE)
        (folder / "cluster.cookie").chmod(0o600)
        self._policy = loads(text, folder / "distwall.toml", {})
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised in the test
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.errors: list[dict[str, Any]] = []
        self._stop = asyncio.Event()
        audit = AuditLog(self._policy.audit.file)
        audit.subscribe(self._note)
        self.firewall = Firewall(self._policy, audit, StateFile(self._policy.control.state))
        self.gateway = Gateway(self.firewall)
        self.firewall.start()
        try:
            await self.gateway.start()
            self._ready.set()
            await self.gateway.run(self._stop)
        finally:
            self.firewall.close()
            await audit.close()

    def start(self) -> None:
        """Starts the gateway; once more after `end`, as after a restart."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(WAIT)
        if self._error is not None:
            self._thread.join(WAIT)
            raise self._error

    def stop(self) -> None:
        for each in self._sockets:
            each.close()
        self.end()

    def end(self) -> None:
        """Ends the gateway, if it runs; the test's own sockets stay open."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
        assert self._error is None
        assert self.errors == []

    def _note(self, event: dict[str, Any]) -> None:
        with self._new_event:
            self.seen.append(event)
            self._new_event.notify_all()

    def wait_event(self, kind: str, timeout: float = WAIT, **fields: Any) -> dict[str, Any]:
        """Waits for an event with these fields."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [
                event
                for event in self.seen
                if event["event"] == kind and all(event.get(key) == value for key, value in fields.items())
            ]
            return bool(found)

        with self._new_event:
            assert self._new_event.wait_for(there, timeout), f"no {kind} {fields} among {self.seen}"
        return found[0]

    def port(self, name: str = "bar") -> int:
        """Distwall's port for a guarded node."""
        port = epmd_port(name, self.peers_epmd)
        assert port is not None
        return port

    def dial(self, name: str = "bar", source: str = "127.0.0.1") -> "RawSocket":
        """A connection to a guarded node, as a peer makes it, before anything was said."""
        return self.own(socket.create_connection(("127.0.0.2", self.port(name)), WAIT, (source, 0)))

    def own(self, sock: socket.socket) -> "RawSocket":
        """A socket that is closed at the end of the test."""
        self._sockets.append(sock)
        return RawSocket(sock)


@contextmanager
def wall_in_process(
    folder: Path,
    peers: Sequence[Peer],
    *,
    guards: Sequence[str] = (GUARD,),
    register: str = "",
    extra: str = "",
    control: str = "",
    tables: str = "",
) -> Iterator[InProcessWall]:
    """A gateway with this policy. ``register`` is another address to register at, ``both`` that and EPMD's."""
    with ExitStack() as stack:
        epmd = stack.enter_context(ports.lease())
        port = stack.enter_context(ports.lease())
        text = policy_text(epmd, port, peers, guards=guards, extra=tables).replace("[guard]\n", f"[guard]\n{extra}\n")
        text = text.replace("[control]\n", f"[control]\n{control}\n")
        if register:
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.2:{epmd}" if register == "both" else register)
        wall = InProcessWall(folder, text, epmd, port)
        wall.start()
        stack.callback(wall.stop)
        yield wall


@dataclass
class RawSocket(Handshake):
    """One socket, and the steps of the handshake on it."""

    def __post_init__(self) -> None:
        self.sock.settimeout(WAIT)

    def close(self) -> None:
        self.sock.close()

    def is_closed(self) -> bool:
        """True if the other side closes in time; drops the bytes before that."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def is_silent(self, seconds: float = 0.1) -> bool:
        """True if no byte arrives, and the connection stays open."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(WAIT)

    def prove(self, cookie: bytes, challenge: int) -> None:
        """Answers a challenge, with one's own: 99."""
        self.send_reply(99, digest(cookie, challenge))


@dataclass
class FakeGuard:
    """A guarded node that is registered and does what the test says."""

    wall: InProcessWall
    name: str = GUARD
    creation: int = 0x0A0B0C0D
    flags: int = FLAGS
    node: RawPeer = field(init=False)

    def __post_init__(self) -> None:
        self.node = RawPeer(self.name, CLUSTER_COOKIE.encode(), self.flags, self.creation)

    @contextmanager
    def registered(self) -> Iterator["FakeGuard"]:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as self.server:
            self.server.settimeout(WAIT)
            alive = self.name.partition("@")[0]
            with epmd_registered(alive, self.server.getsockname()[1], self.wall.register_epmd):
                yield self

    def accept(self) -> RawSocket:
        """A connection from distwall, which speaks first.

        A connection that ends without a byte is somebody else's, who looked for the server that had this port before.
        """
        while True:
            sock, _ = self.server.accept()
            sock.settimeout(WAIT)
            if sock.recv(1, socket.MSG_PEEK):
                return self.wall.own(sock)
            sock.close()

    def is_left_alone(self, seconds: float = 0.1) -> bool:
        """True if nobody dials."""
        return is_left_alone(self.server, seconds)


def is_left_alone(server: socket.socket, seconds: float = 0.1) -> bool:
    """True if nobody connects to a listening socket."""
    server.settimeout(seconds)
    try:
        server.accept()
    except TimeoutError:
        return True
    finally:
        server.settimeout(WAIT)
    return False


def join(
    wall: InProcessWall, guard: FakeGuard, name: str = PEER, *, cookie: bytes = PEER_COOKIE, flags: int = FLAGS
) -> tuple[RawSocket, RawSocket]:
    """A whole handshake. Returns the peer's and the guarded node's socket, to be used for frames."""
    peer = wall.dial(guard.name.partition("@")[0])
    peer.send_name(name, flags, 5)
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("ok")
    assert peer.receive_status() == b"ok"
    finish(wall, guard, peer, inner, cookie)
    return peer, inner


def finish(
    wall: InProcessWall, guard: FakeGuard, peer: RawSocket, inner: RawSocket, cookie: bytes = PEER_COOKIE
) -> None:
    """The handshake from the challenge on."""
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    _, challenge, creation, name = peer.receive_challenge()
    assert (creation, name) == (guard.creation, guard.name)
    peer.prove(cookie, challenge)
    theirs, proof = inner.receive_reply()
    assert proof == digest(CLUSTER_COOKIE.encode(), 4711)
    inner.send_ack(digest(CLUSTER_COOKIE.encode(), theirs))
    assert peer.receive_ack() == digest(cookie, 99)


def hidden(flags: int) -> int:
    return flags & ~DistFlag.PUBLISHED


BIG = 32 << 20
"""More than the buffers of all sockets on the way, and of distwall, take."""


def write_until_stuck(raw: RawSocket, data: bytes) -> int:
    """Writes ``data`` over and over until nothing goes any more; returns the bytes written."""
    raw.sock.settimeout(0.5)
    written = 0
    view = memoryview(data)
    try:
        while written < BIG:
            written += raw.sock.send(view[written % len(data) :])
    except TimeoutError:
        pass
    finally:
        raw.sock.settimeout(5)
    return written
