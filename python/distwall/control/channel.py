"""One open channel, as the firewall sees it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from distwall._core import DEFAULT_LIMITS, Ask, Budget, Channel, Held, Hooks
from distwall._core import Event as CoreEvent
from distwall.audit.event import OpenedBy
from distwall.audit.schema import Disconnect, PeerCaused, Refused, RuleRef
from distwall.clock import utc
from distwall.control.turns import Turns
from distwall.policy import Entry, Rule

if TYPE_CHECKING:
    from distwall._core import PeerRules, Verdict

Received = tuple[list[bytes | memoryview], bytes | None, list[CoreEvent] | None, str | None]
"""Bytes for the guarded node, bytes for the peer, events to record, and the reason why the channel ends."""


EntryKey = tuple[str, int]
"""Identity of an entry, which stays the same when the policy is read again, with whatever changes in the entry.

It is the entry's ``node``, and its place among the entries for the same ``node``: what is summed for the entry's peers
goes on being summed, or each change of the policy would give them as much again.
"""


class RefusedChannelError(Exception):
    """No channel may be opened now; the text says why."""


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """One open channel, as ``peers`` shows it."""

    peer: str
    guard: str
    entry: str
    """The ``node`` of the peer's entry."""
    visible: bool
    source: str
    opened_by: OpenedBy
    tls: bool
    certificate: str | None
    """The names in the certificate that the peer has shown."""
    since: str
    """Time when the channel was opened: RFC 3339, UTC."""
    accept: int
    """Commands of the peer, over all its channels and reconnects."""
    deny: int
    drop: int

    def to_json(self) -> dict[str, Any]:
        """The channel as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The base of a channel's verdicts: compiled rules, the rules behind their ids, and questions to ask besides."""

    core: "PeerRules"
    rules: Callable[[int], Rule]
    outbound: "PeerRules | None" = None
    """Rules for commands of the guarded node; None: all pass."""
    shadow: "PeerRules | None" = None
    """Rules of the shadow policy."""
    shadow_rules: Callable[[int], Rule] | None = None
    audit: bool = False
    """True if commands that the rules refuse pass and are recorded."""
    hooks: Hooks | None = None

    def settings(self) -> dict[str, Any]:
        """The core's settings besides the rules."""
        return {"policy_out": self.outbound, "shadow": self.shadow, "audit": self.audit, "hooks": self.hooks}


class Owner(Protocol):
    """Receiver of a channel's reports."""

    def record_for(self, handle: "ChannelHandle", event: PeerCaused) -> None:
        """Puts an event that a peer has caused on the stream."""

    def forget(self, handle: "ChannelHandle") -> None:
        """Drops a channel that has ended."""

    def left(self, handle: "ChannelHandle") -> None:
        """Gives back the place of a channel whose connections are gone."""

    def asked(self, handle: "ChannelHandle", asks: list[Ask]) -> None:
        """Takes questions of commands that wait for answers."""


