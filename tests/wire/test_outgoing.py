"""Messages that are too long to be handed out at once: they go out in pieces, and nothing comes between these."""

from __future__ import annotations

import struct

import pytest

from distwall import _core
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Op, frame, message
from tests.support.etf import Atom, encode
from tests.support.sliced import READ, Sliced

P, G = CoreChannel.peer, CoreChannel.guard
MIB = 1 << 20
RULES = ("accept reg_send x", "accept send", "deny *")
BINARY = b"m" + struct.pack(">I", 5 * MIB) + bytes(range(256)) * (5 * MIB // 256)


def of_peer(payload: bytes = BINARY, name: str = "x") -> bytes:
    return frame(b"\x83D\0" + encode((6, P.pid(), EMPTY, Atom(name))) + payload)


def of_guard(payload: bytes = BINARY) -> bytes:
    return frame(b"\x83D\0" + encode((22, G.pid(1), P.pid())) + payload)


def whole(*rules: str, data: bytes, inbound: bool = True) -> Sliced:
    """A channel that was given all of the data, whose end is not handed out so far."""
    made = Sliced(CoreChannel(*rules or RULES, out=("deny monitor", "accept *")))
    core = made.channel.core
    for at in range(0, len(data), READ):
        read, start = data[at : at + READ], 0
        while start < len(read):
            outcome = core.receive(inbound, read, 1000.0, start)
            start = core.taken
            made.forwarded += b"".join(outcome[0])
    assert 0 < len(made.forwarded) < len(data)
    assert core.unfinished
    assert core.due(inbound)
    assert core.outgoing(inbound) == len(data) - len(made.forwarded) == core.pending()
    assert core.held() >= len(data)
    return made


@pytest.mark.parametrize("inbound", [True, False])
def test_it_goes_out_in_pieces(inbound: bool) -> None:
    data = of_peer() if inbound else of_guard()
    made = whole(data=data, inbound=inbound)
    core = made.channel.core
    pieces = [bytes(made.forwarded)]
    while core.unfinished:
        (piece,), back, events, closed = core.receive(inbound, b"", 1000.0, 0)
        assert (back, events, closed) == (None, None, None)
        pieces.append(bytes(piece))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) < MIB
    assert (core.pending(), core.held(), core.due(inbound)) == (0, 0, False)


def test_no_more_bytes_of_its_side_are_taken_meanwhile() -> None:
    """Not even the fault behind it, which ends the channel once it is out."""
    made = whole(data=of_peer())
    core, read, forwarded, closed = made.channel.core, b"\xff" * 100, made.forwarded, None
    while core.outgoing(inbound=True):
        forward, _, _, closed = core.receive(True, read, 1000.0, 0)
        assert (core.taken, closed) == (0, None)
        forwarded += b"".join(forward)
    assert forwarded == of_peer()
    assert core.receive(True, read, 1000.0, 0)[3] is not None


def test_answers_to_the_other_side_wait_behind_it() -> None:
    """The guarded node's own commands go on; what it is answered stands behind the message to it."""
    made = whole(data=of_peer())
    core, sender = made.channel.core, made.channel.from_guard
    refused = sender.bytes(message(Op.MONITOR_P, G.pid(1), Atom("y"), G.ref()))
    forward, back, events, _ = core.receive(False, refused + of_guard(b"a\1"), 1000.0, 0)
    assert (back, len(events or [])) == (None, 1)
    assert of_guard(b"a\1") in b"".join(forward)
    made.take(True, b"")
    assert made.forwarded.startswith(of_peer())
    (answer,) = made.channel.at_guard.feed(bytes(made.forwarded[len(of_peer()) :]))
    assert answer.op is Op.PAYLOAD_MONITOR_P_EXIT


def test_messages_of_distwall_wait_behind_it() -> None:
    made = whole(data=of_guard(), inbound=False)
    core = made.channel.core
    assert core.made_up(encode((22, G.pid(1), P.pid())), b"a\7") is None
    forwarded = made.forwarded
    while core.unfinished:
        forwarded += b"".join(core.receive(False, b"", 1000.0, 0)[0])
    assert forwarded.startswith(of_guard())
    assert forwarded.endswith(b"a\7")
    assert core.made_up(encode((22, G.pid(1), P.pid())), b"a\7") == bytes(forwarded[len(of_guard()) :])


