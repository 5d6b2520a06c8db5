"""The codec: what it writes a VM reads, and the other way round; hostile bytes end in DecodeError, soon."""

import base64
import struct
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.etf import (
    MAX_DEPTH,
    MAX_TERMS,
    Atom,
    BitString,
    DecodeError,
    Fun,
    Improper,
    Map,
    Term,
    decode,
    encode,
    text_of,
)
from tests.support.node import Node
from tests.support.scene import Scene
from tests.support.terms import of_otp_25, terms


@settings(deadline=None)
@given(terms)
def test_what_it_writes_it_reads(term: Term) -> None:
    data = encode(term)
    assert decode(b"xx" + data + b"rest", 2) == (term, 2 + len(data))


@settings(deadline=None)
@given(terms, st.data())
def test_cut_or_changed_bytes_are_another_term_or_an_error(term: Term, chosen: st.DataObject) -> None:
    data = bytearray(encode(term))
    with pytest.raises(DecodeError):
        decode(bytes(data[: chosen.draw(st.integers(0, len(data) - 1))]))
    data[chosen.draw(st.integers(0, len(data) - 1))] = chosen.draw(st.integers(0, 255))
    try:
        decode(bytes(data))
    except DecodeError:
        return


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_term_or_an_error(data: bytes) -> None:
    try:
        decode(data)
    except DecodeError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"\x68\x01" * 1_000_000 + b"\x61\x01",  # tuples in tuples
        b"\x71" * 1_000_000,  # exports whose module is an export
        struct.pack(">BI", 108, 2**32 - 1) + b"j" * 1000,
        struct.pack(">BI", 116, 2**32 - 1) + b"j" * 1000,
        struct.pack(">BI", 105, 2**24) + b"j" * (2**24),  # many
        struct.pack(">BIB", 111, 2**20, 0) + b"\xff" * 2**20,  # a big integer
        b"".join(struct.pack(">BI", 108, 1) + b"j" for _ in range(100_000)),  # lists in tails
    ],
)
def test_what_is_made_to_cost_ends_soon(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(DecodeError):
        decode(data)
    assert time.process_time() - start < 2


def test_depth_and_number_of_terms_are_limited() -> None:
    deep = b"\x68\x01" * MAX_DEPTH + b"\x61\x01"
    decode(deep)
    with pytest.raises(DecodeError, match="too deep"):
        decode(b"\x68\x01" + deep)
    decode(encode([0] * (MAX_TERMS - 2)))
    with pytest.raises(DecodeError, match="too many"):
        decode(encode([0] * MAX_TERMS))


def test_atoms_of_a_header_stand_for_themselves() -> None:
    assert decode(b"\x68\x02\x52\x01\x52\x00", atoms=[Atom("b"), Atom("a")]) == ((Atom("a"), Atom("b")), 6)
    with pytest.raises(DecodeError):
        decode(b"\x52\x00")


def test_python_values_are_written_as_terms() -> None:
    def back(term: Term) -> Term:
        return decode(encode(term))[0]

    assert back({Atom("a"): True}) == Map(((Atom("a"), Atom("true")),))
    assert back("ä") == "ä".encode()
    assert type(back(Atom("x"))) is Atom
    for wrong in (None, object(), {1, 2}):
        with pytest.raises(TypeError):
            encode(wrong)
    with pytest.raises(ValueError, match="255"):
        encode(Atom("x" * 256))


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (b"a\xc3\xa4", "aä"),
        (b"\xff", None),
        ([97, 1234], "aӒ"),
        ([], ""),
        ([0xD800], None),
        ([0x110000], None),
        ([97, Atom("b")], None),
        (Atom("a"), None),
        (7, None),
    ],
)
def test_texts_are_read_from_binaries_and_lists(term: Term, text: str | None) -> None:
    assert text_of(term) == text


# === against a VM ===


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Scene(None) as scene:
        yield scene.peer()


@settings(max_examples=200, deadline=None)
@given(of_otp_25())
def test_a_vm_reads_it_and_what_the_vm_writes_is_read(node: Node, term: Term) -> None:
    data = base64.b64encode(b"\x83" + encode(term)).decode()
    written = base64.b64decode(
        node.eval(f'base64:encode_to_string(term_to_binary(binary_to_term(base64:decode("{data}"))))')[1:-1]
    )
    assert normal(decode(written, 1)[0]) == normal(term)


def normal(term: Term) -> Term:
    """The term as all agree on it: maps in one order, unused bits 0."""
    match term:
        case list():
            return [normal(part) for part in term]
        case tuple():
            return tuple(normal(part) for part in term)
        case Improper(elements, tail):
            return Improper(tuple(normal(part) for part in elements), normal(tail))
        case Map(pairs):
            found = [(normal(key), normal(value)) for key, value in pairs]
            return Map(tuple(sorted(found, key=lambda pair: encode(pair[0]))))
        case Fun():
            return Fun(
                term.arity,
                term.uniq,
                term.index,
                term.module,
                term.old_index,
                term.old_uniq,
                term.pid,
                tuple(normal(part) for part in term.free),
            )
        case BitString(data, bits):
            return BitString(data[:-1] + bytes([data[-1] >> (8 - bits) << (8 - bits)]), bits)
        case _:
            return term


@pytest.mark.parametrize(
    "expression",
    [
        *("self()", "make_ref()", "alias()", "hd(erlang:ports())", "fun erlang:apply/3", "fun(X) -> {X, node()} end"),
        *(
            "[a, b | c]",
            "#{a => 1, [] => {}}",
            '"text"',
            "<<1:3>>",
            "1 bsl 1000",
            "'получатель'",
            "[alias | make_ref()]",
        ),
    ],
)
def test_terms_of_a_vm_come_back_as_they_were(node: Node, expression: str) -> None:
    node.eval(f"persistent_term:put(kept, begin {expression} end)")
    data = base64.b64decode(node.eval("base64:encode_to_string(term_to_binary(persistent_term:get(kept)))")[1:-1])
    term, end = decode(data, 1)
    assert end == len(data)
    back = base64.b64encode(b"\x83" + encode(term)).decode()
    assert node.eval(f'binary_to_term(base64:decode("{back}")) =:= persistent_term:get(kept)') == "true"
