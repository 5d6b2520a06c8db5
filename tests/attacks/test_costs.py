"""What one peer can make distwall spend: time in the event loop for one read, and memory."""

import struct
import time
from collections.abc import Iterable

import pytest

from distwall import _core
from distwall.policy.language.patterns import parse_pattern
from tests.attacks.costs import STREAMS, first
from tests.attacks.worst_inputs import (
    FROM_POLICY,
    LONG,
    LONGEST,
    ORDINARY,
    STRANGERS,
    WAITED,
    WORST,
    G,
    Input,
    P,
    binary,
    changed,
    cost,
    listed,
    listed_all,
    longest_allowed,
    ordinary,
    played_to,
    spawn,
    to_x,
    waited,
)
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_29, Op, frame, message, plain
from tests.support.etf import Atom, encode
from tests.support.sliced import Sliced

READ = 256 * 1024
"""What one read from a socket gives."""
MIB = 1 << 20


def slowest(channel: CoreChannel, data: Iterable[bytes]) -> float:
    """Feeds frames in reads as a socket would give them; seconds of the slowest one."""
    stream, worst = b"".join(data), 0.0
    for start in range(0, len(stream), READ):
        begun = time.process_time()
        channel.core.receive(True, stream[start : start + READ], 1000.0)
        worst = max(worst, time.process_time() - begun)
    return worst


LIST = b"l" + struct.pack(">I", MIB)


