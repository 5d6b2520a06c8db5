"""Limits, budgets and garbage: memory stays bounded, nothing raises, nothing takes long."""

from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distwall import _core
from tests.support.core_channel import GUARD, GUARD_CREATION, PEER, PEER_CREATION, CoreChannel, core_rules
from tests.support.dist import EMPTY, NO_CACHE, OTP_25, OTP_29, PASS_THROUGH, Message, Op, frame, message, plain
from tests.support.etf import Atom, Export, Fun, Map, Raw, Ref, Term, encode
from tests.wire.expect import tell
from tests.wire.mixture import RULES, Mixture

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third


def stopped(channel: CoreChannel, data: bytes | Message) -> str:
    """Why it was refused, or the channel closed."""
    output = channel.inbound(data)
    assert not output.forwarded.strip(b"\0")
    assert output.closed or output.events
    return output.closed or output.reasons[0]


def test_limits_have_defaults_and_names() -> None:
    assert all(value > 0 for value in _core.DEFAULT_LIMITS.values())
    with pytest.raises(ValueError, match="no_such_limit"):
        CoreChannel("accept *", limits={"no_such_limit": 1})


def test_names_of_nodes_are_checked() -> None:
    for name in ("", "foo", "a\n@host", "a\0@host", "x" * 300 + "@host"):
        with pytest.raises(ValueError, match="name"):
            _core.Channel(
                peer=name,
                peer_creation=1,
                guard=GUARD,
                guard_creation=GUARD_CREATION,
                flags=OTP_25,
                policy=_core.PeerRules([]),
                counters=_core.Counters(),
                budget=_core.Budget(),
            )


# === sizes ===


def test_frames_have_a_size() -> None:
    channel = CoreChannel("accept *", limits={"frame_size": 1000})
    small = tell(b"x" * 800)
    assert channel.inbound(small).forward == [small]
    assert "frame_size" in stopped(channel, struct.pack(">I", 1001))


def test_a_long_frame_is_refused_before_it_comes() -> None:
    limit = _core.DEFAULT_LIMITS["frame_size"]
    channel = CoreChannel("accept *")
    assert channel.inbound(struct.pack(">I", limit)).closed is None
    assert CoreChannel("accept *").inbound(struct.pack(">I", limit + 1)).closed


@pytest.mark.parametrize("rules", [("accept *",), ("accept reg_send", "deny *")])
def test_messages_have_a_size(rules: tuple[str, ...]) -> None:
    channel = CoreChannel(*rules, limits={"message_size": 5000})
    fine, long = tell(b"x" * 4000), tell(b"x" * 6000)
    assert [one for each in channel.from_peer.frames(fine, fragment=500) for one in channel.inbound(each).forward] == [
        fine
    ]
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(long, fragment=500)]
    assert any(output.closed or output.events for output in outputs)
    assert not any(output.forward for output in outputs)


def test_open_sequences_are_limited() -> None:
    channel = CoreChannel("accept *", limits={"open_sequences": 10})
    frames = [channel.from_peer.frames(tell(b"x" * 300), fragment=100) for _ in range(11)]
    for number in range(10):
        assert channel.inbound(frames[number][0]).closed is None
    assert "open_sequences" in stopped(channel, frames[10][0])


def test_open_fragments_are_limited() -> None:
    """The receiver allocates for each fragment that is announced."""
    channel = CoreChannel("accept *", limits={"open_fragments": 100})
    e = frame(b"\x83E" + struct.pack(">QQ", 8, 101) + b"\0" + encode(tell(1).control))
    assert stopped(channel, e)


def test_held_bytes_are_limited() -> None:
    channel = CoreChannel("accept reg_send", "deny *", limits={"held_bytes": 10_000})
    for frames in (channel.from_peer.frames(tell(b"x" * 9000), fragment=1000) for _ in range(3)):
        for one in frames[:-1]:
            output = channel.inbound(one)
            assert channel.core.pending() <= 12_000
            if output.closed:
                assert "held_bytes" in output.closed
                return
            if output.events:
                assert output.reasons == ["limit:held_bytes"]
                return
    pytest.fail("holds without end")


def test_pending_is_what_waits() -> None:
    channel = CoreChannel("accept *")
    data = channel.from_peer.bytes(tell(b"x" * 5000))
    channel.inbound(data[:3000])
    assert 2000 <= channel.core.pending() <= 3100
    channel.inbound(data[3000:])
    assert channel.core.pending() == 0


