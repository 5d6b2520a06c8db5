"""Memory of a channel that its peer fills, and the account of it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from distwall import _core
from tests.attacks.worst_inputs import G, P, listed_all, to_x
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_29, frame
from tests.support.etf import Atom, encode

MIB = 1 << 20
LONG = "\U0001d11e" * 248
ATOMS = 255
TO_X, TO_Y = (encode((6, P.pid(), EMPTY, Atom(name))) for name in ("x", "y"))
HANDLED = _core.Hooks({"reg_send": ""}, None, False, False, False)


def header(number: int, count: int = ATOMS) -> bytes:
    """A header with new long atoms, in the next slots."""
    texts = [f"{number:03}{place:04}{LONG}".encode() for place in range(count)]
    slots = [(number * count + place) % 2048 for place in range(count)]
    nibbles = bytearray(count // 2 + 1)
    for place, slot in enumerate(slots):
        nibbles[place // 2] |= (slot >> 8 | 8) << (4 * (place & 1))
    nibbles[count // 2] |= 1 << (4 * (count & 1))
    entries = [
        bytes([slot & 255]) + struct.pack(">H", len(text)) + text for slot, text in zip(slots, texts, strict=True)
    ]
    return bytes([count]) + bytes(nibbles) + b"".join(entries)


def large(number: int, control: bytes = TO_X) -> bytes:
    return frame(b"\x83D" + header(number) + control + b"j")


SIZE = len(header(0))


def channel(*rules: str, hooks: _core.Hooks | None = None, limits: dict[str, int] | None = None) -> CoreChannel:
    return CoreChannel(*rules, flags=OTP_29, release=29, hooks=hooks, limits=limits)


def feed(made: CoreChannel, data: bytes) -> str | None:
    return made.core.receive(True, data, made.now)[3]


def test_atoms_of_commands_that_wait_are_held() -> None:
    """The cache has others at their places soon, so nothing else keeps them."""
    made = channel("accept reg_send x", hooks=HANDLED)
    for number in range(20):
        feed(made, large(number))
    assert 20 * SIZE < made.core.pending() < 30 * SIZE
    assert made.core.held() >= made.core.pending()


def test_commands_that_wait_find_room_for_their_atoms() -> None:
    made = channel("accept reg_send x", hooks=HANDLED, limits={"held_bytes": 10 * SIZE})
    refused = [event[5] for number in range(20) for event in made.core.receive(True, large(number), made.now)[2] or ()]
    assert set(refused) == {"limit:held_bytes"}
    assert len(refused) >= 10
    assert made.core.pending() <= 10 * SIZE


def test_a_command_that_waits_takes_more_than_its_bytes() -> None:
    made = channel("accept reg_send x", hooks=HANDLED)
    feed(made, to_x(b"j") * 1000)
    assert made.core.pending() > 1000 * 150


@pytest.mark.parametrize("rules", [("deny *",), ("accept reg_send x", "deny *")], ids=str)
def test_the_caches_of_atoms_are_held(rules: tuple[str, ...]) -> None:
    made = channel(*rules)
    for number in range(8):
        feed(made, large(number))
    assert 8 * SIZE < made.core.held() < 9 * SIZE, "once, where both caches have the same"
    assert made.core.pending() == 0
    before = made.core.held()
    for number in range(100, 108):
        feed(made, large(number, TO_Y))
    twice = 2 if len(rules) > 1 else 1
    assert twice * before * 0.95 < made.core.held() < twice * before * 1.05
    made.core.shut()
    assert made.core.held() == 0


def test_a_refused_message_in_fragments_keeps_no_atoms() -> None:
    made = channel("deny *", limits={"reg_send_per_second": 1})
    feed(made, to_x(b"j"))
    for number in range(30):
        head = b"\x83E" + struct.pack(">QQ", number + 1, 60) + header(number) + TO_X + b"l\0\0\0\1"
        assert feed(made, frame(head)) is None
    assert made.core.pending() < SIZE


def test_names_of_monitors_are_held() -> None:
    made = channel("accept monitor", "deny *")
    name = Atom(LONG)
    for number in range(1000):
        feed(made, frame(b"\x83D\0" + encode((19, P.pid(), name, P.ref(number)))))
    held = made.core.held()
    assert held >= 1000 * len(LONG.encode())
    for number in range(1000):
        feed(made, frame(b"\x83D\0" + encode((20, P.pid(), name, P.ref(number)))))
    assert made.core.held() == held, "an ended monitor is known for a minute"
    made.now += 61
    for number in range(1000, 1002):
        feed(made, frame(b"\x83D\0" + encode((19, P.pid(), name, P.ref(number)))))
        feed(made, frame(b"\x83D\0" + encode((20, P.pid(), name, P.ref(number)))))
    assert made.core.held() < 10 * len(LONG.encode())


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_what_was_found_in_large_messages_is_given_back() -> None:
    """Twenty channels, each with a few messages that were refused long ago. Each had kept eight megabytes for them."""
    lists = [
        [encode(P.pid(number)) for number in range(65_536)],
        [encode(P.ref(number)) for number in range(65_536)],
        [encode(G.pid(number)) for number in range(65_536)],
        [encode(G.ref(number)) for number in range(65_536)],
        [b"w\6" + f"{number:06}".encode() for number in range(90_000)],
    ]
    messages = [to_x(listed_all(each)) for each in lists]
    made = [channel("deny *") for _ in range(21)]
    for each in messages:
        feed(made[0], each)
    before = resident()
    for one in made[1:]:
        for each in messages:
            feed(one, each)
    assert resident() - before < 20 * 2 * MIB


def spawns(first: int, count: int) -> bytes:
    """Requests of the peer, each with a reference of its own."""
    mfa, sent = (Atom("m"), Atom("f"), 0), (range(first, first + count))
    return b"".join(frame(b"\x83D\0" + encode((29, P.ref(n), P.pid(), P.pid(), mfa, [])) + b"j") for n in sent)


def monitors(first: int, count: int) -> bytes:
    """Monitors of the peer."""
    sent = range(first, first + count)
    return b"".join(frame(b"\x83D\0" + encode((19, P.pid(), Atom("x"), P.ref(n)))) for n in sent)


def test_tables_of_an_entry_have_one_bound() -> None:
    """Beyond it, they forget their oldest entries for new ones; nothing is closed."""
    most = MIB
    held = _core.Held(1 << 40, lambda: None, most_tables=most)
    made = [CoreChannel("accept *", flags=OTP_29, release=29, held=held) for _ in range(8)]
    for one in made:
        for first in range(0, 8000, 500):
            assert feed(one, spawns(first, 500)) is None
    # A table that grows doubles.
    assert most < held.tables() < 3 * most
    refused = made[-1].core.receive(True, monitors(0, 1000), made[-1].now)[2]
    assert {event.reason for event in refused or []} == {"limit:tracked"}
    assert made[-1].core.receive(True, spawns(9000, 500), made[-1].now)[0]
    # What a channel had is there for others when it is gone.
    del made[:-1], one
    assert held.tables() < most
    assert feed(made[0], b"") is None
    assert not made[0].core.receive(True, monitors(2000, 1000), made[0].now)[2]


def of_guard(first: int, count: int) -> bytes:
    """Monitors of the guarded node."""
    sent = range(first, first + count)
    return b"".join(frame(b"\x83D\0" + encode((19, G.pid(), P.pid(n), G.ref(n)))) for n in sent)


def test_what_the_guarded_node_asks_has_one_bound_for_an_entry_and_is_not_forgotten() -> None:
    """A peer can have the guarded node ask. Beyond the bound, room has to be made by closing a channel."""
    calls: list[None] = []
    held = _core.Held(1 << 40, lambda: calls.append(None), most_lasting=MIB)
    made = [CoreChannel("accept *", flags=OTP_29, release=29, held=held) for _ in range(4)]
    for one in made:
        one.core.receive(False, of_guard(0, 2500), one.now)
    assert sum(one.core.lasting() for one in made) == held.lasting() > MIB
    assert held.is_overfull()
    assert calls
    assert held.tables() < MIB, "the peers have filled none"
    ended = b"".join(frame(b"\x83D\0" + encode((21, P.pid(n), G.pid(), G.ref(n), Atom("x")))) for n in range(2500))
    assert not made[0].core.receive(True, ended, made[0].now)[2], "an end of a monitor that is not known is refused"
    made[0].core.shut()
    made[1].core.shut()
    assert held.lasting() < MIB
    assert not held.is_overfull()


def test_a_full_table_takes_no_more_than_its_entries_need() -> None:
    """It had twice as much, for the one entry that comes before the oldest one goes."""
    held = _core.Held(1 << 40, lambda: None)
    made = CoreChannel("accept *", flags=OTP_29, release=29, held=held, limits={"tracked": 16_384})
    made.core.receive(False, of_guard(0, 16_384), made.now)
    full = held.lasting()
    made.core.receive(False, of_guard(20_000, 20_000), made.now)
    assert held.lasting() < 1.2 * full
    assert full < 16_384 * 150


def test_questions_of_peers_to_otps_own_servers_count_with_it() -> None:
    """Their references are not forgotten for want of memory, so that no answer shows a process of OTP's."""
    held = _core.Held(1 << 40, lambda: None)
    made = CoreChannel("accept *", flags=OTP_29, release=29, held=held)
    before = held.lasting()
    asked = [(Atom("$gen_call"), (P.pid(), P.ref(n)), (Atom("is_auth"), Atom("x"))) for n in range(5000)]
    to = encode((6, P.pid(), EMPTY, Atom("net_kernel")))
    assert feed(made, b"".join(frame(b"\x83D\0" + to + encode(one)) for one in asked)) is None
    assert held.lasting() > before + 5000 * 40
