"""Recorded traffic of real nodes (``tests/recordings``): nothing is refused or changed; the reference decodes it."""

from __future__ import annotations

import pytest

from tests.support.core_channel import core_rules
from tests.support.dist import Message, Op, Receiver, Sender
from tests.wire import captures

CASES = captures.names()


@pytest.fixture(scope="module", params=CASES)
def capture(request: pytest.FixtureRequest) -> captures.Capture:
    return captures.load(captures.RECORDINGS / str(request.param))


def test_there_are_captures() -> None:
    assert len(CASES) > 30


@pytest.mark.parametrize("guard", [0, 1], ids=["guarding the dialler", "guarding the acceptor"])
def test_accept_all_changes_nothing(capture: captures.Capture, guard: int) -> None:
    channel = capture.channel(guard, core_rules("accept *"))
    streams = [b"", b""]
    for who, data in capture.chunks:
        forward, back, events, closed = channel.receive(who != guard, data, 0.0)
        assert (closed, events, back) == (None, None, None)
        streams[who] += b"".join(forward)
    assert channel.pending() == 0
    assert streams == [capture.stream(0), capture.stream(1)]


@pytest.mark.parametrize("guard", [0, 1], ids=["guarding the dialler", "guarding the acceptor"])
@pytest.mark.parametrize("text", ["deny *", "accept reg_send"])
def test_what_is_left_decodes(capture: captures.Capture, guard: int, text: str) -> None:
    """Whatever the policy, both nodes understand what they get."""
    channel = capture.channel(guard, core_rules(text))
    receivers = [Receiver(capture.flags, release=29), Receiver(capture.flags, release=29)]
    for who, data in capture.chunks:
        forward, back, _, closed = channel.receive(who != guard, data, 0.0)
        assert closed is None
        receivers[1 - who].feed(b"".join(forward))
        receivers[who].feed(back or b"")
    assert receivers[0].done()
    assert receivers[1].done()


def decoded(capture: captures.Capture, who: int) -> list[Message]:
    receiver = Receiver(capture.flags, release=29)
    messages = receiver.feed(capture.stream(who))
    assert receiver.done()
    return messages


def test_the_reference_decodes_them(capture: captures.Capture) -> None:
    for who in (0, 1):
        for one in decoded(capture, who):
            assert one.command
            assert one.args


PLAIN = [name for name in CASES if name.startswith(("passthrough", "oldexit", "otp25_erl_call"))]


@pytest.mark.parametrize("name", PLAIN)
def test_the_reference_encodes_as_the_node_did(name: str) -> None:
    """Without the header cache (whose slots are the VM's own choice) the same bytes come out again."""
    capture = captures.load(captures.RECORDINGS / name)
    for who in (0, 1):
        again = Sender(capture.flags).bytes(*decoded(capture, who))
        assert again == capture.stream(who)


def test_captures_show_every_op_that_nodes_send() -> None:
    seen: set[Op] = set()
    for name in CASES:
        capture = captures.load(captures.RECORDINGS / name)
        for who in (0, 1):
            seen |= {one.op for one in decoded(capture, who)}
    never = {Op.NODE_LINK, Op.EXIT_TT, Op.EXIT2_TT, Op.SEND_TT, Op.PAYLOAD_EXIT2_TT}
    assert set(Op) - seen <= never
