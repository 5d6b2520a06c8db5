"""A connection that is not proved yet: a handshake of `distwall.handshake` on two sockets, with its timers.

The side that dialled distwall is the *initiator*, and the side that distwall dials in turn is the *acceptor*.
`inbound_connection` and `outbound_connection` say which of them is the peer, how the acceptor is reached, and how long
each may take.
"""

import abc
import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from cryptography import x509

from distwall.audit.event import OpenedBy
from distwall.control import RefusedChannelError
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.pump import Pump
from distwall.handshake import Established, HandshakeEvent, NameReceived, Proved, Rejected, Relay, State, Turn
from distwall.handshake.halfopen import source_of
from distwall.net.sockets import is_encrypted, source_address
from distwall.node_name import NodeName
from distwall.policy import Entry, Policy
from distwall.tls.bounded_reads import DataReader
from distwall.tls.certificate_names import describe
from distwall.tls.contexts import explain

NAME_TIMEOUT = 5.0
"""Seconds from connecting to the initiator's name: a real node sends it at once."""

UNPROVED_TIMEOUT = 7.0
"""Seconds from connecting to the proof, waiting and dialling included: a real node gives up then."""

ACK_TIMEOUT = 7.0
"""Seconds that the acceptor has for its acknowledgement."""

RELEASE_TIMEOUT = 1.0
"""Seconds that the acceptor has to hang up after an end of stream, before the connection is cut."""


class HandshakeConnection(abc.ABC):
    """One handshake. Ends as a `Pump`, or refused."""

    machine: Relay[Entry]
    """Set by the subclass before anything is received."""

    def __init__(self, pending: PendingConnections, initiator: asyncio.Transport) -> None:
        self.source = source_address(initiator)
        """The peer's address, or the host of its name."""
        self.source_key = source_of(self.source)
        self.dialled: set[asyncio.Transport] = set()
        """Connections to the acceptor, as far as they are not known to be gone."""
        self._pending = pending
        self._policy: Policy = pending.firewall.policy
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._initiator = initiator
        self._acceptor: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._released = False
        self._timed_state = State.NAME
        self._timer = self._loop.call_later(NAME_TIMEOUT, self._expired)

    def initiator_received(self, data: bytes) -> None:
        """Takes bytes from the initiator."""
        self._react(self.machine.initiator_received(data))

    def initiator_closed(self) -> None:
        """Takes the end of the initiator's connection."""
        self._react(self.machine.initiator_closed())

    def acceptor_connected(self, transport: asyncio.Transport) -> None:
        """Takes the connection to the acceptor, whose certificate was right, if it has one."""
        if self._ended:
            transport.abort()
            return
        self._acceptor = transport
        self.machine.dialled()
        self._react([])

    def acceptor_received(self, data: bytes) -> None:
        """Takes bytes from the acceptor."""
        self._react(self.machine.acceptor_received(data))

    def acceptor_lost(self, detail: str = "") -> None:
        """Takes the end of the acceptor's connection: it holds nothing for this handshake any more.

        ``detail`` is the reason, if it is known.
        """
        self._react(self.machine.acceptor_closed(detail))
        self._release()

    def refuse(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        """Ends the handshake from outside."""
        self._react(self.machine.refuse(reason, detail, peer_fault=peer_fault))

    @property
    @abc.abstractmethod
    def opened_by(self) -> OpenedBy:
        """The side that dialled."""

    @property
    @abc.abstractmethod
    def certificate(self) -> x509.Certificate | None:
        """The certificate that the peer has shown, if any."""

    @abc.abstractmethod
    def _named(self, event: NameReceived[Entry]) -> None:
        """Starts dialling the acceptor: the initiator has sent its name."""

    @abc.abstractmethod
    def _sides(self, acceptor: asyncio.Transport) -> tuple[asyncio.Transport, asyncio.Transport]:
        """The connections of the peer and of the guarded node."""

    def _deadline(self, state: State, now: float) -> float:
        """The latest end of ``state``, reached now."""
        return now + ACK_TIMEOUT if state is State.ACK else self._started + UNPROVED_TIMEOUT

    def _proved(self) -> None:
        """Notes that the initiator has proved its cookie."""
        self._pending.settled(self, self.source_key)

    def _established(self) -> None:  # noqa: B027  # nothing more to do, by default
        """Notes that a channel was opened."""

    def _failed(self, refused: Rejected) -> None:  # noqa: B027  # nothing more to do, by default
        """Notes that the handshake has failed."""

    def _release(self) -> None:  # noqa: B027  # nothing more to do, by default
        """Notes that the acceptor holds nothing for this handshake any more. May be called again."""

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Starts a task that ends with the handshake."""
        self._task = self._loop.create_task(self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            # Given up when the connection had just been made: uvloop closes it, and tells nobody.
            self._pending.connections -= self.dialled
            raise
        except Exception as error:  # noqa: BLE001  # stays in this handshake and fails closed
            self._fail(error)

    def _react(self, events: list[HandshakeEvent[Entry]]) -> None:
        """Sends the bytes due and acts on ``events``."""
        try:
            for event in events:
                match event:
                    case NameReceived():
                        self._named(event)
                    case Proved():
                        self._proved()
                    case Established():
                        self._establish(event)
                        return
                    case Rejected():
                        self._flush()
                        self._end(event)
            self._flush()
            self._set_timer()
        except Exception as error:  # noqa: BLE001  # stays in this handshake and fails closed
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Ends the handshake because of a defect in distwall."""
        self._loop.call_exception_handler({"message": "a handshake failed and was closed", "exception": error})
        self.machine.refuse("internal_error")
        self._end(Rejected("internal_error", type(error).__name__, peer_fault=False))

    def _flush(self) -> None:
        to_initiator, to_acceptor = self.machine.data_to_initiator(), self.machine.data_to_acceptor()
        if to_initiator and not self._initiator.is_closing():
            self._initiator.write(to_initiator)
        if to_acceptor and self._acceptor is not None and not self._acceptor.is_closing():
            self._acceptor.write(to_acceptor)

    def _open_channel(self, event: Established[Entry], peer: asyncio.Transport) -> Pump | None:
        """Opens the channel; the initiator gets its acknowledgement only if that works."""
        pump = Pump(self._loop, self._pending.pump_gone, partial(self._pending.failed, self.source_key, tls=True))
        try:
            handle = self._pending.firewall.open_channel(
                peer=event.peer.name,
                peer_creation=event.peer.creation,
                guard=event.guard.name,
                guard_creation=event.guard.creation,
                flags=event.flags,
                entry=event.entry,
                source=self.source,
                opened_by=self.opened_by,
                tls=is_encrypted(peer),
                certificate=None if self.certificate is None else describe(self.certificate),
                close=pump.end,
            )
        except (RefusedChannelError, ValueError) as error:
            self._end(Rejected("no_channel", str(error), peer_fault=False))
            return None
        pump.handle = handle
        return pump

    def _establish(self, event: Established[Entry]) -> None:
        acceptor = cast("asyncio.Transport", self._acceptor)
        peer, guard = self._sides(acceptor)
        pump = self._open_channel(event, peer)
        if pump is None:
            return
        self._pending.opened((NodeName.of(event.guard.name).alive, event.peer.name))
        self._established()
        self._flush()
        self._timer.cancel()
        self._pending.connections -= {self._initiator, acceptor}
        self._pending.pumps.add(pump)
        self._release()
        pump.start(peer, guard, event.peer_data, event.guard_data)

    def _end(self, refused: Rejected) -> None:
        if self._ended:
            return
        self._ended = True
        self._timer.cancel()
        self._pending.settled(self, self.source_key)
        self._initiator.close()
        if is_encrypted(self._initiator):
            # TLS waits for an answer to its farewell.
            self._loop.call_later(RELEASE_TIMEOUT, self._initiator.abort)
        self._failed(refused)
        self._let_go()
        self._pending.firewall.refused(
            source=self.source,
            peer=self.machine.peer,
            guard=self.machine.guard,
            reason=refused.reason,
            detail=refused.detail,
            opened_by=self.opened_by,
        )

    def _let_go(self) -> None:
        """Makes the acceptor drop its state for this handshake."""
        if self._acceptor is None:
            if self._task is not None and self._task is not asyncio.current_task():
                self._task.cancel()
            self._release()
        elif self._acceptor.is_closing():
            self._release()
        else:
            # It hangs up on an end of stream. Only then is it sure that the next connection under the same name
            # does not meet this one's remains.
            if is_encrypted(self._acceptor):
                self._acceptor.close()
            else:
                self._acceptor.write_eof()
            self._loop.call_later(RELEASE_TIMEOUT, self._acceptor.abort)

    def _set_timer(self) -> None:
        state = self.machine.state
        if state is self._timed_state or self.machine.turn is Turn.NOBODY:
            return
        self._timed_state = state
        self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline(state, self._loop.time()), self._expired)

    def _expired(self) -> None:
        self._react(self.machine.refuse("timeout", peer_fault=self.machine.turn is self._peers_turn))

    @property
    @abc.abstractmethod
    def _peers_turn(self) -> Turn:
        """The peer's turn: as the initiator or as the acceptor."""


