"""The data path: one channel's two connections and the core's ``Channel`` between them.

Theory of operation. Each connection is a `Leg`, an asyncio protocol. What a leg receives goes to the core at once;
what the core lets through is written to the other leg, what it makes up as an answer is written back. Nothing is
queued here: bytes wait in the transports' write buffers, and those bound what is read:

* A leg whose write buffer is above `HIGH_WATER` stops the reading of the other leg, and of no one else: a peer that
  doesn't read must not stop its own sending, or two nodes that both have much to send would stop each other for good.
* Made-up answers are the exception. They go to whoever caused them, so a leg that doesn't read them isn't read: once
  its write buffer is full and `MAX_UNREAD` bytes of answers were put on top.

Ends are passed on as they come. An end of stream on one leg, once all before it was written, becomes an end of stream
on the other; when both have ended, or a connection breaks, both are closed after what is pending was written. What
makes no progress for `LINGER` seconds then is cut. A TLS connection has no end of stream of its own: it is closed, and
hung up on as soon as the other side's system has got everything.
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
from typing import TYPE_CHECKING, Protocol, cast

from distwall.net.sockets import is_encrypted

if TYPE_CHECKING:
    from distwall.control import ChannelHandle
    from distwall.control.channel import Received

HIGH_WATER = 1 << 20
"""Bytes in a leg's write buffer above which the other leg is not read. Well above one read (256 KiB in uvloop)."""

LOW_WATER = 1 << 18
"""Bytes in the write buffer below which reading goes on."""

MAX_UNREAD = 1 << 16
"""Bytes of made-up answers on top of a full write buffer, above which their leg is not read."""

LINGER = 5.0
"""Seconds without progress after which a connection that is being closed is cut."""


FAREWELL = 0.2
"""Seconds after which it is looked whether a TLS connection that is being closed has all that was written."""

# Where struct tcp_info of Linux has tcpi_bytes_acked, 64 bits.
_BYTES_ACKED = 120


class TlsTransport(Protocol):
    """What a TLS connection can do besides."""

    def set_read_buffer_limits(self, high: int | None = None) -> None:
        """``high``: how much is read ahead, in bytes, while reading is paused."""


class Hold(enum.IntFlag):
    """Why a leg isn't read."""

    NONE = 0
    FULL = 1
    """The other leg's write buffer is full."""
    UNREAD = 2
    """It does not read the answers it causes."""


class Leg(asyncio.Protocol):
    """One connection of a channel, from the moment the handshake is over."""

    other: "Leg"

    def __init__(self, pump: "Pump", transport: asyncio.Transport, *, inbound: bool) -> None:
        """``inbound``: it is the peer's connection, whose bytes go to the guarded node."""
        self.transport = transport
        self.ended = False
        """It will send no more."""
        self.lost = False
        """The connection is gone."""
        self._pump = pump
        self._inbound = inbound
        self._receive = pump.handle.core.receive
        self._now = pump.now
        self._hold = Hold.NONE
        self._full = False
        self._unread = 0
        self._eof_written = False
        self._tls = cast("TlsTransport", transport) if is_encrypted(transport) else None

    def data_received(self, data: bytes) -> None:
        """The hot path: one call into the core for each read, and as few Python steps as may be."""
        try:
            forward, back, events, closed = self._receive(self._inbound, data, self._now())
            if forward:
                self.other.transport.writelines(forward)
            if back is not None:
                self._answer(back)
            if events is not None:
                self._pump.handle.record(events)
            if closed is not None:
                self._pump.end(closed)
            if self._pump.handle.asks:
                self._pump.handle.take_asks()
        except Exception as error:  # noqa: BLE001  # whatever it is, it stays in this channel and fails closed
            self._pump.fail(error)

    def carry_out(self, outcome: "Received") -> None:
        """Does what the core says behind an answer to one of its questions, as if this leg had received something."""
        forward, back, events, closed = outcome
        if forward:
            self.other.transport.writelines(forward)
        if back is not None:
            self._answer(back)
        if events is not None:
            self._pump.handle.record(events)
        if closed is not None:
            self._pump.end(closed)

    def eof_received(self) -> bool:
        """The other side will send no more. True: the transport stays open for what it may still receive."""
        self.ended = True
        self._pump.leg_ended(self)
        return self._tls is None

    def connection_lost(self, _: Exception | None) -> None:
        """The connection is gone."""
        self.lost = True
        self._pump.leg_lost(self)

    def pause_writing(self) -> None:
        """The write buffer is full."""
        self._full = True
        self.other.hold(Hold.FULL)

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        self._full = False
        self._unread = 0
        self.other.release(Hold.FULL)
        self.release(Hold.UNREAD)

    def write_eof(self) -> None:
        """Ends the stream towards this leg, behind what is pending."""
        if not self._eof_written and not self.transport.is_closing():
            self._eof_written = True
            if self._tls is None:
                self.transport.write_eof()
            else:
                self.close()

    def close(self) -> None:
        """Closes the connection, behind what is pending."""
        self.transport.close()
        if self._tls is not None and not self.lost:
            self._hang_up(None)

    def _hang_up(self, before: int | None) -> None:
        """Ends a TLS connection once the other side's system has all, its farewell included.

        By itself TLS waits for the other side's farewell. Nodes (seen with OTP 25, TLS 1.3) sometimes overlook ours
        when it comes right behind the handshake, and wait for the end of the stream.
        """
        if self.lost:
            return
        now = _acknowledged(self.transport)
        if now == before and not _unacknowledged(self.transport):
            self.transport.abort()
        else:
            self._pump.later(FAREWELL, partial(self._hang_up, now))

    def unwritten(self) -> int:
        """Gets less when something of what is pending was written; how much there is, it doesn't say."""
        size = self.transport.get_write_buffer_size()
        # A TLS transport doesn't count what the connection below has taken off it.
        return size if self._tls is None else size - _acknowledged(self.transport)

    def hold(self, why: Hold) -> None:
        """Stops reading."""
        if not self._hold and not self.transport.is_closing():
            self.transport.pause_reading()
            if self._tls is not None:
                # Nor may TLS read ahead: once it sees the end of stream, it drops what it holds back.
                self._tls.set_read_buffer_limits(high=0)
        self._hold |= why

    def release(self, why: Hold) -> None:
        """Reads on, unless there is another reason not to."""
        if why & self._hold:
            self._hold &= ~why
            if not self._hold and not self.transport.is_closing():
                self.transport.resume_reading()
                if self._tls is not None:
                    self._tls.set_read_buffer_limits()

    def _answer(self, data: bytes) -> None:
        if self._eof_written:
            return
        self.transport.write(data)
        if self._full:
            self._unread += len(data)
            if self._unread > MAX_UNREAD:
                self.hold(Hold.UNREAD)


