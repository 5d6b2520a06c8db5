"""The firewall: everything that outlives a channel, and what the gateway and the fronts talk to."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from distwall._core import DEFAULT_LIMITS, Budget, Channel
from distwall.audit import AuditLog, Folder
from distwall.control.tally import Statistics, Tally
from distwall.policy import Entry, Policy, rule_to_json
from distwall.policy.names import is_glob

if TYPE_CHECKING:
    from distwall._core import Event


Side = Literal["peer", "guard"]
"""Of a connection: who dialled distwall."""


class RefusedChannelError(Exception):
    """No channel may be opened now; the text says why."""


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """One open channel, as ``peers`` shows it."""

    peer: str
    guard: str
    entry: str
    """The ``node`` of the entry that applies."""
    visible: bool
    source: str
    opened_by: Side
    tls: bool
    certificate: str | None
    """The names in the certificate that the peer has shown."""
    since: str
    """When the channel was opened: RFC 3339, UTC."""
    accept: int
    """Commands of the peer, over all its channels and reconnects."""
    deny: int
    drop: int

    def to_json(self) -> dict[str, Any]:
        """The channel as JSON."""
        return asdict(self)


class ChannelHandle:
    """One open channel: the core's ``Channel``, and where its refusals and its end are told."""

    def __init__(
        self,
        firewall: "Firewall",
        core: Channel,
        *,
        peer: str,
        guard: str,
        entry: Entry,
        source: str,
        opened_by: Side,
        tls: bool,
        certificate: str | None,
        close: Callable[[str], None],
    ) -> None:
        self.core = core
        self.peer = peer
        self.guard = guard
        self.entry = entry
        self.source = source
        self.opened_by = opened_by
        self.tls = tls
        self.certificate = certificate
        self.since = datetime.now(UTC)
        self._firewall = firewall
        self._started = time.monotonic()
        self._close = close
        self._open = True

    def record(self, events: Iterable["Event"]) -> None:
        """Puts refusals of the core on the event stream."""
        for direction, command, target, verdict, rule_id, reason, folded in events:
            self._firewall.audit.record(
                "refused",
                peer=self.peer,
                guard=self.guard,
                direction=direction,
                command=command,
                target=target,
                verdict=verdict,
                rule=None if rule_id is None else rule_to_json(self._firewall.policy.rule(rule_id)),
                reason=reason,
                folded=folded,
            )

    def close(self, reason: str) -> None:
        """Asks the gateway to end the channel."""
        if self._open:
            self._close(reason)

    def closed(self, reason: str) -> None:
        """The channel has ended. Only the first call counts."""
        if not self._open:
            return
        self._open = False
        self._firewall.forget(self)
        self._firewall.audit.record(
            "disconnect",
            peer=self.peer,
            guard=self.guard,
            source=self.source,
            reason=reason,
            seconds=round(time.monotonic() - self._started, 3),
            folded=self.core.folded(),
        )


