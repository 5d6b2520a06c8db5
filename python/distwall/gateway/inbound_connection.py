"""Connections that peers open to guarded nodes: `distwall.handshake.Inbound` on sockets."""

import asyncio
from functools import partial
from typing import Protocol

from cryptography import x509

from distwall import _core
from distwall.audit.event import OpenedBy
from distwall.gateway.dialer import Dialer, DialError
from distwall.gateway.handshake_connection import Dialled, HandshakeConnection, Initiator
from distwall.gateway.pending_connections import PendingConnections
from distwall.handshake import Denied, HandshakeEvent, Inbound, NameReceived, Rejected, State, Ticket, Turn
from distwall.handshake.messages import Challenge
from distwall.net.sockets import framing, is_encrypted, peer_certificate
from distwall.node_name import NodeName
from distwall.policy import Entry
from distwall.policy.language.names import is_glob
from distwall.tls.certificate_names import describe, matches

PEER_TIMEOUT = 2.0
"""Seconds that a peer has for its answer while the guarded node holds a pending connection for it."""


class GuardedEnd(Protocol):
    """The guarded node that a listener stands for."""

    guard: str | None
    """The guarded node's full name, once it is known: EPMD is told only the part before ``@``."""

    @property
    def name(self) -> str:
        """The name that the guarded node registered."""

    def guard_address(self) -> tuple[str, int] | None:
        """Return the address of the guarded node itself; None if it is gone."""


