"""Large messages, which are scanned while they come in, and reads that are taken in slices: the same as all at once."""

import random
import struct
import time
from collections.abc import Callable

import pytest

from distwall import _core
from distwall.policy.language.patterns import parse_pattern
from tests.attacks.worst_inputs import spawn, to_x
from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import EMPTY, Op, frame, message, plain
from tests.support.etf import Atom, encode
from tests.support.sliced import Sliced

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
LISTS = f"accept reg_send x when {parse_pattern('{list(), _, [_|_]}').code.hex()}"


def l(*elements: bytes) -> bytes:  # noqa: E743
    return b"l" + struct.pack(">I", len(elements)) + b"".join(elements) + b"j"


INTEGERS = l(*[b"a\1"] * 60_000)
KEYS = [b"b" + struct.pack(">I", 300 + 7 * i % 20_000) for i in range(20_000)]
"""All are different: 7 and 20,000 have no common factor."""
ARGUMENTS = l(INTEGERS, l(INTEGERS, INTEGERS), b"m" + struct.pack(">I", 70_000) + bytes(70_000))


def mapped(keys: list[bytes]) -> bytes:
    return b"t" + struct.pack(">I", len(keys)) + b"j".join(keys) + b"j"


FRAMES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "lists in lists": (to_x(l(*[INTEGERS] * 3)), ("accept reg_send x",)),
    "what a pattern wants": (to_x(b"h\3" + l(INTEGERS, INTEGERS) + INTEGERS + l(INTEGERS)), (LISTS, "deny *")),
    "what a pattern does not want": (to_x(b"h\3" + l(INTEGERS, INTEGERS) + INTEGERS + b"j"), (LISTS, "deny *")),
    "a long binary": (to_x(b"h\2m" + struct.pack(">I", 200_000) + bytes(200_000) + INTEGERS), ("accept reg_send x",)),
    "different keys": (to_x(mapped(KEYS)), ("accept reg_send x",)),
    "equal keys": (to_x(mapped([*KEYS, KEYS[5]])), ("accept reg_send x",)),
    "equal keys, refused": (to_x(mapped([*KEYS, KEYS[5]])), ("deny *",)),
    "bytes behind the end": (to_x(INTEGERS + b"j"), ("accept *",)),
    "too few elements": (to_x(b"l" + struct.pack(">I", 99_999) + INTEGERS[5:]), ("accept *",)),
    "no payload": (frame(b"\x83D\0" + encode((1, P.pid(), G.pid())) + INTEGERS), ("accept *",)),
    "pids of a third node": (to_x(l(INTEGERS, encode(T.pid()), INTEGERS)), ("accept reg_send x", "deny *")),
    "new atoms": (to_x(l(*[b"w\6" + f"{i:06}".encode() for i in range(20_000)])), ("accept reg_send x",)),
    "a call": (spawn("m", "f", 3, ARGUMENTS), ("accept call m:f/3", "deny *")),
    "a call of another number of arguments": (spawn("m", "f", 2, ARGUMENTS), ("accept call m:f/3", "deny *")),
    "arguments with a tail": (spawn("m", "f", 3, ARGUMENTS[:-1] + b"a\1"), ("accept *",)),
    "a carried call": (
        spawn("erpc", "execute_call", 4, l(encode(P.ref()), encode(Atom("m")), encode(Atom("f")), ARGUMENTS)),
        ("accept call m:f/3", "deny *"),
    ),
}  # fmt: skip


def told(channel: CoreChannel, output: Output) -> object:
    return output.forwarded, output.answered, output.reasons, output.closed, channel.budget.used(), channel.counts()


def in_pieces(channel: CoreChannel, data: bytes, cuts: list[int], between: Callable[[], None] = lambda: None) -> Output:
    outputs = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        outputs.append(channel.core.receive(True, data[start:end], channel.now))
        between()
    return Output(
        [],
        [],
        [event for output in outputs for event in output[2] or []],
        next((output[3] for output in outputs if output[3]), None),
        b"".join(bytes(piece) for output in outputs for piece in output[0]),
        b"".join(output[1] or b"" for output in outputs),
    )


@pytest.mark.parametrize("name", FRAMES)
def test_a_large_frame_in_pieces_is_the_same_as_whole(name: str) -> None:
    data, rules = FRAMES[name]
    whole = CoreChannel(*rules)
    expected = told(whole, in_pieces(whole, data + bytes(4), []))
    dice = random.Random(name)
    for pieces in (2, 7, 100):
        cuts = sorted(dice.sample(range(1, len(data)), pieces))
        channel = CoreChannel(*rules)
        got = told(channel, in_pieces(channel, data + bytes(4), cuts))
        if expected[3]:  # type: ignore[index]  # closed: nothing else counts
            assert got[3] == expected[3]  # type: ignore[index]
        else:
            assert got == expected


