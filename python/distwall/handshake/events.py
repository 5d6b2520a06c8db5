"""The events of a handshake, and its view of the policy."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Secret(Protocol):
    """A cookie, kept from showing in logs."""

    def reveal(self) -> bytes:
        """The cookie's latin-1 bytes."""
        ...


class PeerEntry(Protocol):
    """A policy entry as the handshake needs it."""

    @property
    def cookie(self) -> Secret:
        """The cookie that the peer has to prove."""
        ...

    @property
    def visible(self) -> bool:
        """True if both sides may see each other as visible nodes."""
        ...


E = TypeVar("E", bound=PeerEntry)


@dataclass(frozen=True, slots=True)
class Denied:
    """A name that may not connect: the reason in one word."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NameReceived(Generic[E]):
    """The initiator sent a name that the policy accepts. Dial the acceptor, then call `Relay.dialled`."""

    name: str
    """The peer's name, as the policy matches it: ``undefined@HOST`` for a peer that asks for a name."""
    dynamic: bool
    """True if the peer asks for a name, which the guarded node will make up."""
    entry: E


@dataclass(frozen=True, slots=True)
class Proved:
    """The initiator has proved its cookie."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One side of an established channel."""

    name: str
    creation: int


@dataclass(frozen=True, slots=True)
class Established(Generic[E]):
    """Both sides have proved their cookies. Send the initiator its bytes; then both legs carry frames."""

    peer: Identity
    guard: Identity
    flags: int
    """The negotiated capabilities, as shown to both sides."""
    entry: E
    peer_data: bytes
    """Bytes of the peer behind its last message."""
    guard_data: bytes
    """Bytes of the guarded node behind its last message."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The handshake has failed. Send the bytes due to either side, then close both."""

    reason: str
    """The reason in one word."""
    detail: str
    peer_fault: bool
    """True if the peer is to blame: it broke the protocol or failed to prove its cookie."""


HandshakeEvent = NameReceived[E] | Proved | Established[E] | Rejected
