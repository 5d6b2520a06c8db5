"""Turns of the channels of one entry: together they have about one slice of work in each round of the event loop.

Theory of operation. One thread serves all channels, and each channel with bytes to be judged has the loop once a round.
So a round would take as long as an entry has channels, and all other channels wait for a round. Here the work of an
entry's channels is summed. Once they have done the entry's share of a round, its other channels wait in line, and are
not read meanwhile. In each of the next rounds, the first in line go on, until the share is done again. So all entries
have the same share of the loop, however many channels they have.

A callback begins each round: the loop calls it once all connections had a turn. The loop's clock can't tell rounds
apart: each new timer sets it, and a peer can cause timers. Little work has no callback of its own, and is counted in
the round of the work that follows.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SHARE = 450_000
"""Steps of the core for each round: a slice, two to three milliseconds."""

LITTLE = SHARE // 8
"""Steps that don't need a round of their own."""

CALL = 4_000
"""Steps for any piece of work, however small: its calls, and what it writes."""

EVENT = 2_000
"""Steps for an event, most of which are only counted."""


class Turns:
    """The turns of one entry. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._line: deque[Callable[[], None]] = deque()
        self._done = 0
        self._is_due = False
        """True if the loop will begin a round."""

    def is_over(self) -> bool:
        """True if a channel that comes now has to wait in line."""
        return bool(self._line) or self._done >= SHARE

    def spend(self, steps: int) -> None:
        """Counts a piece of work."""
        self._done += steps + CALL
        if self._done >= LITTLE and not self._is_due:
            self._begin_later()

    def wait(self, go_on: Callable[[], None]) -> None:
        """Calls ``go_on`` in a later round, behind all others in line."""
        self._line.append(go_on)
        if not self._is_due:
            self._begin_later()

    def take(self, work: Callable[[], None]) -> None:
        """Calls ``work`` now, or in its turn."""
        if self.is_over():
            self.wait(work)
        else:
            work()

    def _begin_later(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        """Begins a round with the first in line."""
        self._is_due = False
        self._done = 0
        try:
            while self._line and self._done < SHARE:
                self._line.popleft()()
        finally:
            if self._line and not self._is_due:
                self._begin_later()
