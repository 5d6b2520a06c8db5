"""Large messages that wait for an answer: their turn costs little, and is as fair as if they had not waited."""

from __future__ import annotations

import struct

import pytest

from distwall import _core
from tests.attacks.worst_inputs import listed, listed_all, to_x
from tests.support.core_channel import CoreChannel, core_rules
from tests.support.dist import frame
from tests.support.etf import Atom, Pid, encode
from tests.support.sliced import Sliced

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
TARGET, OTHER = G.pid(52), G.pid(53)
MIB = 1 << 20
RULES = ("accept send", "accept reg_send x", "deny *")
HANDLED = _core.Hooks({"reg_send": ""}, None, False, False, False)
FILLING = listed(b"h\1j", 100_000)

# Slices are for long messages, and by default handlers see short ones only.
LONG_FOR_HANDLERS = {"handled_size": 4 * MIB}


def line(*rules: str, limits: dict[str, int] | None = None, hooks: _core.Hooks | None = None) -> Sliced:
    made = Sliced(CoreChannel(*rules or RULES, limits=limits, hooks=hooks))
    made.take(False, frame(b"\x83D\0" + encode((22, G.pid(1), P.pid())) + encode([TARGET, OTHER])))
    return made


def send(payload: bytes, to: Pid = TARGET) -> bytes:
    return frame(b"\x83D\0" + encode((22, P.pid(), to)) + payload)


def atoms(first: int, count: int) -> bytes:
    return listed_all([FILLING, *(b"w\6" + f"{number:06}".encode() for number in range(first, first + count))])


def test_a_large_message_that_has_waited_is_not_scanned_at_once() -> None:
    """Nor is another one behind it in line. Each has a slice without a scan."""
    made = line()
    one, other = send(listed(b"h\1j", 4 * MIB)), send(listed(b"h\1j", 4 * MIB), OTHER)
    made.take(True, one + other)
    assert made.channel.core.parks()
    assert made.forwarded.count(one) == 0
    made.told()
    assert made.catch_up() <= 2
    made.told()
    assert made.catch_up() <= 2
    assert one in made.forwarded
    assert other in made.forwarded
    assert made.closed is None
    assert made.channel.core.pending() == made.channel.core.held() == 0


def test_what_was_found_counts_as_held() -> None:
    """A message of many references: each of them is noted, and waits as well."""
    made = line()
    data = send(listed_all([encode(P.ref(number)) for number in range(20_000)]))
    made.take(True, data)
    assert made.channel.core.pending() > len(data) + 20_000 * 20
    made.told()
    made.catch_up()
    assert data in made.forwarded
    assert made.channel.core.pending() == 0


@pytest.mark.parametrize("rules", [RULES, ("deny *",)], ids=str)
def test_under_other_rules_it_is_scanned_again_in_slices(rules: tuple[str, ...]) -> None:
    made = line()
    data = send(listed(b"h\1j", 4 * MIB))
    made.take(True, data)
    made.channel.set_rules(*rules)
    made.told()
    assert made.catch_up() >= 16
    assert made.channel.core.held() == 0
    assert (data in made.forwarded, made.reasons) == ((True, []) if len(rules) > 1 else (False, ["rule"]))


def test_rules_may_change_while_it_is_scanned_again() -> None:
    made = line()
    data = send(listed(b"h\1j", 2 * MIB))
    made.take(True, data)
    made.channel.set_rules(*RULES)
    made.told()
    for _ in range(3):
        made.take(True, b"")
    held = made.channel.core.held()
    made.channel.set_rules(*RULES)
    assert made.channel.core.held() <= held
    assert made.catch_up() >= 8
    assert data in made.forwarded


