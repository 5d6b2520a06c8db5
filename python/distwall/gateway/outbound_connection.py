"""Connections that guarded nodes open to peers: `distwall.handshake.Outbound` on sockets.

Until the guarded node proves the cluster's cookie, its name is only a claim. By then distwall has dialled the peer and
told it that name: any program with access to loopback can cause that much. The peer's challenge is answered after the
proof.
"""

import asyncio
from functools import partial

from cryptography import x509

from distwall import _core
from distwall.audit.event import OpenedBy
from distwall.gateway.dial_target import DialTarget
from distwall.gateway.dialer import Dialer, DialError
from distwall.gateway.handshake_connection import Dialled, HandshakeConnection, Initiator
from distwall.gateway.pending_connections import PendingConnections
from distwall.handshake import Denied, NameReceived, Outbound, Rejected, State, Turn
from distwall.net.sockets import framing, is_encrypted, peer_certificate, source_address
from distwall.node_name import NodeName
from distwall.policy import Entry
from distwall.policy.language.names import is_glob

HEAD_START = 0.5
"""Seconds by which distwall gives a peer up before the guarded node would, so that the log names the slow side."""


class OutboundConnection(HandshakeConnection):
    """One handshake that a guarded node began."""

    def __init__(
        self, pending: PendingConnections, dialer: Dialer, target: DialTarget, guard: asyncio.Transport
    ) -> None:
        super().__init__(pending, guard)
        self.source = target.address or target.host
        # A guarded node's dials to one peer must not crowd out those to others.
        self.source_key = target.node
        self._dialer = dialer
        self._target = target
        self._certificate: x509.Certificate | None = None
        self._plain = not is_encrypted(guard)
        self.machine: Outbound[Entry] = Outbound(
            target=target.node,
            lookup=self._lookup,
            is_guard=self._policy.guards,
            guard_cookie=self._policy.guard.cookie,
            known_flags=_core.KNOWN_FLAGS,
            proofs=pending.proofs,
            initiator_framing=framing(guard),
        )

    @property
    def opened_by(self) -> OpenedBy:
        """See `HandshakeConnection`."""
        return "guard"

    @property
    def certificate(self) -> x509.Certificate | None:
        """See `HandshakeConnection`."""
        return self._certificate

    def _named(self, event: NameReceived[Entry]) -> None:
        self._pending.outgoing.add(self.machine)
        if self.machine.guard is not None:
            self._pending.wanted((NodeName.of(self.machine.guard).alive, self._target.node))
        self._start(partial(self._dial, event.entry))

    async def _dial(self, entry: Entry) -> None:
        try:
            transport = await self._dialer.dial_peer(self._target, entry, lambda: Dialled(self._pending, self))
        except DialError as error:
            self._react(self.machine.refuse(error.reason, error.detail))
            return
        self.source = source_address(transport)
        self._certificate = peer_certificate(transport)
        self.machine.acceptor_framing = framing(transport)
        self.acceptor_connected(transport)

    def _established(self) -> None:
        self._pending.outgoing.discard(self.machine)

    def _failed(self, _: Rejected) -> None:
        self._pending.outgoing.discard(self.machine)

    def _sides(self, acceptor: asyncio.Transport) -> tuple[asyncio.Transport, asyncio.Transport]:
        return acceptor, self._initiator

    @property
    def _peers_turn(self) -> Turn:
        return Turn.ACCEPTOR

    def _deadline(self, state: State, now: float) -> float:
        return super()._deadline(state, now) - HEAD_START

    def _lookup(self, guard: str) -> Entry | Denied:
        if self._plain and self._policy.guard.inside:
            return Denied("plain_tcp", "[guard.tls.inside] requires TLS")
        entry = self._policy.entry_for(self._target.node, guard)
        if entry is None:
            return Denied("unknown_node", "no [[peers]] entry names it")
        if entry.cookie == self._policy.guard.cookie and not entry.tls:
            # A program at its address would get a proof, with which it could guess the cluster's cookie offline.
            detail = (
                "its entry has the cluster's cookie, which distwall never proves at a remote address; give it another"
            )
            return Denied("cluster_cookie", detail)
        if is_glob(entry.node) and self._pending.is_mate(self._target.node):
            return Denied("own_name", "the name of a guarded node of this host, and its entry is a glob")
        return entry


class GuardInitiator(Initiator):
    """A guarded node's connection."""

    def __init__(self, pending: PendingConnections, dialer: Dialer, target: DialTarget) -> None:
        super().__init__(pending)
        self._dialer = dialer
        self._target = target

    def _begin(self, transport: asyncio.Transport) -> HandshakeConnection:
        return OutboundConnection(self._pending, self._dialer, self._target, transport)
