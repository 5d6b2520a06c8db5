"""Keeps the events short that the peers of one entry cause, and counts exactly how many are left out.

Theory of operation. Events cost room in the log, so an entry spends bytes of it, and so does each of its peers: much at
once after a pause, little in the long run. An entry's peers can fill the log no faster, and other entries don't notice.
An event that finds no room is left out. Of each kind and reason, the last event is kept. It comes out when there is
room again, with the number of the others in ``folded``. So the number of events plus the sum of their ``folded`` is the
number of things that happened. (A `Disconnect` has ``folded`` for the commands that no event told of, and ``others``
for channels.)
"""

from collections.abc import Callable
from dataclasses import replace

from distwall.audit.schema import Disconnect, PeerCaused
from distwall.rate import Allowance, Rates

MIB, KIB = 1 << 20, 1 << 10

ENTRY = Allowance(per_second=32 * KIB, burst=MIB)
"""Bytes of the log that all peers of an entry may fill."""

PEER = Allowance(per_second=16 * KIB, burst=MIB // 2)
"""Bytes of the log that one peer may fill."""

MAX_HELD = 16
"""Pairs of kind and reason that are kept apart; beyond that, one event for each kind."""

_ALL = object()


class EntryLimiter:
    """The limiter of one entry. Clocks are arguments: monotonic seconds."""

    def __init__(self, record: Callable[[PeerCaused], int], has_room: Callable[[], bool]) -> None:
        """``record`` puts an event into the log, and returns its size in bytes.

        ``has_room`` is true while the log takes events of this entry.
        """
        self._record = record
        self._has_room = has_room
        self._entry = Rates(ENTRY)
        self._peers = Rates(PEER)
        self._held: dict[tuple[str, str], PeerCaused] = {}

    @property
    def holds(self) -> bool:
        """True if events are left out that no event in the log tells of."""
        return bool(self._held)

    def take(self, event: PeerCaused, now: float) -> None:
        """Records an event, or leaves it out."""
        if self._admits(event, now):
            self._put(event, now)
            return
        key = (event.kind, getattr(event, "reason", ""))
        if key not in self._held and len(self._held) >= MAX_HELD:
            key = (event.kind, "")
        before = self._held.pop(key, None)
        self._held[key] = event if before is None else _joined(event, before)

    def flush(self, now: float | None) -> None:
        """Records the events that were left out, as far as there is room; all of them if ``now`` is None."""
        for key, event in list(self._held.items()):
            if now is not None and not self._admits(event, now):
                continue
            del self._held[key]
            if now is None:
                self._record(event)
            else:
                self._put(event, now)

    def _admits(self, event: PeerCaused, now: float) -> bool:
        return self._has_room() and self._entry.has_room(_ALL, now) and self._peers.has_room(event.peer, now)

    def _put(self, event: PeerCaused, now: float) -> None:
        size = self._record(event)
        self._entry.spend(_ALL, now, size)
        self._peers.spend(event.peer, now, size)


def _joined(event: PeerCaused, before: PeerCaused) -> PeerCaused:
    """Return one event for two events, with the sum of their counts."""
    if isinstance(event, Disconnect) and isinstance(before, Disconnect):
        return replace(event, folded=event.folded + before.folded, others=event.others + before.others + 1)
    return replace(event, folded=event.folded + before.folded + 1)
