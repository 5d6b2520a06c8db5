"""AwaitedProofs that distwall waits for, and so must not give itself.

A proof doesn't say who gives it, or to which node: it is the same in both directions, and for all holders of the
cookie. So an attacker who gets distwall's challenge on one connection could put it to distwall on another connection,
which a guarded node opened to him. He could then pass the answer on as his own. AwaitedProofs are compared, and not
challenges: several entries may share a cookie, and a cookie that ends in digits may give the same proof for another
number.
"""

from collections import Counter


class AwaitedProofs:
    """The proofs that all handshakes of one distwall wait for."""

    def __init__(self) -> None:
        self._awaited: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return self._awaited.total()

    def expect(self, proof: bytes) -> None:
        """Adds the proof that answers a challenge just sent."""
        self._awaited[proof] += 1

    def forget(self, proof: bytes) -> None:
        """Removes a proof that a handshake waited for."""
        self._awaited[proof] -= 1
        if not self._awaited[proof]:
            del self._awaited[proof]

    def is_awaited(self, proof: bytes) -> bool:
        """True if this proof would answer a challenge of distwall itself."""
        return proof in self._awaited
