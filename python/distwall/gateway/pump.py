"""The data path: one channel's two connections and the core's ``Channel`` between them.

Theory of operation. Each connection is a `Leg`, an asyncio protocol. Bytes that a leg receives go to the core at once.
Accepted bytes are written to the other leg, and answers made by the core are written back. Nothing is queued here:
bytes wait in the transports' write buffers, and those bound the reading:

* A leg whose write buffer is above `HIGH_WATER` stops the reading of the other leg. It doesn't stop its own sending at
  once: two nodes with much to send would stop each other for good.
* From then on the peer is read only as fast as it takes what waits for it (`distwall.gateway.arrears`). The guarded
  node is trusted, and always read while there is room.
* The core works in slices. If a read costs more than some milliseconds, the core stops in the midst of it. The
  rest of the read waits in its leg until all other connections had a turn (`_go_on`). The leg is not read meanwhile,
  and an end of its stream waits behind the rest. The other direction goes on.
* All channels of an entry together have one share of the loop (`distwall.control.turns`). A read beyond it waits in the
  same way. A leg that had its turn while others wait is not read before the next one.
* The core hands out a long message in pieces, one in each turn of the leg that it came from. A full write buffer of the
  other leg ends these turns until there is room. Until all of it is out, the core keeps back everything else for
  the other leg.
* Answers made by the core are the exception: they go back to the leg that caused them. A leg that doesn't read them is
  not read once its write buffer is full, with `MAX_UNREAD` bytes of answers on top.

Ends are passed on as they come. Only behind commands of the peer that wait for an answer, its end waits, too. An end of
stream on one leg becomes an end of stream on the other, once all bytes before it are written. When both have ended, or
a connection breaks, both are closed after their pending bytes are written. Then a connection without progress for
`LINGER` seconds is cut. A TLS connection has no end of stream of its own. It is closed, and hung up as soon as the
other side's system has received all bytes.

When the core or the policy ends a channel, both legs are closed in the same way.

No exception leaves a leg: an error in one channel ends that channel.
"""

import asyncio
import enum
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from distwall.control import ChannelHandle
from distwall.control.channel import Received
from distwall.control.turns import clock
from distwall.gateway.arrears import LOOK, MAX_OWED, Arrears, unread
from distwall.net.sockets import is_encrypted
from distwall.tls.bounded_reads import Pausing

HIGH_WATER = 1 << 20
"""Bytes in a leg's write buffer above which the other leg is not read. Well above one read (256 KiB in uvloop)."""

LOW_WATER = 1 << 18
"""Bytes in the write buffer below which reading goes on."""

MAX_UNREAD = 1 << 16
"""Bytes of the core's answers on top of a full write buffer, above which their leg is not read."""

LINGER = 5.0
"""Seconds without progress after which a closing connection is cut."""


FAREWELL = 0.2
"""Seconds between looks whether a closing TLS peer still acknowledges data."""

# Where struct tcp_info of Linux has tcpi_bytes_acked, 64 bits.
_BYTES_ACKED = 120


class TlsTransport(Protocol):
    """Methods that only a TLS transport has."""

    def set_read_buffer_limits(self, high: int | None = None) -> None:
        """``high``: bytes to read ahead while reading is paused."""


class Hold(enum.IntFlag):
    """Reasons not to read a leg."""

    NONE = 0
    FULL = 1
    """The other leg's write buffer is full."""
    UNREAD = 2
    """The leg does not read the answers that it causes."""
    WORK = 4
    """The leg waits for its turn: the core has not taken all bytes that were read, or others come first."""
    OWING = 8
    """The peer does not take what waits for it."""


