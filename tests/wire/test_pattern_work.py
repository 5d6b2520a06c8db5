"""The work of comparing one message with patterns has an end; then the message is refused, whatever the rules say."""

import pytest

from distwall.policy.language.patterns import parse_pattern
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Improper, Raw

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


FORMS = [
    "{'$gen_call', _, {put, X, #}}",
    "{'$gen_call', from(), {one_of(get, put), #}}",
    "{#, 'x'}",
    "{list(), []}",
    "{{#, _}, _, k}",
    "{\"ab\", #}",
    "{[1, 2|_], _, _, #}",
    "[{a, #}]",
    "{[1, 2 | #], _}",
    "{k, [a, {[1, #]}]}",
    "{[1 | [2, #]], k}",
    "{<<\"k#\">>, _}",
    "#",
]  # fmt: skip
MESSAGES: list[object] = [
    (Atom("$gen_call"), (P.pid(), P.ref()), (Atom("put"), 1, 60)),
    (Atom("$gen_call"), (P.pid(), P.ref()), (Atom("get"), 60)),
    (60, Atom("x")),
    ([], []),
    ([1] * 300, []),
    ([1] * 300, 60),
    ((60, 1), b"x" * 300, Atom("k")),
    (Raw(b"k\0\2ab"), 60),
    ([97, 98], 60),
    (Raw(b"t\0\0\0\1w\1aa\1"), 60, ()),
    ([1, 2, 3], 1, 2, 60),
    [(Atom("a"), 60)],
    (Improper((1, 2), 60), 1),
    (Improper((1,), Improper((2,), 60)), 1),
    ([1, 2, 60], Atom("k")),
    (Raw(b"k\0\3\1\2\x3c"), Atom("k")),
    (Raw(b"l\0\0\0\1a\1k\0\2\2\x3c"), Atom("k")),
    (Atom("k"), [Atom("a"), ([1, 60],)]),
    (Atom("k"), [Atom("a"), (Raw(b"k\0\2\1\x3c"),)]),
    (Atom("k"), [Atom("a"), ([1] * 1000 + [60],)]),
    (b"k60", 1),
    60,
    (),
    (b"x" * 70_000, 60),
    ((60, 1), b"x" * 70_000, Atom("k")),
]


@pytest.mark.parametrize("payload", MESSAGES, ids=lambda payload: repr(payload)[:40])
def test_a_pattern_behind_many_others_decides_as_if_it_were_alone(payload: object) -> None:
    """From some patterns on, the message's first elements are looked at first. That changes no verdict."""
    numbers = range(50, 61)
    patterns = [parse_pattern(form.replace("#", str(number))) for form in FORMS for number in numbers]
    patterns += [parse_pattern(f"{{#{{a := _}}, {number}, {{}}}}") for number in numbers]
    alone = []
    for pattern in patterns:
        one = CoreChannel(f"accept reg_send x when {pattern.code.hex()}", "deny *")
        alone.append(len(one.inbound(sent(payload)).forward))
    many = CoreChannel(*(f"accept reg_send x when {pattern.code.hex()}" for pattern in patterns), "deny *")
    assert len(many.inbound(sent(payload)).forward) == min(1, sum(alone))
    for number, pattern in enumerate(patterns):
        others = [
            f"deny reg_send x when {other.code.hex()}" for other, fits in zip(patterns, alone, strict=True) if not fits
        ]
        rule = f"accept reg_send x when {pattern.code.hex()}"
        assert len(CoreChannel(*others, rule, "deny *").inbound(sent(payload)).forward) == alone[number]


TAILS = [f"accept reg_send x when {when(f'{{[1, 1, 1, 1, X | _], [1, 1, X | {number}]}}')}" for number in range(2, 52)]
"""They differ only in a tail."""


def test_patterns_that_begin_alike_are_not_compared_one_by_one() -> None:
    """From some patterns on, the part in which they differ is looked at. All steps of all patterns would be 2000."""
    ones = [1] * 20
    channel = CoreChannel(*TAILS, "accept reg_send x", limits={"pattern_steps": 600})
    assert len(channel.inbound(sent((ones, ones))).forward) == 1
    channel = CoreChannel(*TAILS, "deny *", limits={"pattern_steps": 600})
    assert len(channel.inbound(sent((ones, Improper((1, 1, 1), 51)))).forward) == 1
    assert channel.inbound(sent((ones, Improper((1, 1, 1), 52)))).reasons == ["rule"]


def test_a_part_behind_a_large_one_is_not_looked_for() -> None:
    """The look has few steps, so all patterns are compared, and the work is spent."""
    deep = [f"accept reg_send x when {when(f'{{_, [1, {number}]}}')}" for number in range(50)]
    channel = CoreChannel(*deep, "deny *")
    assert channel.inbound(sent(([[]] * 50_000, [1, 60])), fragment=1 << 30).reasons == ["limit:pattern_steps"]
