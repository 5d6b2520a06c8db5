"""The sockets of distwall, on asyncio (uvloop): everything that listens, dials, waits and moves bytes.

Five nouns: the **gateway** owns all listeners; the **EPMD service** answers on the EPMD addresses; a **listener** is
where peers reach one guarded node; a **handshake** is a connection that has not proved itself yet, with its two
sockets; a **pump** is a channel: it moves bytes between the two through the core.

All decisions about bytes are taken elsewhere, by state machines without I/O: `distwall.epmd`, `distwall.handshake`
and the core's ``Channel``.
"""

from distwall.gateway.gateway import Gateway

__all__ = ["Gateway"]
