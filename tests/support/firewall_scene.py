"""The firewall object alone: channels are opened by hand, and events kept in a list."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from distwall._core import KNOWN_FLAGS
from distwall.audit.event import Event
from distwall.audit.log import AuditLog
from distwall.control import ChannelHandle, Firewall, StateFile
from distwall.policy import Policy


class FirewallScene:
    """A firewall whose events are kept in a list."""

    def __init__(self, tmp_path: Path, made: Policy, state: StateFile | None = None) -> None:
        self.events: list[Event] = []
        # A log of its own: there may be another scene of the same test that was not closed.
        self.audit = AuditLog(Path(tempfile.mkdtemp(dir=tmp_path), "audit.jsonl"), say=lambda _: None)
        self.audit.subscribe(self.events.append)
        self.policy = made
        self.firewall = Firewall(made, self.audit, state)

    def open(
        self,
        name: str = "foo@h",
        guard: str = "bar@127.0.0.2",
        creation: int = 7,
        close: Callable[[str], None] = lambda _: None,
    ) -> ChannelHandle:
        entry = self.policy.entry_for(name, guard)
        assert entry is not None
        return self.firewall.open_channel(
            peer=name,
            peer_creation=3,
            guard=guard,
            guard_creation=creation,
            flags=KNOWN_FLAGS,
            entry=entry,
            source="127.0.0.1",
            close=close,
        )

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]
