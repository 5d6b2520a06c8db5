"""The distribution handshake that distwall terminates on both sides, interleaved; no sockets, no clock.

The nouns: the **initiator** is whoever dialled distwall, the **acceptor** whom distwall dials; one of them is the peer,
the other the guarded node. A **leg** is the connection to either; a **message** is one step of the handshake
(`distwall.handshake.messages`); a `Relay` is the state machine: `Inbound` for a connection that a peer opened,
`Outbound` for one that a guarded node did. An **event** is what it reports; **proofs** are those that distwall waits
for; **admission** (`distwall.handshake.admission`) decides when an unproved handshake may reach the
guarded node at all.
"""

from distwall.handshake.admission import Admission, Ticket
from distwall.handshake.events import Denied, Established, HandshakeEvent, Identity, NameReceived, Proved, Rejected
from distwall.handshake.halfopen import HalfOpen
from distwall.handshake.inbound import Inbound
from distwall.handshake.outbound import Outbound
from distwall.handshake.proofs import Proofs
from distwall.handshake.relay import Relay
from distwall.handshake.states import State, Turn

__all__ = [
    "Admission",
    "Denied",
    "Established",
    "HalfOpen",
    "HandshakeEvent",
    "Identity",
    "Inbound",
    "NameReceived",
    "Outbound",
    "Proofs",
    "Proved",
    "Rejected",
    "Relay",
    "State",
    "Ticket",
    "Turn",
]