class Leg(Pausing):
    """One connection of a channel, from the moment the handshake is over."""

    other: "Leg"

    def __init__(self, pump: "Pump", transport: asyncio.Transport, *, inbound: bool) -> None:
        """``inbound``: this is the peer's connection, whose bytes go to the guarded node."""
        self.transport = transport
        self.ended = False
        """True if the leg will receive no more bytes."""
        self.lost = False
        """True if the connection is gone."""
        self._pump = pump
        self._inbound = inbound
        self._core = pump.handle.core
        self._receive = self._core.receive
        self._now = pump.now
        self._hold = Hold.NONE
        self._full = False
        self._unread = 0
        self._rest: list[tuple[bytes, int]] = []
        """Bytes that the core has not taken yet, each from a position on."""
        self._invited = False
        """True if the leg had to wait for its turn, and is read in it."""
        self._counted = 0.0
        """Seconds that were counted in the entry's turns, of the bytes that TLS takes now."""
        self._stalled = False
        """True if the core has more to hand out, and the other leg has no room."""
        self._deferred: Callable[[Leg], None] | None = None
        """Tells of the leg's end, once the core has taken these."""
        self._arrears: Arrears | None = None
        """The peer's arrears, while bytes wait for it."""
        self._eof_written = False
        self._read_on: Callable[[], None] | None = None
        """Tells TLS that the leg is read again."""
        self._tls = cast("TlsTransport", transport) if is_encrypted(transport) else None

    def call_when_read(self, read_on: Callable[[], None]) -> None:
        """Calls ``read_on`` each time when the leg is read again: see `distwall.tls.bounded_reads`."""
        self._read_on = read_on

    def data_received(self, data: bytes) -> None:
        """The hot path: one call into the core for each read, and as few Python steps as may be."""
        if self._arrears is not None and self._arrears.read(len(data)):
            self.hold(Hold.OWING)
        if self._rest:
            # TLS had read it before it was told to stop.
            self._rest.append((data, 0))
            return
        turns = self._pump.handle.turns
        if turns.is_over() and (turns.is_spent() or not self._invited):
            self.put_off(data, 0)
        else:
            begun = clock()
            self._take(data, 0)
            seconds = clock() - begun
            self._counted += seconds
            if self._invited:
                turns.came(seconds)
            if turns.spend(seconds):
                self._stand_in_line()
        self._invited = False

    def is_due(self) -> bool:
        """True if TLS may take bytes now. If not, the leg is read again when its turn has come."""
        turns = self._pump.handle.turns
        self._counted = 0.0
        if turns.is_over() and (turns.is_spent() or not self._invited):
            self._invited = False
            self._stand_in_line()
            return False
        return True

    def took(self, seconds: float) -> None:
        """Counts the time that TLS took for bytes; some of it may be the core's, and is counted already."""
        if self._pump.handle.turns.spend(seconds - self._counted):
            self._stand_in_line()

    def _take(self, data: bytes, start: int) -> None:
        """Has the core take a slice of the data, and keeps the rest for the next turn."""
        try:
            forward, back, events, closed = self._receive(self._inbound, data, self._now(), start)
            if forward and not self.other.lost:
                self.other.transport.writelines(forward)
            if back is not None:
                self._answer(back)
            if events is not None:
                self._pump.handle.record(events)
            if closed is not None:
                self._pump.end(closed)
            if self._core.unfinished:
                self._pump.handle.take_asks()
                taken = self._core.taken
                if taken < len(data):
                    self.put_off(data, taken)
                self._pump.put_off_due()
            if self._pump.postponed is not None:
                self._pump.end_later()
        except Exception as error:  # noqa: BLE001  # whatever it is, it stays in this channel and fails closed
            self._pump.fail(error)

    def put_off(self, data: bytes, start: int) -> None:
        """Keeps bytes, maybe none, for the leg's next turn. Until then it is not read."""
        self._rest.insert(0, (data, start))
        self._stand_in_line()

    def _stand_in_line(self) -> None:
        """Waits for the leg's next turn, with bytes that wait for the core or without."""
        if not self._hold & Hold.WORK:
            self.hold(Hold.WORK)
            self._pump.handle.turns.wait(self._go_on)

    def _go_on(self) -> None:
        """Has the core take the next slice, now that the others had a turn. After the last one, reads again."""
        if self._pump.is_closing:
            self._rest.clear()
        elif not self._rest:
            pass
        elif self.other.is_full and self._core.outgoing(self._inbound):
            self._stalled = True
            return
        else:
            self._take(*self._rest.pop(0))
        if self._rest:
            self._pump.handle.turns.wait(self._go_on)
            return
        self.release(Hold.WORK)
        self._invited = True
        if not self._hold:
            self._pump.handle.turns.invite()
        if self._deferred is not None:
            end, self._deferred = self._deferred, None
            end(self)

    def wake(self) -> None:
        """Goes on, if it waited for room in the other leg."""
        if self._stalled:
            self._stalled = False
            self._pump.handle.turns.wait(self._go_on)

    @property
    def is_full(self) -> bool:
        """True if the write buffer is full, and may become empty again."""
        return self._full and not self.lost

    @property
    def is_busy(self) -> bool:
        """True if bytes that were read wait for the core."""
        return bool(self._rest)

    def carry_out(self, outcome: Received) -> None:
        """Carries out the core's reaction to an answer, as if this leg had received bytes."""
        forward, back, events, closed = outcome
        if forward and not self.other.lost:
            self.other.transport.writelines(forward)
        if back is not None:
            self._answer(back)
        if events is not None:
            self._pump.handle.record(events)
        if closed is not None:
            self._pump.end(closed)
        self._pump.put_off_due()
        if self._pump.postponed is not None:
            self._pump.end_later()

    def eof_received(self) -> bool:
        """Passes the end of stream on; true keeps a plain transport open for writing."""
        self.ended = True
        self._defer(self._pump.leg_ended)
        return self._tls is None

    def flooded(self, detail: str) -> None:
        """Ends the channel: see `distwall.tls.bounded_reads`."""
        self._pump.flooded(detail, by_peer=self._inbound)

    def connection_lost(self, _: Exception | None) -> None:
        """Ends the leg."""
        self.lost = True
        self.other.wake()
        self._defer(self._pump.leg_lost)

    def _defer(self, end: "Callable[[Leg], None]") -> None:
        """Tells of the leg's end, behind the bytes that wait for the core."""
        if self._rest:
            self._deferred = end
        else:
            end(self)

    def pause_writing(self) -> None:
        """Stops reading the other leg: the write buffer is full."""
        self._full = True
        self.other.hold(Hold.FULL)
        self._pump.count_unwritten()
        if self._inbound and self._arrears is None:
            self._arrears = Arrears(partial(_acknowledged, self.transport))
            self._pump.later(LOOK, self._settle, self._arrears)

    def resume_writing(self) -> None:
        """Goes on reading the other leg: the write buffer has room again."""
        self._full = False
        self._unread = 0
        self._pump.count_unwritten()
        self.other.wake()
        self.other.release(Hold.FULL)
        self.release(Hold.UNREAD)

    def _settle(self, arrears: Arrears) -> None:
        """Looks at what the peer has taken, and closes the account when nothing waits for it."""
        if self.lost or self.other.lost:
            return
        if not self.transport.get_write_buffer_size() and not self.other.is_unread():
            self._arrears = None
            self.release(Hold.OWING)
            return
        if arrears.settle() <= MAX_OWED:
            self.release(Hold.OWING)
        self._pump.later(LOOK, self._settle, arrears)

    def is_unread(self) -> bool:
        """True if bytes have come in that were not read."""
        connection = self.transport.get_extra_info("socket")
        try:
            return connection is not None and unread(connection.fileno()) > 0
        except OSError:
            return False

    def write_eof(self) -> None:
        """Ends the stream towards this leg, behind its pending bytes."""
        if not self._eof_written and not self.transport.is_closing():
            self._eof_written = True
            if self._tls is None:
                self.transport.write_eof()
            else:
                self.close()

    def close(self) -> None:
        """Closes the connection, behind its pending bytes."""
        self.wake()
        self.transport.close()
        if self._tls is not None and not self.lost:
            self._hang_up(None)

    def _hang_up(self, before: int | None) -> None:
        """Ends a TLS connection once the other side's system has received all bytes, the close message included.

        By itself TLS waits for the other side's close message. Nodes (seen with OTP 25, TLS 1.3) sometimes miss ours
        directly behind the handshake, and wait for the end of the stream.
        """
        if self.lost:
            return
        now = _acknowledged(self.transport)
        if now == before and not _unacknowledged(self.transport):
            self.transport.abort()
        else:
            self._pump.later(FAREWELL, partial(self._hang_up, now))

    def unwritten(self) -> int:
        """A number that falls while pending bytes are written; it is not their exact number."""
        size = self.transport.get_write_buffer_size()
        # A TLS transport doesn't count what the connection below has taken off it.
        return size if self._tls is None else size - _acknowledged(self.transport)

    def hold(self, why: Hold) -> None:
        """Stops reading, for one reason."""
        if not self._hold and not self.transport.is_closing():
            self.transport.pause_reading()
            if self._tls is not None:
                # Nor may TLS read ahead: once it sees the end of stream, it drops what it holds back.
                self._tls.set_read_buffer_limits(high=0)
        self._hold |= why

    def release(self, why: Hold) -> None:
        """Ends one reason, and goes on reading if it was the last."""
        if why & self._hold:
            self._hold &= ~why
            if not self._hold and not self.transport.is_closing():
                self.transport.resume_reading()
                if self._tls is not None:
                    # First it hands over what it holds back: for that, reading may end again.
                    self._pump.soon(self._read_ahead)

    def _read_ahead(self) -> None:
        """Lets TLS read again, if it has nothing left from before."""
        if self._tls is not None and not self._hold and not self.transport.is_closing():
            self._tls.set_read_buffer_limits()
            if self._read_on is not None:
                self._read_on()

    @property
    def waiting(self) -> int:
        """Bytes in the write buffer, if it is full or was when the channel ended."""
        return self.transport.get_write_buffer_size() if self._full and not self.lost else 0

    def _answer(self, data: bytes) -> None:
        if self._eof_written or self.lost:
            return
        self.transport.write(data)
        if self._full:
            self._unread += len(data)
            if self._unread > MAX_UNREAD:
                self.hold(Hold.UNREAD)


