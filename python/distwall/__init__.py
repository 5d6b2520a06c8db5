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

__version__ = "0.1.0"
