"""The reference model itself: against vectors that real nodes made, and against itself."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dist import (
    FIELDS,
    FRAGMENT,
    OTP_25,
    PAYLOAD,
    TICK,
    Closed,
    Header,
    Message,
    Op,
    Receiver,
    Sender,
    Style,
    frame,
    message,
    otp_slot,
    pass_through,
    plain,
    split_frames,
)
from tests.support.etf import (
    As,
    Atom,
    BitBinary,
    Export,
    Improper,
    InternalAtom,
    Map,
    Pid,
    Port,
    Raw,
    Record,
    Ref,
    Term,
    Undecodable,
    VmCrash,
    decode,
    encode,
)
from tests.support.raw_peer import digest

NODE = Atom("foo@host")

VECTORS: dict[str, tuple[Term, str]] = {
    # From term_to_binary of OTP 29, without the leading 131.
    "tuple": ((1, 256, -1, 1 << 40), "6804 6101 6200000100 62ffffffff 6e0600000000000001"),
    "float": (1.5, "463ff8000000000000"),
    "atoms": ([Atom("a"), Atom("é"), Atom("日")], "6c00000003 770161 7702c3a9 7703e697a5 6a"),
    "string": ([104, 105], "6b0002 6869"),
    "improper": (Improper((Atom("alias"),), 1), "6c00000001 7705616c696173 6101"),
    "map": (Map(((Atom("k"), []),)), "7400000001 77016b 6a"),
    "bits": (BitBinary(b"\xe0", 3), "4d0000000103e0"),
    "export": (Export(Atom("erlang"), Atom("self"), 0), "71 77066572 6c616e67 770473656c66 6100"),
    "record": (
        Record(Atom("m"), Atom("point"), True, ((Atom("x"), 1), (Atom("y"), [2]))),
        "430000000201 77016d 7705706f696e74 770178 770179 6101 6b000102",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_terms_are_written_as_nodes_write_them(name: str) -> None:
    term, text = VECTORS[name]
    assert encode(term) == bytes.fromhex(text)
    assert decode(bytes.fromhex(text), release=29) == term


def test_a_frame_of_a_real_node_is_read_and_written() -> None:
    """A frame of an OTP 29 node: four new atoms in four segments."""
    data = bytes.fromhex(
        "83 44 04 8c ad 00 64 0b 624031 32372e302e302e34 05 00 d3 03 726578 17 10 66656174757265735f72657175657374"
        "68 04 61 06 58 52 00 0000003b 00000000 6b03a596 52 01 52 02 68 02 58 52 00 0000003b 00000000 6b03a596 52 03"
    )
    receiver = Receiver(OTP_25)
    pid = Pid(Atom("b@127.0.0.4"), 0x3B, 0, 0x6B03A596)
    expected = Message((6, pid, Atom(""), Atom("rex")), (pid, Atom("features_request")))
    assert receiver.feed(frame(data)) == [expected]
    assert (
        receiver.cache == {0x464: "b@127.0.0.4", 0x005: "", 0x5D3: "rex", 0x217: "features_request"}
        or len(receiver.cache) == 4
    )
    assert not receiver.unused


@pytest.mark.parametrize(
    ("challenge", "expected"),
    [
        (12345, "d4047d3e56e6d6d63f7d16b85cd2fa88"),
        (0x2A07F45F, "0db3032c6dc8371a3687c969a727bf2b"),
        (0x07D1A801, "ff33d99bb8483a8f8dbf4742016b0dba"),
    ],
)
def test_digests_are_those_of_real_nodes(challenge: int, expected: str) -> None:
    assert digest(b"secret", challenge).hex() == expected


ATOMS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(Atom)
WORDS = st.integers(0, 2**32 - 1)
LEAVES: st.SearchStrategy[Term] = st.one_of(
    ATOMS,
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=10),
    st.builds(Pid, ATOMS, WORDS, WORDS, WORDS),
    st.builds(Port, ATOMS, st.integers(0, 2**40), WORDS),
    st.builds(Ref, ATOMS, WORDS, st.lists(WORDS, min_size=1, max_size=5).map(tuple)),
    st.builds(Export, ATOMS, ATOMS, st.integers(0, 255)),
    st.builds(BitBinary, st.binary(min_size=1, max_size=3), st.integers(1, 7)),
)
TERMS: st.SearchStrategy[Term] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.builds(Map, st.dictionaries(ATOMS, inner, max_size=3).map(lambda pairs: tuple(pairs.items()))),
        st.builds(Improper, st.lists(inner, min_size=1, max_size=3).map(tuple), ATOMS),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TERMS)
def test_terms_come_back(term: Term) -> None:
    assert decode(encode(term)) == term


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(TERMS, max_size=5), st.sampled_from(["otp", "new", "inline"]), st.integers(10, 200))
def test_messages_come_back(terms: list[Term], style: Style, fragment: int) -> None:
    sender, receiver = Sender(), Receiver()
    sent = [message(Op.SEND_SENDER, Pid(NODE, 1, 0, 1), Pid(Atom("b@h"), 1, 0, 1), payload=term) for term in terms]
    data = sender.bytes(*sent, style=style, fragment=fragment)
    assert receiver.feed(data) == sent
    assert receiver.done()
    assert not receiver.unused
    assert b"".join(split_frames(data)) == data


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_garbage_is_undecodable(data: bytes) -> None:
    with suppress(Undecodable):
        decode(data)


@pytest.mark.parametrize(
    ("term", "meaning"),
    [
        (As(99, 1.5), 1.5),
        (As(100, Atom("é")), Atom("é")),
        (As(115, Atom("é")), Atom("é")),
        (As(105, (1, 2)), (1, 2)),
        (As(98, 5), 5),
        (As(111, 5), 5),
        (As(108, [1, 2]), [1, 2]),
        (As(103, Pid(NODE, 1, 2, 3)), Pid(NODE, 1, 2, 3)),
        (As(101, Ref(NODE, 1, (5,))), Ref(NODE, 1, (5,))),
        (As(114, Ref(NODE, 1, (5, 6))), Ref(NODE, 1, (5, 6))),
        (As(102, Port(NODE, 7, 1)), Port(NODE, 7, 1)),
        (InternalAtom(5), InternalAtom(5)),
        (InternalAtom(70_000), InternalAtom(70_000)),
        (Raw(b"M\0\0\0\1\x08x"), b"x"),
    ],
)
def test_a_vm_takes_old_forms(term: Term, meaning: Term) -> None:
    assert decode(encode(term)) == meaning


@pytest.mark.parametrize(
    "data", [b"", b"P\0", b"u\0", b"y\0", b"F\x7f\xf0" + bytes(6), b"Ra", b"q" * 50, b"t\0\0\0\2a\1ja\1j"]
)
def test_what_a_vm_closes_for_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(data)


def test_what_a_vm_dies_of_is_told_apart() -> None:
    with pytest.raises(VmCrash):
        decode(b"qw\1mw\1f" * 20_000 + b"a\0")
    control = encode((6, Pid(NODE, 1, 0, 1), Atom(""), Atom("x")))
    for sequence, left in ((8, 0), (0, 2), (8, 1 << 28)):
        with pytest.raises(VmCrash):
            Receiver().feed(frame(b"\x83E" + struct.pack(">QQ", sequence, left) + b"\0" + control))


def test_headers_of_odd_and_even_counts_come_back() -> None:
    for count in (0, 1, 2, 3, 4, 254, 255, 256, 300):
        header = Header({}, slot=int)
        payload = encode([Atom(str(number)) for number in range(count)], header.atom)
        body = b"\x83D" + header.encode() + encode((6,)) + payload
        assert len(header.refs) == min(count, 255)
        (got,) = Receiver().feed(frame(body))
        assert got.payload == [Atom(str(number)) for number in range(count)]


def test_atoms_of_one_slot_take_turns() -> None:
    """The second one in a message goes inline; in the next message it takes the slot over."""
    sender, receiver = Sender(slot=lambda _: 7), Receiver()
    both = Message((1, Atom("one"), Atom("two")))
    other = Message((1, Atom("two"), Atom("one")))
    for one in (both, other, both):
        assert receiver.feed(sender.bytes(one)) == [one]
    assert b"w\x03two" in sender.bytes(both)
    assert 0 <= otp_slot(Atom("x")) < 2039


def test_fragments_are_cut_as_otp_does() -> None:
    sent = message(Op.SEND_SENDER, Pid(NODE, 1, 0, 1), Pid(NODE, 2, 0, 1), payload=bytes(200_000))
    frames = Sender().frames(sent)
    assert [one[5:6] for one in frames] == [b"E", b"F", b"F", b"F"]
    assert [int.from_bytes(one[14:22], "big") for one in frames] == [4, 3, 2, 1]
    assert len(frames[1]) == 4 + 18 + FRAGMENT


def test_fragments_have_to_come_in_order() -> None:
    sent = message(Op.SEND_SENDER, Pid(NODE, 1, 0, 1), Pid(NODE, 2, 0, 1), payload=bytes(500))
    frames = Sender().frames(sent, fragment=100)
    with pytest.raises(Closed):
        Receiver().feed(frames[0] + frames[2])
    with pytest.raises(Closed):
        Receiver().feed(frames[0] + frames[0])
    receiver = Receiver()
    assert receiver.feed(frames[0] + TICK + b"".join(frames[1:])) == [sent]
    assert receiver.ticks == 1


def test_forms_are_not_mixed() -> None:
    sent = (6, Pid(NODE, 1, 0, 1), Atom(""), Atom("x"))
    with pytest.raises(Closed):
        Receiver(OTP_25).feed(pass_through(sent, 1))
    assert Receiver(OTP_25).feed(plain(sent, 1)) == [Message(sent, 1)]
    assert set(FIELDS) >= PAYLOAD
