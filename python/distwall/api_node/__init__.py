"""distwall's own node, by which Erlang programs reach the runtime API; no sockets, no clock.

It is a hidden node that dials nobody and runs one process, registered as `distwall`. A **caller** is the node at the
other end of a connection: a guarded node, or an operator's node. The `CallerHandshake` does the handshake of a
connection from a caller. A `CallerSession` reads and writes the frames after it. `ErlangFunctions` turns a request into
a call of the `Firewall`. Its sockets are in `distwall.gateway.api_node_server`.
"""

from distwall.api_node.erlang_functions import ErlangFunctions
from distwall.api_node.handshake import Accepted, CallerHandshake, CallerRejected, CallerState
from distwall.api_node.session import MAX_FRAME, Caller, CallerSession

__all__ = [
    "MAX_FRAME",
    "Accepted",
    "Caller",
    "CallerHandshake",
    "CallerRejected",
    "CallerSession",
    "CallerState",
    "ErlangFunctions",
]