class InboundConnection(HandshakeConnection):
    """One handshake that a peer began."""

    def __init__(
        self, pending: PendingConnections, listener: GuardedEnd, dialer: Dialer, peer: asyncio.Transport
    ) -> None:
        super().__init__(pending, peer)
        self.ticket: Ticket | None = None
        self._listener = listener
        self._dialer = dialer
        self._certificate = peer_certificate(peer)
        self._encrypted = is_encrypted(peer)
        self._verified = False
        self._account: str | None = None
        self._proves_first = False
        self._told = False
        self.machine: Inbound[Entry] = Inbound(
            lookup=self._lookup,
            is_guard=self._is_guard,
            guard_cookie=self._policy.guard.cookie,
            known_flags=_core.KNOWN_FLAGS,
            proofs=pending.proofs,
            guard=listener.guard,
            initiator_framing=framing(peer),
            acceptor_framing=dialer.guard_framing,
        )

    @property
    def opened_by(self) -> OpenedBy:
        """See `HandshakeConnection`."""
        return "peer"

    @property
    def certificate(self) -> x509.Certificate | None:
        """See `HandshakeConnection`."""
        return self._certificate

    def relay(self) -> None:
        """Dials the guarded node, or has the peer prove its cookie first: it is this handshake's turn."""
        known = self._challenge_known()
        if known is None:
            self._start(self._dial)
        else:
            self._proves_first = True
            self.machine.prove_first(known, self._is_pending)
            self._react([])

    async def _dial(self) -> None:
        address = self._listener.guard_address()
        if address is None:
            self._react(self.machine.acceptor_closed("the guarded node is not registered any more"))
            return
        try:
            transport = await self._dialer.dial_guard(address, lambda: Dialled(self._pending, self))
        except DialError as error:
            self._react(self.machine.acceptor_closed(error.detail))
        else:
            self.acceptor_connected(transport)

    def _react(self, events: list[HandshakeEvent[Entry]]) -> None:
        super()._react(events)
        if self.machine.guard is not None:
            self._listener.guard = self.machine.guard
        if self.machine.given is not None and not self._told:
            # Once: later the guarded node may be another.
            self._told = True
            self._learn(self.machine.given)

    def _named(self, event: NameReceived[Entry]) -> None:
        # Another entry may let in another party by the same name.
        self._account = f"{event.name} {event.entry.twin} {event.entry.node}"
        if self._pending.is_shut_out(self.source_key, self._account):
            self._react(self.machine.refuse("shut_out", "too many failures before it", tell=True))
        elif event.entry.tls and self._dialer.has_verifier:
            self._start(partial(self._verify, event))
        else:
            self._request(event)

    async def _verify(self, event: NameReceived[Entry]) -> None:
        """Asks the policy's own ``verify_peer`` before the guarded node hears of the peer."""
        if fault := await self._dialer.verify(self._certificate, event.name):
            self._react(self.machine.refuse("certificate", fault, peer_fault=True, tell=True))
        else:
            self._verified = True
            self._request(event)

    def _request(self, event: NameReceived[Entry]) -> None:
        if fault := self._pending.firewall.channel_fault(event.name, event.entry):
            # Only channels count, which were proved: a stranger can't use up the room of another's name.
            self._react(self.machine.refuse("no_channel", fault, tell=True))
            return
        self.ticket = self._pending.admission.request(
            self.source_key,
            self._listener.name,
            event.name,
            self._loop.time(),
            account=self._account,
            budgeted=is_glob(event.entry.node),
            dynamic=event.dynamic,
        )
        if self.ticket is None:
            detail = "too many names that were never proved"
            self._react(self.machine.refuse("name_budget", detail, peer_fault=True, tell=True))
            return
        self._pending.requested(self, self.ticket)

    def _learn(self, given: Challenge) -> None:
        # A node that is asked for a name says so in its challenge, and not that it is visible.
        if self.ticket is not None and not self.machine.is_dynamic:
            self._pending.learned(self.ticket.key, given)

    def _challenge_known(self) -> Challenge | None:
        """The challenge for a peer that has to prove its cookie first; None: it need not, or can't."""
        if self.ticket is None or self.machine.is_dynamic:
            return None
        known = self._pending.proof_first(self.ticket)
        return known if known is not None and known.name == self._listener.guard else None

    def _is_pending(self) -> bool:
        """True if the peer still wants this connection: it has accepted no other since this one began.

        A node dials only nodes that it has no connection with, and ends its attempt when it accepts one of theirs.
        """
        return self.ticket is not None and not self._pending.was_opened(self.ticket.key, since=self._started)

    def _proved(self) -> None:
        super()._proved()
        if self.ticket is not None:
            self._pending.admission.proved(self.ticket)
        if self._proves_first:
            # It still has its turn.
            self._start(self._dial)

    def _established(self) -> None:
        if self.ticket is not None:
            self._pending.admission.established(self.ticket)

    def _failed(self, refused: Rejected) -> None:
        # Of two nodes that connect to each other at once, one gives up its own attempt.
        gave_way = refused.reason == "peer_closed" and self._pending.is_dialled(self.machine.peer)
        relayed = self.ticket is not None and self.ticket.relayed_at is not None
        turned_away = self.ticket is None and refused.reason in ("no_channel", "shut_out")
        if turned_away and self._account is not None:
            self._pending.turned_away(self.source_key, self._account)
        # TLS has cost its time, although the handshake was not looked at.
        in_vain = self._encrypted and turned_away
        if (refused.peer_fault and not gave_way) or in_vain:
            self._pending.failed(self.source_key, self._account if relayed else None, tls=self._encrypted)
        if refused.peer_fault and self.ticket is not None and self._held_a_name:
            # Also if it seems to have given way: a stranger can do so at each dial of the guarded node.
            self._pending.contested(self.ticket.key)

    @property
    def _held_a_name(self) -> bool:
        """True if the guarded node has heard the peer's own name, without a proof."""
        relayed = self.ticket is not None and self.ticket.relayed_at is not None
        return relayed and not self._proves_first and not self.machine.is_dynamic

    def _release(self) -> None:
        if not self._released:
            self._released = True
            if self.ticket is not None:
                self._pending.finished(self.ticket)

    def _sides(self, acceptor: asyncio.Transport) -> tuple[asyncio.Transport, asyncio.Transport]:
        return self._initiator, acceptor

    @property
    def _peers_turn(self) -> Turn:
        return Turn.INITIATOR

    def _deadline(self, state: State, now: float) -> float:
        deadline = super()._deadline(state, now)
        held = self.machine.turn is Turn.INITIATOR and not self._proves_first
        return min(deadline, now + PEER_TIMEOUT) if held else deadline

    def _lookup(self, peer: str, guard: str | None) -> Entry | Denied:
        entry = self._policy.entry_for(peer, guard)
        if entry is None:
            return Denied("unknown_node", "no [[peers]] entry names it")
        if is_glob(entry.node) and self._pending.is_mate(peer):
            return Denied("own_name", "the name of a guarded node of this host, and its entry is a glob")
        if not entry.admits(self.source):
            return Denied("source", "its entry does not accept its address")
        if entry.tls and not self._encrypted:
            return Denied("plain_tcp", "its entry requires TLS")
        if entry.certificate:
            if self._certificate is None:
                return Denied("no_certificate", "its entry requires a certificate")
            if not matches(entry.certificate, self._certificate, peer):
                return Denied(
                    "certificate", f"its entry does not accept the certificate of {describe(self._certificate)}"
                )
        if self.machine.state is not State.NAME and entry.tls and self._dialer.has_verifier and not self._verified:
            # The entry that was found for its name alone did not ask for it. Next time the guarded node is known.
            return Denied("guard_unknown", f"{guard} was not known yet, nor that verify_peer is to be asked")
        return entry

    def _is_guard(self, name: str) -> bool:
        return NodeName.of(name).alive == self._listener.name and self._policy.guards(name)


class PeerInitiator(Initiator):
    """A peer's connection."""

    def __init__(self, pending: PendingConnections, listener: GuardedEnd, dialer: Dialer) -> None:
        super().__init__(pending)
        self._listener = listener
        self._dialer = dialer

    def _begin(self, transport: asyncio.Transport) -> HandshakeConnection:
        return InboundConnection(self._pending, self._listener, self._dialer, transport)
