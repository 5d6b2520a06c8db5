"""A connection that a peer has not proved yet: `distwall.handshake.Inbound` on two sockets, with its timers."""

import asyncio
from typing import TYPE_CHECKING, cast

from distwall import _core
from distwall.control import RefusedChannelError
from distwall.gateway.pump import Pump
from distwall.gateway.sockets import printed, source_address
from distwall.handshake import Denied, Established, Event, Inbound, NameReceived, Proved, Refused, State, Ticket, Turn
from distwall.handshake.halfopen import source_of
from distwall.policy import Entry, Policy
from distwall.policy.names import is_glob

if TYPE_CHECKING:
    from distwall.gateway.door import Door
    from distwall.gateway.listener import Listener

NAME_TIMEOUT = 5.0
"""Seconds from connecting to the peer's name: a real node sends it at once."""

UNPROVED_TIMEOUT = 7.0
"""Seconds from connecting to the proof, waiting and dialling included: a real node gives up then."""

PEER_TIMEOUT = 2.0
"""Seconds that a peer has for its answer while the guarded node holds a pending connection for it."""

ACK_TIMEOUT = 7.0
"""Seconds that the guarded node has for its acknowledgement."""

RELEASE_TIMEOUT = 1.0
"""Seconds that the guarded node has to hang up on an end of stream, before the connection to it is cut."""


