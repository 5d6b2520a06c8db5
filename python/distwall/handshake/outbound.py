"""The handshake of a connection that a guarded node opened to a peer.

The guarded node has to prove the cluster's cookie before distwall answers the peer's challenge: no other program can
use the peer's cookie through distwall. An impostor at the peer's address gets a proof to guess at only if a guarded
node dialled it.
"""

from collections.abc import Callable

from distwall._core import DistFlag
from distwall.handshake.awaited_proofs import AwaitedProofs
from distwall.handshake.events import Denied, E, Secret
from distwall.handshake.messages import SendName
from distwall.handshake.parties import GUARD, PEER
from distwall.handshake.relay import Relay, random_challenge


class Outbound(Relay[E]):
    """The guarded node is the initiator, the peer that it wants to reach the acceptor."""

    initiator = GUARD
    acceptor = PEER

    def __init__(
        self,
        *,
        target: str,
        lookup: Callable[[str], E | Denied],
        is_guard: Callable[[str], bool],
        guard_cookie: Secret,
        known_flags: int,
        initiator_framing: int = 2,
        acceptor_framing: int = 2,
        challenge: Callable[[], int] = random_challenge,
        proofs: AwaitedProofs | None = None,
    ) -> None:
        """Waits for the guarded node's name.

        ``target`` is the full name of the peer that the guarded node wants to reach: the node never sends it, so the
        caller has to know it. ``lookup(guard)`` finds the policy's entry for the target and that guarded node.
        ``is_guard`` is true for the full name of a guarded node. For all others see `Relay`.
        """
        super().__init__(
            guard_cookie=guard_cookie,
            known_flags=known_flags,
            initiator_framing=initiator_framing,
            acceptor_framing=acceptor_framing,
            challenge=challenge,
            proofs=proofs,
            peer=target,
        )
        self._lookup = lookup
        self._is_guard = is_guard

    def _admit(self, sent: SendName) -> E:
        if sent.flags & DistFlag.NAME_ME:
            self._deny("dynamic", f"a node at {sent.name} asks for a name: guarded nodes have one of their own")
        if not self._is_guard(sent.name):
            self._deny(GUARD.misbehaved, f"{sent.name} is not guarded here")
        self.guard = sent.name
        if sent.name == self._peer:
            self._deny("own_name", "the guarded node's own name")
        return self._found(self._lookup(sent.name))

    def _check_acceptor(self, name: str) -> None:
        if name != self._peer:
            self._fail(PEER, PEER.misbehaved, f"the node that answered is {name}")