def test_rules_that_change_meanwhile_decide() -> None:
    """What was scanned under other rules is scanned again: a third node may be allowed no more, or only now."""
    data, _ = FRAMES["pids of a third node"]
    cuts = list(range(60_000, len(data), 60_000))
    rules = _core.PeerRules([_core.CoreRule("reg_send", None, None, None, "accept", 1, False, 1)], third_nodes=[T.name])
    opened = CoreChannel("accept reg_send x", "deny *")
    output = in_pieces(opened, data, cuts[:-1], lambda: opened.core.set_policy(rules))
    assert (output.reasons, len(output.forwarded)) == ([], len(data))
    shut = CoreChannel("accept reg_send x", "deny *", third_nodes=[T.name])
    again = _core.PeerRules([_core.CoreRule("reg_send", None, None, None, "accept", 1, False, 1)])
    output = in_pieces(shut, data, cuts[:-1], lambda: shut.core.set_policy(again))
    assert (output.reasons, output.forwarded) == (["third_node"], bytes(4)), "a tick, and nothing else"


@pytest.mark.parametrize("fragment", [0, 60_000])
def test_what_another_channel_spent_meanwhile_is_spent(fragment: int) -> None:
    """Two messages come in at the same time, each with 600 new atoms. There is room for one of them."""
    first = CoreChannel("accept reg_send x", limits={"new_atoms": 1000})
    second = CoreChannel("accept reg_send x", limits={"new_atoms": 1000}, budget=first.budget)
    streams = []
    for channel, start in ((first, 0), (second, 600)):
        payload = [*(Atom(f"new{number:04}") for number in range(start, start + 600)), bytes(200_000)]
        if fragment:
            sent = message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=payload)
            data = channel.from_peer.bytes(sent, fragment=fragment)
        else:
            data = to_x(encode(payload))
        assert channel.core.receive(True, data[:-1], channel.now)[3] is None
        streams.append(data[-1:])
    output, refused = (in_pieces(channel, rest, []) for channel, rest in zip((first, second), streams, strict=True))
    assert (output.reasons, refused.reasons) == ([], ["limit:new_atoms"])
    assert first.budget.used()[0] <= 1000


def test_large_messages_in_fragments_are_scanned_as_they_come() -> None:
    """Those that wait to be judged: the last fragment costs no more than the others, and the outcome is as ever."""
    payload = ([list(range(256, 50_256))] * 4, Atom("m"), [1])
    sent = message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=payload)
    for rule, passes in ((LISTS, 1), (LISTS.replace("accept", "deny"), 0)):
        channel = CoreChannel(rule, "deny *")
        output = channel.inbound(sent, fragment=60_000)
        assert (len(output.forward), output.closed) == (passes, None)
        assert channel.core.pending() == 0
    changed = CoreChannel(LISTS, "deny *")
    data = changed.from_peer.bytes(sent, fragment=60_000)
    in_pieces(changed, data, [300_000, 400_000], lambda: changed.core.set_limits(None))
    assert changed.counts() == {("inbound", "reg_send", "accept"): 1}


