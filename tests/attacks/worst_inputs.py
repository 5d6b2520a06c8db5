"""Input that costs as much as it can for its size, and ordinary input to compare it with.

Each is one frame or many, of about the size that is asked for. ``python -m tests.attacks.worst_inputs [BYTES]`` prints
the cost of each, as CPU time of this process; what else the machine does is left out.
"""

import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from distwall.policy.language.patterns import parse_pattern
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_29, Message, Op, Sender, frame, message, plain
from tests.support.etf import Atom, Raw, encode
from tests.support.office import Person
from tests.support.recorded import record
from tests.support.sliced import READ, Sliced

P, G = CoreChannel.peer, CoreChannel.guard


def when(*patterns: str) -> tuple[str, ...]:
    """Rules that accept messages to ``x`` of these forms only."""
    return tuple(f"accept reg_send x when {parse_pattern(text).code.hex()}" for text in patterns)


def numbered(pattern: str, count: int = 50) -> list[str]:
    """Patterns with a number at ``#``."""
    return [pattern.replace("#", str(number + 2)) for number in range(count)]


@dataclass(frozen=True)
class Input:
    """Bytes that a peer sends."""

    make: Callable[[int], bytes]
    """The bytes, by their number."""
    rules: Sequence[str] = ("deny *",)
    third_nodes: Sequence[str] = ()


def to_x(payload: bytes) -> bytes:
    """A message to the name ``x``."""
    return frame(b"\x83D\0" + encode((6, P.pid(), EMPTY, Atom("x"))) + payload)


def spawn(module: str, function: str, arity: int, arguments: bytes) -> bytes:
    control = encode((29, P.ref(), P.pid(), P.pid(), (Atom(module), Atom(function), arity), []))
    return frame(b"\x83D\0" + control + arguments)


