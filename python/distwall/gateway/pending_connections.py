"""All handshakes under way: counts them, and decides which of them may reach the guarded node now."""

import asyncio
import math
from collections import OrderedDict
from typing import Protocol, TypeVar

from distwall.audit.event import OpenedBy
from distwall.control import Firewall
from distwall.gateway.local_nodes import LocalNodes
from distwall.gateway.pump import Pump
from distwall.handshake import Admission, AwaitedProofs, HalfOpen, Outbound, Ticket
from distwall.handshake.admission import MAX_REMEMBERED, GuardAndPeer
from distwall.handshake.messages import Challenge
from distwall.policy import Entry

T = TypeVar("T")

MAX_PER_SOURCE = 64
MAX_TOTAL = 512
"""Unproved connections, of one source and in all; connections from guarded nodes are counted separately."""


class Unproved(Protocol):
    """A connection that has proved nothing yet."""

    @property
    def opened_by(self) -> OpenedBy:
        """The side that dialled."""

    def refuse(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        """Ends the connection, and records the reason."""


class Waiting(Unproved, Protocol):
    """A peer's handshake that waits for its turn."""

    def relay(self) -> None:
        """Begin: the guarded node may hear of the peer now."""


class PendingConnections:
    """The state that all handshakes share. Drives `distwall.handshake.Admission` with the loop's clock."""

    def __init__(self, firewall: Firewall) -> None:
        self.firewall = firewall
        self.admission = Admission()
        self.proofs = AwaitedProofs()
        self.is_mate = LocalNodes(firewall.policy)
        self.pumps: set[Pump] = set()
        """Channels with at least one connection left."""
        self.idle = asyncio.Event()
        """Set when the last channel is gone."""
        self.connections: set[asyncio.Transport] = set()
        """All connections that no pump has taken over."""
        self.outgoing: set[Outbound[Entry]] = set()
        """Handshakes that guarded nodes began, from their name on."""
        self._challenges: dict[str, Challenge] = {}
        # A node of a global group is published to some nodes only.
        self._challenges_to: OrderedDict[GuardAndPeer, Challenge] = OrderedDict()
        # Names towards guarded nodes (the parts before ``@``); the oldest first.
        self._contested: OrderedDict[GuardAndPeer, None] = OrderedDict()
        self._wanted: OrderedDict[GuardAndPeer, None] = OrderedDict()
        self._opened: OrderedDict[GuardAndPeer, float] = OrderedDict()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        # Strangers must not crowd out what guarded nodes open.
        self._half_open: dict[OpenedBy, HalfOpen[Unproved]] = {
            side: HalfOpen(per_source=MAX_PER_SOURCE, total=MAX_TOTAL) for side in ("peer", "guard")
        }
        self._open: set[Unproved] = set()
        self._by_ticket: dict[Ticket, Waiting] = {}
        self._timers: dict[GuardAndPeer, asyncio.TimerHandle] = {}

    def unproved(self, connection: Unproved, source: str) -> None:
        """Counts a new connection that has proved nothing. If there are too many, ends the oldest."""
        self._open.add(connection)
        for evicted in self._half_open[connection.opened_by].add(connection, source):
            evicted.refuse("flood", "too many unproved connections", peer_fault=True)

    def requested(self, handshake: Waiting, ticket: Ticket) -> None:
        """Queues a handshake that wants to be relayed."""
        self._by_ticket[ticket] = handshake
        self._advance(ticket.key)

    def settled(self, connection: Unproved, source: str) -> None:
        """Stops counting a connection that is proved, or over."""
        self._open.discard(connection)
        self._half_open[connection.opened_by].remove(connection, source)

    def is_dialled(self, peer: str | None) -> bool:
        """True if a guarded node is just connecting to ``peer``."""
        return any(handshake.peer == peer for handshake in self.outgoing)

    def learned(self, key: GuardAndPeer, given: Challenge) -> None:
        """Keeps what a guarded node has said of itself in its challenge to a name."""
        self._challenges[key[0]] = given
        self._challenges_to[key] = given
        _bound(self._challenges_to, key)

    def guard_gone(self, guard: str) -> None:
        """Forgets what a guarded node has said of itself: the next one of its name may be another."""
        self._challenges.pop(guard, None)
        for key in [key for key in self._challenges_to if key[0] == guard]:
            del self._challenges_to[key]

    def contested(self, key: GuardAndPeer) -> None:
        """Notes that somebody has held a name without proving it."""
        self._contested[key] = None
        _bound(self._contested, key)

    def wanted(self, key: GuardAndPeer) -> None:
        """Notes that a guarded node dials a name."""
        self._wanted[key] = None
        _bound(self._wanted, key)

    def opened(self, key: GuardAndPeer) -> None:
        """Notes that a channel was opened, from either side."""
        self._opened[key] = self._loop.time()
        _bound(self._opened, key)

    def was_opened(self, key: GuardAndPeer, *, since: float) -> bool:
        """True if a channel was opened at or after that time of the loop's clock."""
        return self._opened.get(key, -math.inf) >= since

    def proof_first(self, ticket: Ticket) -> Challenge | None:
        """The challenge for a peer that has to prove its cookie before the guarded node hears of it; None: it has not.

        While a guarded node holds a pending connection under a name, its own dials to that name wait, and fail with it.
        So no stranger may make it hold a name that somebody has held without a proof before. If the guarded node dials
        the name itself, this goes for each source without an earlier proof of it.
        """
        held = ticket.key in self._contested or (ticket.key in self._wanted and not self.admission.has_proved(ticket))
        return self._challenges_to.get(ticket.key, self._challenges.get(ticket.key[0])) if held else None

    def failed(self, source: str, account: str | None = None, *, tls: bool) -> None:
        """Counts a failure by the fault of a peer at ``source``; for ``account``, if it was relayed."""
        self.admission.failed(source, self._loop.time(), account, tls=tls)

    def turned_away(self, source: str, account: str) -> None:
        """Notes that a handshake of ``source`` was refused because of its name, which does not count as a failure."""
        self.admission.turned_away(source, self._loop.time(), account)

    def is_shut_out(self, source: str, account: str | None = None) -> bool:
        """True if too many of the source's handshakes have failed lately, or were turned away."""
        return self.admission.is_shut_out(source, self._loop.time(), account)

    def is_known(self, source: str) -> bool:
        """True if a peer has proved some name from ``source``."""
        return self.admission.is_known(source)

    def is_shut_out_of_tls(self, source: str) -> bool:
        """True if too many of the source's handshakes over TLS have failed lately."""
        return self.admission.is_shut_out_of_tls(source, self._loop.time())

    def finished(self, ticket: Ticket) -> None:
        """Notes that the guarded node holds nothing unproved for a handshake any more."""
        self._by_ticket.pop(ticket, None)
        self.admission.finished(ticket)
        self._advance(ticket.key)

    def pump_gone(self, pump: Pump) -> None:
        """Forgets a channel whose connections are both gone."""
        self.pumps.discard(pump)
        if not self.pumps:
            self.idle.set()

    def close(self) -> None:
        """Ends all handshakes, for good."""
        self._closed = True
        for connection in list(self._open):
            connection.refuse("stopping", "distwall stops", peer_fault=False)
        # Also handshakes that are over but still held by the guarded node: uvloop waits for them when it closes.
        for transport in list(self.connections):
            transport.abort()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _advance(self, key: GuardAndPeer) -> None:
        """Carries out the decisions of admission for ``key``."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        while not self._closed:
            step = self.admission.next(key, self._loop.time())
            if step.start is not None:
                self._by_ticket[step.start].relay()
            elif step.abort is not None:
                # Its end calls finished(), and that comes back here.
                self._by_ticket[step.abort].refuse("superseded", "a newer handshake under its name", peer_fault=True)
                return
            else:
                if step.wake_at is not None:
                    # uvloop's clock has milliseconds: a moment later, or it might be asked too early.
                    self._timers[key] = self._loop.call_at(step.wake_at + 0.001, self._advance, key)
                return


def _bound(names: OrderedDict[GuardAndPeer, T], key: GuardAndPeer) -> None:
    """Makes ``key`` the newest; forgets the oldest name if there are too many."""
    names.move_to_end(key)
    if len(names) > MAX_REMEMBERED:
        names.popitem(last=False)
