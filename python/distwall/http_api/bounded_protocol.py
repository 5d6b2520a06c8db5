"""HTTP connections with bounds, so that clients that hold connections open keep no other client out.

Theory of operation. A client has `REQUEST_TIMEOUT` seconds for a whole request. They begin when the server is ready for
it. It has `RESPONSE_TIMEOUT` seconds to make room for bytes of the response. Each listener has a limit of connections
for each source and in all. A newcomer always finds a place: the connection that has been quiet for the longest time
goes for it. Followers of the live events go last: they have proved who they are, and are few.
"""

import asyncio
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_PER_SOURCE = 64
"""Connections of one user of the Unix socket, or of one address, at a time."""

MAX_TOTAL = 128
"""Connections at one listener at a time."""

REQUEST_TIMEOUT = 10.0
"""Seconds for a whole request, with its body."""

RESPONSE_TIMEOUT = 30.0
"""Seconds that a client may leave a full response buffer unread. Followers of the live events are told of gaps instead.
"""

MAX_HEAD = 16 << 10
"""Most bytes of a request's line and headers."""

_FOLLOWED = "/v1/events"


class ConnectionRoom:
    """The room for connections of one listener."""

    def __init__(self) -> None:
        # The longest quiet first.
        self._open: dict[BoundedProtocol, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: "BoundedProtocol", source: str) -> None:
        """Takes in a connection. If there are too many, cuts another."""
        self._open[connection] = source
        counts = Counter(self._open.values())
        if counts[source] > MAX_PER_SOURCE:
            self._cut(source)
        elif len(self._open) > MAX_TOTAL:
            self._cut(counts.most_common(1)[0][0])

    def moved(self, connection: "BoundedProtocol") -> None:
        """Notes that a connection is not quiet."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def leave(self, connection: "BoundedProtocol") -> None:
        """Forgets a connection."""
        self._open.pop(connection, None)

    def _cut(self, source: str) -> None:
        mine = [connection for connection, its in self._open.items() if its == source]
        # The newest one is the newcomer.
        quiet = next((each for each in mine[:-1] if not each.follows), mine[0])
        self.leave(quiet)
        quiet.cut()


class BoundedProtocol(H11Protocol):
    """One connection. Subclasses say which listener it belongs to."""

    room: ConnectionRoom

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self._request_timer: asyncio.TimerHandle | None = None
        self._response_timer: asyncio.TimerHandle | None = None

    @property
    def source(self) -> str:
        """The source whose connections are counted together."""
        return self.client[0] if self.client else ""

    @property
    def follows(self) -> bool:
        """True if the client follows the live events, so it may be quiet for ever."""
        # Before the first request there is no cycle.
        cycle: RequestResponseCycle | None = self.cycle
        return (
            cycle is not None
            and cycle.response_started
            and not cycle.response_complete
            and self.scope["path"] == _FOLLOWED
        )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection."""
        super().connection_made(transport)
        self.room.enter(self, self.source)
        self._watch_request()

    def data_received(self, data: bytes) -> None:
        """Takes bytes of a request."""
        self.room.moved(self)
        super().data_received(data)
        self._watch_request()

    def on_response_complete(self) -> None:
        """Goes on with the next request."""
        self.room.moved(self)
        super().on_response_complete()
        self._watch_request()

    def pause_writing(self) -> None:
        """Waits for room for the response, but not for ever."""
        super().pause_writing()
        if self._response_timer is None:
            self._response_timer = self.loop.call_later(RESPONSE_TIMEOUT, self._response_expired)

    def resume_writing(self) -> None:
        """Goes on with the response."""
        self._forget_response_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes the end of the connection."""
        self.room.leave(self)
        self._forget_request_timer()
        self._forget_response_timer()
        super().connection_lost(exc)

    def cut(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    def _watch_request(self) -> None:
        """Gives the client its time for a request, once for each request, however it sends it."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._forget_request_timer()
        elif self._request_timer is None and not self.transport.is_closing():
            self._request_timer = self.loop.call_later(REQUEST_TIMEOUT, self.cut)

    def _response_expired(self) -> None:
        self._response_timer = None
        if not self.follows:
            self.cut()

    def _forget_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _forget_response_timer(self) -> None:
        if self._response_timer is not None:
            self._response_timer.cancel()
            self._response_timer = None


def bounded(protocol: type[BoundedProtocol] = BoundedProtocol) -> type[BoundedProtocol]:
    """Return the class of one listener's connections, with room of its own."""
    return type(protocol.__name__, (protocol,), {"room": ConnectionRoom()})
