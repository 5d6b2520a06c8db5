"""Patterns on terms: the core agrees with the reference matcher and with Erlang, however a term is spelled."""

from __future__ import annotations

import random
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall import _core
from tests.support import dist
from tests.support import pattern as model
from tests.support.core_channel import GUARD, PEER, CoreChannel
from tests.support.etf import As, Atom, BitBinary, Export, Fun, Improper, Map, Raw, Record, Term, alias, encode
from tests.support.pattern import (
    Any,
    Each,
    ErlangClause,
    GuardPid,
    GuardRef,
    Is,
    Keys,
    Lit,
    OneOf,
    Pairs,
    Pattern,
    Range,
    Seq,
    Starts,
    Var,
    compiled,
)

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
A, B = Atom("a"), Atom("b")
FUN = Fun(Atom("m"), 1, bytes(16), 3, 3, 99, P.pid(), (1, A))


def core(pattern: Pattern, data: bytes, outbound: bool = False) -> bool:
    return _core.Pattern(compiled(pattern)).matches(data, peer=PEER, guard=GUARD, outbound=outbound)


def spelled(term: Term, dice: random.Random) -> Term:
    """The same value in other ways that the core takes: maps in another order, lists in parts, integers as big ones."""
    match term:
        case Atom() | bytes():
            return term
        case int() if 1 << 24 <= abs(term) < 1 << 31 and dice.random() < 0.5:
            return As(110, term)
        case tuple():
            return tuple(spelled(item, dice) for item in term)
        case list():
            return parts([spelled(item, dice) for item in term], term, [], dice)
        case Improper(elements, tail):
            return parts([spelled(item, dice) for item in elements], elements, spelled(tail, dice), dice)
        case Map(pairs):
            return Map(tuple((spelled(k, dice), spelled(v, dice)) for k, v in dice.sample(pairs, len(pairs))))
        case Fun():
            free = tuple(spelled(item, dice) for item in term.free)
            return Fun(term.module, term.arity, term.uniq, term.index, term.old_index, term.old_uniq, G.pid(), free)
        case _:
            return term


def parts(items: list[Term], originals: object, tail: Term, dice: random.Random) -> Term:
    if not items:
        return dice.choice([[], Raw(b"k\0\0")]) if tail == [] else tail
    cut = dice.randint(0, len(items))
    if tail == [] and all(type(item) is int and 0 <= item < 256 for item in items[cut:]):
        tail, items = list(items[cut:]), items[:cut]
    elif 0 < cut < len(items):
        tail, items = Improper(tuple(items[cut:]), tail), items[:cut]
    return Improper(tuple(items), tail) if items else tail


ATOMS = st.sampled_from([A, B, Atom("true"), Atom(""), Atom("alias"), Atom("ж" * 130), Atom(PEER), Atom(GUARD)])
INTEGERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([255, 256, -1, 2**24, -(2**24), 2**31 - 1, 2**31, -(2**31), 2**56, 2**63, -(2**63), 2**80]),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: str(value) != "-0.0")
WHOLE: list[Term] = [
    *(P.pid(), P.pid(101), G.pid(), T.pid(), P.ref(), P.ref(1, 1), G.ref(), G.alias(), P.port(), FUN),
    *((P.pid(), alias(P.alias())), (P.pid(), alias(G.alias())), (P.pid(), Improper((alias(P.ref()),), P.ref(2)))),
    *((P.pid(), (P.ref(), A)), (P.pid(), P.ref()), (G.pid(), G.ref()), Export(Atom("m"), Atom("f"), 2)),
    *(Record(Atom("m"), Atom("r"), True, ((A, 1),)), 2**3000),
]


@st.composite
def scalars(draw: st.DrawFn) -> Term:
    """What can be written into a pattern."""
    return draw(st.one_of(ATOMS, INTEGERS, FLOATS, st.binary(max_size=4), st.just(BitBinary(b"a\xf0", 4))))


@st.composite
def leaves(draw: st.DrawFn) -> Term:
    return draw(st.one_of(scalars(), st.sampled_from(WHOLE)))


