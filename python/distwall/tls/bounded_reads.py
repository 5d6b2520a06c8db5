"""Reads of a TLS connection, bounded: in records, and in what is not data.

Theory of operation. OpenSSL takes all records that it gets at once, and some of them are cheap to send and dear to
take: a change of keys has 27 bytes, and costs ten microseconds. A session ticket, of which a record may carry 900,
costs seven. So this protocol stands between the plain transport and the loop's own TLS. It hands on 16 KiB at a
time, and of these `RECORDS` records: their heads are not encrypted. When they have taken `ROUND` seconds, the others
wait for the next round of the loop. And a reader may say that it is not its turn.

It compares what it hands on with the data that comes out. A record has 22 to 29 bytes besides its data, and the
smallest message of a node about 30. So a node sends less of TLS's own than of data. What is beyond
that goes into an account, from which `PER_SECOND` bytes are forgiven. Beyond `ALLOWANCE` the connection is cut.

During the TLS handshake there is no data, so its bytes have a limit. In that time there is one read in each round of
the loop: bytes directly behind the handshake wait in TLS, and are taken at once.
"""

import abc
import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Protocol, cast

RECORDS = 250
"""Most records that TLS gets at a time. Three milliseconds, if all of them change keys."""

HEAD = 5
"""Bytes of a record's head. The last two are the number of bytes that follow."""

READ = 1 << 14
"""Most bytes that TLS gets at a time. Six milliseconds, if they are session tickets."""

ROUND = 0.002
"""Seconds for pieces of a read, after which the next piece waits for the next round."""

ALLOWANCE = 3 << 14
"""Bytes of TLS's own that a connection may be ahead of its data. A record that is not whole yet has up to 16 KiB, and
a TLS 1.2 node that renegotiates shows its certificates."""

UNPROVED = 3 << 13
"""The part of it that is there when the TLS handshake is over."""

PER_SECOND = 1 << 12
"""Bytes of the account that are forgiven in a second. Ticks alone are 2 bytes in a second."""

HANDSHAKE = 1 << 17
"""Most bytes of a TLS handshake. OpenSSL takes certificates of up to 100 kB."""

FLOOD = "too many TLS records without data"


class CountingTls(ssl.SSLObject):
    """TLS that counts its data."""

    data_read = 0
    """Bytes of data that were read."""

    def read(self, size: int = 1024) -> bytes:  # type: ignore[override]  # the loop passes nothing else
        """Read data, and count it."""
        data = super().read(size)
        self.data_read += len(data)
        return data


class DataReader(asyncio.Protocol, abc.ABC):
    """A protocol that reads the data of a connection, which may use TLS."""

    @abc.abstractmethod
    def flooded(self, detail: str) -> None:
        """Take note that the other side sends TLS records without data. The connection is cut after that."""

    def is_due(self) -> bool:
        """Return true if TLS may take bytes now. If not, the reader stops reading, and reads again later."""
        return True

    def took(self, seconds: float) -> None:  # handshakes have no turns
        """Take note of the seconds that TLS and the reader took for bytes."""


class Pausing(DataReader):
    """A protocol that stops reading at times."""

    @abc.abstractmethod
    def call_when_read(self, read_on: Callable[[], None]) -> None:
        """Call ``read_on`` each time when you read again."""


ReaderFactory = Callable[[], DataReader]
"""Makes the protocol of a connection."""


class LoopsTls(Protocol):
    """The loop's own TLS, as the plain transport sees it."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room for bytes."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes."""

    def connection_lost(self, error: Exception | None) -> None:
        """Take the end of the connection."""

    def eof_received(self) -> bool | None:
        """Take the end of the stream."""

    def pause_writing(self) -> None:
        """Stop writing."""

    def resume_writing(self) -> None:
        """Go on writing."""


class SecureTransport(Protocol):
    """The part of TLS's transport that plain ones lack."""

    def get_read_buffer_size(self) -> int:
        """Return the number of bytes that TLS has not taken yet."""