class Pump:
    """A channel: two legs, the core between them, and its end."""

    handle: "ChannelHandle"
    """To be set before `start`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gone: Callable[["Pump"], None]) -> None:
        """``gone`` is called once both connections are gone."""
        self.now = loop.time
        self.later = loop.call_later
        self._loop = loop
        self._gone = gone
        self._legs: tuple[Leg, ...] = ()
        self._closing = False
        self._end_reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._pending = 0

    def start(self, peer: asyncio.Transport, guard: asyncio.Transport, peer_data: bytes, guard_data: bytes) -> None:
        """Takes over both connections. ``peer_data`` and ``guard_data`` were read already, behind the handshake."""
        if self._closing:
            # The firewall ended it while it was opened.
            peer.close()
            guard.close()
            self.handle.closed(self._end_reason)
            self._gone(self)
            return
        peer_leg = Leg(self, peer, inbound=True)
        guard_leg = Leg(self, guard, inbound=False)
        peer_leg.other, guard_leg.other = guard_leg, peer_leg
        self._legs = (peer_leg, guard_leg)
        self.handle.carry_out = peer_leg.carry_out
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
            self._gone(self)
            return
        for leg, data in ((peer_leg, peer_data), (guard_leg, guard_data)):
            if data:
                leg.data_received(data)

    def end(self, reason: str) -> None:
        """Ends the channel: what is pending is written, then both connections are closed."""
        if self._closing:
            return
        self._closing = True
        self._end_reason = reason
        if not self._legs:
            return
        for leg in self._legs:
            leg.close()
        self._watch()
        self.handle.closed(reason)

    def abort(self) -> None:
        """Cuts both connections."""
        for leg in self._legs:
            leg.transport.abort()

    def fail(self, error: Exception) -> None:
        """Ends the channel because of a defect in distwall."""
        self._loop.call_exception_handler({"message": "a channel failed and was closed", "exception": error})
        self.end(f"internal error: {type(error).__name__}")

    def leg_ended(self, leg: Leg) -> None:
        """A leg will send no more."""
        if self._closing:
            return
        if leg.other.ended:
            self.end(self._end_reason)
            return
        self._end_reason = self._whose(leg)
        leg.other.write_eof()
        self._watch()

    def leg_lost(self, leg: Leg) -> None:
        """A leg's connection is gone."""
        self.end(self._end_reason or self._whose(leg))
        if leg.other.lost:
            if self._timer is not None:
                self._timer.cancel()
            self._gone(self)

    def _whose(self, leg: Leg) -> str:
        return "peer closed" if leg is self._legs[0] else "guarded node closed"

    def _watch(self) -> None:
        """Sees to it that an end that has begun is reached."""
        if self._timer is not None:
            self._timer.cancel()
        self._pending = self._unwritten()
        self._timer = self._loop.call_later(LINGER, self._check)

    def _check(self) -> None:
        if self._unwritten() < self._pending:
            self._watch()
        elif not self._closing:
            self.end(self._end_reason)
        else:
            self.abort()

    def _unwritten(self) -> int:
        return sum([leg.unwritten() for leg in self._legs if not leg.lost])


def _acknowledged(transport: asyncio.Transport) -> int:
    """How many bytes the other side's system has got; 0 if the connection is gone."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
    except OSError:
        return 0
    return int.from_bytes(info[_BYTES_ACKED:], sys.byteorder)


def _unacknowledged(transport: asyncio.Transport) -> int:
    """How many bytes this side's system still has; 0 if the connection is gone."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        # SIOCOUTQ by another name.
        count = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(count, sys.byteorder)
