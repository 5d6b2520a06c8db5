"""Turns of the channels of one entry: together they have about one slice of work in each round of the event loop.

Theory of operation. One thread serves all channels, and each channel with bytes to be judged has the loop once a round.
So a round would take as long as an entry has channels, and all other channels wait for a round. Here the work of an
entry's channels is summed. Once they have done the entry's share of a round, its other channels wait in line, and are
not read meanwhile. In each of the next rounds, the first in line go on, until the share is done again. So all entries
have the same share of the loop, however many channels they have.

The loop's clock stands still during a round: work of the same time belongs to the same round.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SHARE = 450_000
"""Steps of the core for each round: a slice, two to three milliseconds."""

CALL = 4_000
"""Steps for any piece of work, however small: its calls, and what it writes."""

EVENT = 2_000
"""Steps for an event, most of which are only counted."""


class Turns:
    """The turns of one entry. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._line: deque[Callable[[], None]] = deque()
        self._round = 0.0
        self._done = 0
        self._is_due = False
        """True if the first in line go on in the next round, or just now."""

    def is_over(self, now: float) -> bool:
        """True if a channel that comes now has to wait in line."""
        return bool(self._line) or (self._done >= SHARE and now == self._round)

    def spend(self, steps: int, now: float) -> None:
        """Counts a piece of work. ``now`` is the time of the loop."""
        if now != self._round:
            self._round, self._done = now, 0
        self._done += steps + CALL

    def wait(self, go_on: Callable[[], None]) -> None:
        """Calls ``go_on`` in a later round, behind all others in line."""
        self._line.append(go_on)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._done = 0
        try:
            while self._line and self._done < SHARE:
                self._line.popleft()()
        finally:
            self._is_due = bool(self._line)
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._next)
