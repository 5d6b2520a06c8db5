"""A core channel whose bytes are taken in slices, as the gateway has it do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.dist import plain

if TYPE_CHECKING:
    from distwall import _core
    from tests.support.core_channel import CoreChannel
    from tests.support.dist import Message

READ = 256 * 1024
"""Bytes that one read from a socket gives."""

QUESTION = 8192
"""Most bytes of a frame of the clerk in these tests. What is longer is not decoded, which would take long."""


@dataclass
class Sliced:
    """A channel, and the results of its slices."""

    channel: CoreChannel
    forwarded: bytearray = field(default_factory=bytearray)
    """Bytes for the guarded node."""
    reasons: list[str] = field(default_factory=list)
    """Reasons of refusals."""
    seconds: float = 0.0
    """CPU seconds in all."""
    longest: float = 0.0
    """CPU seconds of the longest slice."""
    closed: str | None = None
    tickets: list[int] = field(default_factory=list)
    """Questions about commands, not answered so far."""
    questions: list[Message] = field(default_factory=list)
    """Questions of the clerk, not answered so far."""
    _begun: bytes = b""
    """The beginning of a frame for the guarded node."""
    _long: int = 0
    """Bytes of a long frame for the guarded node that have not come so far."""

    def take(self, inbound: bool, data: bytes) -> None:
        """Has the channel take bytes of one side. What is due then is not taken."""
        core = self.channel.core
        for read in [data[at : at + READ] for at in range(0, len(data), READ)] or [b""]:
            start, goes_on = 0, True
            while goes_on:
                begun = time.thread_time()
                outcome = core.receive(inbound, read, self.channel.now, start)
                self._took(inbound, outcome, time.thread_time() - begun)
                start = core.taken
                goes_on = start < len(read) or core.outgoing(inbound) > 0

    def told(self) -> None:
        """Has the guarded node answer the questions of the clerk."""
        asked, self.questions = self.questions, []
        for answer in self.channel.office.answers(asked):
            self.take(False, plain(answer.control, answer.payload))

    def answer(self, verdict: _core.Verdict, payload: bytes | None = None) -> None:
        """Answers all questions about commands."""
        tickets, self.tickets = self.tickets, []
        for ticket in tickets:
            begun = time.thread_time()
            outcome = self.channel.core.answer(ticket, verdict, payload, self.channel.now)
            self._took(True, outcome, time.thread_time() - begun)

    def catch_up(self, seconds: float = 0.0) -> int:
        """Lets commands go on that are due; returns the number of slices. ``seconds`` pass before each."""
        count = 0
        while self.channel.core.due(inbound=True):
            self.channel.now += seconds
            self.take(True, b"")
            count += 1
        return count

    def _took(
        self,
        inbound: bool,
        outcome: tuple[list[bytes | memoryview], bytes | None, list[_core.Event] | None, str | None],
        seconds: float,
    ) -> None:
        forward, back, events, closed = outcome
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        towards_guard = b"".join(forward) if inbound else back or b""
        self.forwarded += towards_guard
        self.reasons += [event[5] for event in events or []]
        self.closed = self.closed or closed
        self.tickets += [ask[0] for ask in self.channel.core.asks() if ask[1] == "handler"]
        self._look(towards_guard)

    def _look(self, data: bytes) -> None:
        """Looks for questions of the clerk, which have no fragments. A long frame comes in pieces."""
        passed = min(self._long, len(data))
        self._long -= passed
        data, at = self._begun + data[passed:], 0
        while at + 4 <= len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end - at >= QUESTION:
                self._long = max(0, end - len(data))
            elif end > len(data):
                break
            elif data[at + 5 : at + 6] not in (b"E", b"F"):
                told = self.channel.at_guard.feed(data[at:end])
                self.questions += [one for one in told if self.channel.office.is_asked(one)]
            at = end
        self._begun = data[at:]
