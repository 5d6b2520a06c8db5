"""One open channel, as the firewall sees it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from distwall._core import Channel
from distwall.policy import Entry, Rule, rule_to_json

if TYPE_CHECKING:
    from distwall._core import Event
    from distwall._core import Policy as CorePolicy

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a channel judges by: the compiled rules, and the rules that their ids stand for."""

    core: "CorePolicy"
    out: "CorePolicy | None"
    """About what the guarded node sends; None: it passes."""
    audit: bool
    """Whether what the rules refuse passes, and is recorded."""
    rules: Callable[[int], Rule]


class Owner(Protocol):
    """What a channel tells about itself."""

    def record(self, kind: str, **fields: Any) -> None:
        """Puts an event on the stream."""

    def forget(self, handle: "ChannelHandle") -> None:
        """The channel has ended."""


class ChannelHandle:
    """One open channel: the core's ``Channel``, and where its refusals and its end are told."""

    def __init__(
        self,
        owner: Owner,
        core: Channel,
        judgement: Judgement,
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
        self._judgement = judgement
        self._owner = owner
        self._started = time.monotonic()
        self._close = close
        self._open = True

    def judge_by(self, judgement: Judgement) -> None:
        """Changes the rules, from the next command on."""
        if judgement is not self._judgement:
            self._judgement = judgement
            self.core.set_policy(judgement.core, policy_out=judgement.out, audit=judgement.audit)

    def record(self, events: Iterable["Event"]) -> None:
        """Puts refusals of the core on the event stream."""
        for direction, command, target, verdict, rule_id, reason, folded in events:
            self._owner.record(
                "refused",
                peer=self.peer,
                guard=self.guard,
                direction=direction,
                command=command,
                target=target,
                verdict=verdict,
                rule=None if rule_id is None else rule_to_json(self._judgement.rules(rule_id)),
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
        self._owner.forget(self)
        self._owner.record(
            "disconnect",
            peer=self.peer,
            guard=self.guard,
            source=self.source,
            reason=reason,
            seconds=round(time.monotonic() - self._started, 3),
            folded=self.core.folded(),
        )
