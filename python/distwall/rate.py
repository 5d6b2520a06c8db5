"""Rates: what one source may cause in the long run, and at once after a pause."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

MAX_SOURCES = 4096
"""Sources remembered; the longest unused is forgotten, and begins with a full bucket."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The spending of a source: ``per_second`` in the long run, and ``burst`` at once after a pause."""

    per_second: float
    burst: float


class Rates:
    """The spending of each source, as buckets that fill by one allowance. Clocks are arguments: monotonic seconds."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def has_room(self, source: Hashable, now: float, cost: float = 1.0) -> bool:
        """True if a source may spend so much."""
        return self._left(source, now) >= cost

    def spend(self, source: Hashable, now: float, cost: float = 1.0) -> None:
        """Takes something from a source's bucket, also more than is left: then it owes the rest."""
        self._buckets[source] = (self._left(source, now) - cost, now)
        self._buckets.move_to_end(source)
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)

    def admits(self, source: Hashable, now: float) -> bool:
        """Spends one on a request of a source; false if nothing is left for it."""
        admitted = self.has_room(source, now)
        # A source that is refused is not forgotten: it would begin with a full bucket.
        self.spend(source, now, 1.0 if admitted else 0.0)
        return admitted

    def _left(self, source: Hashable, now: float) -> float:
        left, at = self._buckets.get(source, (self._allowance.burst, now))
        return min(self._allowance.burst, left + (now - at) * self._allowance.per_second)
