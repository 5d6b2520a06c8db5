"""Bytes that a peer owes: what it was read beyond what it took, while bytes for it wait.

Theory of operation. A peer that asks and doesn't read its answers makes the guarded node keep them: each process that
answers waits for room on the connection. So once its write buffer is full, a peer is read only as fast as it takes what
waits, with `MAX_OWED` bytes to spare. This can't stop two nodes for good, not even where each of them stands
behind a distwall of its own: what one of them takes, the other one may send. The sum of their arrears doesn't grow
beyond `MAX_OWED`, and both would have to owe so much.

The account is closed when nothing waits any more: neither here nor in the guarded node's connection.
"""

import array
import fcntl
import termios
from collections.abc import Callable

MAX_OWED = 1 << 20
"""Most bytes of arrears. Answers of about that size fit into a node's own send buffer."""

LOOK = 0.05
"""Seconds between two looks at an open account."""


class Arrears:
    """An open account of one peer."""

    def __init__(self, taken: Callable[[], int]) -> None:
        """``taken`` tells the number of bytes that the peer's system has received."""
        self._taken = taken
        self._before = taken()
        self._owed = 0

    def read(self, size: int) -> bool:
        """Adds bytes that the peer was read. Returns true if it may not be read any further."""
        self._owed += size
        return self.exceeds(MAX_OWED) and self.settle() > MAX_OWED

    def exceeds(self, size: int) -> bool:
        """True if more than ``size`` bytes were owed at the last look."""
        return self._owed > size

    def settle(self) -> int:
        """Returns the bytes that are owed, less what the peer has taken since the last look."""
        now = self._taken()
        self._owed = max(0, self._owed - (now - self._before))
        self._before = now
        return self._owed


def unread(descriptor: int) -> int:
    """Number of bytes that came in on a connection, and that nobody has read."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