class Pump:
    """A channel: two legs, the core between them, and its end."""

    handle: ChannelHandle
    """The channel's handle. Set it before `start`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, gone: Callable[["Pump"], None], failed: Callable[[], None]
    ) -> None:
        """``gone`` is called once both connections are gone; ``failed`` counts a failure of the peer in TLS."""
        self.now = loop.time
        self.later = loop.call_later
        self.soon = loop.call_soon
        self.postponed: Callable[[], None] | None = None
        """The end of the peer's connection, while commands of the peer wait for answers."""
        self._loop = loop
        self._gone = gone
        self._failed = failed
        self._legs: tuple[Leg, ...] = ()
        self._closing = False
        self._left = False
        self._end_reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._pending = 0

    @property
    def is_closing(self) -> bool:
        """True if the channel has ended, and its connections are being closed."""
        return self._closing

    def start(self, peer: asyncio.Transport, guard: asyncio.Transport, peer_data: bytes, guard_data: bytes) -> None:
        """Takes over both connections. ``peer_data`` and ``guard_data`` are the bytes read behind the handshake."""
        if self._closing:
            # The firewall ended it while it was opened.
            peer.close()
            guard.close()
            self.handle.closed(self._end_reason)
            self._leave()
            return
        peer_leg = Leg(self, peer, inbound=True)
        guard_leg = Leg(self, guard, inbound=False)
        peer_leg.other, guard_leg.other = guard_leg, peer_leg
        self._legs = (peer_leg, guard_leg)
        self.handle.carry_out = peer_leg.carry_out
        self.handle.cut = self.abort
        try:
            for leg in self._legs:
                leg.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
                leg.transport.set_protocol(leg)
            # A TLS connection that is gone lets its protocol be changed, but says no more.
            gone = any(leg.transport.is_closing() for leg in self._legs)
        except RuntimeError:
            gone = True
        if gone:
            # One of them was closed in the meantime.
            self.end("closed before it began")
            self._leave()
            return
        for leg, data in ((peer_leg, peer_data), (guard_leg, guard_data)):
            if data:
                leg.data_received(data)

    def end(self, reason: str) -> None:
        """Ends the channel: writes pending bytes, then closes both connections."""
        if self._closing:
            return
        self._closing = True
        self._end_reason = reason
        if not self._legs:
            return
        for leg in self._legs:
            leg.close()
        self.handle.closed(reason)
        self._watch()

    def abort(self) -> None:
        """Cuts both connections."""
        for leg in self._legs:
            leg.transport.abort()

    def flooded(self, detail: str, *, by_peer: bool) -> None:
        """Ends the channel because one side floods it with TLS records. That is a failure, or a peer could go on so."""
        if by_peer:
            self._failed()
        self.end(detail)
        self.abort()

    def fail(self, error: Exception) -> None:
        """Ends the channel because of a defect in distwall."""
        self._loop.call_exception_handler({"message": "a channel failed and was closed", "exception": error})
        self.end(f"internal error: {type(error).__name__}")

    def count_unwritten(self) -> None:
        """Counts the bytes in full write buffers as held by the channel."""
        # Not now: the core may be in the middle of its work.
        self._loop.call_soon(self._count_unwritten)

    def _count_unwritten(self) -> None:
        if not self._left:
            self.handle.core.set_unwritten(sum(leg.waiting for leg in self._legs))

    def _leave(self) -> None:
        """Gives the place of the channel back: both of its connections are gone."""
        if not self._left:
            self._left = True
            self.handle.left()
            self._gone(self)

    def leg_ended(self, leg: Leg) -> None:
        """Takes the end of stream of a leg."""
        if self._closing or self._postpones(leg, partial(self.leg_ended, leg)):
            return
        if leg.other.ended and not leg.other.is_busy:
            self.end(self._end_reason)
            return
        self._end_reason = self._whose(leg)
        leg.other.write_eof()
        self._watch()

    def leg_lost(self, leg: Leg) -> None:
        """Takes the end of a leg's connection."""
        if not self._closing and self._postpones(leg, partial(self.leg_lost, leg)):
            return
        self.end(self._end_reason or self._whose(leg))
        if leg.other.lost and not leg.other.is_busy:
            if self._timer is not None:
                self._timer.cancel()
            self._leave()

    def put_off_due(self) -> None:
        """Has what is due go on in the next turn of its leg."""
        for leg, inbound in zip(self._legs, (True, False), strict=True):
            if self.handle.core.due(inbound) and not leg.is_busy and not self._closing:
                leg.put_off(b"", 0)

    def end_later(self) -> None:
        """Ends the peer's connection at last, if no command of the peer waits any more."""
        if self.postponed is not None and not self.handle.core.parks():
            end, self.postponed = self.postponed, None
            end()

    def _postpones(self, leg: Leg, end: Callable[[], None]) -> bool:
        if leg is self._legs[0] and self.handle.core.parks():
            self.postponed = end
            return True
        return False

    def _whose(self, leg: Leg) -> str:
        return "peer closed" if leg is self._legs[0] else "guarded node closed"

    def _watch(self) -> None:
        """Cuts an ending channel that makes no progress."""
        if self._timer is not None:
            self._timer.cancel()
        self._pending = self._unwritten()
        self.count_unwritten()
        self._timer = self._loop.call_later(LINGER, self._check)

    def _check(self) -> None:
        if self._unwritten() < self._pending:
            self._watch()
        elif not self._closing:
            self.end(self._end_reason)
        else:
            self.abort()

    def _unwritten(self) -> int:
        outgoing = self.handle.core.outgoing
        return (
            outgoing(inbound=True)
            + outgoing(inbound=False)
            + sum(leg.unwritten() for leg in self._legs if not leg.lost)
        )


def _acknowledged(transport: asyncio.Transport) -> int:
    """Number of bytes that the other side's system has received; 0 if the connection is gone."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
    except OSError:
        return 0
    return int.from_bytes(info[_BYTES_ACKED:], sys.byteorder)


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Number of bytes that this side's system still holds; 0 if the connection is gone."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        # SIOCOUTQ by another name.
        count = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(count, sys.byteorder)
