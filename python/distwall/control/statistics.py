"""Counters per peer, kept across reconnects, for a bounded number of names."""

from collections import OrderedDict
from collections.abc import Container, Mapping
from typing import Any

from distwall._core import COMMANDS, Counters

Counts = dict[str, dict[str, int]]
"""By command, by verdict: all 14 commands, in the order of ``erlang:statistics(dist)``."""
Statistics = dict[str, Counts]
"""By direction."""


class PeerCounters:
    """The counters of all peers. Names not used for longest are forgotten first; their counts stay in the total."""

    MAX_NAMES = 4096

    def __init__(self) -> None:
        self._counters: OrderedDict[str, Counters] = OrderedDict()
        self._forgotten = nothing()

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
            total = nothing()
            if counters := self._counters.get(peer):
                _add(total, counters.snapshot())
            return total
        total = nothing()
        _add(total, self._forgotten)
        for counters in self._counters.values():
            _add(total, counters.snapshot())
        return total

    def _forget(self, connected: Container[str], keep: str) -> None:
        for peer, counters in self._counters.items():
            if peer != keep and peer not in connected:
                _add(self._forgotten, counters.snapshot())
                del self._counters[peer]
                return


def nothing() -> Statistics:
    """Statistics with zeros."""
    return {
        direction: {command: {"accept": 0, "deny": 0, "drop": 0} for command in COMMANDS}
        for direction in ("inbound", "outbound")
    }


def _add(total: Statistics, more: Mapping[Any, Mapping[str, Mapping[Any, int]]]) -> None:
    for direction, commands in more.items():
        for command, verdicts in commands.items():
            for verdict, count in verdicts.items():
                total[direction][command][verdict] += count
