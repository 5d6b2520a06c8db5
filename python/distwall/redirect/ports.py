"""Ports that stand for peers.

A stock node asks EPMD for a port, then dials that port at the peer's address, and never says which node it dials. So
distwall answers with a port that it makes up. A place (an address and one of these ports) stands for one node.

A node dials as soon as EPMD has answered, and gives up after ``net_setuptime``, at most two minutes. But programs may
keep a port for longer (``net_adm:names/1`` shows it). Hence these rules for giving a place to another node:

* Each address has all ports to itself: a port at one host can't be mistaken for a port at another.
* A node keeps its place for as long as distwall runs, unless room is needed.
* Room comes only from places without a question or a connection for `REMEMBERED` seconds, the longest unused first. If
  there is no such place, the newcomer is refused.

If a program dials a place even later, it meets a node with another name than it expects: Erlang's handshake refuses
that, on both sides.
"""

from collections import OrderedDict
from dataclasses import dataclass

from distwall.node_name import NodeName

REMEMBERED = 900.0
"""Seconds without use after which a place may stand for another node."""

MAX_PLACES = 8192
"""Most places in use, at all addresses together."""


@dataclass(frozen=True, slots=True)
class Stand:
    """The node that a place stands for."""

    node: str
    """The node's full name."""
    port: int
    """The node's real port."""
    mate: bool = False
    """True if it is a guarded node of this host."""


@dataclass(slots=True)
class _Use:
    alive: str
    stand: Stand
    at: float


class MadeUpPorts:
    """All places, the longest unused first. Time is an argument."""

    def __init__(self, ports: tuple[int, int]) -> None:
        """``ports``: the first and the last made-up port."""
        self._first, self._last = ports
        self._uses: OrderedDict[tuple[str, int], _Use] = OrderedDict()
        self._ports: dict[tuple[str, str], int] = {}

    def port_for(self, address: str, stand: Stand, now: float) -> int | None:
        """The port for a node at ``address`` from now on; None: all are in use.

        A node keeps its port if it is asked for again, by the part of its name before ``@``.
        """
        alive = NodeName.of(stand.node).alive
        port = self._ports.get((address, alive)) or self._free(address, now)
        if port is None:
            return None
        self._ports[address, alive] = port
        self._uses[address, port] = _Use(alive, stand, now)
        self._uses.move_to_end((address, port))
        return port

    def stand(self, address: str, port: int, now: float) -> Stand | None:
        """The node that a place stands for, noting that the place is used; None: no node."""
        use = self._uses.get((address, port))
        if use is None:
            return None
        use.at = now
        self._uses.move_to_end((address, port))
        return use.stand

    def _free(self, address: str, now: float) -> int | None:
        """A port of ``address`` that is free, or can be made free."""
        if len(self._uses) >= MAX_PLACES and not self._forget(next(iter(self._uses)), now):
            return None
        for port in range(self._first, self._last + 1):
            if (address, port) not in self._uses:
                return port
        oldest = next(place for place in self._uses if place[0] == address)
        return oldest[1] if self._forget(oldest, now) else None

    def _forget(self, place: tuple[str, int], now: float) -> bool:
        """Frees a place, and returns true, if it was not used for long enough."""
        use = self._uses[place]
        if now - use.at < REMEMBERED:
            return False
        del self._uses[place]
        del self._ports[place[0], use.alive]
        return True
