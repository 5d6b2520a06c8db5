"""distwall: a firewall for Erlang distribution.

Five nouns explain the code:

* A **guarded node** (guard) is a protected node. A **peer** is a remote node, by the name that it proved in the
  handshake. A **channel** is one distribution connection between the two, through distwall.
* A **command** is one control message on a channel, in one of 14 categories (``reg_send``, ``spawn_request``, ...).
* A **rule** gives commands a **verdict**: ``accept``, ``deny`` or ``drop``.

The parts, from the ground floor to the operator; none imports a part further down in this list:

* ``_core`` (Rust) judges every command, without I/O. ``net``, ``files``, ``clock`` and ``node_name`` are the
  ground floor: sockets, addresses, files, times, names.
* ``etf`` (Erlang terms), ``epmd`` and ``handshake`` (protocol state machines) do no I/O either.
  ``epmd_client`` asks other EPMDs.
* ``policy`` is the file, the language of its rules, and the model. ``audit`` is the event stream and its log.
  ``handlers`` is code of users that sees accepted commands. ``operations`` declares the runtime API.
* ``tls`` (certificates) and ``redirect`` (transparent mode) are what the gateway needs besides.
* ``control`` is the one ``Firewall`` object: rules in force, channels, grants.
* ``gateway`` (sockets), ``http_api`` and ``api_node`` (distwall's own Erlang node) are its fronts; ``run`` puts all of
  it together.
* ``launch`` starts guarded programs (``erlang`` has their modules), ``doctor`` looks for ways round the firewall, and
  ``cli`` is the ``distwall`` command.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "Firewall": "distwall.control",
    "load": "distwall.policy",
    "running": "distwall.run",
    "StartError": "distwall.run",
}


def __getattr__(name: str) -> Any:
    """`Firewall`, `load` and `running`, for programs that have distwall inside; loaded when they are used."""
    if name == "__version__":
        return import_module("distwall._core").VERSION  # the version in Cargo.toml, the only place where it is written
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
