"""distwall's own node on sockets: `distwall.api_node` with limits on time, connections and load.

It listens on loopback only, and only the EPMD for guarded nodes knows it. Each connection has an allowance of work that
fills steadily, and a caller beyond its allowance is read later. After each request other connections have a turn, so
that no caller holds up the channels.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable
from typing import cast

from distwall.api_node import Accepted, Caller, CallerHandshake, CallerRejected, CallerSession, ErlangFunctions
from distwall.audit.event import OpenedBy
from distwall.audit.schema import CallerConnect, CallerDisconnect, CallerRefused
from distwall.epmd.messages import Alive2
from distwall.gateway.certificates import Certificates
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.tcp_acceptor import TcpAcceptor
from distwall.handshake.events import Identity, Secret
from distwall.handshake.halfopen import source_of
from distwall.net.sockets import framing, is_encrypted, listen, source_address
from distwall.node_name import NodeName
from distwall.tls.bounded_reads import Pausing

HANDSHAKE_TIMEOUT = 7.0
"""Seconds from connecting to the proof: a real node gives up then."""

MAX_CALLERS = 256
"""Nodes connected at a time."""

WORK_PER_SECOND = 500.0
"""Frames (long ones count more) that a caller may send in a second, in the long run."""

BURST = 2000.0
"""Frames (long ones count more) that a caller may send at once after a pause."""

BYTES_PER_WORK = 1024

_HIDDEN_NODE, _VERSION = 72, 6


class ApiNodeServer:
    """The node: its listening sockets, and its connected callers."""

    def __init__(self, pending: PendingConnections, certificates: Certificates, name: str) -> None:
        self.pending = pending
        self.own = Identity(name, 4 + secrets.randbelow(2**32 - 4))
        self.calls = ErlangFunctions(pending.firewall)
        self.port = 0
        self._certificates = certificates
        self._acceptor: TcpAcceptor | None = None
        self._hosts: list[str] = []
        self._callers: dict[str, ApiNodeConnection] = {}

    @property
    def alive(self) -> Alive2:
        """The part of the node's name before ``@``."""
        alive = NodeName.of(self.own.name).alive
        return Alive2(alive, self.port, _HIDDEN_NODE, 0, _VERSION, _VERSION, b"")

    def start(self, hosts: list[str]) -> None:
        """Listens at loopback addresses, all at one port. Raises OSError."""
        sockets: list[socket.socket] = listen(hosts, 0)
        self._hosts = hosts
        self.port = sockets[0].getsockname()[1]
        self._acceptor = TcpAcceptor(
            self.pending,
            sockets,
            lambda: ApiNodeConnection(self),
            context=self._certificates.for_guards,
            guard=None,
        )

    def port_at(self, host: str) -> int | None:
        """The node's port at the loopback address ``host``."""
        return self.port if host in self._hosts else None

    def close(self) -> None:
        """Stops listening and hangs up."""
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(self._callers.values()):
            connection.hang_up("distwall stops")

    def cookie_for(self, name: str, *, encrypted: bool) -> Secret | None:
        """The cookie that a caller has to prove; None: it may not connect."""
        policy = self.pending.firewall.policy
        if policy.guard.inside is not None and not encrypted:
            return None
        return policy.guard.cookie if policy.guards(name) else policy.control.cookie

    def joined(self, name: str, connection: "ApiNodeConnection") -> bool:
        """Takes a caller that has proved its cookie, in place of its earlier connection; false if there is no room."""
        earlier = self._callers.get(name)
        if earlier is None and len(self._callers) >= MAX_CALLERS:
            return False
        self._callers[name] = connection
        if earlier is not None:
            earlier.hang_up("connected anew")
        return True

    def left(self, name: str, connection: "ApiNodeConnection") -> None:
        """Forgets a caller whose connection is gone."""
        if self._callers.get(name) is connection:
            del self._callers[name]


