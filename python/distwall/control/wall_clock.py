"""The wall clock by which rules end: it never goes back, not even across a restart.

Theory of operation. A rule, a mode, a grant or a token ends at a time of the wall clock. If that clock is set back, an
ended rule would come back. So the time here is the latest of three. The first is the system's clock. The second is the
last time that was seen, with the monotonic clock's seconds since then. The third is the last time that an earlier
process has saved. If the system's clock was ahead by years and was put right again, somebody has to remove the saved
time by hand.
"""

import time
from datetime import UTC, datetime


class WallClock:
    """The wall clock of one distwall."""

    def __init__(self) -> None:
        self._seen = (0.0, 0.0)

    def begin_at(self, seconds: float) -> None:
        """Lets no time before this one, in seconds since 1970, come again."""
        self._seen = max(self._seen, (seconds, time.monotonic()))

    def seconds(self) -> float:
        """The time now, in seconds since 1970."""
        seen, at = self._seen
        monotonic = time.monotonic()
        now = max(time.time(), seen + monotonic - at)
        self._seen = (now, monotonic)
        return now

    def utc(self) -> datetime:
        """The time now."""
        return datetime.fromtimestamp(self.seconds(), UTC)
