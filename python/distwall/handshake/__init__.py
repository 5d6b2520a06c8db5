"""The distribution handshake that distwall terminates on both sides, interleaved; no sockets, no clock.

The nouns: a **leg** is one of the two connections, towards the peer and towards the guarded node; a **message** is
one step of the handshake (`distwall.handshake.messages`); `Inbound` is the state machine of a connection that a peer
opened; an **event** is what it reports; **admission** (`distwall.handshake.admission`) decides when an unproved
handshake may reach the guarded node at all.
"""

from distwall.handshake.admission import Admission, Ticket
from distwall.handshake.halfopen import HalfOpen
from distwall.handshake.inbound import Inbound
from distwall.handshake.states import Denied, Established, Event, Identity, NameReceived, Proved, Refused, State, Turn

__all__ = [
    "Admission",
    "Denied",
    "Established",
    "Event",
    "HalfOpen",
    "Identity",
    "Inbound",
    "NameReceived",
    "Proved",
    "Refused",
    "State",
    "Ticket",
    "Turn",
]