def terms(inmost: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    def containers(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        lists = st.lists(inner, max_size=4)
        proper = lists.filter(bool)
        # The reference's idea of equal keys, or a term would have one twice.
        maps = st.lists(st.tuples(inner, inner), max_size=4, unique_by=lambda pair: model.normal(pair[0]))
        return st.one_of(
            lists,
            lists.map(tuple),
            st.tuples(proper, scalars()).map(lambda both: Improper(tuple(both[0]), both[1])),
            maps.map(lambda pairs: Map(tuple(pairs))),
        )

    return st.recursive(inmost, containers, max_leaves=12)


TERMS = terms(leaves())
WRITABLE = terms(scalars())


NOT_ERLANG = ("string", "from", "node", "peer_pid", "record", "format", "brief", "text")
# `message()` is judged by what OTP obeys: see test_messages_to_users_are_no_requests. `pg_scope()` is judged by what
# a scope knows: see test_pg_scopes.py.
MODELLED = [guard for guard in model.GUARDS if guard not in ("message", "pg_scope")]


@st.composite
def derived(draw: st.DrawFn, term: Term, writable: bool = False) -> Pattern:
    """A pattern that might well match the term."""

    def inner(part: Term) -> Pattern:
        return draw(derived(part, writable))

    guards = [g for g in MODELLED if not writable or g not in NOT_ERLANG]
    choice = draw(st.integers(0, 11))
    if choice == 0:
        return Any()
    if choice <= 2:
        return Var(draw(st.integers(0, 3)))
    if choice == 3:
        return Is(draw(st.sampled_from(guards)))
    if choice == 4:
        fitting = [guard for guard in guards if model.matches(Is(guard), term, PEER, GUARD)]
        return Is(draw(st.sampled_from(fitting))) if fitting else Any()
    if choice == 5:
        return Lit(draw(scalars()))
    match term:
        case Atom() | int() | float() | BitBinary():
            return Lit(term)
        case bytes():
            return Starts(term[: draw(st.integers(0, 4))]) if draw(st.booleans()) else Lit(term)
        case tuple():
            return tuple(inner(part) for part in term)
        case list() | Improper():
            elements, tail = (term, []) if isinstance(term, list) else (list(term.elements), term.tail)
            count = draw(st.integers(0, len(elements)))
            rest = Improper(tuple(elements[count:]), tail) if elements[count:] else tail
            behind = Lit([]) if model.normal(rest) == ("list", (), None) else draw(st.sampled_from([Any(), Var(0)]))
            return Seq(tuple(inner(part) for part in elements[:count]), behind)
        case Map(pairs):
            some = [pair for pair in pairs if plain(pair[0]) and draw(st.booleans())]
            return Keys(tuple((Lit(key), inner(value)) for key, value in some))
        case _:
            return draw(st.sampled_from([Any(), GuardPid(100, 0), GuardRef(G.ref().words), Is("peer_pid")]))


def plain(term: Term) -> bool:
    """Whether it can be a literal."""
    try:
        model.expression(term)
    except TypeError:
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(st.data(), TERMS, st.booleans(), st.integers(0, 1 << 30))
def test_the_core_agrees_with_the_reference(data: st.DataObject, term: Term, outbound: bool, seed: int) -> None:
    pattern = data.draw(derived(term))
    expected = model.matches(pattern, term, GUARD if outbound else PEER, GUARD)
    dice = random.Random(seed)
    assert core(pattern, encode(term), outbound) == expected
    assert core(pattern, encode(spelled(term, dice)), outbound) == expected


@settings(max_examples=300, deadline=None)
@given(TERMS, TERMS, st.integers(0, 1 << 30))
def test_variables_compare_by_value(one: Term, other: Term, seed: int) -> None:
    dice = random.Random(seed)
    twice = (Var(0), Var(0))
    assert core(twice, encode((spelled(one, dice), spelled(one, dice))))
    assert core(twice, encode((one, other))) == (model.normal(one) == model.normal(other))
    assert core((Seq((Any(),), Var(5)), Var(5)), encode(([A, one], spelled([one], dice))))
    assert core((Seq((Any(),), Var(5)), Var(5)), encode((Improper((A,), one), spelled(one, dice))))


@settings(max_examples=300, deadline=None)
@given(WRITABLE, st.integers(0, 1 << 30))
def test_a_literal_matches_itself_however_spelled(term: Term, seed: int) -> None:
    dice = random.Random(seed)
    assert core(Lit(term), encode(spelled(term, dice)))
    assert core(Keys(((Lit(term), Is("pid")),)), encode(Map(((G.pid(), 1), (spelled(term, dice), P.pid())))))


@st.composite
def closed(draw: st.DrawFn, term: Term) -> Pattern:
    """A pattern without variables, of the kinds that describe all parts of a term, which might well match it."""
    if draw(st.integers(0, 4)) == 0:
        others = draw(st.lists(st.sampled_from([Is("atom"), Lit(A), Range(-3, 3), Each(Is("integer"))]), max_size=2))
        return OneOf((*others, draw(closed(term))))
    match term:
        case int():
            return draw(st.sampled_from([Is("integer"), Range(-3, 3), Range(-(2**63), 2**63 - 1)]))
        case tuple():
            return tuple(draw(closed(part)) for part in term)
        case list():
            kinds = [draw(closed(part)) for part in term[:3]]
            most = draw(st.sampled_from([None, len(term), len(term) + 1, max(0, len(term) - 1)]))
            return Each(OneOf(tuple(kinds)) if kinds else Any(), most)
        case Map(pairs):
            found = [(draw(closed(key)), draw(closed(value))) for key, value in pairs]
            return Pairs(tuple(draw(st.permutations(found))))
        case _:
            return draw(st.sampled_from([Any(), Is("atom"), Is("binary"), Is("float"), Is("format"), Is("brief")]))


@settings(max_examples=400, deadline=None)
@given(st.data(), TERMS, TERMS, st.integers(0, 1 << 30))
def test_patterns_for_all_parts_of_a_term_agree(data: st.DataObject, term: Term, other: Term, seed: int) -> None:
    pattern = data.draw(closed(term))
    dice = random.Random(seed)
    for each in (term, other, [term, other], Improper((term,), other if not isinstance(other, list) else A)):
        for asked in (pattern, Each(pattern), (pattern, Any())):
            assert core(asked, encode(spelled(each, dice))) == model.matches(asked, each, PEER, GUARD)


FORMATS = st.text(st.sampled_from("~~~~*.-0159tlkKpcsn#x a€"), max_size=9) | st.sampled_from(["~4096c", "~4000c~97c"])


@settings(max_examples=600, deadline=None)
@given(FORMATS)
def test_formats_agree(text: str) -> None:
    for spelling in ([ord(c) for c in text], text.encode()):
        assert core(Is("format"), encode(spelling)) == model.matches(Is("format"), spelling, PEER, GUARD)


def nested(levels: int, wrap: Callable[[Term], Term]) -> Term:
    term: Term = A
    for _ in range(levels):
        term = wrap(term)
    return term


@pytest.mark.parametrize("wrap", [lambda t: (t,), lambda t: [t], lambda t: Map(((A, t),)), lambda t: Improper((t,), A)])
def test_brief_terms_have_32_levels(wrap: Callable[[Term], Term]) -> None:
    assert core(Is("brief"), encode(nested(32, wrap)))
    assert not core(Is("brief"), encode(nested(33, wrap)))
    # Levels that were left don't count.
    assert core(Is("brief"), encode((nested(31, wrap), nested(31, wrap))))
    assert not core(Is("brief"), encode((A, nested(31, wrap), [nested(31, wrap)])))


def test_the_tail_of_a_list_is_no_level() -> None:
    def chain(count: int) -> bytes:
        return b"l\0\0\0\1a\1" * count + b"j"

    assert core(Is("brief"), chain(1000))
    assert not core(Is("brief"), b"h\1" * 32 + chain(2))


def test_brief_terms_have_64_kib() -> None:
    assert core(Is("brief"), encode(b"x" * (65536 - 5)))
    assert not core(Is("brief"), encode(b"x" * (65536 - 4)))
    assert not core(Is("brief"), encode([b"x" * (65536 - 15)] * 2))


HALF = b"x" * (32768 - 5)


@pytest.mark.parametrize("kind", ["brief", "text", "format"])
def test_all_that_is_cheap_to_print_has_64_kib_together(kind: str) -> None:
    each = Each(Is(kind))
    assert core(each, encode([HALF] * 2))
    assert not core(each, encode([HALF, HALF + b"x"]))
    assert not core((Is(kind), Is("brief")), encode((HALF, HALF + b"x")))
    assert core(Each(Is("binary")), encode([HALF + b"x"] * 2))
    # What is tried in vain costs nothing.
    assert core((OneOf(((Is(kind), Is("atom")), (Is(kind), Is("integer")))), Is(kind)), encode(((HALF, 1), HALF)))
    pairs = Pairs((((Is(kind), Is("atom")), Any()), (Any(), Is(kind))))
    assert core(pairs, encode(Map((((HALF, 1), HALF), (A, HALF)))))


def test_text_is_a_binary_or_a_list_of_characters() -> None:
    assert core(Is("text"), encode(b"\xff"))
    assert core(Is("text"), encode([]))
    assert core(Is("text"), encode([104, 0x10FFFF]))
    assert core(Is("text"), encode([1] * (65536 - 3)))
    assert not core(Is("text"), encode([1] * 65536))
    assert not core(Is("text"), encode([A]))
    assert not core(Is("text"), encode(Improper((104,), b"i")))
    assert not core(Is("text"), encode(A))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ((A, 1), True),
        (A, True),
        (Map(((A, (Atom("system"), 1)),)), True),
        ((Atom("$gen_cast"), (A, 1)), True),
        ((Atom("$gen_call"), (P.pid(), P.ref()), (A, 1)), True),
        ((Atom("$gen_call"), (G.pid(), P.ref()), (A, 1)), False),
        ((Atom("$gen_call"), (P.pid(), P.ref()), (Atom("start_child"), 1)), False),
        ((Atom("system"), (P.pid(), P.ref()), Atom("get_state")), False),
        ((Atom("EXIT"), P.pid(), A), False),
        ((Atom("io_request"), P.pid(), P.ref(), A), False),
        ((A, P.ref(), (Atom("add_handler"), A, A)), False),
        ((Atom("DOWN"), P.ref(), Atom("process"), P.pid(), A), False),
    ],
)
def test_messages_to_users_are_no_requests(message: Term, expected: bool) -> None:
    """Also inside of another message."""
    asked = Is("message")
    for pattern, term in ((asked, message), ((Lit(Atom("to")), asked, Any()), (Atom("to"), message, A))):
        channel = CoreChannel(f"accept reg_send box when {compiled(pattern).hex()}", "accept otp_internal", "deny *")
        sent = dist.message(dist.Op.REG_SEND, P.pid(), dist.EMPTY, Atom("box"), payload=term)
        assert bool(channel.inbound(sent).forward) == expected or pattern == asked