class ApiNodeConnection(Pausing):
    """One connection to the node."""

    _transport: asyncio.Transport
    _handshake: CallerHandshake
    _timer: asyncio.TimerHandle

    def __init__(self, node: ApiNodeServer) -> None:
        self._node = node
        self._pending = node.pending
        self._loop = asyncio.get_running_loop()
        self._session: CallerSession | None = None
        self._caller: Caller | None = None
        self._source = "unknown"
        self._paused = False
        self._allowance = BURST
        self._counted_at = self._loop.time()
        self._next: asyncio.Handle | None = None
        self._read_on: Callable[[], None] | None = None
        """Tells TLS that the connection is read again."""

    @property
    def opened_by(self) -> OpenedBy:
        """The side that dialled: programs of this host, which strangers must not crowd out."""
        return "guard"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._source = source_address(transport)
        encrypted = is_encrypted(transport)
        self._handshake = CallerHandshake(
            self._node.own,
            cookie_for=lambda name: self._node.cookie_for(name, encrypted=encrypted),
            proofs=self._pending.proofs,
            framing=framing(transport),
        )
        self._timer = self._loop.call_later(HANDSHAKE_TIMEOUT, self._expired)
        self._pending.connections.add(self._transport)
        self._pending.unproved(self, source_of(self._source))

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the handshake, or of the frames after it."""
        if self._session is not None:
            self._session.receive(data)
            self._go_on()
            return
        outcome = self._handshake.receive(data)
        if isinstance(outcome, Accepted):
            self._accepted(outcome)
            return
        self._write(self._handshake.due())
        if isinstance(outcome, CallerRejected):
            self._refused(outcome)

    def flooded(self, detail: str) -> None:
        """Ends the connection: see `distwall.tls.bounded_reads`."""
        if self._caller is None:
            self.refuse("flood", detail, peer_fault=True)
        else:
            self.hang_up(detail)

    def call_when_read(self, read_on: Callable[[], None]) -> None:
        """Calls ``read_on`` each time when the connection is read again: see `distwall.tls.bounded_reads`."""
        self._read_on = read_on

    def pause_writing(self) -> None:
        """Stops reading: the caller doesn't read its answers."""
        self._paused = True

    def resume_writing(self) -> None:
        """Goes on reading."""
        self._paused = False
        self._go_on()

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets the connection."""
        self._pending.connections.discard(self._transport)
        if self._next is not None:
            self._next.cancel()
        if self._caller is not None:
            self._node.left(self._caller.name, self)
            self._pending.firewall.record(CallerDisconnect(node=self._caller.name, reason="closed"))
        elif refused := self._handshake.refuse("closed", "it hung up in the middle of the handshake"):
            self._refused(refused)

    def refuse(self, reason: str, detail: str, *, peer_fault: bool) -> None:  # noqa: ARG002  # the signature of all unproved connections
        """Ends a handshake from outside."""
        if refused := self._handshake.refuse(reason, detail):
            self._refused(refused)

    def hang_up(self, reason: str) -> None:
        """Ends the connection of a caller."""
        if self._next is not None:
            self._next.cancel()
        if self._caller is not None:
            self._node.left(self._caller.name, self)
            self._pending.firewall.record(CallerDisconnect(node=self._caller.name, reason=reason))
            self._caller = None
        self._transport.abort()

    def _expired(self) -> None:
        self.refuse("timeout", "no proof in time", peer_fault=True)

    def _refused(self, refused: CallerRejected) -> None:
        self._settled()
        self._pending.firewall.record(
            CallerRefused(
                source=self._source, node=self._handshake.name, reason=refused.reason, detail=refused.detail, folded=0
            )
        )
        self._transport.close()

    def _settled(self) -> None:
        self._timer.cancel()
        self._pending.settled(self, source_of(self._source))

    def _accepted(self, accepted: Accepted) -> None:
        name = accepted.caller.name
        if not self._node.joined(name, self):
            self._refused(CallerRejected("full", f"{MAX_CALLERS} nodes are connected to distwall's own"))
            return
        self._settled()
        guarded = self._pending.firewall.policy.guards(name)
        caller = self._caller = Caller(name, name if guarded else None)
        self._pending.firewall.record(CallerConnect(node=name, role="guard" if guarded else "operator"))
        self._write(self._handshake.due())
        self._session = CallerSession(
            self._node.own, accepted.caller, lambda request: self._node.calls.answer(caller, request)
        )
        self._session.receive(accepted.data)
        self._go_on()

    def _go_on(self) -> None:
        """Schedules the next frame, if it is there; otherwise reads on."""
        session = self._session
        if session is None or self._next is not None or self._transport.is_closing():
            return
        if not session.is_waiting:
            self._transport.resume_reading()
            if self._read_on is not None:
                # First TLS hands over what it holds back.
                self._loop.call_soon(self._read_on)
            return
        self._transport.pause_reading()
        if self._paused:
            return
        now = self._loop.time()
        self._allowance = min(BURST, self._allowance + (now - self._counted_at) * WORK_PER_SECOND)
        self._counted_at = now
        if self._allowance > 0:
            self._next = self._loop.call_soon(self._step, session)
        else:
            self._next = self._loop.call_later(-self._allowance / WORK_PER_SECOND + 0.01, self._try_again)

    def _try_again(self) -> None:
        self._next = None
        self._go_on()

    def _step(self, session: CallerSession) -> None:
        self._next = None
        try:
            self._allowance -= 1 + session.step() / BYTES_PER_WORK
        except Exception as error:  # noqa: BLE001  # stays in this connection and fails closed
            self._loop.call_exception_handler({"message": "a call failed and its node was cut", "exception": error})
            self.hang_up("internal_error")
            return
        self._write(session.due())
        if session.fault is not None:
            name = None if self._caller is None else self._caller.name
            self._pending.firewall.record(
                CallerRefused(source=self._source, node=name, reason="malformed", detail=session.fault, folded=0)
            )
            self.hang_up(session.fault)
            return
        self._go_on()

    def _write(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._transport.write(data)