class Firewall:
    """One distwall: its policy, its open channels, and what is counted and recorded.

    Not thread-safe: it belongs to the event loop's thread.
    """

    def __init__(self, policy: Policy, audit: AuditLog) -> None:
        self.policy = policy
        self.audit = audit
        self._channels: set[ChannelHandle] = set()
        self._connected: Counter[str] = Counter()
        self._tally = Tally()
        # Per entry and name of the guarded node, the incarnation that the budget is for: atoms die with their VM.
        self._budgets: dict[tuple[int, str], tuple[int, Budget]] = {}
        self._folder = Folder()
        self._fold_timer: asyncio.TimerHandle | None = None
        audit.on_trouble = self._audit_trouble

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
        opened_by: Side = "peer",
        tls: bool = False,
        certificate: str | None = None,
        close: Callable[[str], None],
    ) -> ChannelHandle:
        """A channel for a handshake that succeeded. ``close`` is called, with the reason, when it must end.

        Raises RefusedChannelError while nothing may pass because it couldn't be recorded, and where the entry has no
        room for one more name.
        """
        if self.audit.trouble is not None and self.policy.audit.on_full == "deny":
            raise RefusedChannelError("the audit log can't be written")
        budget = self._budget(entry, guard, guard_creation)
        if is_glob(entry.node) and not budget.name(peer, entry.limits.get("new_atoms", DEFAULT_LIMITS["new_atoms"])):
            # With a cookie for any name, each name is an atom of the guarded node.
            raise RefusedChannelError("limit:new_atoms")
        core = Channel(
            peer=peer,
            peer_creation=peer_creation,
            guard=guard,
            guard_creation=guard_creation,
            flags=flags,
            policy=self.policy.compile(entry),
            counters=self._tally.of(peer, self._connected),
            budget=budget,
            limits=entry.limits,
        )
        handle = ChannelHandle(
            self,
            core,
            peer=peer,
            guard=guard,
            entry=entry,
            source=source,
            opened_by=opened_by,
            tls=tls,
            certificate=certificate,
            close=close,
        )
        self._channels.add(handle)
        self._connected[peer] += 1
        self.audit.record(
            "connect",
            peer=peer,
            guard=guard,
            source=source,
            opened_by=opened_by,
            tls=tls,
            certificate=certificate,
            entry=entry.node,
            visible=entry.visible,
            flags=hex(flags),
        )
        return handle

    def forget(self, handle: ChannelHandle) -> None:
        """A channel has ended (the handle calls this)."""
        self._channels.discard(handle)
        self._connected[handle.peer] -= 1
        if not self._connected[handle.peer]:
            del self._connected[handle.peer]

    def refused(
        self,
        *,
        source: str,
        peer: str | None,
        guard: str | None,
        reason: str,
        detail: str = "",
        opened_by: Side = "peer",
    ) -> None:
        """A handshake was refused. A flood of these is folded."""
        self._fold(
            "handshake_refused",
            source=source,
            peer=peer,
            guard=guard,
            opened_by=opened_by,
            reason=reason,
            detail=detail,
        )

    def notice(self, kind: str, **fields: Any) -> None:
        """Something happened that is worth recording. A flood of refusals (``..._refused``) is folded."""
        if kind.endswith("_refused"):
            self._fold(kind, **fields)
        else:
            self.audit.record(kind, **fields)

    def peers(self) -> list[PeerInfo]:
        """The open channels, by peer and guarded node."""
        return [self._info(handle) for handle in sorted(self._channels, key=lambda h: (h.peer, h.guard, h.since))]

    def statistics(self, peer: str | None = None) -> Statistics:
        """Commands counted by direction, command and verdict since the start: all 14, for one peer or for all."""
        return self._tally.statistics(peer)

    def knows(self, peer: str) -> bool:
        """Whether the peer has been connected since the start (and was not forgotten among very many)."""
        return peer in self._tally

    def close(self) -> None:
        """Records what is still held back. The channels are the gateway's to close."""
        if self._fold_timer:
            self._fold_timer.cancel()
            self._fold_timer = None
        self._record_folded(None)

    def _budget(self, entry: Entry, guard: str, creation: int) -> Budget:
        known = self._budgets.get((entry.index, guard))
        if known is None or known[0] != creation:
            known = (creation, Budget())
            self._budgets[entry.index, guard] = known
        return known[1]

    def _info(self, handle: ChannelHandle) -> PeerInfo:
        inbound = self._tally.statistics(handle.peer)["inbound"].values()
        return PeerInfo(
            peer=handle.peer,
            guard=handle.guard,
            entry=handle.entry.node,
            visible=handle.entry.visible,
            source=handle.source,
            opened_by=handle.opened_by,
            tls=handle.tls,
            certificate=handle.certificate,
            since=handle.since.isoformat(timespec="seconds").removesuffix("+00:00") + "Z",
            accept=sum(verdicts["accept"] for verdicts in inbound),
            deny=sum(verdicts["deny"] for verdicts in inbound),
            drop=sum(verdicts["drop"] for verdicts in inbound),
        )

    def _fold(self, kind: str, **fields: Any) -> None:
        for admitted, admitted_fields in self._folder.admit(kind, fields, time.monotonic()):
            self.audit.record(admitted, **admitted_fields)
        if self._fold_timer is None and self._folder.ends is not None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._fold_timer = loop.call_later(self._folder.WINDOW, self._fold_window_ended)

    def _fold_window_ended(self) -> None:
        self._fold_timer = None
        self._record_folded(time.monotonic())
        if self._folder.ends is not None:
            # Another window has begun since the timer was set.
            self._fold_timer = asyncio.get_running_loop().call_later(self._folder.WINDOW, self._fold_window_ended)

    def _record_folded(self, now: float | None) -> None:
        for kind, fields in self._folder.flush(now):
            self.audit.record(kind, **fields)

    def _audit_trouble(self, reason: str) -> None:
        if self.policy.audit.on_full == "continue":
            return
        for handle in list(self._channels):
            handle.close(f"the audit log can't be written: {reason}")
