"""A peer's bytes and the answers of the guarded node to the clerk, recorded, and played again.

Python takes a hundred times as long for questions and answers as the core does. That leaves nothing of the core in the
processor's caches. Playback again, an answer is bytes with a few changes: each channel has new references.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.etf import Ref
from tests.support.sliced import READ, Sliced

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.core_channel import CoreChannel

WORDS = struct.Struct(">III")
"""The words of a reference of the clerk."""


@dataclass(frozen=True)
class Answer:
    """Bytes of the guarded node."""

    data: bytes
    places: list[tuple[int, int]]
    """Positions of references: in these bytes, and in the bytes for the guarded node since the previous answer."""

    def to(self, asked: bytearray) -> bytes:
        """The answer to questions that are the same, except for their references."""
        made = bytearray(self.data)
        for place, source in self.places:
            made[place : place + WORDS.size] = asked[source : source + WORDS.size]
        return bytes(made)


@dataclass(frozen=True)
class Recorded:
    """A stream of a peer, and the answers that are due in each of its reads."""

    channel: Callable[[], CoreChannel]
    """Makes a new channel, always the same."""
    data: bytes
    answers: list[list[Answer]]

    def play(self) -> Playback:
        """Plays the stream in slices, as the gateway does."""
        played = Playback(self.channel())
        for number, answers in enumerate(self.answers):
            played.take(True, self.data[number * READ : (number + 1) * READ])
            for answer in answers:
                asked = answer.to(played.sent)
                played.sent.clear()
                played.take(False, asked)
                while played.channel.core.due(inbound=True):
                    played.take(True, b"")
        return played


def record(channel: Callable[[], CoreChannel], data: bytes) -> Recorded:
    """Plays a stream once, with answers that are made of the questions."""
    line, answers = Sliced(channel()), []
    for at in range(0, len(data), READ):
        line.take(True, data[at : at + READ])
        answers.append(list[Answer]())
        while line.questions or line.channel.core.due(inbound=True):
            asked, line.questions = line.questions, []
            sent = bytes(line.forwarded)
            line.forwarded.clear()
            answer = b"".join(map(line.channel.from_guard.bytes, line.channel.office.answers(asked)))
            places = []
            for one in asked:
                reference = one.args["ref"]
                assert isinstance(reference, Ref)
                words = WORDS.pack(*reference.words)
                source, place = sent.index(words), answer.find(words)
                while place >= 0:
                    places.append((place, source))
                    place = answer.find(words, place + 1)
            answers[-1].append(Answer(answer, places))
            line.take(False, answer)
            line.catch_up()
    assert (line.closed, line.reasons) == (None, [])
    return Recorded(channel, data, answers)


class Playback:
    """The cost of a stream that is played again."""

    def __init__(self, channel: CoreChannel) -> None:
        self.channel = channel
        self.sent = bytearray()
        """Bytes for the guarded node."""
        self.seconds = 0.0
        """CPU seconds in all."""
        self.longest = 0.0
        """CPU seconds of the longest slice."""

    def take(self, inbound: bool, read: bytes) -> None:
        """Has the channel take bytes of one side."""
        core = self.channel.core
        start, goes_on = 0, True
        while goes_on:
            begun = time.thread_time()
            forward, back, _, closed = core.receive(inbound, read, self.channel.now, start)
            took = time.thread_time() - begun
            self.seconds, self.longest = self.seconds + took, max(self.longest, took)
            assert closed is None
            self.sent += b"".join(forward) if inbound else back or b""
            core.asks()
            start = core.taken
            goes_on = start < len(read) or core.outgoing(inbound) > 0