@pytest.mark.parametrize(
    "number", [0, 2**31, 2**55, 2**56, 2**57 + 1, 2**63 - 1, 2**63, 2**64, -(2**56), -(2**63), -(2**63) - 1]
)
def test_ranges_reach_to_64_bits(number: int) -> None:
    for low, high in [(-(2**63), 2**63 - 1), (0, 2**57), (-(2**57), 0), (2**57, 2**62)]:
        assert core(Range(low, high), encode(number)) == (low <= number <= high)


def test_formats_print_no_more_than_they_say() -> None:
    """Everything that the guard takes is a format to Erlang, and prints little more than its arguments."""
    texts: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(FORMATS.filter(lambda text: core(Is("format"), encode(text.encode("latin-1", "replace")))))
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    lines = []
    for text in texts:
        quoted = "<<" + ",".join(map(str, text.encode("latin-1", "replace"))) + ">>"
        lines.append(
            f"lists:all(fun(N) -> try iolist_size(unicode:characters_to_binary(io_lib:format({quoted},"
            " lists:duplicate(N, 7)))) < 9000 catch error:_ -> true end end, lists:seq(0, 9))."
        )
    assert len(set(lines)) > 30
    assert set(answers(lines)) == {"true"}


PROGRAM = """
Eval = fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text), {ok, Parsed} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Parsed, []), Value end,
Loop = fun Loop() -> case io:get_line("") of
    eof -> halt();
    Line -> io:format("~p~n", [try Eval(string:trim(Line)) catch C:R -> {C, R} end]), Loop() end end,
Loop().
"""


