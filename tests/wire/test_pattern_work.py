"""The work of comparing one message with patterns has an end; then the message is refused, whatever the rules say."""

import pytest

from distwall.policy.language.patterns import parse_pattern
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Improper

P = CoreChannel.peer


def when(text: str) -> str:
    return parse_pattern(text).code.hex()


def sent(payload: object) -> Message:
    return message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=payload)


PAIRS = [(1, 2)] * 50_000
LISTS = [f"accept reg_send x when {when('{list({_, 0..#}), k}'.replace('#', str(i + 2)))}" for i in range(50)]
"""Each reads the whole list, and then doesn't match."""


@pytest.mark.parametrize(
    "rules",
    [
        [*LISTS, "deny *"],
        [*LISTS, "accept reg_send x"],
        [*(rule.replace("accept", "deny") for rule in LISTS), "accept *"],
        [f"deny reg_send x when {when('{list({_, _}), j}')}", *LISTS, "accept *"],
    ],
)
@pytest.mark.parametrize("audit", [False, True])
def test_a_message_whose_work_is_spent_is_refused(rules: list[str], audit: bool) -> None:
    """Fifty times its size to read: no answer, neither by the rules that accept it nor by the default."""
    channel = CoreChannel(*rules, audit=audit)
    output = channel.inbound(sent((PAIRS, Atom("m"))), fragment=1 << 30)
    assert output.reasons == ["limit:pattern_steps"]
    assert not output.forward
    assert output.closed is None


def test_a_small_message_of_the_same_form_passes() -> None:
    channel = CoreChannel(*LISTS, "accept reg_send x", "deny *")
    assert len(channel.inbound(sent((PAIRS[:20], Atom("m")))).forward) == 1


def test_what_one_pattern_reads_once_passes() -> None:
    """A megabyte in one list; a list of 20,000 elements and another spelling of it, compared with each other."""
    channel = CoreChannel(f"accept reg_send x when {when('list({_, integer()})')}", "deny *")
    assert len(channel.inbound(sent(PAIRS), fragment=1 << 30).forward) == 1
    channel = CoreChannel(f"accept reg_send x when {when('{X, X}')}", "deny *")
    numbers = list(range(256, 20_256))
    pair = (numbers, Improper(tuple(numbers[:7]), numbers[7:]))
    assert len(channel.inbound(sent(pair), fragment=1 << 30).forward) == 1
    assert channel.inbound(sent((numbers, [*numbers[1:], 9])), fragment=1 << 30).reasons == ["rule"]


def test_the_limit_can_be_set() -> None:
    rule = f"accept reg_send x when {when('list({_, _})')}"
    small = CoreChannel(rule, "deny *", limits={"pattern_steps": 3000})
    assert small.inbound(sent(PAIRS[:1000])).reasons == ["limit:pattern_steps"]
    assert len(small.inbound(sent(PAIRS[:500])).forward) == 1
    large = CoreChannel(*LISTS[:3], "accept reg_send x", limits={"pattern_steps": 10_000_000})
    assert len(large.inbound(sent((PAIRS, Atom("m"))), fragment=1 << 30).forward) == 1


def test_the_guarded_nodes_messages_too() -> None:
    channel = CoreChannel("accept *", out=[*LISTS, "accept reg_send x"])
    output = channel.outbound(
        message(Op.REG_SEND, CoreChannel.guard.pid(), EMPTY, Atom("x"), payload=(PAIRS, Atom("m"))), fragment=1 << 30
    )
    assert output.reasons == ["limit:pattern_steps"]
    assert not output.forward
