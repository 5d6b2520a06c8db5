"""What a bad frame must lead to, and the table that the hygiene tests are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.support.core_channel import CoreChannel, Output, Sent
from tests.support.dist import EMPTY, OTP_25, Message, Op, message
from tests.support.etf import Atom, Improper, Term, alias

Outcome = Literal["pass", "close", "stop", "either"]
"""``pass``: forwarded as it came. ``close``: the channel ends with a reason, and nothing of the frame is forwarded.
``stop``: closed, or refused with an event; nothing of it is forwarded. ``either``: a VM takes it, no node sends it; it
passes or is stopped."""


@dataclass(frozen=True)
class Case:
    name: str
    sent: Sequence[Sent] | Callable[[CoreChannel], Sequence[Sent]]
    """What the peer sends; the last item is what the outcome is about, what stands before it must pass
    (or close already, where closing is wanted)."""
    outcome: Outcome
    flags: int = OTP_25
    release: int = 25

    def check(self, channel: CoreChannel) -> Output:
        sent = list(self.sent(channel) if callable(self.sent) else self.sent)
        for one in sent[:-1]:
            output = channel.inbound(one)
            if output.closed and self.outcome == "close":
                return output
            assert output.closed is None, f"what comes first is refused: {output}"
            assert not output.events, f"what comes first is refused: {output}"
        data = sent[-1] if isinstance(sent[-1], bytes) else channel.from_peer.bytes(sent[-1])
        output = channel.inbound(data)
        passed = output.closed is None and output.forwarded == data and not output.events
        stopped = bool(output.closed or output.events) and not output.forwarded.strip(b"\0")
        match self.outcome:
            case "pass":
                assert passed, output
            case "close":
                assert stopped, output
                assert output.closed, output
                after = channel.inbound(tell(Atom("late")))
                assert after.forwarded + after.answered == b"", "a closed channel goes on"
            case "stop":
                assert stopped, output
            case "either":
                assert stopped or output.forward, output
        return output


def table(*cases: Case) -> pytest.MarkDecorator:
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def tell(payload: Term, name: str = "server") -> Message:
    """A plain message from the peer to a registered name."""
    return message(Op.REG_SEND, CoreChannel.peer.pid(), EMPTY, Atom(name), payload=payload)


G = CoreChannel.guard


def passes(channel: CoreChannel, sent: Message) -> None:
    output = channel.inbound(sent)
    assert output.forward == [sent], output
    assert not output.events


def refused(channel: CoreChannel, sent: Message) -> None:
    output = channel.inbound(sent)
    assert not output.forward, output
    assert output.closed is None
    assert output.events


def once(channel: CoreChannel, sent: Message) -> None:
    passes(channel, sent)
    refused(channel, sent)


# === replies to calls ===

TAGS: dict[str, Term] = {
    "reference": G.ref(),
    "alias": alias(G.alias()),
    "alias beside the monitor": Improper((alias(G.alias(5)),), G.alias(6)),
}
