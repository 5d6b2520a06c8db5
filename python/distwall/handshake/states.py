"""States and turns of a handshake: its transition table."""

import enum
from dataclasses import dataclass

from distwall.handshake import messages


class Turn(enum.Enum):
    """The side that has to act next."""

    INITIATOR = enum.auto()
    """The side that dialled distwall."""
    ACCEPTOR = enum.auto()
    """The side that distwall dialled."""
    PROGRAM = enum.auto()
    """The program around the state machine."""
    NOBODY = enum.auto()


class State(enum.Enum):
    """Progress of the handshake."""

    NAME = enum.auto()
    """The initiator has to send its name."""
    ADMISSION = enum.auto()
    """The program has to admit the name, dial the acceptor and call `Relay.dialled`."""
    STATUS = enum.auto()
    """The acceptor has to send its status."""
    ALIVE = enum.auto()
    """The acceptor thinks that the two are connected; the initiator has to insist or give up."""
    CHALLENGE = enum.auto()
    """The acceptor has to send its challenge."""
    PROOF = enum.auto()
    """The initiator has to prove its cookie."""
    PROVED = enum.auto()
    """The initiator has proved its cookie before the acceptor heard of it; the program has to dial the acceptor."""
    ACK = enum.auto()
    """The initiator has proved its cookie; the acceptor has to prove its own."""
    ESTABLISHED = enum.auto()
    """Both legs carry frames from here on."""
    CLOSED = enum.auto()
    """Refused, or given up by either side."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Allowed event in a state."""

    turn: Turn
    """Exactly one side has the turn."""
    message: int | None = None
    """The first byte of the one message that this side may send."""
    leads_to: frozenset[State] = frozenset()
    """The next state. Every state with a turn leads to `State.CLOSED` as well."""


TABLE: dict[State, Transition] = {
    State.NAME: Transition(Turn.INITIATOR, messages.SEND_NAME, frozenset({State.ADMISSION})),
    State.ADMISSION: Transition(Turn.PROGRAM, None, frozenset({State.STATUS, State.PROOF})),
    State.STATUS: Transition(Turn.ACCEPTOR, messages.STATUS, frozenset({State.ALIVE, State.CHALLENGE, State.PROVED})),
    State.ALIVE: Transition(Turn.INITIATOR, messages.STATUS, frozenset({State.CHALLENGE})),
    State.CHALLENGE: Transition(Turn.ACCEPTOR, messages.CHALLENGE, frozenset({State.PROOF, State.ACK})),
    State.PROOF: Transition(Turn.INITIATOR, messages.CHALLENGE_REPLY, frozenset({State.ACK, State.PROVED})),
    State.PROVED: Transition(Turn.PROGRAM, None, frozenset({State.STATUS})),
    State.ACK: Transition(Turn.ACCEPTOR, messages.CHALLENGE_ACK, frozenset({State.ESTABLISHED})),
    State.ESTABLISHED: Transition(Turn.NOBODY),
    State.CLOSED: Transition(Turn.NOBODY),
}
"""The transition table."""

UNPROVED = frozenset({State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF})
"""States in which the acceptor knows of an initiator that has proved nothing."""