def erlang(cases: list[tuple[Pattern, Term]]) -> list[bool]:
    """What a real node says, in one run."""
    lines = []
    for pattern, term in cases:
        data = ",".join(map(str, b"\x83" + encode(term)))
        lines.append(f"case binary_to_term(<<{data}>>) of {ErlangClause(pattern).clause} -> true; _ -> false end.")
    found = answers(lines)
    for answer, line in zip(found, lines, strict=True):
        assert answer in ("true", "false"), f"{line}: {answer}"
    return [answer == "true" for answer in found]


def answers(lines: list[str]) -> list[str]:
    """The values of expressions on a real node, in one run."""
    text = "".join(line + "\n" for line in lines)
    run = subprocess.run(
        ["erl", "-noshell", "+fnu", "-eval", f"io:setopts([{{encoding, unicode}}]), {PROGRAM}"],
        input=text.encode(),
        capture_output=True,
        timeout=300,
        check=True,
    )
    found = run.stdout.decode().split("\n")[:-1]
    assert len(found) == len(lines)
    return found


def test_erlang_agrees() -> None:
    cases: list[tuple[Pattern, Term]] = []

    @settings(max_examples=600, deadline=None, database=None, derandomize=True)
    @given(st.data(), WRITABLE)
    def collect(data: st.DataObject, term: Term) -> None:
        cases.append((data.draw(derived(term, writable=True)), term))

    collect()
    found = erlang(cases)
    assert 100 < sum(found) < len(cases) - 50
    for (pattern, term), answer in zip(cases, found, strict=True):
        assert core(pattern, encode(term)) == answer, (pattern, term)


