"""Atoms, the parts of keys, and globs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall._core import print_atom
from distwall.policy.language.grammar import parse_key
from distwall.policy.language.names import Part, glob_matches, key_text, literal_length

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("text", "printed"),
    [("a_B@9", "a_B@9"), ("Ab", "'Ab'"), ("", "''"), ("end", "'end'"), ("a'\\\n\x00", r"'a\'\\\n\x{0}'"), ("é", "'é'")],
)
def test_atoms_are_printed_as_erlang_does(text: str, printed: str) -> None:
    assert print_atom(text) == printed


@settings(deadline=None)
@given(texts)
def test_what_is_printed_reads_back(text: str) -> None:
    assert parse_key("reg_send", print_atom(text)) == (Part("exact", text),)


@pytest.mark.parametrize("key", ["'123'", "_", "'a b'*", "'end'*", "*", "'Ab'"])
def test_a_key_is_written_as_it_is_read(key: str) -> None:
    assert key_text(parse_key("reg_send", key)) == key
    assert key_text(parse_key("call", f"{key}:{key}/1")) == f"{key}:{key}/1"


def test_every_character_reads_back() -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for start in range(0, len(characters), 250):
        text = "".join(characters[start : start + 250])
        assert parse_key("reg_send", print_atom(text)) == (Part("exact", text),), hex(start)


@pytest.mark.parametrize("c", ["\x1b", "\x7f", "\x9b", "\u202e", "\u2028", "\u200b", "\u2067", "\ufeff", "\xa0"])
def test_nothing_that_a_terminal_obeys_is_printed(c: str) -> None:
    assert print_atom(f"a{c}b") == f"'a\\x{{{ord(c):X}}}b'"


@settings(deadline=None)
@given(st.data())
def test_what_is_covered_is_matched(data: st.DataObject) -> None:
    parts = st.builds(Part, st.sampled_from(["exact", "prefix"]), st.text(st.sampled_from("ab"), max_size=3)) | st.just(
        Part("any")
    )
    one, other, text = data.draw(parts), data.draw(parts), data.draw(st.text(st.sampled_from("ab"), max_size=4))
    if one.covers(other) and other.matches(text):
        assert one.matches(text)


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("foo@*", "foo@host", True),
        ("foo@*", "xfoo@host", False),
        ("*", "a@b", True),
        ("a*b*c", "a-b-b-c", True),
        ("ab*ba", "aba", False),
        ("a.c", "abc", False),
        ("a*", "a\nb", True),
    ],
)
def test_stars_stand_for_anything_and_nothing_else_is_special(glob: str, name: str, matches: bool) -> None:
    assert glob_matches(glob, name) is matches


def test_the_literal_part_of_a_glob_is_measured_without_stars() -> None:
    assert (literal_length("foo@*"), literal_length("*@*"), literal_length("a@b")) == (4, 1, 3)
