"""A node made of a blocking socket, which can say anything.

It is for attacks against real nodes, directly and through distwall. :class:`RawPeer` dials (:meth:`RawPeer.connect`) or
listens (:meth:`RawPeer.listen`) and does the version 6 handshake with any name, cookie, flags and creation.
:class:`Connection` then sends and receives messages or raw bytes. The steps of the handshake (:class:`Handshake`) can
be taken one by one, so that it can stop half-way.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from distwall._core import DistFlag
from tests.support.dist import EMPTY, OTP_25, TICK, Message, Op, Receiver, Sender, message
from tests.support.epmd import TIMEOUT, read_exactly
from tests.support.etf import Atom, Pid, Ref, Term, alias

GRACE = 0.2


class HandshakeFailed(Exception):
    """The other side refused or went away; the argument says how."""


def digest(cookie: bytes, challenge: int) -> bytes:
    return hashlib.md5(cookie + str(challenge).encode(), usedforsecurity=False).digest()


# === handshake ===


@dataclass
class Handshake:
    """The steps of a handshake, for both roles, each to be taken by hand."""

    sock: socket.socket

    def send(self, body: bytes) -> None:
        self.sock.sendall(struct.pack(">H", len(body)) + body)

    def receive(self) -> bytes:
        return read_exactly(self.sock, int.from_bytes(read_exactly(self.sock, 2), "big"))

    def expect(self, tag: bytes) -> bytes:
        body = self.receive()
        if body[:1] != tag:
            raise HandshakeFailed(f"got {body!r} for {tag!r}")
        return body[1:]

    def send_name(self, name: str, flags: int, creation: int) -> None:
        encoded = name.encode("latin-1")
        self.send(b"N" + struct.pack(">QIH", flags, creation, len(encoded)) + encoded)

    def receive_name(self) -> tuple[int, int, str]:
        """``(flags, creation, name)``."""
        body = self.expect(b"N")
        flags, creation, length = struct.unpack(">QIH", body[:14])
        return flags, creation, body[14 : 14 + length].decode("latin-1")

    def send_status(self, status: str) -> None:
        self.send(b"s" + status.encode())

    def receive_status(self) -> bytes:
        return self.expect(b"s")

    def send_challenge(self, name: str, flags: int, creation: int, challenge: int) -> None:
        encoded = name.encode("latin-1")
        self.send(b"N" + struct.pack(">QIIH", flags, challenge, creation, len(encoded)) + encoded)

    def receive_challenge(self) -> tuple[int, int, int, str]:
        """``(flags, challenge, creation, name)``."""
        body = self.expect(b"N")
        flags, challenge, creation, length = struct.unpack(">QIIH", body[:18])
        return flags, challenge, creation, body[18 : 18 + length].decode("latin-1")

    def send_reply(self, challenge: int, proof: bytes) -> None:
        self.send(b"r" + struct.pack(">I", challenge) + proof)

    def receive_reply(self) -> tuple[int, bytes]:
        body = self.expect(b"r")
        return int.from_bytes(body[:4], "big"), body[4:]

    def send_ack(self, proof: bytes) -> None:
        self.send(b"a" + proof)

    def receive_ack(self) -> bytes:
        return self.expect(b"a")


@dataclass
class RawPeer:
    """The node that the test plays."""

    name: str
    cookie: bytes
    flags: int = OTP_25 & ~DistFlag.PUBLISHED
    creation: int = field(default_factory=lambda: secrets.randbelow(1 << 31) + 4)
    release: int = 25

    def connect(self, address: tuple[str, int], *, alive: bytes = b"true") -> Connection:
        """Dials a node's dist port. Raises HandshakeFailed with the status if it is not let in."""
        sock = socket.create_connection(address, TIMEOUT)
        try:
            return self._initiate(sock, alive)
        except ConnectionError as error:
            sock.close()
            raise HandshakeFailed(f"closed: {error}") from error
        except BaseException:
            sock.close()
            raise

    def _initiate(self, sock: socket.socket, alive: bytes) -> Connection:
        step = Handshake(sock)
        step.send_name(self.name, self.flags, 0 if self.flags & DistFlag.NAME_ME else self.creation)
        status = step.receive_status()
        name, creation = self.name, self.creation
        if status == b"alive":
            step.send(b"s" + alive)
        elif status.startswith(b"named:"):
            (length,) = struct.unpack(">H", status[6:8])
            name = status[8 : 8 + length].decode()
            creation = int.from_bytes(status[8 + length : 12 + length], "big")
        elif status not in (b"ok", b"ok_simultaneous"):
            raise HandshakeFailed(status.decode("latin-1"))
        flags, challenge, peer_creation, peer = step.receive_challenge()
        ours = secrets.randbits(32)
        step.send_reply(ours, digest(self.cookie, challenge))
        if not hmac.compare_digest(step.receive_ack(), digest(self.cookie, ours)):
            raise HandshakeFailed("the acceptor's digest is wrong")
        return Connection(sock, (name, creation), (peer, peer_creation), flags=self.flags & flags, release=self.release)

    @contextmanager
    def listen(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[RawListener]:
        with socket.create_server((host, port)) as server:
            server.settimeout(TIMEOUT)
            yield RawListener(self, server)

    def accept(self, sock: socket.socket, *, status: str = "ok", steps: type[Handshake] = Handshake) -> Connection:
        """Does the acceptor's part of a handshake on an accepted socket; ``steps`` knows how messages are framed."""
        sock.settimeout(TIMEOUT)
        step = steps(sock)
        flags, peer_creation, peer = step.receive_name()
        step.send_status(status)
        challenge = secrets.randbits(32)
        step.send_challenge(self.name, self.flags, self.creation, challenge)
        theirs, proof = step.receive_reply()
        if not hmac.compare_digest(proof, digest(self.cookie, challenge)):
            raise HandshakeFailed("the initiator's digest is wrong")
        step.send_ack(digest(self.cookie, theirs))
        return Connection(
            sock, (self.name, self.creation), (peer, peer_creation), flags=self.flags & flags, release=self.release
        )


@dataclass
class RawListener:
    node: RawPeer
    server: socket.socket

    @property
    def port(self) -> int:
        return int(self.server.getsockname()[1])

    def accept(self) -> Connection:
        sock, _ = self.server.accept()
        try:
            return self.node.accept(sock)
        except BaseException:
            sock.close()
            raise


# === after the handshake ===


class Connection:
    """A connection to a real node, after the handshake."""

    def __init__(
        self, sock: socket.socket, us: tuple[str, int], them: tuple[str, int], *, flags: int, release: int
    ) -> None:
        """``us`` and ``them``: name and creation."""
        self.sock = sock
        self.name, self.creation = Atom(us[0]), us[1]
        self.peer, self.peer_creation = Atom(them[0]), them[1]
        self.flags = flags
        self.sender = Sender(flags)
        self.receiver = Receiver(flags, release=release)
        self.log: list[Message] = []
        """Everything received, in order."""
        self._refs = 0
        sock.settimeout(TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def pid(self, number: int = 100, serial: int = 0) -> Pid:
        return Pid(self.name, number, serial, self.creation)

    def their_pid(self, number: int, serial: int = 0) -> Pid:
        return Pid(self.peer, number, serial, self.peer_creation)

    def ref(self) -> Ref:
        self._refs += 1
        return Ref(self.name, self.creation, (self._refs, 0, 0))

    def send_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send(self, *messages: Message, fragment: int = 65536) -> None:
        self.sock.sendall(self.sender.bytes(*messages, fragment=fragment))

    def tick(self) -> None:
        self.sock.sendall(TICK)

    def receive(self, timeout: float = GRACE) -> list[Message]:
        """Bytes until nothing arrives for ``timeout`` seconds. Raises ConnectionError when the other side closes."""
        got: list[Message] = []
        while True:
            self.sock.settimeout(timeout)
            try:
                data = self.sock.recv(1 << 20)
            except TimeoutError:
                return got
            finally:
                self.sock.settimeout(TIMEOUT)
            if not data:
                raise ConnectionResetError("closed")
            messages = self.receiver.feed(data)
            self.log += messages
            got += messages

    def wait_for(self, op: Op, timeout: float = TIMEOUT) -> Message:
        """The first message of this kind that comes from now on (others go to ``log`` only)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for one in self.receive(0.02):
                if one.op is op:
                    return one
        raise TimeoutError(op.name)

    def is_closed(self, timeout: float = 2.0) -> bool:
        """True if the other side closes within ``timeout`` seconds."""
        end = time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                self.receive(0.05)
        except ConnectionError:
            return True
        return False

    # What a caller on a real node would do.

    def reg_send(self, name: str, payload: Term, *, sender: Pid | None = None) -> None:
        self.send(message(Op.REG_SEND, sender or self.pid(), EMPTY, Atom(name), payload=payload))

    def call(self, name: str, request: Term, *, timeout: float = TIMEOUT) -> Term:
        """A ``gen_server:call``: returns the reply; raises LookupError with the reason of a DOWN."""
        ref = self.ref()
        self.send(message(Op.MONITOR_P, self.pid(), Atom(name), ref))
        self.reg_send(name, (Atom("$gen_call"), (self.pid(), alias(ref)), request))
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for one in self.receive(0.02):
                if one.op in (Op.MONITOR_P_EXIT, Op.PAYLOAD_MONITOR_P_EXIT) and one.args["ref"] == ref:
                    raise LookupError(one.args.get("reason", one.payload))
                if isinstance(one.payload, tuple) and one.payload[0] in (alias(ref), ref):
                    self.send(message(Op.DEMONITOR_P, self.pid(), Atom(name), ref))
                    return one.payload[1]
        raise TimeoutError(name)

    def spawn(
        self, module: str, function: str, arguments: list[Term], *, options: list[Term] | None = None, wait: bool = True
    ) -> Term:
        """A spawn request; returns the reply's result, a pid or an error atom."""
        ref = self.ref()
        target = (Atom(module), Atom(function), len(arguments))
        self.send(message(Op.SPAWN_REQUEST, ref, self.pid(), self.pid(), target, options or [], payload=arguments))
        return self.wait_for(Op.SPAWN_REPLY).args["result"] if wait else None

    def erpc(self, module: str, function: str, arguments: list[Term], *, timeout: float = TIMEOUT) -> Term:
        """An ``erpc:call``; returns the reason of its DOWN, e.g. ``(Res, return, Value)``, or the spawn error atom."""
        ref = self.ref()
        call: list[Term] = [ref, Atom(module), Atom(function), arguments]
        self.send(
            message(
                *(Op.SPAWN_REQUEST, ref, self.pid(), self.pid()),
                *((Atom("erpc"), Atom("execute_call"), 4), [Atom("monitor")]),
                payload=call,
            )
        )
        reply = self.wait_for(Op.SPAWN_REPLY, timeout)
        if not isinstance(reply.args["result"], Pid):
            return reply.args["result"]
        down = [one for one in self.log if one.op is Op.PAYLOAD_MONITOR_P_EXIT and one.args["ref"] == ref]
        return down[-1].payload if down else self.wait_for(Op.PAYLOAD_MONITOR_P_EXIT, timeout).payload
