"""Exposures and claims of the peers of one entry."""

from collections.abc import Callable

from distwall._core import Claims, Exposures

MOST_NAMES = 1000
"""Most names of an entry whose exposures are kept. Only names without an open channel are forgotten."""


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
        """The exposures of a peer that opens a channel; the peer that did so longest ago may be forgotten for it."""
        exposures = self._names.pop(peer, None) or Exposures(self._claims)
        if len(self._names) >= MOST_NAMES:
            idle = next((name for name in self._names if not is_connected(name)), None)
            if idle is not None:
                del self._names[idle]
        self._names[peer] = exposures
        return exposures
