"""Room for channels: how many an entry may have, how often its peers connect, and how much memory all of them hold.

Theory of operation. The core sums the bytes that channels hold, for each entry and for all entries: incomplete frames,
messages that wait, and bytes that their receiver does not read. Beyond a limit it tells this module, which makes room
in the next turn of the loop. The channel that holds most is closed: of the entry that is beyond its limit, or else of
the entry that holds most. So a peer that needs room finds it, and a peer that fills it loses it.

The tables of tracking that peers fill are summed for each entry as well. Beyond their limit they get no more memory,
and forget their oldest entries for new ones. Nothing is closed for that, as a channel that lives long has full tables.
What guarded nodes ask and show has a sum of its own, as a peer must not have distwall forget it. Beyond the limit of
that sum, the channel with the most of it is closed.

A channel that has ended keeps its place until its connections are gone. What waits to be written is written first, and
a peer may take its time to read it.
"""

import asyncio
from collections.abc import Callable, Collection

from distwall._core import DEFAULT_LIMITS, Channel, Held
from distwall.control.channel import ChannelHandle, EntryKey, key_of
from distwall.policy import Entry
from distwall.rate import Allowance, Rates

PEER_CONNECTS = Allowance(per_second=5.0, burst=100.0)
"""Channels that one peer may open."""

ENTRY_CONNECTS = Allowance(per_second=100.0, burst=2000.0)
"""Channels that all peers of an entry may open."""


class ChannelRoom:
    """The room of all channels of one distwall. Belongs to the event loop's thread."""

    def __init__(self, channels: Collection[ChannelHandle], most: int) -> None:
        """``channels`` are the open channels, now and later. All of them may hold ``most`` bytes."""
        self._channels = channels
        self._leaving: set[ChannelHandle] = set()
        """Channels that have ended, but have connections left."""
        self._all = Held(most, self._crowded)
        self._held: dict[EntryKey, Held] = {}
        self._peers = Rates(PEER_CONNECTS)
        self._entries = Rates(ENTRY_CONNECTS)
        self._making = False

    def fault(self, peer: str, entry: Entry, now: float) -> str | None:
        """The reason why a peer can't open a channel now; None if it can."""
        key = key_of(entry)
        if not (self._peers.has_room((key, peer), now) and self._entries.has_room(key, now)):
            return "limit:connects"
        mine = sum(handle.entry_key == key for handle in (*self._channels, *self._leaving))
        if mine >= _limit(entry, "entry_channels"):
            return "limit:entry_channels"
        return None

    def opened(self, peer: str, entry: Entry, now: float) -> Held:
        """Counts a new channel; returns the sum of its entry."""
        key = key_of(entry)
        self._peers.spend((key, peer), now)
        self._entries.spend(key, now)
        return self.held(entry)

    def ended(self, handle: ChannelHandle) -> None:
        """Notes the end of a channel, which keeps its place for now."""
        self._leaving.add(handle)

    def left(self, handle: ChannelHandle) -> None:
        """Gives back the place of a channel whose connections are gone."""
        self._leaving.discard(handle)

    def held(self, entry: Entry) -> Held:
        """The sum of an entry, by its limits as the policy has them now."""
        key = key_of(entry)
        if key not in self._held:
            self._held[key] = Held(_limit(entry, "entry_held_bytes"), self._crowded, self._all)
        self.keep_limits(entry)
        return self._held[key]

    def keep(self, entries: Collection[EntryKey]) -> None:
        """Forgets all entries but these, and the entries of channels that are leaving."""
        for key in self._held.keys() - set(entries) - {handle.entry_key for handle in self._leaving}:
            del self._held[key]

    def keep_limits(self, entry: Entry) -> None:
        """Applies the limits of an entry, as the policy has it now."""
        if held := self._held.get(key_of(entry)):
            held.set_most(
                _limit(entry, "entry_held_bytes"),
                most_tables=_limit(entry, "entry_tracked_bytes"),
                most_lasting=_limit(entry, "entry_lasting_bytes"),
            )

    def _crowded(self) -> None:
        # A channel is in the middle of its work now.
        if not self._making:
            self._making = True
            asyncio.get_running_loop().call_soon(self._make_room)

    def _make_room(self) -> None:
        self._making = False
        for key, held in self._held.items():
            self._close_largest(key, held.is_crowded, "limit:entry_held_bytes")
            self._close_largest(key, held.is_overfull, "limit:entry_lasting_bytes", Channel.lasting)
        while self._all.is_crowded():
            fullest = max(self._held, key=lambda key: self._held[key].used())
            if not self._close_largest(fullest, self._all.is_crowded, "limit:held_bytes of [guard]", most=1):
                return

    def _close_largest(
        self,
        key: EntryKey,
        crowded: Callable[[], bool],
        reason: str,
        size: Callable[[Channel], int] = Channel.held,
        *,
        most: int | None = None,
    ) -> int:
        """Closes channels of an entry as long as there is no room; returns their number.

        The largest channels by ``size`` come first.
        """
        mine = [handle for handle in (*self._channels, *self._leaving) if handle.entry_key == key]
        mine.sort(key=lambda handle: size(handle.core), reverse=True)
        closed = 0
        for handle in mine[:most]:
            if not crowded():
                break
            handle.close(reason)
            handle.cut()
            handle.core.shut()
            closed += 1
        return closed


def _limit(entry: Entry, name: str) -> int:
    return entry.limits.get(name, DEFAULT_LIMITS[name])
