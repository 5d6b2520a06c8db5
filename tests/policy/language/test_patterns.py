"""Patterns: what is read, what it compiles to, and where an error points."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall import _core
from distwall._core import MAX_PATTERN_DEPTH, MAX_PATTERN_VARIABLES
from distwall.policy.language.cursor import RuleSyntaxError
from distwall.policy.language.external_format import compile_pattern, external
from distwall.policy.language.patterns import parse_pattern, parse_term
from distwall.policy.language.term_patterns import (
    AtomPattern,
    BitsPattern,
    EachPattern,
    FloatPattern,
    FunPattern,
    IntegerPattern,
    ListPattern,
    MapPattern,
    OneOfPattern,
    PairsPattern,
    PidPattern,
    PrefixPattern,
    RangePattern,
    ReferencePattern,
    TermPattern,
    TuplePattern,
    TypePattern,
    VariablePattern,
    WildcardPattern,
)
from tests.policy.erlang import ErlangReader, erlang_reader
from tests.policy.pattern_texts import composed, patterns, values
from tests.support import pattern as model
from tests.support.etf import decode, encode

PEER, GUARDED = "foo@h", "bar@h"
X, Y = VariablePattern("X"), VariablePattern("Y")
A, B = AtomPattern("a"), AtomPattern("b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_", WildcardPattern()),
        ("  a ", AtomPattern("a")),
        ("'a b\\x{e9}'", AtomPattern("a bé")),
        ("X", X),
        ("_X@1", VariablePattern("_X@1")),
        ("Ünder", VariablePattern("Ünder")),
        ("12", IntegerPattern(12)),
        ("-1..16#ff", RangePattern(-1, 255)),
        ("list({_, pid()})", EachPattern(TuplePattern((WildcardPattern(), TypePattern("pid"))))),
        ("list(_, 8)", EachPattern(WildcardPattern(), 8)),
        ("one_of( a ,list(2..3))", OneOfPattern((AtomPattern("a"), EachPattern(RangePattern(2, 3))))),
        (
            "map(a => _,_=>b)",
            PairsPattern(((AtomPattern("a"), WildcardPattern()), (WildcardPattern(), AtomPattern("b")))),
        ),
        ("list()", TypePattern("list")),
        ("1_000", IntegerPattern(1000)),
        ("16#fF", IntegerPattern(255)),
        ("2#1_01", IntegerPattern(5)),
        ("36#Z", IntegerPattern(35)),
        ("- 5", IntegerPattern(-5)),
        ("-16#10", IntegerPattern(-16)),
        ("$a", IntegerPattern(97)),
        ("$\\n", IntegerPattern(10)),
        ("$\\x{1F600}", IntegerPattern(0x1F600)),
        ("$ ", IntegerPattern(32)),
        ("123456789012345678901234567890", IntegerPattern(123456789012345678901234567890)),
        ("1.5", FloatPattern(1.5)),
        ("-1.0e-3", FloatPattern(-0.001)),
        ("-0.0", FloatPattern(-0.0)),
        ("{}", TuplePattern(())),
        ("{a,{b , X}}", TuplePattern((AtomPattern("a"), TuplePattern((AtomPattern("b"), X))))),
        ("[]", ListPattern(())),
        ("[a|X]", ListPattern((AtomPattern("a"),), X)),
        ("[a|[b,c]]", ListPattern((AtomPattern("a"), AtomPattern("b"), AtomPattern("c")))),
        ("[a|[b|_]]", ListPattern((AtomPattern("a"), AtomPattern("b")), WildcardPattern())),
        ("[a|b]", ListPattern((AtomPattern("a"),), AtomPattern("b"))),
        ('"ab"', ListPattern((IntegerPattern(97), IntegerPattern(98)))),
        ('""', ListPattern(())),
        ('"a" "b"', ListPattern((IntegerPattern(97), IntegerPattern(98)))),
        ('[$a|"b"]', ListPattern((IntegerPattern(97), IntegerPattern(98)))),
        ('"\\"\\x{20AC}"', ListPattern((IntegerPattern(34), IntegerPattern(0x20AC)))),
        ("<<>>", BitsPattern(b"")),
        ("<<1,2>>", BitsPattern(b"\1\2")),
        ('<<"abc">>', BitsPattern(b"abc")),
        ('<<"é">>', BitsPattern(b"\xe9")),
        ('<<"é"/utf8>>', BitsPattern("é".encode())),
        ('<<1, "b", $c>>', BitsPattern(b"\1bc")),
        ("<<-1>>", BitsPattern(b"\xff")),
        ("<<16#1234:16>>", BitsPattern(b"\x12\x34")),
        ("<<1:1, 0:2>>", BitsPattern(b"\x80", 3)),
        ("<<8364/utf8>>", BitsPattern("€".encode())),
        ('~"é"', BitsPattern("é".encode())),
        ('<<"abc", _/binary>>', PrefixPattern(b"abc")),
        ("<<1,_/bytes>>", PrefixPattern(b"\1")),
        ("<<_/binary>>", PrefixPattern(b"")),
        ("#{}", MapPattern((), exact=False)),
        ("#{a := X, 1 := _}", MapPattern(((AtomPattern("a"), X), (IntegerPattern(1), WildcardPattern())), exact=False)),
        (
            "#{#{k => 1} := v}",
            MapPattern(
                ((MapPattern(((AtomPattern("k"), IntegerPattern(1)),), exact=True), AtomPattern("v")),), exact=False
            ),
        ),
        ("<0.12.3>", PidPattern(12, 3)),
        ("#Ref<0.3.2.1>", ReferencePattern((1, 2, 3))),
        ("fun m:f/1", FunPattern("m", "f", 1)),
        ("fun 'M':'f g'/255", FunPattern("M", "f g", 255)),
        ("integer()", TypePattern("integer")),
        ("integer( )", TypePattern("integer")),
        ("{'integer', integer}", TuplePattern((AtomPattern("integer"), AtomPattern("integer")))),
        ("{'$gen_call', from(), {is_auth, node()}}", None),
    ],
)
def test_patterns_are_read(text: str, expected: TermPattern | None) -> None:
    term = parse_pattern(text).term
    assert expected is None or term == expected
    assert parse_pattern(str(term)).term == term


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("", 0, "the term ends here"),
        ("{a", 0, "`{` without `}`"),
        ("{a b}", 3, "`b` is not possible here; go on with `,` or `}`"),
        ("{a,}", 3, "`}` does not begin a term"),
        ("[a|b", 0, "`[` without `]`"),
        ("[a|b,c]", 4, "end the list"),
        ("[|a]", 1, "`|` does not begin a term"),
        ("a b", 2, "`b` after the end of the term"),
        ("{a, % no\n}", 8, "a line end"),
        ("{a, % no }", 4, "a comment"),
        ("# no", 0, "a comment"),
        ("#rec{}", 0, "a comment"),
        ("X = {a}", 2, "`=` after the end"),
        ("if", 0, "reserved word"),
        ("'a", 0, "a quoted atom without"),
        ('"a', 0, "a string without"),
        ('"""a"""', 0, "triple-quoted"),
        ("~b", 0, "a sigil"),
        ("'\\xZ'", 1, "an escape"),
        ("$", 0, "no character after `$`"),
        ("-a", 0, "no number after `-`"),
        ("1#1", 0, "`1#1` is not a number"),
        ("37#1", 0, "is not a number"),
        ("8#9", 0, "`8#9` is not a number"),
        ("1" * 3000, 0, "is not a number"),
        ("1.0e400", 0, "too large"),
        ("intger()", 0, "no type guard `intger()`; did you mean `integer`?"),
        ("xyz()", 0, "no type guard `xyz()`; there are integer(), float()"),
        ("integer(X)", 8, "no `)` after `integer(`"),
        ("list(X)", 5, "the variable `X` inside list(...); write `_`"),
        ("{X, map(a => {b, Y})}", 17, "the variable `Y` inside map(...)"),
        ("one_of(a, list(Z))", 15, "the variable `Z` inside list(...)"),
        ("list(a, b)", 0, "2 patterns in `list(...)`"),
        ("list(a, -1)", 0, "2 patterns in `list(...)`"),
        ("list(a, 1, 2)", 0, "3 patterns in `list(...)`"),
        ("list(a", 0, "`list(` without `)`"),
        ("map(a)", 5, "no `=>` after a key"),
        ("one_of()", 0, "no type guard `one_of()`"),
        ("integer(1)", 8, "no `)` after `integer(`"),
        ("1..", 3, "no number after `-`"),
        ("1..2.0", 0, "a range without a last number"),
        ("3..2", 0, "a range without a last number"),
        ("0..9223372036854775808", 0, "a range beyond 64 bits"),
        ("#{a => 1}", 4, "`=>` in a map; patterns have `:=`"),
        ("#{a}", 3, "no `:=` after a key"),
        ("#{X := 1}", 2, "`X` in the key of a map"),
        ("#{_ := 1}", 2, "`_` in the key of a map"),
        ("#{integer() := 1}", 2, "`integer()` in the key of a map"),
        ("#{a := 1, a := 2}", 10, "the key `a` twice"),
        ("#{a := 1", 0, "`#{` without `}`"),
        ("#{#{k := 1} := v}", 6, "`:=` in a map; terms and keys have `=>`"),
        ("#{#{k => <0.1.0>} := v}", 0, "a part that differs"),
        ("<1.12.3>", 0, "does not belong to the guarded node; use pid() or peer_pid()"),
        ("#Ref<7.1.2.3>", 0, "use reference()"),
        ("<0.1>", 0, "neither a process nor a binary"),
        ("<0.99999999999.0>", 0, "more than 32 bits"),
        ("#Ref<0>", 0, "not a reference"),
        ("fun (X) -> X end", 4, "a fun that is not fun M:F/A"),
        ("fun m:f", 4, "a fun that is not"),
        ("fun m:f/256", 8, "an arity of 256"),
        ("<<a>>", 2, "neither a byte nor a string"),
        ("<<300>>", 2, "300 does not fit into 8 bits"),
        ("<<1.5>>", 2, "a float in a binary"),
        ("<<1:0>>", 5, "a size"),
        ("<<1/float>>", 3, "`/float` here in a binary"),
        ('<<"a"/binary>>', 5, "`/binary` here in a binary"),
        ('<<"€">>', 2, "a character of more than a byte"),
        ("<<16#D800/utf8>>", 2, "55296 is not a character"),
        ("<<X>>", 2, "`X` in a binary; end with `_/binary`"),
        ("<<_>>", 2, "`_` in a binary"),
        ("<<_/binary, 1>>", 10, "text after the rest"),
        ("<<1:3, _/binary>>", 0, "a rest behind part of a byte"),
        ("<<1", 0, "`<<` without `>>`"),
        ("{" * 100, MAX_PATTERN_DEPTH, "more than 64 levels"),
        (f"{{{', '.join(f'V{i}' for i in range(65))}}}", 0, "more than 64 variables"),
        (f"#{{{', '.join(f'{i} := _' for i in range(65))}}}", 0, "a map of 65 keys in a pattern"),
        (f"<<0:256{', 0:256' * 2100}>>", 0, "more than 64 KiB"),
    ],
)
def test_what_is_no_pattern_is_pointed_at(text: str, index: int, words: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_pattern(text)
    assert words in str(caught.value)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [("_", 0, "`_` in a term"), ("{X}", 1, "`X` in a term"), ("#{a := 1}", 4, "terms and keys have `=>`")],
)
def test_terms_have_no_holes(text: str, index: int, words: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_term(text)
    assert words in str(caught.value)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("_", "00"),
        ("{X, Y, X}", "03 00000003 0100 0101 0100"),
        ("from()", "02 0f"),
        ("record()", "02 12"),
        ("{a, _}", "03 00000002 06 00000003 770161 00"),
        ("{a, 1}", "06 00000007 6802 770161 6101"),
        ("[1 | _]", "04 00000001 06 00000002 6101 00"),
        ("[X]", "04 00000001 0100 06 00000001 6a"),
        ("[1]", "06 00000008 6c 00000001 6101 6a"),
        ("#{b := _, 1 := X}", "05 00000002 06 00000002 6101 0100 06 00000003 770162 00"),
        ('<<"ab", _/binary>>', "07 00000002 6162"),
        ("<0.3.0>", "08 00000003 00000000"),
        ("#Ref<0.3.2.1>", "09 03 00000001 00000002 00000003"),
        ("256", "06 00000005 62 00000100"),
        ("-2147483649", "06 00000007 6e 04 01 01000080"),
        ("1.0", "06 00000009 46 3ff0000000000000"),
        ("<<1:3>>", "06 00000007 4d 00000001 03 20"),
    ],
)
def test_patterns_become_code_for_the_core(text: str, code: str) -> None:
    assert parse_pattern(text).code == bytes.fromhex(code)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{X, X, Y}", "{A, A, B}"),
        ("#{a := X, b := Y}", "#{b := Q, a := P}"),
        ('"ab"', "[97 | [98]]"),
        ("<<97>>", '<<"a">>'),
        ("{16#a, 'b'}", "{10,b}"),
    ],
)
def test_what_means_the_same_is_equal(one: str, other: str) -> None:
    assert parse_pattern(one) == parse_pattern(other)
    assert parse_pattern("{X, Y, X}") != parse_pattern("{X, X, Y}")


ground = composed(values(), pattern=False)


@settings(deadline=None)
@given(patterns)
def test_what_is_printed_is_read_again(term: TermPattern) -> None:
    assert parse_pattern(str(term)).term == term


@settings(deadline=None)
@given(ground)
def test_terms_that_are_printed_are_read_again(term: TermPattern) -> None:
    assert parse_term(str(term)) == term


@settings(deadline=None)
@given(patterns)
def test_the_core_takes_what_is_compiled(term: TermPattern) -> None:
    _core.Pattern(compile_pattern(term))


@settings(deadline=None)
@given(st.text(st.sampled_from("{}[]<>|,#:=_/ abXY01\"'$\\.-~()funRef"), max_size=24))
def test_no_text_does_more_than_fail(text: str) -> None:
    try:
        made = parse_pattern(text)
    except RuleSyntaxError as error:
        index = error.index
    else:
        assert parse_pattern(str(made)) == made
        return
    assert 0 <= index <= len(text)


@pytest.fixture(scope="module")
def erl() -> Iterator[ErlangReader]:
    with erlang_reader() as running:
        yield running


def _canonical(data: bytes) -> bytes:
    """What Erlang wrote, in the one form that the core takes."""
    return encode(model.canonical(decode(data)))


@settings(deadline=None)
@given(ground)
def test_terms_mean_what_they_mean_to_erlang(erl: ErlangReader, term: TermPattern) -> None:
    theirs = erl.external(str(term))
    assert theirs is not None
    assert external(term, (PEER, GUARDED)) == _canonical(theirs)


@pytest.mark.parametrize(
    "text",
    [
        *("16#ff", "$c", "$\\n", "$\\^a", "$\\101", "1_0", "- 5", "-16#a", "-$a", "36#zZ", "1.5e-3", "1_0.2_5"),
        *('"abc" "def"', '""', "[1|[2|[3]]]", '[a|"b"]', '"\\x{1F600}\\d\\e\\s\\v\\b\\f\\0"', "'\\'\\\"'", "''"),
        *('<<"é"/utf8>>', '<<"é">>', "<<1:3,2:5>>", "<<-1>>", "<<1:1>>", "<<16#123456:24>>", '<<$a, "bc">>'),
        *("#{a => 1, 1 => b, #{} => []}", "{}", "[]", "<<>>", "#{}", "ünïcode", "a@b_C", "fun erlang:halt/0"),
        *("<<8364/utf8>>", "<<97,98/utf8>>", "{a,[b|c]}"),
    ],
)
def test_spellings_mean_what_they_mean_to_erlang(erl: ErlangReader, text: str) -> None:
    theirs = erl.external(text)
    assert theirs is not None
    assert external(parse_term(text), (PEER, GUARDED)) == _canonical(theirs)


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("{}[]<>|,#=> ab01\"'$\\.-e_"), min_size=1, max_size=12))
def test_what_erlang_does_not_take_is_no_term(erl: ErlangReader, text: str) -> None:
    try:
        term = parse_term(text)
    except RuleSyntaxError:
        return
    assert erl.external(text) is not None, term


@settings(deadline=None)
@given(ground)
def test_a_term_matches_itself(term: TermPattern) -> None:
    data = external(term, (PEER, GUARDED))
    code = compile_pattern(term)
    assert _core.Pattern(code).matches(data, peer=PEER, guard=GUARDED)


@pytest.mark.parametrize(
    ("pattern", "term", "matches"),
    [
        (
            "{'$gen_call', from(), {is_auth, node()}}",
            "{'$gen_call', {<1.5.0>, #Ref<1.1.2.3>}, {is_auth, 'foo@h'}}",
            True,
        ),
        (
            "{'$gen_call', from(), {is_auth, node()}}",
            "{'$gen_call', {<0.5.0>, #Ref<1.1.2.3>}, {is_auth, 'foo@h'}}",
            False,
        ),
        (
            "{'$gen_call', from(), {is_auth, node()}}",
            "{'$gen_call', {<1.5.0>, #Ref<1.1.2.3>}, {is_auth, 'bar@h'}}",
            False,
        ),
        ("{X, X}", '{[1,2], "\\1\\2"}', True),
        ("{X, X}", "{1, 2}", False),
        ("{add, integer()}", "{add, 3}", True),
        ("{add, integer()}", "{add, 3.0}", False),
        ("#{k := atom()}", "#{k => a, l => 2}", True),
        ("#{#{k => 1} := v}", "#{#{k => 1} => v}", True),
        ("#{#{k => 1} := v}", "#{#{k => 1, l => 2} => v}", False),
        ('<<"GET ", _/binary>>', '<<"GET /">>', True),
        ("<0.5.1>", "<0.5.1>", True),
        ("<0.5.1>", "<3.5.1>", False),
        ("#Ref<0.3.2.1>", "#Ref<0.3.2.1>", True),
        ("[a | _]", "[a]", True),
        ("[a, _]", "[a]", False),
        ("{fun m:f/1}", "{fun m:f/1}", True),
        ("{fun m:f/1}", "{fun m:f/2}", False),
        ("{fun m:f/1}", "{fun m:g/1}", False),
        ("{fun m:f/1}", "{fun l:f/1}", False),
        ("{fun m:f/1}", "{m}", False),
    ],
)
def test_patterns_match_what_they_say(pattern: str, term: str, matches: bool) -> None:
    data = external(parse_term(term), (PEER, GUARDED))
    assert _core.Pattern(parse_pattern(pattern).code).matches(data, peer=PEER, guard=GUARDED) is matches


def test_the_core_takes_as_many_variables_as_a_rule_may_have() -> None:
    names = ", ".join(f"V{i}" for i in range(MAX_PATTERN_VARIABLES))
    _core.Pattern(parse_pattern(f"[{names}, V63]").code)