def test_answers_that_let_others_go_on_wait_behind_it() -> None:
    """A message waits for its handler while another one of another sender is handed out."""
    made = Sliced(CoreChannel(*RULES, hooks=_core.Hooks({"send": ""}, None, False, False, False)))
    made.channel.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=[G.pid(52)]))
    asked = frame(b"\x83D\0" + encode((22, P.pid(3), G.pid(52))) + b"a\2")
    made.take(True, asked)
    made.told()
    made.catch_up()
    assert len(made.tickets) == 1
    core, data = made.channel.core, of_peer()
    forwarded = b""
    for at in range(0, len(data), READ):
        forwarded += b"".join(core.receive(True, data[at : at + READ], 1000.0, 0)[0])
        if core.taken < len(data[at : at + READ]):
            break
    while not core.outgoing(inbound=True):
        forwarded += b"".join(core.receive(True, data[at : at + READ], 1000.0, core.taken)[0])
    (ticket,) = made.tickets
    forwarded += b"".join(core.answer(ticket, "accept", None, 1000.0)[0])
    assert core.parks(), "the end of the stream waits behind it, too"
    while core.unfinished:
        forwarded += b"".join(core.receive(True, b"", 1000.0, 0)[0])
    assert forwarded == data + asked
    assert not core.parks()


def test_a_channel_that_ends_keeps_nothing_of_it() -> None:
    made = whole(data=of_peer())
    made.channel.core.shut()
    assert made.channel.core.pending() == made.channel.core.held() < 1000, "the atoms of its caches"
    assert not made.channel.core.unfinished


@pytest.mark.parametrize("waits", [False, True])
def test_its_header_is_made_anew_where_the_receiver_lacks_an_atom(waits: bool) -> None:
    """Atoms that only a refused message had are new to the guarded node."""
    made = Sliced(CoreChannel(*RULES))
    sender = made.channel.from_peer
    made.take(True, sender.bytes(message(Op.REG_SEND, P.pid(), EMPTY, Atom("y"), payload=Atom("rare"))))
    sent = (
        message(Op.SEND_SENDER, P.pid(), G.pid(52), payload=(Atom("rare"), b"mark"))
        if waits
        else message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=(Atom("rare"), b"mark"))
    )
    small = sender.bytes(sent)
    front = small[4 : small.index(b"m\0\0\0\4mark")]
    data = struct.pack(">I", len(front) + len(BINARY)) + front + BINARY
    if waits:
        made.take(False, frame(b"\x83D\0" + encode((22, G.pid(1), P.pid())) + encode([G.pid(52)])))
    made.take(True, data)
    if waits:
        made.told()
        made.catch_up()
    assert made.forwarded.endswith(BINARY)
    assert b"rare" in made.forwarded[-200 - len(BINARY) : -len(BINARY)]
    assert b"rare" not in data[: len(data) - len(BINARY)]
    assert made.channel.core.held() < 1000, "the atoms of its caches"


def test_a_long_message_in_fragments_goes_out_in_pieces() -> None:
    """One that was held until it could be judged: in its own fragments, heads and all."""
    made = Sliced(CoreChannel("deny reg_send x when 020f", "accept reg_send x", "deny *"))
    sent = message(Op.REG_SEND, P.pid(), EMPTY, Atom("x"), payload=BINARY[5:])
    data = made.channel.from_peer.bytes(sent, fragment=60_000)
    core = made.channel.core
    longest = 0
    for at in range(0, len(data), READ):
        read, start = data[at : at + READ], 0
        while start < len(read) or core.outgoing(inbound=True):
            forward = core.receive(True, read, 1000.0, start)[0]
            made.forwarded += b"".join(forward)
            longest, start = max(longest, sum(map(len, forward))), core.taken
    assert made.forwarded.endswith(data)
    assert len(made.forwarded) <= len(data) + 8, "and ticks, while it was held"
    assert longest < MIB
    assert core.held() < 1000, "the atoms of its caches"
