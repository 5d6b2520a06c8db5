"""A bound on the requests of one source."""

from collections import OrderedDict

PER_SECOND = 50.0
"""Requests of one source that are served in the long run. A node asks once for each connection that it opens."""

BURST = 500.0
"""Requests of one source that are served at once after a pause."""

MAX_SOURCES = 4096
"""Sources remembered; the longest unused is forgotten, and begins with a full bucket."""


class Rate:
    """Requests of each source, as buckets that fill by ``PER_SECOND`` up to ``BURST``."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, source: str, now: float) -> bool:
        """Counts a request of ``source``; true if it may be served. ``now``: a monotonic clock in seconds."""
        left, at = self._buckets.get(source, (BURST, now))
        left = min(BURST, left + (now - at) * PER_SECOND)
        admitted = left >= 1
        self._buckets[source] = (left - 1 if admitted else left, now)
        self._buckets.move_to_end(source)
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        return admitted
