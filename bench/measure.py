"""The measurement: every round plays each case once on every way, so that all ways see the same machine."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.paths import Way

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """Messages of one size: one way from a number of senders, or there and back (``senders`` 0)."""

    size: int
    senders: int

    @property
    def name(self) -> str:
        """For people."""
        size = f"{self.size} B" if self.size < 1024 else f"{self.size / 1024:.0f} KiB"
        if self.size == 100_000:
            size = "100 KB"
        if not self.senders:
            return f"{size}, there and back"
        return f"{size}, {self.senders} sender{'s' if self.senders > 1 else ''}"


CASES = [Case(size, senders) for size in (16, 1024, 100_000) for senders in (1, 4)]
CASES += [Case(16, 0), Case(4096, 0)]


@dataclass
class Series:
    """The rounds of one case on one way."""

    microseconds: list[float] = field(default_factory=list)
    """For each message, or for each round trip."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the process between for a million messages, or for a million round trips."""

    @property
    def time(self) -> float:
        """Median microseconds."""
        return statistics.median(self.microseconds)

    @property
    def cpu_per_million(self) -> float:
        """Median CPU seconds for a million."""
        return statistics.median(self.cpu)


Results = dict[Case, dict[str, Series]]


def measure(ways: Sequence[Way], *, rounds: int, seconds: float, progress: Progress) -> Results:
    """Plays ``rounds`` rounds after a warm-up round; each case takes about ``seconds`` on the first way."""
    results: Results = {case: {way.name: Series() for way in ways} for case in CASES}
    counts = {case: _calibrated(ways[0], case, seconds) for case in CASES}
    for number in range(rounds + 1):
        # The first way in a round may find a cooler machine.
        order = [*ways[number % len(ways) :], *ways[: number % len(ways)]]
        for case in CASES:
            progress(f"{'warm-up' if number == 0 else f'round {number} of {rounds}'}: {case.name}")
            for way in order:
                cpu = way.cpu_seconds()
                elapsed = _play(way, case, counts[case])
                if number:
                    series = results[case][way.name]
                    series.microseconds.append(elapsed / counts[case])
                    series.cpu.append((way.cpu_seconds() - cpu) / counts[case] * 1e6)
    return results


def _calibrated(way: Way, case: Case, seconds: float) -> int:
    count = 400
    while True:
        elapsed = _play(way, case, count) / 1e6
        if elapsed > seconds / 5:
            return max(4, round(count * seconds / elapsed / 4) * 4)
        count *= 4


def _play(way: Way, case: Case, count: int) -> int:
    """Microseconds for ``count`` messages or round trips."""
    timeout = 120
    if not case.senders:
        return way.foo.number(f"probe:ping_pong('{way.bar.name}', {case.size}, {count})", timeout)
    sunk = way.bar.begin(f"probe:sink({count}, '{way.foo.name}')")
    way.bar.wait_until("whereis(sink) =/= undefined")
    elapsed = way.foo.number(f"probe:flood('{way.bar.name}', {case.size}, {count}, {case.senders})", timeout)
    sunk.result()
    return elapsed
