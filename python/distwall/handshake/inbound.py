"""The handshake of a connection that a peer opened to a guarded node."""

from collections.abc import Callable

from distwall._core import DistFlag
from distwall.handshake.awaited_proofs import AwaitedProofs
from distwall.handshake.events import Denied, E, Secret
from distwall.handshake.messages import SendName
from distwall.handshake.parties import GUARD, PEER
from distwall.handshake.relay import Relay, random_challenge


class Inbound(Relay[E]):
    """The peer is the initiator, the guarded node the acceptor."""

    initiator = PEER
    acceptor = GUARD

    def __init__(
        self,
        *,
        lookup: Callable[[str, str | None], E | Denied],
        is_guard: Callable[[str], bool],
        guard_cookie: Secret,
        known_flags: int,
        initiator_framing: int = 2,
        acceptor_framing: int = 2,
        guard: str | None = None,
        challenge: Callable[[], int] = random_challenge,
        proofs: AwaitedProofs | None = None,
    ) -> None:
        """Waits for the peer's name.

        ``lookup(peer, guard)`` finds the policy's entry; its ``guard`` is None while the guarded node's full name is
        not known. ``is_guard`` is true for a full name that this listener stands for. ``guard`` is the full name of the
        guarded node, if it is known already. For all others see `Relay`.
        """
        super().__init__(
            guard_cookie=guard_cookie,
            known_flags=known_flags,
            initiator_framing=initiator_framing,
            acceptor_framing=acceptor_framing,
            challenge=challenge,
            proofs=proofs,
            guard=guard,
        )
        self._lookup = lookup
        self._is_guard = is_guard

    def _admit(self, sent: SendName) -> E:
        self._peer = f"undefined@{sent.name}" if sent.flags & DistFlag.NAME_ME else sent.name
        if self._peer == self.guard:
            self._deny("own_name", "the guarded node's own name")
        return self._found(self._lookup(self._peer, self.guard))

    def _check_acceptor(self, name: str) -> None:
        if not self._is_guard(name):
            self._fail(GUARD, GUARD.misbehaved, f"{name} is not guarded here")
        if name in (self._peer, self._initiator_identity.name):
            self._fail(PEER, "own_name", "the guarded node's own name")
        known, self.guard = self.guard, name
        if known != name:
            self._find_entry_again()

    def _find_entry_again(self) -> None:
        """Looks the entry up again, now that the guarded node's full name is known."""
        found = self._found(self._lookup(self._peer, self.guard))
        if found.visible != self._entry.visible:
            # The guarded node was shown the other visibility already. The caller knows its name next time.
            self._fail(GUARD, "guard_unknown", f"{self.guard} was not known yet")
        self._entry = found