@pytest.mark.parametrize("size", [1000, 65_536, 100_000, 190_000])
def test_messages_in_few_fragments_are_taken_in_the_slice_in_which_they_come(size: int) -> None:
    """Nothing of them is left to be scanned when the last fragment comes: for that, the slice would end."""
    channel = CoreChannel("accept reg_send x")
    sent = message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=bytes(size))
    data = b"".join(channel.from_peer.bytes(sent, fragment=65_536) for _ in range(200_000 // size))
    forward, _, _, closed = channel.core.receive(True, data, 1000.0, 0)
    assert (channel.core.taken, closed) == (len(data), None)
    assert [got.payload for got in channel.at_guard.feed(b"".join(forward))] == [bytes(size)] * (200_000 // size)


@pytest.mark.parametrize("inbound", [True, False])
@pytest.mark.parametrize("behind", [10, 3000, 400_000])
@pytest.mark.parametrize("verdict", ["accept", "deny"])
def test_fragments_that_wait_are_scanned_again_in_slices(inbound: bool, behind: int, verdict: str) -> None:
    """Under other rules. The last one is taken when all before it was scanned, and what comes behind it after that."""
    rules, others = (LISTS, "deny *"), ("deny reg_send y", LISTS.replace("accept", verdict), "accept *")
    of_peer, of_guard = (rules, None) if inbound else (("accept *",), rules)
    made = Sliced(CoreChannel(*of_peer, out=of_guard))
    payload = ([list(range(256, 150_256))] * 4, Atom("m"), [1])
    node, sender = (P, made.channel.from_peer) if inbound else (G, made.channel.from_guard)
    one = message(Op.REG_SEND, node.pid(), EMPTY, Atom("x"), payload=payload)
    data = sender.bytes(one, fragment=60_000)
    last = sender.bytes(message(Op.REG_SEND, node.pid(), EMPTY, Atom("z"), payload=1))
    made.take(inbound, data[:-behind])
    made.channel.set_rules(*(others if inbound else of_peer), out=None if inbound else others)
    core, rest, slices, forwarded = made.channel.core, data[-behind:] + last, 0, b""
    while rest:
        forwarded += b"".join(core.receive(inbound, rest, 1000.0, 0)[0])
        rest = rest[core.taken :]
        slices += 1
    while core.outgoing(inbound):
        forwarded += b"".join(core.receive(inbound, b"", 1000.0, 0)[0])
    if behind < 400_000:
        assert slices > len(data) // (1 << 18) - 2
    end = made.channel.at_guard if inbound else made.channel.at_peer
    passed = [got.payload for got in end.feed(forwarded)]
    assert passed == ([payload, 1] if verdict == "accept" else [1])
    assert core.pending() == 0
    assert core.held() < 1000, "the atoms of its caches"


def test_the_tail_of_arguments_is_looked_at_in_each_fragment() -> None:
    """Each fragment holds one element at its beginning, the last one a tail that is not NIL, at the same place."""
    control = encode((29, P.ref(), P.pid(), P.pid(), (Atom("m"), Atom("f"), 3), []))
    payload = b"l" + struct.pack(">I", 3)
    for tail, closes in ((b"j", False), (b"a\4", True)):
        channel = CoreChannel("accept *")
        parts = [b"a\1", b"a\2", b"a\3", tail]
        frames = [frame(b"\x83E" + struct.pack(">QQ", 7, 5) + b"\0" + control + payload)]
        frames += [frame(b"\x83F" + struct.pack(">QQ", 7, 4 - n) + part) for n, part in enumerate(parts)]
        closed = [channel.core.receive(True, one, 1.0)[3] for one in frames][-1]
        assert (closed is not None) == closes


@pytest.mark.parametrize("size", [1 << 18, (1 << 18) + 1])
def test_a_fragment_has_a_size(size: int) -> None:
    channel = CoreChannel("accept *")
    head = struct.pack(">I", size) + b"\x83F" + struct.pack(">QQ", 7, 1)
    closed = channel.core.receive(True, head + bytes(70_000), 1.0)[3]
    assert (closed is None) == (size <= 1 << 18)


def test_a_control_message_has_a_size() -> None:
    channel = CoreChannel("accept *")
    reason = l(*[b"j"] * 3_000_000)
    data = frame(b"\x83D\0h\4a\3" + encode(P.pid()) + encode(G.pid()) + reason)
    output = in_pieces(channel, data, list(range(100_000, len(data), 100_000)))
    assert output.closed is not None
    assert "control message" in output.closed


def test_slices_are_the_same_as_all_at_once() -> None:
    pattern = parse_pattern("{[X, _, X|_], _, _, k}").code.hex()
    rules = [*[f"accept reg_send x when {pattern}"] * 60, "accept reg_send x", "deny *"]
    one = plain((6, P.pid(), EMPTY, Atom("x")), ([300] * 60, 5, 6, 7))
    refused = plain((6, P.pid(), EMPTY, Atom("y")), 1)
    data = (one * 50 + refused) * 20 + one[:20]
    whole, sliced = CoreChannel(*rules), CoreChannel(*rules)
    forward, back, events, closed = whole.core.receive(True, data, 1.0)
    pieces: list[bytes | memoryview] = []
    told, slices, start, longest = 0, 0, 0, 0.0
    while start < len(data):
        begun = time.process_time()
        some, answers, events_of_slice, ended = sliced.core.receive(True, data, 1.0, start)
        longest = max(longest, time.process_time() - begun)
        assert sliced.core.taken > start
        assert (answers, ended) == (None, None)
        pieces += some
        told += len(events_of_slice or ())
        start, slices = sliced.core.taken, slices + 1
    assert b"".join(pieces) == b"".join(forward)
    assert (told, back, closed) == (len(events or ()), None, None)
    assert slices > 3
    assert sliced.core.pending() == whole.core.pending() == 20
    assert sliced.counts() == whole.counts()
    assert longest < 0.05