GEN_CALL = (Lit(Atom("$gen_call")), Is("from"), (Lit(Atom("add")), Is("integer")))


@pytest.mark.parametrize(
    ("who", "tag", "asked", "expected"),
    [
        (P.pid(), alias(P.alias()), (Atom("add"), 1), True),
        (P.pid(), P.ref(), (Atom("add"), 2**80), True),
        (P.pid(), alias(P.alias()), (Atom("add"), 1.0), False),
        (P.pid(), alias(P.alias()), (Atom("add"), 1, 1), False),
        (P.pid(), alias(G.alias()), (Atom("add"), 1), False),
        (P.pid(), Improper((alias(G.ref()),), P.ref()), (Atom("add"), 1), False),
        (P.pid(), A, (Atom("add"), 1), False),
        (G.pid(), alias(P.alias()), (Atom("add"), 1), False),
        (T.pid(), T.ref(), (Atom("add"), 1), False),
    ],
)
def test_the_pattern_of_a_gen_call_wants_its_sender(who: Term, tag: Term, asked: Term, expected: bool) -> None:
    assert core(GEN_CALL, encode((Atom("$gen_call"), (who, tag), asked))) == expected


def test_processes_of_the_guarded_node_can_be_named() -> None:
    for one, other in (
        (GuardPid(100, 0), G.pid),
        (GuardRef(G.ref().words), G.ref),
        (GuardRef(G.alias().words), G.alias),
    ):
        assert core(one, encode(other()))
        assert not core(one, encode(other(2)))
    assert not core(GuardPid(100, 0), encode(P.pid()))
    assert not core(GuardRef(P.ref().words), encode(P.ref()))
    assert core(Keys(((GuardPid(100, 0), Lit(A)),)), encode(Map(((P.pid(), B), (G.pid(), A)))))


