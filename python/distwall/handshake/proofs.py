"""The proofs that distwall waits for, which it must not give itself.

A proof says nothing of who gives it, nor to whom: it is the same in both directions and for all that have the cookie.
So whoever gets a challenge of distwall's on one connection could put it to distwall on another, one that a guarded node
opened to where he answers, and hand on the answer as his own. Proofs are compared rather than challenges: the cookie
may be that of several entries, and one that ends in digits may give the same proof for another number.
"""

from collections import Counter


class Proofs:
    """What all handshakes of one distwall wait for."""

    def __init__(self) -> None:
        self._awaited: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return self._awaited.total()

    def expect(self, proof: bytes) -> None:
        """Some handshake has sent a challenge, whose answer is this."""
        self._awaited[proof] += 1

    def forget(self, proof: bytes) -> None:
        """It waits no more."""
        self._awaited[proof] -= 1
        if not self._awaited[proof]:
            del self._awaited[proof]

    def is_awaited(self, proof: bytes) -> bool:
        """Whether giving this proof would answer a challenge of distwall's own."""
        return proof in self._awaited