def test_the_depth_of_terms_is_limited() -> None:
    limit = _core.DEFAULT_LIMITS["term_depth"]
    channel = CoreChannel("accept *")
    deep = channel.from_peer.bytes(tell(Raw(b"h\1" * (limit + 10) + b"j")), fragment=1 << 30)
    assert "term_depth" in stopped(channel, deep)
    channel = CoreChannel("accept *", limits={"term_depth": 10})
    fine = tell(Raw(b"h\1" * 8 + b"j"))
    assert channel.inbound(fine).forward
    assert stopped(channel, tell(Raw(b"h\1" * 11 + b"j")))


def test_the_size_of_integers_is_limited() -> None:
    channel = CoreChannel("accept *", limits={"bigint_bytes": 100})
    fine = tell(1 << 799)
    assert channel.inbound(fine).forward == [fine]
    assert "bigint_bytes" in stopped(channel, tell(1 << 900))


# === what stays in a VM for good ===


def test_atoms_of_accepted_messages_are_counted_once() -> None:
    channel = CoreChannel("accept *")
    for style in ("otp", "inline", "new"):
        channel.inbound(tell([Atom("one"), Atom("two")], "name"), style=style)
    first = channel.budget.used()[0]
    assert 3 <= first <= 6
    channel.inbound(tell(Atom("three"), "name"))
    assert channel.budget.used()[0] == first + 1


def test_atoms_of_refused_messages_are_not_counted() -> None:
    channel = CoreChannel("drop *")
    for number in range(100):
        channel.inbound(tell(Atom(f"refused_{number}"), f"name_{number}"))
    assert channel.budget.used() == (0, 0, 0)


@pytest.mark.parametrize("flags", [OTP_25, NO_CACHE, PASS_THROUGH], ids=["cached", "headers", "pass-through"])
@pytest.mark.parametrize("style", ["otp", "inline"])
def test_new_atoms_are_limited_wherever_they_stand(flags: int, style: str) -> None:
    """Atoms in headers, inline, in names of nodes and in fragments: all of them count."""
    budget = _core.Budget()
    limit = 200
    reached = 0
    for round_ in range(5):
        channel = CoreChannel("accept *", flags=flags, limits={"new_atoms": limit}, budget=budget, third_nodes=["*"])
        for number in range(100):
            unique = f"{round_}_{number}"
            term: Term = [Atom(f"a_{unique}"), Ref(Atom(f"n_{unique}@host"), 1, (1, 2, 3))]
            fragment = 40 if number % 2 else 65536
            frames = channel.from_peer.frames(
                tell(term, f"name_{unique}"), style="inline" if style == "inline" else "otp", fragment=fragment
            )
            outputs = [channel.inbound(one) for one in frames]
            reached += sum(len(output.forward) for output in outputs)
            if any(output.closed for output in outputs):
                break
            if any(output.events for output in outputs):
                assert all("limit:new_atoms" in output.reasons for output in outputs if output.events)
        assert len(channel.at_guard.atoms) <= limit + 10
    assert reached <= 70
    assert budget.used()[0] <= limit + 5


def test_known_atoms_still_pass_when_the_budget_is_spent() -> None:
    channel = CoreChannel("accept *", limits={"new_atoms": 20})
    known = tell(Atom("known"))
    assert channel.inbound(known).forward
    for number in range(40):
        if channel.inbound(tell(Atom(f"new_{number}"))).closed:
            return  # the other legal way to end it
    assert channel.inbound(known).forward == [known]


@pytest.mark.parametrize("kind", ["export", "fun"])
def test_new_funs_are_limited(kind: str) -> None:
    channel = CoreChannel("accept *", limits={"new_funs": 50})

    def term(number: int) -> Term:
        if kind == "export":
            return Export(Atom("m"), Atom("f"), number) if number < 256 else Export(Atom(f"m{number}"), Atom("f"), 0)
        return Fun(Atom("m"), 1, number.to_bytes(16, "big"), 1, 1, 1, P.pid())

    passed = 0
    for number in range(200):
        output = channel.inbound(tell(term(number)))
        passed += len(output.forward)
        if output.closed:
            break
    assert 40 <= passed <= 50
    assert channel.budget.used()[1] <= 50


