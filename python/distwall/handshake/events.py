"""What a handshake reports, and what it has to be told about the policy."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Secret(Protocol):
    """A cookie, kept from showing in logs."""

    def reveal(self) -> bytes:
        """The cookie's latin-1 bytes."""
        ...


class PeerEntry(Protocol):
    """What the handshake needs to know of a policy entry."""

    @property
    def cookie(self) -> Secret:
        """The cookie that the peer has to prove."""
        ...

    @property
    def visible(self) -> bool:
        """Whether both sides may see each other as visible nodes."""
        ...


E = TypeVar("E", bound=PeerEntry)


@dataclass(frozen=True, slots=True)
class Denied:
    """A name that may not connect: why, in one word."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NameReceived(Generic[E]):
    """The initiator said who it is, and the policy lets it. Dial the acceptor, then call `Relay.dialled`."""

    name: str
    """The peer's, as the policy matches it: ``undefined@HOST`` for a peer that asks for a name."""
    dynamic: bool
    """The peer asks for a name: the guarded node will make one up."""
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
    """Both sides have proved theirs. Send what is due to the initiator; from then on both legs carry frames."""

    peer: Identity
    guard: Identity
    flags: int
    """The negotiated capabilities: what both sides were shown."""
    entry: E
    peer_data: bytes
    """What the peer sent behind its last message."""
    guard_data: bytes
    """What the guarded node sent behind its last message."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The handshake is over. Send what is due to either side, then close both."""

    reason: str
    """In one word."""
    detail: str
    peer_fault: bool
    """The peer is to blame: it broke the protocol or failed to prove its cookie."""


HandshakeEvent = NameReceived[E] | Proved | Established[E] | Rejected
