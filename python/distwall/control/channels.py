"""The open channels, and their counters, budgets and events, which last longer. The gateway talks to this class."""

import abc
import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

from distwall._core import Ask, Budget, Channel, Exposures, Held
from distwall.audit.entry_limiter import EntryLimiter
from distwall.audit.event import OpenedBy
from distwall.audit.flood_limiter import FloodLimiter
from distwall.audit.log import AuditLog
from distwall.audit.schema import Connect, EventBase, Flooding, HandshakeRefused, PeerCaused
from distwall.clock import rfc3339
from distwall.control.channel import ChannelHandle, EntryKey, PeerInfo, RefusedChannelError, key_of
from distwall.control.channel_room import ChannelRoom
from distwall.control.entry_exposures import EntryExposures
from distwall.control.rulebook import Rulebook
from distwall.control.statistics import PeerCounters
from distwall.control.turns import Turns
from distwall.policy import Entry, Policy
from distwall.policy.language.names import is_glob

STRANGERS = "strangers"
"""The share of the log's room for events that strangers cause."""


class Channels(abc.ABC):
    """All channels of one distwall. Belongs to the event loop's thread."""

    def __init__(self, policy: Policy, audit: AuditLog) -> None:
        self.audit = audit
        self.rulebook = Rulebook(policy)
        self._channels: set[ChannelHandle] = set()
        self._connected: Counter[str] = Counter()
        self._counters = PeerCounters()
        # Per entry and name of the guarded node, the incarnation that the budget is for: atoms die with their VM.
        self._budgets: dict[tuple[EntryKey, str], tuple[int, Budget]] = {}
        self._guard_budgets: dict[str, tuple[int, Budget]] = {}
        # Likewise: pids mean something as long as the VM that gave them.
        self._exposures: dict[tuple[EntryKey, str], EntryExposures] = {}
        self._folder = FloodLimiter()
        self._fold_timer: asyncio.TimerHandle | None = None
        self._room = ChannelRoom(self._channels, policy.guard.held_bytes)
        self._limiters: dict[EntryKey, EntryLimiter] = {}
        self._turns: defaultdict[EntryKey, Turns] = defaultdict(Turns)
        audit.on_trouble = self._audit_trouble

    @property
    def policy(self) -> Policy:
        """The policy file in force."""
        return self.rulebook.policy

    def open_channel(
        self,
        *,
        peer: str,
        peer_creation: int,
        guard: str,
        guard_creation: int,
        flags: int,
        entry: Entry,
        source: str,
        opened_by: OpenedBy = "peer",
        tls: bool = False,
        certificate: str | None = None,
        close: Callable[[str], None],
    ) -> ChannelHandle:
        """Opens a channel after a handshake. ``close`` is called, with the reason, when the channel must end.

        Raises RefusedChannelError while the audit log can't be written, and if the entry has no room for one more name
        or channel.
        """
        if self.audit.trouble is not None and self.policy.audit.on_full == "deny":
            raise RefusedChannelError("the audit log can't be written")
        if not any(entry is current for current in self.policy.entries):
            # The handshake began under a policy that was replaced in the meantime.
            now = self.policy.entry_for(peer, guard)
            if now is None or disturbs(entry, now, source):
                raise RefusedChannelError("the policy has changed")
            entry = now
        begun = time.monotonic()
        if fault := self._room.fault(peer, entry, begun):
            raise RefusedChannelError(fault)
        judgement = self.rulebook.judgement(entry, peer, guard)
        budget = self._budget(entry, guard, guard_creation)
        follows_peer = self.policy.has_rules_out
        if is_glob(entry.node) and not budget.name(peer, entry.limits):
            # With a cookie for any name, each name is an atom of the guarded node.
            raise RefusedChannelError("limit:new_atoms")
        core = Channel(
            peer=peer,
            peer_creation=peer_creation,
            guard=guard,
            guard_creation=guard_creation,
            flags=flags,
            policy=judgement.core,
            **judgement.settings(),
            counters=self._counters.of(peer, guard, self._connected),
            budget=budget,
            exposures=self._exposures_of(entry, peer, guard, guard_creation),
            limits=entry.limits,
            close_on_limit=entry.on_limit == "close",
            held=self._room.opened(peer, entry, begun),
            follows_peer=follows_peer,
        )
        handle = ChannelHandle(
            self,
            core,
            judgement,
            peer=peer,
            guard=guard,
            guard_creation=guard_creation,
            entry=entry,
            source=source,
            opened_by=opened_by,
            tls=tls,
            certificate=certificate,
            follows_peer=follows_peer,
            turns=self._turns[key_of(entry)],
            close=close,
        )
        self._channels.add(handle)
        self._connected[peer] += 1
        self.record_for(
            handle,
            Connect(
                peer=peer,
                guard=guard,
                source=source,
                opened_by=opened_by,
                tls=tls,
                certificate=certificate,
                entry=entry.node,
                visible=entry.visible,
                flags=hex(flags),
                folded=0,
            ),
        )
        return handle

    def channel_fault(self, peer: str, entry: Entry) -> str | None:
        """The reason why a peer, if it is the named one, could open no channel now; None if it could."""
        return self._room.fault(peer, entry, time.monotonic())

    def record(self, event: EventBase) -> None:
        """Puts an event on the stream. A flood of refusals that strangers cause is kept short."""
        if isinstance(event, Flooding):
            self._fold(event)
        else:
            self.audit.record(event)

    def record_for(self, handle: ChannelHandle, event: PeerCaused) -> None:
        """Puts an event that a peer has caused on the stream. What floods the log is kept short."""
        self.record_of(handle.entry_key, event)

    def record_of(self, key: EntryKey, event: PeerCaused) -> None:
        """Puts an event that the peers of an entry have caused on the stream, as `record_for` does."""
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._limiters[key] = self._limiter(key)
        limiter.take(event, time.monotonic())
        if limiter.holds:
            self._flush_later()

    @abc.abstractmethod
    def asked(self, handle: ChannelHandle, asks: list[Ask]) -> None:
        """Takes questions of commands that wait for answers."""

    def forget(self, handle: ChannelHandle) -> None:
        """Drops a channel that has ended (the handle calls this)."""
        self._channels.discard(handle)
        self._room.ended(handle)
        self._connected[handle.peer] -= 1
        if not self._connected[handle.peer]:
            del self._connected[handle.peer]

    def left(self, handle: ChannelHandle) -> None:
        """Gives back the place of a channel whose connections are gone (the handle calls this)."""
        self._room.left(handle)

    def refused(
        self,
        *,
        source: str,
        peer: str | None,
        guard: str | None,
        reason: str,
        detail: str = "",
        opened_by: OpenedBy = "peer",
    ) -> None:
        """Records a refused handshake. A flood of these is folded."""
        self.record(
            HandshakeRefused(
                source=source,
                peer=peer,
                guard=guard,
                opened_by=opened_by,
                reason=reason,
                detail=detail,
                folded=0,
            )
        )

    def knows(self, peer: str) -> bool:
        """True if the peer was connected since the start (and not forgotten among very many)."""
        return peer in self._counters

    def close(self) -> None:
        """Records all folded events. The gateway closes the channels."""
        if self._fold_timer:
            self._fold_timer.cancel()
            self._fold_timer = None
        self._record_folded(None)

    def _refresh(self) -> None:
        """Applies changed rules and limits to every channel, from its next command on."""
        self.rulebook.changed()
        for handle in self._channels:
            handle.keep_account(partial(self._account, handle))
        entries = {key_of(entry) for entry in self.policy.entries} | {handle.entry_key for handle in self._channels}
        for key in self._limiters.keys() - entries:
            self._limiters.pop(key).flush(None)
        for key in self._turns.keys() - entries:
            del self._turns[key]
        self._room.keep(entries)
        for handle in list(self._channels):
            handle.keep_limits()
            self._room.keep_limits(handle.entry)
            handle.judge_by(self.rulebook.judgement(handle.entry, handle.peer, handle.guard))

    def _account(self, handle: ChannelHandle) -> tuple[Budget, Held, Turns]:
        """The sums of a channel's entry, as the policy has it now."""
        budget = self._budget(handle.entry, handle.guard, handle.guard_creation)
        if is_glob(handle.entry.node):
            # The guarded node has its atom already, so there is nothing to refuse.
            budget.name(handle.peer, handle.entry.limits)
        return budget, self._room.held(handle.entry), self._turns[handle.entry_key]

    def _budget(self, entry: Entry, guard: str, creation: int) -> Budget:
        key = (key_of(entry), guard)
        known = self._budgets.get(key)
        if known is None or known[0] != creation:
            known = (creation, Budget(self._guard_budget(guard, creation)))
            self._budgets[key] = known
        return known[1]

    def _guard_budget(self, guard: str, creation: int) -> Budget:
        """The atom budget shared by all peers of this guarded node."""
        known = self._guard_budgets.get(guard)
        if known is None or known[0] != creation:
            known = (creation, Budget())
            self._guard_budgets[guard] = known
        return known[1]

    def _exposures_of(self, entry: Entry, peer: str, guard: str, creation: int) -> Exposures:
        """The processes of the guarded node that the peer was shown, also on earlier channels."""
        key = (key_of(entry), guard)
        known = self._exposures.get(key)
        if known is None or known.creation != creation:
            known = self._exposures[key] = EntryExposures(creation)
        return known.of(peer, lambda name: self._connected[name] > 0)

    def _info(self, handle: ChannelHandle) -> PeerInfo:
        accept, deny, drop = self._counters.inbound(handle.peer, handle.guard)
        return PeerInfo(
            peer=handle.peer,
            guard=handle.guard,
            entry=handle.entry.node,
            visible=handle.entry.visible,
            source=handle.source,
            opened_by=handle.opened_by,
            tls=handle.tls,
            certificate=handle.certificate,
            since=rfc3339(handle.since, "seconds"),
            accept=accept,
            deny=deny,
            drop=drop,
        )

    def _fold(self, event: Flooding) -> None:
        for admitted in self._folder.admit(event, time.monotonic()):
            self.audit.record(admitted, share=STRANGERS)
        if self._folder.ends is not None:
            self._flush_later()

    def _flush_later(self) -> None:
        """Records the events that were left out when a window has passed."""
        if self._fold_timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._fold_timer = loop.call_later(self._folder.WINDOW, self._fold_window_ended)

    def _fold_window_ended(self) -> None:
        self._fold_timer = None
        self._record_folded(time.monotonic())
        if self._folder.ends is not None or any(limiter.holds for limiter in self._limiters.values()):
            self._flush_later()

    def _limiter(self, key: EntryKey) -> EntryLimiter:
        return EntryLimiter(partial(self.audit.record, share=key), partial(self.audit.has_room, key))

    def _record_folded(self, now: float | None) -> None:
        for event in self._folder.flush(now):
            self.audit.record(event, share=STRANGERS)
        for limiter in self._limiters.values():
            limiter.flush(now)

    def _audit_trouble(self, reason: str) -> None:
        if self.policy.audit.on_full == "continue":
            return
        for handle in list(self._channels):
            handle.close(f"the audit log can't be written: {reason}")


def disturbs(old: Entry, new: Entry, source: str) -> str | None:
    """The reason why a channel opened under ``old`` can't go on under ``new``; None if it can."""
    if old is new:
        return None
    if old.cookie != new.cookie:
        return "its cookie has changed"
    if old.visible != new.visible:
        return f"`visible` is {str(new.visible).lower()} now"
    if old.tls != new.tls or old.certificate != new.certificate:
        return "its certificate has to meet other conditions"
    if not new.admits(source):
        return "it may not connect from this address any more"
    return None
