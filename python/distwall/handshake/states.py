"""States, turns and events of the inbound handshake: its transition table."""

import enum
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from distwall.handshake import messages


class Secret(Protocol):
    """A cookie, kept from showing in logs."""

    def reveal(self) -> bytes:
        """The cookie's latin-1 bytes."""
        ...


class Entry(Protocol):
    """What the handshake needs to know of a policy entry."""

    @property
    def cookie(self) -> Secret:
        """The cookie that the peer has to prove."""
        ...

    @property
    def visible(self) -> bool:
        """Whether both sides may see each other as visible nodes."""
        ...


E = TypeVar("E", bound=Entry)


class Turn(enum.Enum):
    """Who has to act next."""

    PEER = enum.auto()
    GUARD = enum.auto()
    CALLER = enum.auto()
    NOBODY = enum.auto()


class State(enum.Enum):
    """How far the handshake has come."""

    NAME = enum.auto()
    """The peer has to send its name."""
    ADMISSION = enum.auto()
    """The caller has to admit the name, dial the guarded node and call `Inbound.dialled`."""
    STATUS = enum.auto()
    """The guarded node has to send its status."""
    ALIVE = enum.auto()
    """The peer has to say whether it insists, though the guarded node thinks that they are connected."""
    CHALLENGE = enum.auto()
    """The guarded node has to send its challenge."""
    PROOF = enum.auto()
    """The peer has to prove its cookie."""
    ACK = enum.auto()
    """The peer has proved its cookie; the guarded node has to prove the cluster's."""
    ESTABLISHED = enum.auto()
    """Both legs carry frames from here on."""
    CLOSED = enum.auto()
    """Refused, or given up by either side."""


TURNS: dict[State, Turn] = {
    State.NAME: Turn.PEER,
    State.ADMISSION: Turn.CALLER,
    State.STATUS: Turn.GUARD,
    State.ALIVE: Turn.PEER,
    State.CHALLENGE: Turn.GUARD,
    State.PROOF: Turn.PEER,
    State.ACK: Turn.GUARD,
    State.ESTABLISHED: Turn.NOBODY,
    State.CLOSED: Turn.NOBODY,
}
"""Exactly one side has the turn in each state."""

EXPECTED: dict[State, int] = {
    State.NAME: messages.SEND_NAME,
    State.STATUS: messages.STATUS,
    State.ALIVE: messages.STATUS,
    State.CHALLENGE: messages.CHALLENGE,
    State.PROOF: messages.CHALLENGE_REPLY,
    State.ACK: messages.CHALLENGE_ACK,
}
"""The one message that whoever has the turn may send."""

NEXT: dict[State, frozenset[State]] = {
    State.NAME: frozenset({State.ADMISSION}),
    State.ADMISSION: frozenset({State.STATUS}),
    State.STATUS: frozenset({State.ALIVE, State.CHALLENGE}),
    State.ALIVE: frozenset({State.CHALLENGE}),
    State.CHALLENGE: frozenset({State.PROOF}),
    State.PROOF: frozenset({State.ACK}),
    State.ACK: frozenset({State.ESTABLISHED}),
    State.ESTABLISHED: frozenset(),
    State.CLOSED: frozenset(),
}
"""Where a message leads. Every state but the last two leads to `State.CLOSED` as well."""

UNPROVED = frozenset({State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF})
"""States in which the guarded node knows of a peer that has proved nothing."""


@dataclass(frozen=True, slots=True)
class Denied:
    """A name that may not connect: why, in one word."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NameReceived(Generic[E]):
    """The peer said who it is, and the policy knows that name. Dial the guarded node, then call `Inbound.dialled`."""

    name: str
    """As the policy matches it: ``undefined@HOST`` for a peer that asks for a name."""
    dynamic: bool
    """The peer asks for a name: the guarded node will make one up."""
    entry: E


@dataclass(frozen=True, slots=True)
class Proved:
    """The peer has proved its cookie."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One side of an established channel."""

    name: str
    creation: int


@dataclass(frozen=True, slots=True)
class Established(Generic[E]):
    """Both sides have proved theirs. Send what is due to the peer; from then on both legs carry frames."""

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
class Refused:
    """The handshake is over. Send what is due to either side, then close both."""

    reason: str
    """In one word."""
    detail: str
    peer_fault: bool
    """The peer is to blame: it broke the protocol or failed to prove its cookie."""


Event = NameReceived[E] | Proved | Established[E] | Refused
