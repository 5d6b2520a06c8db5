"""Exposures and claims of the peers of one entry."""

from collections.abc import Callable

from distwall._core import Claims, Exposures

MOST_NAMES = 1000
"""Most names of an entry whose exposures are kept. Only names without an open channel are forgotten."""

MOST_SHOWN = 1 << 20
"""Most processes and aliases that are kept for all names without an open channel together."""


class EntryExposures:
    """The exposures of an entry's peers at one incarnation of a guarded node.

    A cookie for a glob is one for any number of names. So claims are shared by all names: what one name writes is not
    exposed to another by a server that gives it back. Claims are never forgotten, and have one limit.
    """

    def __init__(self, creation: int) -> None:
        self.creation = creation
        """The incarnation of the guarded node."""
        self._claims = Claims()
        self._names: dict[str, Exposures] = {}

    def of(self, peer: str, is_connected: Callable[[str], bool]) -> Exposures:
        """The exposures of a peer that opens a channel; the exposures of older names may be forgotten for it."""
        exposures = self._names.pop(peer, None) or Exposures(self._claims)
        idle = {name: kept.shown() for name, kept in self._names.items() if not is_connected(name)}
        shown = sum(idle.values())
        for name, size in idle.items():
            if len(self._names) < MOST_NAMES and shown <= MOST_SHOWN:
                break
            del self._names[name]
            shown -= size
        self._names[peer] = exposures
        return exposures