def test_a_scan_of_many_seconds_ends_with_an_answer_of_that_moment() -> None:
    """A name is good for a second. When the scan ends it is asked anew, and the scan is not repeated."""
    made = line()
    data = send(listed(b"h\1j", 2 * MIB))
    made.take(True, data)
    made.channel.set_rules(*RULES)
    made.told()
    assert made.catch_up(seconds=0.5) >= 8
    assert data not in made.forwarded
    made.told()
    assert made.catch_up() <= 1
    assert data in made.forwarded
    assert made.channel.core.pending() == 0


@pytest.mark.parametrize(("start", "reasons"), [(600, ["limit:new_atoms"]), (0, [])], ids=["others", "the same"])
def test_what_is_spent_meanwhile_is_spent_once(start: int, reasons: list[str]) -> None:
    """Each of two messages that wait brings 600 new atoms. There is room for 1000."""
    made = line(limits={"new_atoms": 1000})
    made.take(True, send(atoms(0, 600)) + send(atoms(start, 600), OTHER))
    made.told()
    made.catch_up()
    made.told()
    made.catch_up()
    assert made.reasons == reasons
    assert made.channel.budget.used()[0] == 602, "with the names of both nodes"


def test_waiting_adds_no_atoms() -> None:
    """The judge counts the atoms of the control message, each time that it judges."""
    data = to_x(atoms(0, 300))
    told = []
    for limit in range(298, 310):
        direct, asked = line(limits={"inline_atoms": limit}), line(limits={"inline_atoms": limit}, hooks=HANDLED)
        direct.take(True, data)
        asked.take(True, data)
        asked.answer("accept")
        assert direct.reasons == asked.reasons, limit
        told.append(direct.reasons)
    assert told[0] == ["limit:inline_atoms"]
    assert told[-1] == []


@pytest.mark.parametrize("rules", [RULES, ("accept reg_send x", "deny *")], ids=str)
def test_pids_of_third_nodes_are_remembered(rules: tuple[str, ...]) -> None:
    made = line(*rules, hooks=HANDLED)
    made.take(True, to_x(listed_all([FILLING, encode(T.pid()), FILLING])))
    made.answer("accept")
    assert made.reasons == ["third_node"]


def test_a_changed_message_is_scanned_by_itself() -> None:
    made = line(limits=LONG_FOR_HANDLERS, hooks=HANDLED)
    made.take(True, to_x(FILLING))
    new = listed(b"h\2jj", MIB)
    made.answer("accept", new)
    assert made.catch_up() >= 4
    assert made.forwarded.endswith(new)
    assert made.channel.core.held() == 0


def test_messages_in_fragments_wait_as_well() -> None:
    made = line()
    payload = listed(b"h\1j", 2 * MIB)
    parts = [payload[at : at + 65_536] for at in range(0, len(payload), 65_536)]
    head = b"\x83E" + struct.pack(">QQ", 7, len(parts)) + b"\0" + encode((22, P.pid(), TARGET))
    rest = [b"\x83F" + struct.pack(">QQ", 7, len(parts) - number) + part for number, part in enumerate(parts[1:], 1)]
    made.take(True, b"".join(frame(one) for one in (head + parts[0], *rest)))
    assert payload not in made.forwarded
    made.channel.set_rules(*RULES)
    made.told()
    assert made.catch_up() >= 8
    assert payload in made.forwarded


def test_two_messages_are_scanned_again_one_after_the_other() -> None:
    """Of two senders, whose handlers answer at once: memory for one scan, and both pass."""
    made = line(limits=LONG_FOR_HANDLERS, hooks=HANDLED)
    one = [
        frame(b"\x83D\0" + encode((6, P.pid(sender), Atom(""), Atom("x"))) + listed(b"h\1j", MIB)) for sender in (1, 2)
    ]
    made.take(True, b"".join(one))
    made.channel.core.set_policy(_core.PeerRules(core_rules(*RULES)), hooks=HANDLED)
    made.answer("accept")
    assert made.catch_up() >= 8
    assert all(data in made.forwarded for data in one)
    assert made.channel.core.pending() == made.channel.core.held() == 0