def test_the_budget_is_shared() -> None:
    budget = _core.Budget()
    one, two = (CoreChannel("accept *", budget=budget) for _ in range(2))
    one.inbound(tell(Atom("an_atom"), "name"))
    used = budget.used()
    two.inbound(tell(Atom("an_atom"), "name"))
    assert budget.used() == used


# === tracking and events ===


def test_a_flood_of_monitors_is_bounded() -> None:
    channel = CoreChannel("accept *", limits={"tracked": 100})
    for number in range(300):
        channel.inbound(message(Op.MONITOR_P, P.pid(), Atom("server"), P.ref(number)))
        channel.inbound(message(Op.LINK, P.pid(number), G.pid()))
    assert channel.core.pending() == 0


def test_events_are_folded() -> None:
    channel = CoreChannel("drop *")
    channel.inbound(tell(1, "warm_up"))
    events = [event for _ in range(1000) for event in channel.inbound(tell(1, "flood")).events]
    assert len(events) <= 100
    told = len(events) + sum(event[6] for event in events)
    assert told + channel.core.folded() == 1000
    assert channel.core.folded() == 0
    channel.now += 10
    assert len(channel.inbound(tell(1, "flood")).events) == 1
    assert channel.counts() == {("inbound", "reg_send", "drop"): 1002}


# === garbage ===


def feed(data: bytes, flags: int, rules: tuple[str, ...]) -> None:
    for inbound in (True, False):
        channel = _core.Channel(
            peer=PEER,
            peer_creation=PEER_CREATION,
            guard=GUARD,
            guard_creation=GUARD_CREATION,
            flags=int(flags),
            policy=_core.PeerRules(core_rules(*rules)),
            counters=_core.Counters(),
            budget=_core.Budget(),
        )
        channel.receive(inbound, data, 0.0)
        assert channel.pending() <= len(data)
        channel.receive(inbound, b"", 1.0)


FLAGS = st.sampled_from([OTP_25, OTP_29, NO_CACHE, PASS_THROUGH])
POLICIES = st.sampled_from([("accept *",), ("deny *",), ("accept reg_send", "deny *")])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=400), FLAGS, POLICIES)
@example(b"\0\0\0\1", OTP_25, ("accept *",))
@example(b"", OTP_25, ("accept *",))
def test_garbage_does_no_harm(data: bytes, flags: int, rules: tuple[str, ...]) -> None:
    feed(data, flags, rules)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=80), max_size=6), FLAGS, POLICIES)
def test_garbage_in_frames_does_no_harm(bodies: list[bytes], flags: int, rules: tuple[str, ...]) -> None:
    lead = b"p\x83" if flags == PASS_THROUGH else b"\x83D\0"
    feed(b"".join(frame(lead + body) for body in bodies), flags, rules)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=80), FLAGS, POLICIES)
def test_garbage_for_payload_does_no_harm(payload: bytes, flags: int, rules: tuple[str, ...]) -> None:
    control = encode(tell(1).control)
    body = b"p\x83" + control + b"\x83" if flags == PASS_THROUGH else b"\x83D\0" + control
    feed(frame(body + payload), flags, rules)


@pytest.mark.parametrize("seed", range(150))
def test_damaged_traffic_that_passes_still_decodes(seed: int) -> None:
    """Real-looking traffic with bytes changed, cut out, doubled: what is forwarded still decodes."""
    choose = random.Random(seed)
    flags = (OTP_25, NO_CACHE, PASS_THROUGH)[seed % 3]
    texts = RULES["all but" if seed % 2 else "allowed one by one"]
    mixture = Mixture(CoreChannel(*texts, flags=flags), seed)
    mixture.run(40)
    channel = CoreChannel(*texts, flags=flags)
    for inbound, data in mixture.given:
        damaged = bytearray(data)
        if choose.random() < 0.05:
            at = choose.randrange(len(damaged) + 1)
            match choose.randrange(3):
                case 0:
                    damaged[at : at + 1] = choose.randbytes(1)
                case 1:
                    del damaged[at : at + choose.randrange(1, 5)]
                case _:
                    damaged[at:at] = damaged[at : at + choose.randrange(40)]
        output = (channel.inbound if inbound else channel.outbound)(bytes(damaged))
        if output.closed:
            break


