"""Access control of the HTTP API.

A user who can open the Unix socket may do everything; the kernel names the user. Over TCP a request needs a bearer
token, and a token has a role. A web page can't make a browser call the API. The ``Host`` has to be an address or a name
of distwall, against DNS that points to distwall. An ``Origin`` has to be the same as the host.
"""

import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distwall.audit.schema import ApiRefused, EventBase, TokensChanged
from distwall.clock import utc
from distwall.files.permissions import user_name
from distwall.http_api.bearer_tokens import Token, TokenFile, TokenFileError
from distwall.operations import ROLES, Role

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)

MAX_BODY = 1 << 20
"""Most bytes of a request's body: a policy fits."""

_BODILESS = frozenset({"GET", "HEAD"})
"""Methods whose requests the application answers without a look at their bodies."""

Recorder = Callable[[EventBase], None]
"""Records an event."""

Reason = Literal["token", "role", "host", "origin"]
"""The reason for refusing a request unread."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a function."""

    name: str
    role: Role


class RefusedError(Exception):
    """A request that is refused unread: status, reason for the log, and text."""

    def __init__(self, status: int, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class Entrance(Protocol):
    """One entrance to the API."""

    def check(self, headers: dict[str, str]) -> None:
        """Raises RefusedError for a request that a web page made a browser send."""

    def admit(self, source: str, authorization: str | None, /) -> Actor:
        """Identifies the caller of a request. Raises RefusedError."""
        ...


class SocketEntrance:
    """The Unix socket."""

    def check(self, headers: dict[str, str]) -> None:
        """Does nothing: browsers can't use a Unix socket."""

    def admit(self, source: str, _authorization: str | None) -> Actor:
        """Identifies the user who has opened the socket."""
        return Actor(source, Role.ADMIN)


class TokenEntrance:
    """TCP."""

    def __init__(self, tokens: TokenFile, hosts: Collection[str], record: Recorder) -> None:
        """``hosts``: names of distwall, besides IP addresses and localhost."""
        self._tokens = tokens
        self._hosts = frozenset(host.lower() for host in (*hosts, "localhost"))
        self._record = record
        self._known: frozenset[str] | None = None

    def check(self, headers: dict[str, str]) -> None:
        """Raises RefusedError if the host or the origin is another site."""
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if name not in self._hosts and not _is_address(name):
            raise RefusedError(403, "host", "this host is not a name of distwall; add it to [control] hosts")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise RefusedError(403, "origin", "a page of another site may not call")

    def admit(self, _source: str, authorization: str | None) -> Actor:
        """Identifies the caller by its token."""
        scheme, _, text = (authorization or "").partition(" ")
        try:
            token = self._tokens.find(text.strip(), utc()) if scheme.lower() == "bearer" else None
            self._tell_changes(self._tokens.tokens())
        except TokenFileError as error:
            raise RefusedError(401, "token", str(error)) from None
        if token is None:
            raise RefusedError(401, "token", "no valid token; send Authorization: Bearer TOKEN")
        return Actor(f"token:{token.name}", ROLES[token.role])

    def _tell_changes(self, tokens: tuple[Token, ...]) -> None:
        now = frozenset(token.name for token in tokens)
        if self._known is not None and now != self._known:
            self._record(TokensChanged(added=sorted(now - self._known), removed=sorted(self._known - now)))
        self._known = now


class RequestScreen:
    """Stands before the application, and refuses requests that are too large or come from a web page.

    A request with a body has to come from a known caller.
    """

    def __init__(
        self, app: ASGIApp, entrance: Entrance, record: Recorder, answer: Callable[[int, str], ASGIApp]
    ) -> None:
        self._app = app
        self._entrance = entrance
        self._record = record
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        started = False

        async def hardened(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        try:
            self._entrance.check(headers)
        except (RefusedError, ValueError) as error:
            reason = error.reason if isinstance(error, RefusedError) else "host"
            refused(self._record, scope, None, reason)
            await self._answer(403, str(error))(scope, receive, hardened)
            return
        if scope["method"] not in _BODILESS:
            try:
                # The application reads and parses a body before it asks who sends it.
                self._entrance.admit(source_of(scope), headers.get("authorization"))
            except RefusedError as error:
                refused(self._record, scope, None, error.reason)
                await self._answer(error.status, str(error))(scope, receive, hardened)
                return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                raise TooLargeError
            return message

        try:
            if int(headers.get("content-length", "0")) > MAX_BODY:
                raise TooLargeError
            await self._app(scope, bounded, hardened)
        except TooLargeError:
            if not started:
                await self._answer(413, f"more than {MAX_BODY} bytes; send less")(scope, receive, hardened)


class TooLargeError(Exception):
    """A body of more than MAX_BODY bytes."""


def refused(record: Recorder, scope: Scope, actor: str | None, reason: Reason) -> None:
    """Records a request that was refused unread."""
    record(
        ApiRefused(
            source=source_of(scope), actor=actor, method=scope["method"], path=scope["path"], reason=reason, folded=0
        )
    )


def source_of(scope: Scope) -> str:
    """Source of a request: an address, or ``unix:USER``."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def socket_user(transport: Any) -> str:
    """The user at the other end of a Unix socket, as the kernel knows it."""
    sock = transport.get_extra_info("socket")
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", data)
    return f"unix:{user_name(uid)}"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
