"""Counters for each peer at each guarded node, kept across reconnects, for a bounded number of pairs."""

from collections import OrderedDict
from collections.abc import Container
from typing import TYPE_CHECKING

from distwall._core import Counters

if TYPE_CHECKING:
    from distwall._core import Verdict

Counts = dict[str, dict["Verdict", int]]
"""By command, by verdict: all 14 commands, in the order of ``erlang:statistics(dist)``."""
Statistics = dict[str, Counts]
"""By direction."""


class PeerCounters:
    """The counters of all peers at each guarded node.

    Pairs not used for longest are forgotten first; their counts stay in the total of the guarded node.
    """

    MAX_NAMES = 4096

    def __init__(self) -> None:
        self._counters: OrderedDict[tuple[str, str], Counters] = OrderedDict()
        # By guarded node; None: guarded nodes of which too many have come.
        self._forgotten: dict[str | None, Counters] = {}

    def of(self, peer: str, guard: str, connected: Container[str]) -> Counters:
        """The counters of a peer that connects to ``guard`` now. Peers in ``connected`` are never forgotten."""
        key = (peer, guard)
        counters = self._counters.get(key)
        if counters is None:
            counters = self._counters[key] = Counters()
            if len(self._counters) > self.MAX_NAMES:
                self._forget(connected, keep=peer)
        self._counters.move_to_end(key)
        return counters

    def __contains__(self, peer: str) -> bool:
        return any(name == peer for name, _ in self._counters)

    def statistics(self, peer: str | None = None, guard: str | None = None) -> Statistics:
        """The counters of one peer at one guarded node, zeros if it is unknown there.

        None stands for all. The sum of all peers includes forgotten peers.
        """
        total = Counters()
        for (name, node), counters in self._counters.items():
            if peer in (None, name) and guard in (None, node):
                total.add(counters)
        if peer is None:
            for forgotten, counters in self._forgotten.items():
                if guard in (None, forgotten):
                    total.add(counters)
        return _told(total)

    def inbound(self, peer: str, guard: str) -> tuple[int, int, int]:
        """The commands of a peer to ``guard`` that were accepted, denied and dropped."""
        return (self._counters.get((peer, guard)) or Counters()).inbound()

    def _forget(self, connected: Container[str], keep: str) -> None:
        for (peer, guard), counters in self._counters.items():
            if peer != keep and peer not in connected:
                self._add_forgotten(guard, counters)
                del self._counters[peer, guard]
                return

    def _add_forgotten(self, guard: str | None, counters: Counters) -> None:
        if guard not in self._forgotten and len(self._forgotten) > self.MAX_NAMES:
            guard = None
        self._forgotten.setdefault(guard, Counters()).add(counters)


def _told(counters: Counters) -> Statistics:
    return {str(direction): counts for direction, counts in counters.snapshot().items()}