class Initiator(DataReader):
    """The connection of the side that dialled distwall, until a pump takes it over."""

    _transport: asyncio.Transport
    _handshake: HandshakeConnection

    def __init__(self, pending: PendingConnections) -> None:
        self._pending = pending

    @abc.abstractmethod
    def _begin(self, transport: asyncio.Transport) -> HandshakeConnection:
        """The handshake that begins with this connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._pending.connections.add(self._transport)
        self._handshake = self._begin(self._transport)
        self._pending.unproved(self._handshake, self._handshake.source_key)

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the handshake."""
        self._handshake.initiator_received(data)

    def flooded(self, detail: str) -> None:
        """Ends the handshake: see `distwall.tls.bounded_reads`."""
        self._handshake.refuse("tls", detail, peer_fault=True)

    def connection_lost(self, _: Exception | None) -> None:
        """Ends the handshake, also at an end of stream: asyncio closes the transport for it."""
        self._pending.connections.discard(self._transport)
        self._handshake.initiator_closed()


class Dialled(DataReader):
    """A connection that distwall has dialled, until a pump takes it over."""

    _transport: asyncio.Transport

    def __init__(self, pending: PendingConnections, handshake: HandshakeConnection) -> None:
        self._pending = pending
        self._handshake = handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport. The dialer tells the handshake, once it knows that this is the right node."""
        self._transport = cast("asyncio.Transport", transport)
        self._pending.connections.add(self._transport)
        self._handshake.dialled.add(self._transport)

    def data_received(self, data: bytes) -> None:
        """Takes bytes of the handshake."""
        self._handshake.acceptor_received(data)

    def flooded(self, detail: str) -> None:
        """Ends the handshake: see `distwall.tls.bounded_reads`."""
        self._handshake.refuse("tls", detail, peer_fault=True)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the handshake, also at an end of stream: asyncio closes the transport for it."""
        self._pending.connections.discard(self._transport)
        self._handshake.dialled.discard(self._transport)
        # By TLS 1.3 the acceptor looks at distwall's certificate when the connection is open already.
        self._handshake.acceptor_lost(explain(error) if isinstance(error, ssl.SSLError) else "")