class BoundedReads(asyncio.BufferedProtocol):
    """The protocol of a plain connection on which TLS is about to begin."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls: LoopsTls | None = None
        self._secure: asyncio.Transport | None = None
        """The transport for data, once the TLS handshake is over."""
        # Bytes that wait for TLS: they came before it was set up, or its time was over.
        self._rest = bytearray()
        self._more = bytearray()
        """Room for what comes behind these."""
        self._ended = False
        """True if the stream ends behind these."""
        # The place in the stream of records: the bytes left of this one, and the bytes seen of the head of the next.
        self._left = 0
        self._head = b""
        self._lost = False
        self._flooded = False
        self._handshake = 0
        self._waiting = 0
        self._data = 0
        self._ahead = 0
        self._at = self._loop.time()

    async def secure(
        self,
        factory: ReaderFactory,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        host: str | None = None,
        close_timeout: float,
    ) -> asyncio.Transport:
        """Make the TLS handshake; then ``factory`` makes the protocol of the connection.

        ``context`` makes `CountingTls`. ``host`` is the host that a client asks for. ``close_timeout``: seconds for
        the end of TLS. Raises OSError, and ssl.SSLError among them.
        """
        # Before the loop's TLS is told of the connection, and before it is read again.
        self._loop.call_soon(self._step_between)
        try:
            secured = await self._loop.start_tls(
                self._transport,
                asyncio.Protocol(),
                context,
                server_side=server_side,
                server_hostname=host,
                ssl_shutdown_timeout=close_timeout,
            )
        except asyncio.CancelledError:
            # The loop's TLS may not have begun.
            self._transport.abort()
            raise
        except OSError:
            self._raise_if_flooded()
            raise
        # Also of a connection that was cut in the TLS handshake.
        self._raise_if_flooded()
        transport = cast("asyncio.Transport", secured)
        if self._lost or transport.is_closing():
            raise ConnectionResetError(0, "it hung up behind the TLS handshake")
        self._secure = transport
        self._object = cast("CountingTls", transport.get_extra_info("ssl_object"))
        self._ahead = ALLOWANCE - UNPROVED
        self._at = self._loop.time()
        # The loop hands over data after this.
        protocol = factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the plain transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room for bytes."""
        if self._tls is None or self._rest:
            self._more = bytearray(READ)
            return memoryview(self._more)
        return self._tls.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Hand bytes on to TLS, and look at what came out."""
        if self._tls is None or self._rest:
            self._rest += self._more[:nbytes]
            self._transport.pause_reading()
            return
        read = self._tls.get_buffer(nbytes)
        taken = 0 if nbytes > READ or self._is_held() else self._stretch(read, nbytes)
        if taken < nbytes:
            self._rest = bytearray(read[taken:nbytes])
        seconds = self._take(self._tls, taken) if taken else self._take_rest()
        if self._rest or self._secure is None or seconds > ROUND:
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell TLS."""
        self._lost = True
        if self._tls is not None:
            tls, self._tls, self._secure = self._tls, None, None
            tls.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Tell TLS, behind the bytes that wait."""
        if self._tls is None:
            return None
        if self._rest:
            self._ended = True
            return True
        return self._tls.eof_received()

    def pause_writing(self) -> None:
        """Tell TLS."""
        if self._tls is not None:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        """Tell TLS."""
        if self._tls is not None:
            self._tls.resume_writing()

    def _step_between(self) -> None:
        """Take the place of the loop's TLS at the plain transport."""
        tls = self._transport.get_protocol()
        if tls is self or self._lost:
            return
        self._tls = cast("LoopsTls", tls)
        self._transport.set_protocol(self)
        if self._rest:
            # Behind the first words of TLS to it.
            self._loop.call_soon(self._read_on)

    def _stretch(self, read: memoryview | bytearray, size: int) -> int:
        """Return the end of the first `RECORDS` records of a read, or ``size``."""
        at = self._left
        if self._head:
            wanted = HEAD - len(self._head)
            self._head += read[: min(wanted, size)]
            if wanted > size:
                return size
            at, self._head = wanted + int.from_bytes(self._head[3:]), b""
        for _ in range(RECORDS):
            if at + HEAD > size:
                break
            at += HEAD + (read[at + 3] << 8 | read[at + 4])
        else:
            if at < size:
                self._left = 0
                return at
        if at < size:
            self._left, self._head = 0, bytes(read[at:size])
        else:
            self._left = at - size
        return size

    def _is_held(self) -> bool:
        """Return true if the data is not wanted now."""
        secure = self._secure
        return secure is not None and not (secure.is_reading() and cast("DataReader", secure.get_protocol()).is_due())

    def _take_rest(self) -> float:
        """Hand on what waits, in pieces, until the time of a read is over. Return the seconds that this took."""
        seconds = 0.0
        while self._rest and self._tls is not None and not self._transport.is_closing() and not self._is_held():
            buffer = self._tls.get_buffer(READ)
            size = min(len(self._rest), READ)
            taken = self._stretch(self._rest, size)
            buffer[:taken] = self._rest[:taken]
            del self._rest[:taken]
            seconds += self._take(self._tls, taken)
            if seconds > ROUND or self._secure is None:
                break
        return seconds

    def _take(self, tls: LoopsTls, size: int) -> float:
        """Hand on the first bytes in TLS's own buffer, and look at what came out. Return the seconds that this took."""
        begun = time.perf_counter()
        tls.buffer_updated(size)
        seconds = time.perf_counter() - begun
        if self._secure is None:
            self._handshake += size
            if self._handshake > HANDSHAKE:
                self._cut()
            return seconds
        waiting = cast("SecureTransport", self._secure).get_read_buffer_size()
        data = self._object.data_read
        self._ahead += size + self._waiting - waiting - 2 * (data - self._data)
        self._waiting, self._data = waiting, data
        if self._ahead < 0:
            self._ahead = 0
        elif self._ahead > ALLOWANCE:
            self._forgive()
        if not self._flooded:
            cast("DataReader", self._secure.get_protocol()).took(seconds)
        return seconds

    def _read_on(self) -> None:
        """Hand on what waits; then read. While nobody wants the data, this waits as well."""
        if self._tls is None or self._transport.is_closing():
            return
        if self._is_held():
            cast("Pausing", cast("asyncio.Transport", self._secure).get_protocol()).call_when_read(self._read_on)
            return
        if self._rest:
            self._take_rest()
            self._loop.call_soon(self._read_on)
        elif not self._ended:
            self._transport.resume_reading()
        elif not self._tls.eof_received():
            self._transport.close()

    def _forgive(self) -> None:
        now = self._loop.time()
        self._ahead = max(0, self._ahead - int((now - self._at) * PER_SECOND))
        self._at = now
        if self._ahead > ALLOWANCE:
            self._cut()

    def _cut(self) -> None:
        if self._flooded:
            return
        self._flooded = True
        if self._secure is not None and not self._secure.is_closing():
            cast("DataReader", self._secure.get_protocol()).flooded(FLOOD)
        self._transport.abort()

    def _raise_if_flooded(self) -> None:
        if self._flooded:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, FLOOD)