def listed(element: bytes, size: int) -> bytes:
    """A list of the same element again and again."""
    count = max(1, size // len(element))
    return b"l" + struct.pack(">I", count) + element * count + b"j"


def listed_all(elements: Sequence[bytes]) -> bytes:
    return b"l" + struct.pack(">I", len(elements)) + b"".join(elements) + b"j"


def pair(first: bytes, second: bytes) -> bytes:
    return b"h\2" + first + second


def many(one: bytes) -> Callable[[int], bytes]:
    return lambda size: one * max(1, size // len(one))


def applied(size: int) -> bytes:
    """Eight calls of erlang:apply/3, one around the other, of a function with a large argument."""
    inner = encode(Atom("m")) + encode(Atom("f")) + listed_all([listed(b"j", size)])
    for _ in range(8):
        inner = encode(Atom("erlang")) + encode(Atom("apply")) + b"l\0\0\0\3" + inner + b"j"
    return spawn("erlang", "apply", 3, b"l\0\0\0\3" + inner + b"j")


def erpc(size: int) -> bytes:
    fields = [encode(P.ref()), encode(Atom("m")), encode(Atom("f")), listed_all([listed(b"j", size)])]
    return spawn("erpc", "execute_call", 4, listed_all(fields))


def to_rex(size: int) -> bytes:
    call = (Atom("call"), Atom("m"), Atom("f"), Raw(listed(listed(b"a\1", 3), size)), P.pid())
    message = (Atom("$gen_call"), (P.pid(), P.ref()), call)
    return plain((6, P.pid(), EMPTY, Atom("rex")), message)


def mapped(keys: Sequence[bytes]) -> bytes:
    return b"t" + struct.pack(">I", len(keys)) + b"".join(key + b"a\1" for key in keys)


def keyed(size: int, length: int) -> bytes:
    """Maps with as many keys as are compared, which begin alike."""
    count = min(65_536, max(2, size // (length + 7)))
    front = b"m" + struct.pack(">I", length) + b"x" * (length - 4)
    return to_x(listed(mapped([front + struct.pack(">I", i * 48_271) for i in range(count)]), size))


def small_keys(size: int) -> bytes:
    keys = [b"b" + struct.pack(">I", 256 + i * 32_719) for i in range(65_536)]
    return to_x(listed(mapped(keys), size))


def third_pids(size: int) -> bytes:
    pids = b"".join(b"X" + encode(Atom(f"n{i}@host{i}.example")) + bytes(11) + b"\1" for i in range(1000))
    times = max(1, size // len(pids))
    return to_x(b"l" + struct.pack(">I", 1000 * times) + pids * times + b"j")


def new_atoms(size: int) -> bytes:
    names = [b"w\6" + f"{i:06}".encode() for i in range(max(1, size // 8))]
    return to_x(listed_all(names))


def funs(size: int) -> bytes:
    exports = [b"qw\1aw\1f" + b"a" + bytes([i % 256]) for i in range(max(1, size // 9))]
    return to_x(listed_all(exports))


def of_guard(size: int) -> bytes:
    pids = [encode(G.pid(i)) for i in range(max(1, size // 30))]
    return to_x(listed_all(pids))


def own_refs(size: int) -> bytes:
    refs = [encode(P.ref(i)) for i in range(max(1, size // 40))]
    return to_x(listed_all(refs))


def sixty_thousand_of_guard(size: int) -> bytes:
    """Messages that claim nearly as much as one message may."""
    count = max(1, size // 2_000_000)
    lists = [[encode(G.pid(number)) for number in range(60_000 * i, 60_000 * (i + 1))] for i in range(count)]
    return b"".join(to_x(listed_all(pids)) for pids in lists)


def sixty_thousand_own(size: int) -> bytes:
    """Messages that show nearly as much as one message may."""
    count = max(1, size // 2_400_000)
    lists = [[encode(P.ref(number)) for number in range(60_000 * i, 60_000 * (i + 1))] for i in range(count)]
    return b"".join(to_x(pair(listed_all(refs), b"j")) for refs in lists)


def just_below(size: int, large: int) -> bytes:
    """Texts in messages of a size from which on they are handled in another way."""
    return to_x(pair(listed(b"a\1", large), b"j")) * max(1, size // large)


def large_fragments(size: int) -> bytes:
    """Fragments as large as they may be, each full of exports."""
    payload = listed_all([b"qw\1aw\1f" + b"a" + bytes([i % 256]) for i in range(max(1, size // 9))])
    parts = [payload[at : at + 260_000] for at in range(0, len(payload), 260_000)]
    first = b"\x83E" + struct.pack(">QQ", 7, len(parts)) + b"\0" + encode((6, P.pid(), EMPTY, Atom("x")))
    rest = [b"\x83F" + struct.pack(">QQ", 7, len(parts) - number) + part for number, part in enumerate(parts[1:], 1)]
    return b"".join(frame(one) for one in (first + parts[0], *rest))


def reasons(size: int) -> bytes:
    """Exits with large reasons in the control message."""
    reason = listed_all([b"qw\1aw\1f" + b"a" + bytes([i % 256]) for i in range(28_000)])
    one = frame(b"\x83D\0h\4a\3" + encode(P.pid()) + encode(G.pid()) + reason)
    return one * max(1, size // len(one))


def deep(size: int) -> bytes:
    one = b"h\1" * 60_000 + b"j"
    return to_x(listed(one, size))


def fragments(size: int) -> bytes:
    count = min(60_000, max(2, size // 22))
    first = frame(
        b"\x83E"
        + struct.pack(">QQ", 7, count)
        + b"\0"
        + encode((6, P.pid(), EMPTY, Atom("x")))
        + b"l"
        + struct.pack(">I", count - 2)
    )
    rest = [frame(b"\x83F" + struct.pack(">QQ", 7, n) + b"j") for n in range(count - 1, 0, -1)]
    return first + b"".join(rest)


def binary(size: int) -> bytes:
    return b"m" + struct.pack(">I", size) + bytes(size)


def headed(size: int) -> bytes:
    """A long message with an atom that the guarded node lacks: only a refused message had it before."""
    sender = Sender(OTP_29)
    refused = sender.bytes(message(Op.REG_SEND, P.pid(), EMPTY, Atom("y"), payload=Atom("rare")))
    small = sender.bytes(message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=(Atom("rare"), Raw(b"j"))))
    return refused + frame(small[4:-1] + binary(size))


def fragmented(size: int) -> bytes:
    sent = message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=Raw(binary(size)))
    return Sender(OTP_29).bytes(sent, fragment=65_000)


def calls(size: int) -> bytes:
    """Calls of a server, as a node writes them: with its atoms in the frame's header, most of them by their number."""
    sender = Sender(OTP_29)
    made = bytearray()
    while len(made) < size:
        asked = (Atom("put"), b"user:12345", [(Atom("name"), b"somebody"), (Atom("age"), 42)])
        payload = (Atom("$gen_call"), (P.pid(), P.ref()), asked)
        made += sender.bytes(message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=payload))
    return bytes(made)


ORDINARY = Input(calls, when("{'$gen_call', from(), {get, _}}", "{'$gen_call', from(), {put, Key, list({atom(), _})}}"))
"""What a server's clients send, under a policy for just that."""

WORST: dict[str, Input] = {
    "eight calls of apply in each other": Input(applied),
    "a call with a large argument": Input(erpc, ("accept call m:f/1", "deny *")),
    "a call through rex": Input(to_rex, ("accept call m:f/1", "deny *")),
    "fifty patterns with variables, one message": Input(
        lambda size: to_x(pair(listed(b"a\1", size // 2), listed(b"a\1", size // 2))),
        when(*numbered("{X, X, #}", 25), "{X, X}", *numbered("{[X, X, #|_], X}", 24)),
    ),
    "a variable that recurs, in two spellings": Input(
        lambda size: to_x(pair(listed(b"a\1", size // 2), b"l\0\0\0\1a\1" + listed(b"a\1", size // 2 - 2))),
        when("{X, X}"),
    ),
    "fifty patterns with variables that recur, one message": Input(
        lambda size: to_x(b"h\3" + listed(b"j", size // 2) + listed(b"j", size // 2) + b"a\1"),
        when(*("{X, X, " + str(i) + "}" for i in range(50, 100))),
    ),
    "a text and something else": Input(
        lambda size: to_x(pair(listed(b"a\1", size), b"j")), when("{string(), k}")
    ),
    "texts in tails": Input(
        lambda size: to_x(pair(b"l\0\0\0\1a\1" * (size // 7) + b"j", b"j")), when("{string(), k}")
    ),
    "a text of short strings": Input(
        lambda size: to_x(pair(b"l\0\0\0\1a\1" * (size // 7) + b"k\0\1a", b"j")), when("{string(), k}")
    ),
    "fifty texts": Input(
        lambda size: to_x(pair(listed(b"a\1", size), b"j")), when(*numbered("{string(), k#}"))
    ),
    "a list of pairs, and fifty patterns for lists": Input(
        lambda size: to_x(listed(pair(b"a\1", b"a\2"), size)[:-1] + b"a\1"), when(*numbered("list({_, 0..#})"))
    ),
    "alternatives in alternatives": Input(
        lambda size: to_x(listed(b"h\2" * 8 + b"j" * 9, size)),
        when("list(one_of(" + ", ".join(numbered("{{{{{{{{_, #}, _}, _}, _}, _}, _}, _}, _}", 60)) + ", _))"),
    ),
    "a map with sixty-four keys that are not there": Input(
        lambda size: to_x(mapped([b"b" + struct.pack(">I", 1000 + i) for i in range(size // 7)])),
        when("#{" + ", ".join(f"k{i} := _" for i in range(64)) + "}"),
    ),
    "many patterns for small messages": Input(
        many(to_x(pair(listed(b"a\1", 20), listed(b"a\1", 20)))), when(*numbered("{[1, 1, 1, 1, X|_], [1, 1, X|#]}"))
    ),
    "many patterns for small lists": Input(
        many(to_x(pair(listed(pair(b"a\1", b"a\2"), 600), b"j"))), when(*numbered("{list({_, 0..#}), k}"))
    ),
    "pids of a thousand other nodes, which a thousand names allow": Input(
        third_pids, third_nodes=[f"n{i}@host{i}.example" for i in range(1000)]
    ),
    "pids of a thousand other nodes, and a thousand globs": Input(
        third_pids, third_nodes=[f"n{i}*@*.other" for i in range(1000)]
    ),
    "new atoms": Input(new_atoms),
    "new funs": Input(funs),
    "pids of the guarded node": Input(of_guard),
    "pids of the guarded node, accepted": Input(of_guard, ("accept reg_send x",)),
    "references of the peer": Input(own_refs),
    "references of the peer, accepted": Input(own_refs, ("accept reg_send x",)),
    "claims of many processes": Input(sixty_thousand_of_guard, ("accept reg_send x",)),
    "many references, compared with fifty patterns": Input(
        sixty_thousand_own, when(*numbered("{list(reference()), k#}"), "{list(reference()), []}")
    ),
    "fifty texts, again and again": Input(
        lambda size: just_below(size, 65_000), when(*numbered("{string(), k#}"))
    ),
    "fifty texts, again and again, in larger messages": Input(
        lambda size: just_below(size, 200_000), when(*numbered("{string(), k#}"))
    ),
    "fifty patterns for lists, again and again": Input(
        many(to_x(pair(listed(pair(b"a\1", b"a\2"), 65_000), b"j"))), when(*numbered("{list({_, 0..#}), k}"))
    ),
    "large fragments": Input(large_fragments),
    "large fragments, accepted": Input(large_fragments, ("accept *",)),
    "large reasons of exits": Input(reasons, ("accept *",)),
    "small tuples": Input(lambda size: to_x(listed(b"h\1j", size))),
    "small maps": Input(lambda size: to_x(listed(b"t\0\0\0\2a\1ja\2j", size))),
    "maps of eight keys": Input(lambda size: to_x(listed(mapped([b"a" + bytes([i]) for i in range(8)]), size))),
    "maps of twenty keys": Input(lambda size: to_x(listed(mapped([b"a" + bytes([i]) for i in range(20)]), size))),
    "large maps with small keys": Input(small_keys),
    "large maps with long keys": Input(lambda size: keyed(size, 496)),
    "small big integers": Input(lambda size: to_x(listed(b"n\4\0\xff\xff\xff\xff", size))),
    "big integers": Input(lambda size: to_x(listed(b"o" + struct.pack(">IB", 4096, 0) + b"\xff" * 4096, size))),
    "deep terms": Input(deep),
    "nils": Input(lambda size: to_x(listed(b"j", size))),
    "native records": Input(lambda size: to_x(listed(b"C\0\0\0\2\0" + b"w\1a" * 2 + b"w\1bw\1c" + b"jj", size))),
    "empty frames": Input(many(bytes(4))),
    "refused monitors": Input(many(plain((19, P.pid(), Atom("x"), P.ref())))),
    "refused links": Input(many(plain((1, P.pid(), G.pid())))),
    "refused spawns": Input(many(plain((29, P.ref(), P.pid(), P.pid(), (Atom("m"), Atom("f"), 0), []), []))),
    "refused messages": Input(many(plain((6, P.pid(), EMPTY, Atom("x")), 1))),
    "refused calls": Input(many(plain((6, P.pid(), EMPTY, Atom("x")), (Atom("$gen_call"), (P.pid(), P.ref()), 1)))),
    "exits that end nothing": Input(many(plain((3, P.pid(), G.pid(), 1)))),
    "fragments of one byte": Input(fragments),
    "fragments of one byte, accepted": Input(fragments, ("accept *",)),
}  # fmt: skip


LONG: dict[str, Input] = {
    "a long binary": Input(lambda size: to_x(binary(size)), ("accept reg_send x",)),
    "a long binary, refused": Input(lambda size: to_x(binary(size))),
    "a long binary behind a new header": Input(headed, ("accept reg_send x", "deny *")),
    "a long binary in fragments": Input(
        fragmented, (f"deny reg_send x when {parse_pattern('k').code.hex()}", "accept reg_send x")
    ),
}  # fmt: skip
"""Messages as long as they may be."""

LONGEST = 126 << 20
"""Nearly as many bytes as a frame may have, or as may wait."""


WAITED: dict[str, Callable[[int], bytes]] = {
    "small tuples, waiting": lambda size: listed(b"h\1j", size),
    "native records, waiting": lambda size: listed(b"C\0\0\0\2\0" + b"w\1a" * 2 + b"w\1bw\1c" + b"jj", size),
    "references of the peer, waiting": lambda size: listed_all(
        [encode(P.ref(i)) for i in range(max(1, size // 40))]
    ),
    "nils, waiting": lambda size: listed(b"j", size),
}  # fmt: skip
"""Messages for a process of the guarded node that distwall does not know, so it asks who that is."""


@dataclass(frozen=True)
class Strangers:
    """Commands that aim at ever-new processes of the guarded node, which is asked who each of them is."""

    command: Callable[[int], Message]
    """The command to the process with that number."""
    dead: bool = False
    """True if there is no such process."""


def message_to(number: int) -> Message:
    return message(Op.SEND_SENDER, P.pid(), G.pid(number), payload=1)


def link_to(number: int) -> Message:
    return message(Op.LINK, P.pid(), G.pid(number))


STRANGERS: dict[str, Strangers] = {
    "messages to ever-new processes": Strangers(message_to),
    "messages to processes that are not there": Strangers(message_to, dead=True),
    "links to ever-new processes": Strangers(link_to),
    "links to processes that are not there": Strangers(link_to, dead=True),
}
"""Each command causes a question."""


FROM_POLICY = [WORST["many patterns for small messages"], WORST["many patterns for small lists"]]
"""Each message is compared with fifty patterns, because the policy has them."""


@dataclass(frozen=True)
class Cost:
    """What one stream costs."""

    seconds: float
    """CPU seconds in all."""
    longest: float
    """CPU seconds of the longest slice."""
    size: int
    """Bytes."""

    @property
    def per_byte(self) -> float:
        """CPU nanoseconds of a byte."""
        return self.seconds * 1e9 / self.size


def cost(given: Input, size: int, rounds: int = 2) -> Cost:
    """Feeds a channel reads as a socket gives them, in slices as the gateway does. The best of some rounds."""
    stream = given.make(size)
    found = [_played(given, stream) for _ in range(rounds)]
    return Cost(min(one.seconds for one in found), min(one.longest for one in found), len(stream))


def waited(make: Callable[[int], bytes], size: int, *, changes: bool, rounds: int = 2) -> Cost:
    """The cost of a message that waits. ``changes``: other rules come before its turn. The best of some rounds."""
    data = frame(b"\x83D\0" + encode((22, P.pid(), G.pid(52))) + make(size))
    found = []
    for _ in range(rounds):
        line = Sliced(CoreChannel("accept send to any", "deny *", flags=OTP_29, release=29))
        line.take(True, data)
        if changes:
            line.channel.set_rules("accept send to any", "deny *")
        line.told()
        line.catch_up()
        assert line.forwarded.endswith(data)
        found.append(Cost(line.seconds, line.longest, len(data)))
    return Cost(min(one.seconds for one in found), min(one.longest for one in found), len(data))


def played_to(strangers: Strangers, size: int, rounds: int = 2) -> Cost:
    """The cost of such commands, and of the questions and answers that they cause. The best of some rounds."""
    sender, commands = Sender(OTP_29), list[bytes]()
    while not commands or len(commands) * len(commands[-1]) < size:
        commands.append(sender.bytes(strangers.command(1 + len(commands))))

    def channel() -> CoreChannel:
        made = CoreChannel("accept send to any", "accept link", "deny *", flags=OTP_29, release=29)
        if strangers.dead:
            dead = Person(dead=True)
            made.office.people = {G.pid(number): dead for number in range(1, 1 + len(commands))}
        return made

    recorded = record(channel, b"".join(commands))
    found = [recorded.play() for _ in range(rounds)]
    for played in found:
        assert sum(played.channel.counts().values()) == len(commands)
    return Cost(min(one.seconds for one in found), min(one.longest for one in found), len(recorded.data))


def changed(size: int, *, inbound: bool, behind: int, rounds: int = 2) -> Cost:
    """The cost of a message in fragments that is held, if other rules come ``behind`` bytes before its end."""
    rules = (f"deny reg_send x when {parse_pattern('k').code.hex()}", "accept reg_send x")
    of_peer, of_guard = (rules, None) if inbound else (("accept *",), rules)
    sent = message(Op.REG_SEND, (P if inbound else G).pid(), EMPTY, Atom("x"), payload=Raw(listed(b"h\1j", size)))
    data = Sender(OTP_29).bytes(sent, fragment=65_000)
    found = []
    for _ in range(rounds):
        made = Sliced(CoreChannel(*of_peer, flags=OTP_29, release=29, out=of_guard))
        made.take(inbound, data[:-behind])
        made.channel.set_rules(*of_peer, out=of_guard)
        made.take(inbound, data[-behind:])
        assert made.channel.counts() == {("inbound" if inbound else "outbound", "reg_send", "accept"): 1}
        found.append(Cost(made.seconds, made.longest, len(data)))
    return Cost(min(one.seconds for one in found), min(one.longest for one in found), len(data))


def ordinary(size: int) -> Cost:
    """What ordinary calls cost."""
    return cost(ORDINARY, size)


USUAL = 3.0
"""Nanoseconds for a byte of ordinary calls on the machine of docs/performance.md."""


def longest_allowed() -> float:
    """Ten milliseconds on that machine; in proportion on a slower one."""
    return 0.01 * max(1, cost(ORDINARY, 4 << 20, rounds=3).per_byte / USUAL)


def _played(given: Input, stream: bytes) -> Cost:
    core = CoreChannel(*given.rules, flags=OTP_29, release=29, third_nodes=given.third_nodes).core
    reads = [stream[start : start + READ] for start in range(0, len(stream), READ)]
    longest = total = 0.0
    for number, read in enumerate(reads):
        start = 0
        while start < len(read) or core.outgoing(inbound=True):
            begun = time.thread_time()
            core.receive(True, read, 1000.0 + number, start)
            took = time.thread_time() - begun
            start, longest, total = core.taken, max(longest, took), total + took
    return Cost(total, longest, len(stream))


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1 << 20
    table = Table("input", "ns a byte", "ratio", "longest slice, ms", box=box.SIMPLE_HEAD)
    for name, given in {"ordinary calls": ORDINARY, **WORST}.items():
        found = cost(given, size)
        ratio = found.per_byte / ordinary(size).per_byte
        table.add_row(name, f"{found.per_byte:.2f}", f"{ratio:.1f}", f"{found.longest * 1000:.1f}")
    for name, given in LONG.items():
        found = cost(given, LONGEST)
        table.add_row(name, f"{found.per_byte:.2f}", "", f"{found.longest * 1000:.1f}")
    found = waited(binary, LONGEST, changes=False)
    table.add_row("a long binary, waiting", f"{found.per_byte:.2f}", "", f"{found.longest * 1000:.1f}")
    for name, strangers in STRANGERS.items():
        found = played_to(strangers, size)
        ratio = found.per_byte / ordinary(size).per_byte
        table.add_row(name, f"{found.per_byte:.2f}", f"{ratio:.1f}", f"{found.longest * 1000:.1f}")
    for name, inbound in (("peer", True), ("guarded node", False)):
        found = changed(LONGEST // 2, inbound=inbound, behind=1000)
        ratio = found.per_byte / ordinary(size).per_byte
        title = f"fragments of the {name}, under new rules"
        table.add_row(title, f"{found.per_byte:.2f}", f"{ratio:.1f}", f"{found.longest * 1000:.1f}")
    for name, make in WAITED.items():
        for note, changes in (("", False), (", under new rules", True)):
            found = waited(make, size, changes=changes)
            ratio = found.per_byte / ordinary(size).per_byte
            table.add_row(name + note, f"{found.per_byte:.2f}", f"{ratio:.1f}", f"{found.longest * 1000:.1f}")
    Console(width=118).print(table)


if __name__ == "__main__":
    main()
