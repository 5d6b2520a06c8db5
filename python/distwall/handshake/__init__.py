"""The distribution handshake that distwall terminates on both sides, interleaved; no sockets, no clock.

The nouns:

* The **initiator** is the side that dialled distwall, and the **acceptor** is the side that distwall dials. One of them
  is the peer, the other the guarded node. A **leg** is the connection to either.
* A **message** is one step of the handshake (`distwall.handshake.messages`).
* A `Relay` is the state machine: `Inbound` for a connection from a peer, `Outbound` for a connection from a guarded
  node. It reports **events**.
* **AwaitedProofs** are the proofs that distwall waits for.
* **Admission** (`distwall.handshake.admission`) decides when an unproved handshake may reach the guarded node at all.
"""

from distwall.handshake.admission import Admission, Ticket
from distwall.handshake.awaited_proofs import AwaitedProofs
from distwall.handshake.events import Denied, Established, HandshakeEvent, Identity, NameReceived, Proved, Rejected
from distwall.handshake.halfopen import HalfOpen
from distwall.handshake.inbound import Inbound
from distwall.handshake.outbound import Outbound
from distwall.handshake.relay import Relay
from distwall.handshake.states import State, Turn

__all__ = [
    "Admission",
    "AwaitedProofs",
    "Denied",
    "Established",
    "HalfOpen",
    "HandshakeEvent",
    "Identity",
    "Inbound",
    "NameReceived",
    "Outbound",
    "Proved",
    "Rejected",
    "Relay",
    "State",
    "Ticket",
    "Turn",
]