HARD: dict[str, Term] = {
    "deep tuples": Raw(b"h\1" * 60_000 + b"j"),
    "deep lists": Raw(b"l\0\0\0\1" * 60_000 + b"j" * 60_001),
    "deep maps": Raw(b"t\0\0\0\1a\1" * 60_000 + b"j"),
    "maps in keys": Raw(b"t\0\0\0\2" * 20_000 + b"a\1a\2" * 40_000),
    "many maps": [Raw(b"t\0\0\0\2a\1a\1a\2a\1")] * 100_000,
    "many keys": Map(tuple((number, []) for number in range(60_000))),
    "many keys of one prefix": Map(tuple((b"x" * 500 + b"%d" % number, []) for number in range(5000))),
    "many atoms": [Atom(f"atom_{number}") for number in range(50_000)],
    "many funs": [Export(Atom("m"), Atom("f"), number % 256) for number in range(50_000)],
    "many pids": [P.pid(number) for number in range(50_000)],
    "a long string of tags": Raw(b"l\0\4\0\0" + b"j" * 0x40001),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("rules", [("accept *",), ("accept reg_send", "deny *"), ("deny *",)])
def test_hard_terms_take_no_time(name: str, rules: tuple[str, ...]) -> None:
    channel = CoreChannel(*rules, flags=NO_CACHE)
    data = channel.from_peer.bytes(tell(HARD[name]), fragment=1 << 30)
    started = time.process_time()
    channel.core.receive(True, data, 0.0)
    assert time.process_time() - started < 1.0
    channel = CoreChannel(*rules, flags=NO_CACHE)
    started = time.process_time()
    for one in channel.from_peer.frames(tell(HARD[name]), fragment=50):
        if channel.core.receive(True, one, 0.0)[3]:
            break
    assert time.process_time() - started < 5.0


def test_one_byte_at_a_time_takes_no_time() -> None:
    data = plain(tell(1).control, b"x" * 300_000)
    channel = CoreChannel("accept *")
    started = time.process_time()
    for position in range(0, len(data), 10):
        channel.core.receive(True, data[position : position + 10], 0.0)
    assert time.process_time() - started < 2.0
    assert channel.counts() == {("inbound", "reg_send", "accept"): 1}


def test_many_empty_fragments_take_no_time() -> None:
    channel = CoreChannel("accept reg_send", "deny *")
    control = encode((6, P.pid(), EMPTY, Atom("server")))
    data = frame(b"\x83E" + struct.pack(">QQ", 8, 60_000) + b"\0" + control)
    data += b"".join(frame(b"\x83F" + struct.pack(">QQ", 8, left)) for left in range(59_999, 1, -1))
    data += frame(b"\x83F" + struct.pack(">QQ", 8, 1) + b"j")
    started = time.process_time()
    forward = channel.core.receive(True, data, 0.0)[0]
    assert time.process_time() - started < 1.0
    assert len(forward) <= 120_000
    assert channel.core.pending() == 0
    assert T.name not in channel.at_guard.atoms


# === other limits on an open channel ===


def test_other_limits_hold_from_the_next_command_on() -> None:
    channel = CoreChannel("accept *", limits={"new_atoms": 6})
    assert channel.inbound(tell([Atom(f"a{n}") for n in range(3)])).forward
    assert channel.inbound(tell(Atom("b"))).reasons == ["limit:new_atoms"]
    channel.core.set_limits({"new_atoms": 7})
    assert channel.inbound(tell(Atom("b"))).forward
    channel.core.set_limits({"new_atoms": 7, "term_depth": 2}, close_on_limit=True)
    assert channel.inbound(tell([[1]])).forward
    assert channel.inbound(tell(Atom("c"))).closed == "the limit new_atoms is exceeded"
    with pytest.raises(ValueError, match="unknown limit: speed"):
        channel.core.set_limits({"speed": 1})


def test_other_limits_of_tracking_hold_at_once() -> None:
    channel = CoreChannel("accept link", "deny *")
    link = [message(Op.LINK, CoreChannel.peer.pid(n), CoreChannel.guard.pid()) for n in range(5)]
    assert channel.inbound(*link[:3]).forward == link[:3]
    channel.core.set_limits({"tracked": 3})
    assert channel.inbound(link[3]).reasons == ["limit:tracked"]
    channel.core.set_limits(None)
    assert channel.inbound(link[4]).forward == [link[4]]
