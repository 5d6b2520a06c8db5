"""distwall: a firewall for Erlang distribution.

Five nouns explain the code:

* A **guarded node** (guard) is the node being protected; a **peer** is a remote node, by the name that it proved in the
  handshake; a **channel** is one distribution connection between the two, through distwall.
* A **command** is one control message on a channel, in one of 14 categories (``reg_send``, ``spawn_request``, ...).
* A **rule** gives commands a **verdict**: ``accept``, ``deny`` or ``drop``.

The parts, from the wire to the operator: ``_core`` (Rust: judges every command, no I/O), ``epmd`` and ``handshake``
(protocol state machines, no I/O), ``gateway`` (sockets), ``policy`` (the file and its rules), ``control`` (the one
``Firewall`` object and its HTTP API), ``audit`` (the event stream) and ``cli``.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "Firewall": "distwall.control",
    "load": "distwall.policy",
    "running": "distwall.service",
    "StartError": "distwall.service",
}


def __getattr__(name: str) -> Any:
    """`Firewall`, `load` and `running`, for programs that have distwall inside; loaded when they are used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
