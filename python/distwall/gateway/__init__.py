"""The sockets of distwall, on asyncio (uvloop): this room listens, dials, waits and moves bytes.

Five nouns: the **gateway** owns all listeners. The **EPMD server** answers on the EPMD addresses. A **listener** is the
address of one guarded node for its peers. A **handshake connection** has not proved itself yet; it has two sockets. A
**pump** is a channel: it moves bytes between the two sockets, through the core.

All decisions about bytes are taken elsewhere, by state machines without I/O: `distwall.epmd`, `distwall.handshake` and
the core's ``Channel``.
"""

from distwall.gateway.gateway import Gateway

__all__ = ["Gateway"]
