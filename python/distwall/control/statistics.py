"""Counters per peer, kept across reconnects, for a bounded number of names."""

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
    """The counters of all peers. Names not used for longest are forgotten first; their counts stay in the total."""

    MAX_NAMES = 4096

    def __init__(self) -> None:
        self._counters: OrderedDict[str, Counters] = OrderedDict()
        self._forgotten = Counters()

    def of(self, peer: str, connected: Container[str]) -> Counters:
        """The counters of a peer that connects now. Peers in ``connected`` are never forgotten."""
        counters = self._counters.get(peer)
        if counters is None:
            counters = self._counters[peer] = Counters()
            if len(self._counters) > self.MAX_NAMES:
                self._forget(connected, keep=peer)
        self._counters.move_to_end(peer)
        return counters

    def __contains__(self, peer: str) -> bool:
        return peer in self._counters

    def statistics(self, peer: str | None = None) -> Statistics:
        """The counters of one peer, zeros if it is unknown; None: the sum of all, with forgotten peers."""
        if peer is not None:
            return _told(self._of(peer))
        total = Counters()
        total.add(self._forgotten)
        for counters in self._counters.values():
            total.add(counters)
        return _told(total)

    def inbound(self, peer: str) -> tuple[int, int, int]:
        """The commands of a peer that were accepted, denied and dropped."""
        return self._of(peer).inbound()

    def _of(self, peer: str) -> Counters:
        return self._counters.get(peer) or Counters()

    def _forget(self, connected: Container[str], keep: str) -> None:
        for peer, counters in self._counters.items():
            if peer != keep and peer not in connected:
                self._forgotten.add(counters)
                del self._counters[peer]
                return


def _told(counters: Counters) -> Statistics:
    return {str(direction): counts for direction, counts in counters.snapshot().items()}