BAD = {
    "nothing": b"",
    "two patterns": b"\0\0",
    "unknown code": b"\x0f",
    "unknown guard": bytes([2, len(model.GUARDS)]),
    "variable in a list": compiled(Each(Var(0))),
    "variable in an alternative": compiled(OneOf((Any(), (Lit(A), Var(0))))),
    "variable in a pair": compiled(Pairs(((Any(), Each(Var(1))),))),
    "65 levels of lists": b"\x0a" * 65 + b"\0",
    "range cut short": compiled(Range(1, 2))[:-1],
    "number of elements cut short": compiled(Each(Any(), 1))[:3],
    "endless alternatives": struct.pack(">BI", 11, 0xFFFFFFFF),
    "variable 64": bytes([1, 64]),
    "65 levels": b"\3\0\0\0\1" * 65 + b"\0",
    "65 levels of a literal": compiled(Lit(model.nested([A] * 66))),
    "more than 64 KiB": compiled((Any(),) * (64 << 10)),
    "endless tuple": struct.pack(">BI", 3, 0xFFFFFFFF),
    "tuple cut short": compiled((Any(), Any()))[:-1],
    "literal cut short": struct.pack(">BI", 6, 10) + encode(A),
    "literal with something behind it": struct.pack(">BI", 6, 4) + encode(1) * 2,
    "literal of a pid": struct.pack(">BI", 6, len(encode(P.pid()))) + encode(P.pid()),
    "literal of a string": struct.pack(">BI", 6, len(encode([1]))) + encode([1]),
    "key with a variable": compiled(Keys((((Var(0),), Any()),))),
    "65 keys": compiled(Keys(tuple((Lit(n), Any()) for n in range(65)))),
    "reference of six words": compiled(GuardRef((1,) * 6)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_patterns_are_errors(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        _core.Pattern(BAD[name])


def test_what_is_no_term_is_an_error() -> None:
    for data in (b"", encode(A)[:-1], encode(A) * 2, b"\xff"):
        with pytest.raises(ValueError, match="term"):
            core(Any(), data)


def test_the_limits_are_reached() -> None:
    assert core(model.nested([Any()] * 65), encode(model.nested([A] * 65)))
    assert core(Keys(tuple((Lit(n), Any()) for n in range(64))), encode(Map(tuple((n, n) for n in range(100)))))
    assert core(tuple(Var(n) for n in range(64)), encode((A,) * 64))


TAILS = b"l\0\0\0\1a\1"
MAPS = b"t\0\0\0\2a\1a\2a\2" * 60_000
NUMBERS = 500_000
CLOSE = 50_000
HOSTILE: dict[str, tuple[Pattern, bytes]] = {
    "lists in tails": (Seq((Any(),) * 5000, Is("string")), TAILS * 60_000 + b"j"),
    "lists in tails, twice": ((Var(0), Var(0)), b"h\2" + TAILS * 60_000 + b"j" + TAILS * 59_999 + b"k\0\1\1"),
    "maps in maps, twice": ((Var(0), Var(0)), b"h\2" + MAPS + b"a\1" + MAPS + b"b\0\0\1\0"),
    "one large term and many small ones": (
        (Var(0),) * 1001,
        struct.pack(">BI", 105, 1001) + TAILS * 60_000 + b"j" + b"a\1" * 1000,
    ),
    "many keys": (
        Keys(((Lit(7), Any()),)),
        struct.pack(">BI", 116, NUMBERS) + b"".join(struct.pack(">BI", 98, 1000 + n) + b"j" for n in range(NUMBERS)),
    ),
    "many keys that are nearly right": (
        Keys(tuple((Lit((A, (A, (A, n)))), Any()) for n in range(64))),
        struct.pack(">BI", 116, CLOSE) + b"".join(encode((A, (A, (A, 100 + n)))) + b"j" for n in range(CLOSE)),
    ),
}
"""What would cost its square if anything were looked at twice."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_terms_cost_no_more_than_their_size(name: str) -> None:
    pattern, data = HOSTILE[name]
    begun = time.process_time()
    # Where they cost too much for a message, the comparison is given up.
    with suppress(ValueError):
        core(pattern, data)
    assert time.process_time() - begun < 3