class ChannelHandle:
    """One open channel: the core's ``Channel``, and the receivers of its refusals and its end."""

    def __init__(
        self,
        owner: Owner,
        core: Channel,
        judgement: Judgement,
        *,
        peer: str,
        guard: str,
        guard_creation: int,
        entry: Entry,
        source: str,
        opened_by: OpenedBy,
        tls: bool,
        certificate: str | None,
        follows_peer: bool,
        turns: Turns,
        close: Callable[[str], None],
    ) -> None:
        self.core = core
        self.peer = peer
        self.guard = guard
        self.guard_creation = guard_creation
        self.entry = entry
        self.source = source
        self.opened_by = opened_by
        self.tls = tls
        self.certificate = certificate
        self.turns = turns
        """The turns of the channels of its entry."""
        self.since = utc()
        """True if the core may have questions."""
        self.carry_out: Callable[[Received], None] = lambda _: None
        """Carries out an outcome of the core, as if the peer had sent bytes; the gateway sets it."""
        self.cut: Callable[[], None] = lambda: None
        """Cuts the connections, and drops the bytes that wait to be written; the gateway sets it."""
        self._judgement = judgement
        self._follows_peer = follows_peer
        self._limited_by = entry
        self._account = key_of(entry)
        self._owner = owner
        self._started = time.monotonic()
        self._close = close
        self._open = True

    @property
    def entry_key(self) -> EntryKey:
        """The key under which the costs of the entry's peers are summed."""
        return key_of(self.entry)

    @property
    def is_open(self) -> bool:
        """True if the channel has not ended."""
        return self._open

    def judge_by(self, judgement: Judgement) -> None:
        """Changes the rules, from the next command on.

        Closes a channel that gets its first ``rules_out`` where none were to be expected: what the peer has asked and
        shown was not noted, so its answers would be refused.
        """
        if judgement.outbound is not None and not self._follows_peer:
            self.close("the policy has changed: it has `rules_out` now, for which the channel has to begin anew")
        elif judgement is not self._judgement:
            self._judgement = judgement
            self.core.set_policy(judgement.core, **judgement.settings())

    def keep_limits(self) -> None:
        """Applies the limits of the channel's entry, as the policy has it now, from the next command on."""
        old, self._limited_by = self._limited_by, self.entry
        if (old.limits, old.on_limit) != (self.entry.limits, self.entry.on_limit):
            self.core.set_limits(self.entry.limits, close_on_limit=self.entry.on_limit == "close")

    def keep_account(self, account: Callable[[], tuple[Budget, Held, Turns]]) -> None:
        """Moves what the channel holds, and what it adds from now on, to the account of its entry as it is now."""
        if self._account != self.entry_key:
            self._account = self.entry_key
            budget, held, self.turns = account()
            self.core.set_account(budget, held)

    @property
    def ask_timeout(self) -> int:
        """Seconds within which the guarded node has to say who a process is."""
        return self.entry.limits.get("ask_timeout", DEFAULT_LIMITS["ask_timeout"])

    @property
    def handled_size(self) -> int:
        """Most bytes of a message that a handler sees, and of the message that it returns."""
        return self.entry.limits.get("handled_size", DEFAULT_LIMITS["handled_size"])

    def waits(self, ticket: int) -> bool:
        """True if a command waits for the answer to that question."""
        return self._open and self.core.waits(ticket)

    def take_asks(self) -> None:
        """Takes the core's questions. Call it after each of the core's answers."""
        if found := self.core.asks():
            self._owner.asked(self, found)

    def answer(self, ticket: int, verdict: "Verdict", payload: bytes | None = None) -> None:
        """Answers a question, or gives up on it; the outcome is carried out in the next turn of the entry."""
        self.turns.take(partial(self._answer, ticket, verdict, payload))

    def _answer(self, ticket: int, verdict: "Verdict", payload: bytes | None) -> None:
        if self._open:
            self.carry_out(self.core.answer(ticket, verdict, payload, asyncio.get_running_loop().time()))
            self.take_asks()

    def tell_peer(self, control: bytes, payload: bytes | None = None) -> None:
        """Sends the peer a message of distwall itself."""
        if self._open:
            self.carry_out(([], self.core.made_up(control, payload), None, None))

    def record(self, events: Iterable[CoreEvent]) -> None:
        """Records the core's refusals as events."""
        for event in events:
            self.tell(
                Refused(
                    peer=self.peer,
                    guard=self.guard,
                    direction=event.direction,
                    command=event.command,
                    target=event.target,
                    verdict=event.verdict,
                    rule=self._rule(event.rule_id, event.reason),
                    reason=event.reason,
                    folded=event.folded,
                )
            )

    def tell(self, event: PeerCaused) -> None:
        """Puts an event that the peer has caused on the event stream."""
        self._owner.record_for(self, event)

    def _rule(self, rule_id: int | None, reason: str) -> RuleRef | None:
        if rule_id is None:
            return None
        of_shadow = self._judgement.shadow_rules if reason.startswith("shadow:") else None
        return RuleRef.of((of_shadow or self._judgement.rules)(rule_id))

    def close(self, reason: str) -> None:
        """Asks the gateway to end the channel."""
        if self._open:
            self._close(reason)

    def closed(self, reason: str) -> None:
        """Notes the end of the channel. Only the first call counts."""
        if not self._open:
            return
        self._open = False
        self._owner.forget(self)
        self.core.shut()
        self.tell(
            Disconnect(
                peer=self.peer,
                guard=self.guard,
                source=self.source,
                reason=reason,
                seconds=round(time.monotonic() - self._started, 3),
                folded=self.core.folded(),
                others=0,
            )
        )

    def left(self) -> None:
        """Notes that the connections are gone, with the bytes that waited to be written."""
        self.core.shut()
        self._owner.left(self)


def key_of(entry: Entry) -> EntryKey:
    """The key under which the costs of an entry's peers are summed."""
    return entry.node, entry.twin
