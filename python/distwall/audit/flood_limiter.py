"""Keeps a flood of similar events short, and counts exactly how many events are left out.

In each window a source gets a few events through, and all sources together a bounded number. Of all others, the last
event of each kind and reason is kept. It comes out when the window ends, with the number of left out events in
``folded``. So the number of events plus the sum of their ``folded`` is the number of things that happened.
"""

from collections import Counter
from dataclasses import replace

from distwall.audit.schema import Flooding


class FloodLimiter:
    """One flood limiter. A window starts with the first event after the end of the previous window."""

    WINDOW = 1.0
    """Seconds of a window."""
    PER_SOURCE = 5
    TOTAL = 50
    MAX_HELD = 64
    """Pairs of kind and reason that are kept apart."""

    def __init__(self) -> None:
        self._ends: float | None = None
        self._passed: Counter[str] = Counter()
        self._held: dict[tuple[str, str], tuple[Flooding, int]] = {}

    @property
    def ends(self) -> float | None:
        """End of the present window, on the clock of ``now``; None: there is no window."""
        return self._ends

    def admit(self, event: Flooding, now: float) -> list[Flooding]:
        """Takes one event; returns the events to record now, in order. ``now``: a monotonic clock in seconds."""
        out = self.flush(now)
        if self._ends is None:
            self._ends = now + self.WINDOW
        source = _host(getattr(event, "source", ""))
        if self._passed[source] < self.PER_SOURCE and self._passed.total() < self.TOTAL:
            self._passed[source] += 1
            return [*out, event]
        key = (event.kind, getattr(event, "reason", ""))
        if key not in self._held and len(self._held) >= self.MAX_HELD:
            key = (event.kind, "")
        _, count = self._held.get(key, (event, -1))
        self._held[key] = (event, count + 1)
        return out

    def flush(self, now: float | None = None) -> list[Flooding]:
        """The events kept in a window that has ended by ``now``; None ends the window at once."""
        if self._ends is None or (now is not None and now < self._ends):
            return []
        held = [replace(event, folded=count) for event, count in self._held.values()]
        self._ends = None
        self._passed.clear()
        self._held.clear()
        return held


def _host(source: str) -> str:
    """A source without its port, which differs in each connection."""
    if source.startswith("["):
        return source.partition("]")[0][1:]
    return source.partition(":")[0] if source.count(":") == 1 else source