@pytest.mark.parametrize("rules", ["accept *", "deny *"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_read_stops_the_others_for_long(name: str, rules: str) -> None:
    """Bytes chosen to cost more than they should; one read of 256 KiB takes a tenth of a second at the very most."""
    channel = CoreChannel(rules, flags=OTP_29, release=29)
    assert slowest(channel, STREAMS[name]()) < 0.1


def test_following_many_deep_messages_has_a_limit() -> None:
    """Each of a thousand messages in fragments stops 65,000 levels deep: 130 kB cost distwall a megabyte, each."""
    channel = CoreChannel("accept *", limits={"held_bytes": 16 * MIB})
    closed = None
    for seq in range(1, 1000):
        closed = channel.core.receive(True, first(seq, 3, b"h\1" * 65_000), 1000.0)[3]
        if closed:
            break
    assert closed is not None
    assert "held_bytes" in closed
    assert seq < 20
    assert channel.core.pending() == 0


def test_many_messages_that_wait_have_a_limit() -> None:
    """A thousand messages that can't be judged yet: beyond the limit they are refused, and nothing of them is kept."""
    channel = CoreChannel("accept reg_send", "deny *", limits={"held_bytes": MIB})
    for seq in range(1, 1000):
        channel.core.receive(True, first(seq, 3, b"m\1\0\0\0" + b"x" * 60_000), 1000.0)
    assert channel.core.pending() <= MIB


def test_a_flood_of_refusals_is_told_in_few_events() -> None:
    """20,000 refusals in one second: fifty events, and the number of the others."""
    channel = CoreChannel("deny *")
    told = 0
    for _ in range(20):
        told += len(
            channel.core.receive(True, plain((6, CoreChannel.peer.pid(), EMPTY, Atom("x")), 1) * 1000, 1000.0)[2] or ()
        )
    assert told == 50
    assert channel.core.folded() == 20_000 - 50


@pytest.mark.parametrize("name", WORST)
def test_no_input_costs_much_more_than_ordinary_input(name: str) -> None:
    """CPU for each byte, compared with calls of a server in the same run: twenty times as much at the very most."""
    worst = cost(WORST[name], MIB)
    assert worst.per_byte < 20 * ordinary(MIB).per_byte


def spent(channel: CoreChannel, data: bytes) -> float:
    """CPU seconds for reads as a socket would give them, in slices."""
    seconds = 0.0
    for at in range(0, len(data), READ):
        read, start = data[at : at + READ], 0
        while start < len(read):
            begun = time.thread_time()
            closed = channel.core.receive(True, read, 1000.0, start)[3]
            seconds, start = seconds + time.thread_time() - begun, channel.core.taken
            assert closed is None
    return seconds


def new_atom(number: int) -> bytes:
    return b"w\6" + f"{number:06}".encode()


def test_a_large_message_does_not_make_later_ones_dear() -> None:
    """It has very many new atoms, each of the others has one. All of them are refused."""
    channel = CoreChannel("deny *", flags=OTP_29, release=29)
    small = b"".join(to_x(new_atom(number)) for number in range(20_000))
    before = min(spent(channel, small) for _ in range(2))
    spent(channel, to_x(listed_all([new_atom(number) for number in range(90_000)])))
    assert min(spent(channel, small) for _ in range(2)) < 3 * before


@pytest.mark.parametrize(
    "rules", [("deny *",), ("accept reg_send x when " + parse_pattern("{a}").code.hex(), "deny *")]
)
def test_the_atoms_of_a_header_are_not_looked_at_for_each_fragment(rules: tuple[str, ...]) -> None:
    """A thousand messages in turn, in fragments of one byte, without atoms in their headers and with 255 each."""
    seconds = []
    for atoms in (0, 255):
        channel = CoreChannel(*rules, flags=OTP_29, release=29)
        control = encode((6, P.pid(), EMPTY, Atom("x"))) + b"l\0\0\0\xff"
        for number in range(1, 1001):
            nibbles = bytes((0x88 | (slot >> 8) * 0x11) for slot in [number % 8 << 8] * (atoms // 2))
            head = bytes([atoms]) + nibbles + bytes([8 | number % 8]) if atoms else b"\0"
            head += b"".join(bytes([slot, 2, number >> 7, number & 127]) for slot in range(atoms))
            spent(channel, frame(b"\x83E" + struct.pack(">QQ", number, 60) + head + control))
        rest = [
            b"\x83F" + struct.pack(">QQ", number, left) + b"j" for left in range(59, 1, -1) for number in range(1, 1001)
        ]
        seconds.append(spent(channel, b"".join(map(frame, rest))))
    assert seconds[1] < 4 * seconds[0]


@pytest.mark.parametrize("name", WORST)
def test_no_slice_takes_long(name: str) -> None:
    """Four megabytes, most in one frame. CPU time, and the best of three rounds: others want the machine, too."""
    assert cost(WORST[name], 4 * MIB, rounds=3).longest < longest_allowed()


@pytest.mark.parametrize("name", LONG)
def test_no_slice_for_a_very_long_message_takes_long(name: str) -> None:
    """Its bytes are not moved or given back at once, whatever becomes of it."""
    assert cost(LONG[name], LONGEST).longest < longest_allowed()


def test_no_slice_for_a_very_long_message_that_waited_takes_long() -> None:
    assert waited(binary, LONGEST, changes=False).longest < longest_allowed()


@pytest.mark.parametrize("inbound", [True, False])
@pytest.mark.parametrize("behind", [1000, 8 * MIB], ids=["last", "half"])
def test_no_slice_for_fragments_under_new_rules_takes_long(inbound: bool, behind: int) -> None:
    found = changed(16 * MIB, inbound=inbound, behind=behind)
    assert found.longest < longest_allowed()
    assert found.per_byte < 20 * ordinary(4 * MIB).per_byte


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("name", WAITED)
def test_no_slice_for_a_message_that_waited_takes_long(name: str, changes: bool) -> None:
    """Its scan waits with it. If the rules change meanwhile, it is scanned again in slices."""
    found = waited(WAITED[name], 4 * MIB, changes=changes, rounds=3)
    assert found.longest < longest_allowed()
    assert found.per_byte < 20 * ordinary(4 * MIB).per_byte


@pytest.mark.parametrize("name", STRANGERS)
def test_no_slice_for_commands_to_processes_that_nobody_knows_takes_long(name: str) -> None:
    """The guarded node is asked about each."""
    assert played_to(STRANGERS[name], MIB // 2).longest < longest_allowed()


@pytest.mark.parametrize("name", STRANGERS)
def test_no_question_about_who_a_process_is_costs_much_more_than_ordinary_input(name: str) -> None:
    """With its answer. The best of several rounds: each of them may find the machine busy."""
    size = MIB // 8
    assert played_to(STRANGERS[name], size, rounds=6).per_byte < 20 * cost(ORDINARY, size, rounds=6).per_byte


HANDLED = _core.Hooks({"reg_send": ""}, None, False, False, False)


@pytest.mark.parametrize("hooks", [None, HANDLED], ids=["line", "handler"])
@pytest.mark.parametrize("given", FROM_POLICY)
def test_what_waits_is_compared_with_patterns_in_slices(given: Input, hooks: _core.Hooks | None) -> None:
    """Behind a command that waits for the identity of its target, or each for a handler."""
    rules = ("accept send to any", *given.rules, "accept reg_send x")
    line = Sliced(CoreChannel(*rules, flags=OTP_29, release=29, hooks=hooks))
    if hooks is None:
        line.take(True, frame(b"\x83D\0" + encode((22, P.pid(), G.pid(52))) + b"j"))
    payload = given.make(1)[len(to_x(b"")) :]
    senders = [encode((6, P.pid(number), EMPTY, Atom("x"))) for number in range(MIB // 4 // len(payload))]
    line.take(True, b"".join(frame(b"\x83D\0" + one + payload) for one in senders))
    assert line.longest < longest_allowed()
    line.told()
    line.catch_up()
    assert line.longest < longest_allowed()
    assert line.closed is None


SEEN = {
    "small tuples": listed(b"h\1j", MIB // 2 - 100),
    "funs": listed(b"qw\1aw\1fa\1", MIB // 2 - 100),
    "native records": listed(b"C\0\0\0\2\0" + b"w\1a" * 2 + b"w\1bw\1c" + b"jj", MIB // 2 - 100),
}
"""Messages as long as a handler may see them."""


@pytest.mark.parametrize(
    "hooks", [HANDLED, _core.Hooks({"reg_send": "m", "spawn_request": "m"}, None, False, False, False)]
)
@pytest.mark.parametrize("payload", SEEN.values(), ids=SEEN)
def test_no_slice_for_what_a_handler_sees_takes_long(payload: bytes, hooks: _core.Hooks) -> None:
    """The question to it, the message that it puts in place of another one, and a request that starts it."""
    best = []
    for _ in range(3):
        longest = 0.0
        for data in (to_x(payload), spawn("m", "f", 1, listed_all([payload]))):
            line = Sliced(CoreChannel("accept *", flags=OTP_29, release=29, hooks=hooks))
            line.take(True, data)
            assert line.tickets or line.forwarded
            line.answer("accept", payload)
            line.catch_up()
            assert (line.closed, line.reasons) == (None, [])
            longest = max(longest, line.longest)
        best.append(longest)
    assert min(best) < longest_allowed()


@pytest.mark.parametrize(("name", "most"), [("x", 40), ("distwall", 200)])
def test_a_slice_asks_few_questions(name: str, most: int) -> None:
    """Python has to put each of them, before others have their turn. A slice had four thousand."""
    hooks = _core.Hooks({"reg_send": ""}, None, False, False, True)
    channel = CoreChannel("accept reg_send", flags=OTP_29, release=29, hooks=hooks)
    data = b"".join(plain((6, P.pid(sender), EMPTY, Atom(name)), 1) for sender in range(2000))
    start = asked = 0
    while start < len(data):
        channel.core.receive(True, data, 1000.0, start)
        start, questions = channel.core.taken, len(channel.core.asks())
        asked += questions
        assert questions <= most
    assert asked == 2000


def test_a_question_about_a_message_is_not_much_longer_than_the_message() -> None:
    """Two bytes name an atom of a thousand bytes. With all of them written out, a question was 500 times as long."""
    channel = CoreChannel("accept reg_send x", hooks=HANDLED)

    def refused(sender: int, payload: list[Atom]) -> list[str]:
        return channel.inbound(message(Op.REG_SEND, P.pid(sender), EMPTY, Atom("x"), payload=payload)).reasons

    long = Atom("\U0001d11e" * 255)
    assert refused(1, [long] * 30_000) == ["limit:handled_size"]
    assert channel.core.asks() == []
    for sender, payload in enumerate(([long] * 5, [Atom("a_usual_name")] * 20_000), 2):
        assert refused(sender, payload) == []
        assert len(channel.core.asks()) == 1