class Handshake:
    """One handshake. Ends as a `Pump`, or refused."""

    def __init__(self, door: "Door", listener: "Listener", peer: asyncio.Transport) -> None:
        self.source = source_address(peer)
        self.source_key = source_of(self.source)
        self.ticket: Ticket | None = None
        self._door = door
        self._listener = listener
        self._policy: Policy = door.firewall.policy
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._peer = peer
        self._guard: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._ended = False
        self._released = False
        self._machine: Inbound[Entry] = Inbound(
            lookup=self._lookup,
            is_guard=self._is_guard,
            guard_cookie=self._policy.guard.cookie,
            known_flags=_core.KNOWN_FLAGS,
            guard=listener.guard,
        )
        self._timed_state = State.NAME
        self._timer = self._loop.call_later(NAME_TIMEOUT, self._expired)

    def peer_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        self._react(self._machine.peer_received(data))

    def peer_closed(self) -> None:
        """The peer's connection is gone."""
        self._react(self._machine.peer_closed())

    def guard_connected(self, transport: asyncio.Transport) -> None:
        """The guarded node was dialled."""
        if self._ended:
            transport.abort()
            return
        self._guard = transport
        self._machine.dialled()
        self._react([])

    def guard_received(self, data: bytes) -> None:
        """Bytes of the guarded node."""
        self._react(self._machine.guard_received(data))

    def guard_lost(self) -> None:
        """The connection to the guarded node is gone: it holds nothing for this handshake any more."""
        self._react(self._machine.guard_closed())
        self._release()

    def relay(self) -> None:
        """It is this handshake's turn: dials the guarded node."""
        self._dialling = self._loop.create_task(self._dial())

    def refuse(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        """Ends the handshake from outside."""
        self._react(self._machine.refuse(reason, detail, peer_fault=peer_fault))

    async def _dial(self) -> None:
        address = self._listener.guard_address()
        if address is None:
            self._react(self._machine.guard_closed("the guarded node is not registered any more"))
            return
        try:
            await self._loop.create_connection(lambda: GuardConnection(self._door, self), *address)
        except OSError as error:
            detail = f"cannot reach the guarded node at {printed(*address)}: {error.strerror or error}"
            self._react(self._machine.guard_closed(detail))

    def _react(self, events: list[Event[Entry]]) -> None:
        """Sends what is due and does what ``events`` ask for."""
        try:
            for event in events:
                match event:
                    case NameReceived():
                        self._request(event)
                    case Proved():
                        self._prove()
                    case Established():
                        self._establish(event)
                        return
                    case Refused():
                        self._flush()
                        self._end(event)
            self._listener.guard = self._machine.guard
            self._flush()
            self._set_timer()
        except Exception as error:  # noqa: BLE001  # stays in this handshake and fails closed
            self._loop.call_exception_handler({"message": "a handshake failed and was closed", "exception": error})
            self._end(Refused("internal_error", type(error).__name__, peer_fault=False))

    def _flush(self) -> None:
        to_peer, to_guard = self._machine.data_to_peer(), self._machine.data_to_guard()
        if to_peer and not self._peer.is_closing():
            self._peer.write(to_peer)
        if to_guard and self._guard is not None and not self._guard.is_closing():
            self._guard.write(to_guard)

    def _request(self, event: NameReceived[Entry]) -> None:
        self.ticket = self._door.admission.request(
            self.source_key,
            self._listener.name,
            event.name,
            self._loop.time(),
            budgeted=is_glob(event.entry.node),
            dynamic=event.dynamic,
        )
        if self.ticket is None:
            detail = "too many names that were never proved"
            self._react(self._machine.refuse("name_budget", detail, peer_fault=True, tell=True))
            return
        self._door.requested(self, self.ticket)

    def _prove(self) -> None:
        if self.ticket is not None:
            self._door.admission.proved(self.ticket)
        self._door.settled(self)

    def _open_channel(self, event: Established[Entry]) -> Pump | None:
        """Opens the channel; the peer gets its acknowledgement only if that works."""
        pump = Pump(self._loop, self._door.pump_gone)
        try:
            handle = self._door.firewall.open_channel(
                peer=event.peer.name,
                peer_creation=event.peer.creation,
                guard=event.guard.name,
                guard_creation=event.guard.creation,
                flags=event.flags,
                entry=event.entry,
                source=self.source,
                close=pump.end,
            )
        except (RefusedChannelError, ValueError) as error:
            self._end(Refused("no_channel", str(error), peer_fault=False))
            return None
        pump.handle = handle
        return pump

    def _establish(self, event: Established[Entry]) -> None:
        pump = self._open_channel(event)
        if pump is None or self._guard is None:
            return
        if self.ticket is not None:
            self._door.admission.established(self.ticket)
        self._flush()
        self._timer.cancel()
        self._door.connections -= {self._peer, self._guard}
        self._door.pumps.add(pump)
        self._release()
        pump.start(self._peer, self._guard, event.peer_data, event.guard_data)

    def _end(self, refused: Refused) -> None:
        if self._ended:
            return
        self._ended = True
        self._timer.cancel()
        self._door.settled(self)
        self._peer.close()
        if self.ticket is not None and self.ticket.relayed_at is not None and refused.peer_fault:
            self._door.admission.failed(self.source_key, self._loop.time())
        self._let_go()
        self._door.firewall.refused(
            source=self.source,
            peer=self._machine.name,
            guard=self._machine.guard or self._listener.name,
            reason=refused.reason,
            detail=refused.detail,
        )

    def _let_go(self) -> None:
        """Makes the guarded node drop what it holds for this handshake, then frees its place."""
        if self._guard is None:
            if self._dialling is not None:
                self._dialling.cancel()
            self._release()
        elif self._guard.is_closing():
            self._release()
        else:
            # It hangs up on an end of stream. Only then is it sure that the next connection under the same name
            # does not meet this one's remains.
            self._guard.write_eof()
            self._loop.call_later(RELEASE_TIMEOUT, self._guard.abort)

    def _release(self) -> None:
        if not self._released:
            self._released = True
            if self.ticket is not None:
                self._door.finished(self.ticket)

    def _set_timer(self) -> None:
        state = self._machine.state
        if state is self._timed_state or self._machine.turn is Turn.NOBODY:
            return
        self._timed_state = state
        self._timer.cancel()
        now = self._loop.time()
        if state is State.ACK:
            deadline = now + ACK_TIMEOUT
        elif self._machine.turn is Turn.PEER:
            deadline = min(self._started + UNPROVED_TIMEOUT, now + PEER_TIMEOUT)
        else:
            deadline = self._started + UNPROVED_TIMEOUT
        self._timer = self._loop.call_at(deadline, self._expired)

    def _expired(self) -> None:
        at_fault = self._machine.turn is Turn.PEER
        self._react(self._machine.refuse("timeout", peer_fault=at_fault))

    def _lookup(self, peer: str, guard: str | None) -> Entry | Denied:
        entry = self._policy.entry_for(peer, guard)
        if entry is None:
            return Denied("unknown_node", "no [[peers]] entry names it")
        if not entry.admits(self.source):
            return Denied("source", "its entry does not let it come from there")
        return entry

    def _is_guard(self, name: str) -> bool:
        return name.partition("@")[0] == self._listener.name and self._policy.guards(name)


class PeerConnection(asyncio.Protocol):
    """The peer's connection, until a pump takes it over."""

    _transport: asyncio.Transport
    _handshake: Handshake

    def __init__(self, door: "Door", listener: "Listener") -> None:
        self._door = door
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._door.connections.add(self._transport)
        self._handshake = Handshake(self._door, self._listener, self._transport)
        self._door.opened(self._handshake)

    def data_received(self, data: bytes) -> None:
        """Some of the handshake."""
        self._handshake.peer_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        """The peer is gone. An end of stream comes here too: asyncio closes the transport for it."""
        self._door.connections.discard(self._transport)
        self._handshake.peer_closed()


class GuardConnection(asyncio.Protocol):
    """The connection to the guarded node, until a pump takes it over."""

    _transport: asyncio.Transport

    def __init__(self, door: "Door", handshake: Handshake) -> None:
        self._door = door
        self._handshake = handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The guarded node has accepted."""
        self._transport = cast("asyncio.Transport", transport)
        self._door.connections.add(self._transport)
        self._handshake.guard_connected(self._transport)

    def data_received(self, data: bytes) -> None:
        """Some of the handshake."""
        self._handshake.guard_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        """The guarded node is gone. An end of stream comes here too: asyncio closes the transport for it."""
        self._door.connections.discard(self._transport)
        self._handshake.guard_lost()
