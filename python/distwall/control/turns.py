"""Turns of the channels of one entry: together they have some milliseconds in each round of the event loop.

Theory of operation. One thread serves all channels, and each channel with bytes to be judged has the loop once a round.
So a round would take as long as an entry has channels, and all other channels wait for a round. Here the time of an
entry's channels is summed. Once they have had the entry's share of a round, its other channels wait in line, and are
not read meanwhile. In each of the next rounds, the first in line go on, until the share is spent again. So all entries
have the same share of the loop, however many channels they have.

A busy channel is not read before its turn: bytes that were read early would leave the processor's caches while they
wait. So once it had its turn while others wait, it stops reading and stands in line. When it is the first, it is
invited: it reads again, and its next bytes are judged at once, if they come before the share is spent. Nobody waits for
an invited channel, which may have nothing to read. As many are invited in a round as the share has room for, if their
reads cost as much as others lately.

Time is measured, and not told from the work: to judge a byte may take a tenth of a nanosecond, or fifty. Honest
channels with much to send would wait for shares that they have not spent. The time of other programs on the same
processor does not count. To ask for it takes as long as a small message, so that is asked only when the share seems to
be spent.

A callback begins each round: the loop calls it once all connections had a turn. The loop's own clock can't tell rounds
apart: each new timer sets it, and a peer can cause timers. Little time has no callback of its own, and is counted in
the round that follows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

SHARE = 0.006
"""Seconds of each round: two slices of the core."""

LITTLE = SHARE / 4
"""Seconds that don't need a round of their own."""

CALL = 20e-6
"""Seconds for any piece of work, besides its own: the loop reads and writes for it."""

LATELY = 8
"""Reads of which the mean is made, the last ones most of all."""

clock = time.perf_counter
"""The clock that measures work: monotonic seconds."""


class Turns:
    """The turns of one entry. Belongs to the event loop's thread."""

    def __init__(self, cpu_clock: Callable[[], float] = time.thread_time) -> None:
        """``cpu_clock``: the seconds that this thread has had a processor."""
        self._line: deque[Callable[[], None]] = deque()
        self._spent = 0.0
        self._cpu_clock = cpu_clock
        self._begun = cpu_clock()
        """The time of that clock when a round began."""
        self._is_due = False
        """True if the loop will begin a round."""
        self._usual = SHARE
        """Seconds of a read of an invited channel, as they were lately."""
        self._promised = 0.0
        """Seconds of this round for channels that were invited."""

    def is_over(self) -> bool:
        """True if a channel that comes now has to wait in line."""
        return bool(self._line) or self._spent >= SHARE

    def is_spent(self) -> bool:
        """True if even an invited channel that comes now has to wait in line."""
        return self._spent >= SHARE

    def spend(self, seconds: float) -> bool:
        """Counts the time of a piece of work. Returns True if the share is spent, or others wait in line."""
        self._spent += seconds + CALL
        if self._spent < LITTLE and not self._line:
            return False
        if self._spent >= SHARE:
            self._spent = min(self._spent, self._cpu_clock() - self._begun)
        if self._spent >= LITTLE and not self._is_due:
            self._begin_later()
        return self.is_over()

    def invite(self) -> None:
        """Keeps time of this round for a channel that is read now."""
        self._promised += self._usual

    def came(self, seconds: float) -> None:
        """Notes what the read of an invited channel took."""
        self._usual += (min(seconds + CALL, SHARE) - self._usual) / LATELY

    def wait(self, go_on: Callable[[], None]) -> None:
        """Calls ``go_on`` in a later round, behind all others in line, and counts its time."""
        self._line.append(go_on)
        if not self._is_due:
            self._begin_later()

    def take(self, work: Callable[[], None]) -> None:
        """Calls ``work`` now, or in its turn, and counts its time."""
        if self.is_over():
            self.wait(work)
        else:
            self._run(work)

    def _run(self, work: Callable[[], None]) -> None:
        begun = clock()
        try:
            work()
        finally:
            self.spend(clock() - begun)

    def _begin_later(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        """Begins a round with the first in line."""
        self._is_due = False
        self._spent = self._promised = 0.0
        self._begun = self._cpu_clock()
        try:
            while self._line and self._spent + self._promised < SHARE:
                self._run(self._line.popleft())
        finally:
            if self._line and not self._is_due:
                self._begin_later()
