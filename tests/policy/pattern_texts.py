"""Random patterns as rules write them, for Hypothesis."""

from hypothesis import strategies as st

from distwall._core import TYPE_GUARDS
from distwall.policy.language.external_format import compile_pattern
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
    cons,
)

texts = st.text(st.characters(codec="utf-8"), max_size=6)
u32 = st.integers(0, (1 << 32) - 1)


@st.composite
def values(draw: st.DrawFn) -> TermPattern:
    match draw(st.integers(0, 5)):
        case 0:
            return AtomPattern(draw(texts | st.sampled_from(["a", "ok", "fun", "Élan"])))
        case 1:
            return IntegerPattern(draw(st.integers() | st.integers(-(1 << 40), 1 << 40) | st.integers(-300, 300)))
        case 2:
            return FloatPattern(draw(st.floats(allow_nan=False, allow_infinity=False)))
        case 3:
            return BitsPattern(draw(st.binary(max_size=6) | texts.map(str.encode)))
        case 4:
            last, byte = draw(st.integers(1, 7)), draw(st.integers(0, 255))
            return BitsPattern(draw(st.binary(max_size=3)) + bytes([byte >> 8 - last << 8 - last]), last)
        case _:
            return ListPattern(tuple(IntegerPattern(ord(c)) for c in draw(texts)))


@st.composite
def exports(draw: st.DrawFn) -> TermPattern:
    return FunPattern(draw(texts), draw(texts), draw(st.integers(0, 255)))


@st.composite
def holes(draw: st.DrawFn) -> TermPattern:
    match draw(st.integers(0, 6)):
        case 0:
            return WildcardPattern()
        case 1:
            return VariablePattern(draw(st.sampled_from(["X", "Y", "_Z"])))
        case 2:
            return TypePattern(draw(st.sampled_from(TYPE_GUARDS)))
        case 3:
            return PrefixPattern(draw(st.binary(max_size=4)))
        case 4:
            return PidPattern(draw(u32), draw(u32))
        case 5:
            return RangePattern(*sorted((draw(u32), -draw(u32))))
        case _:
            return ReferencePattern(tuple(draw(st.lists(u32, min_size=1, max_size=5))))


@st.composite
def composed(draw: st.DrawFn, leaves: st.SearchStrategy[TermPattern], *, pattern: bool, depth: int = 3) -> TermPattern:
    inner = leaves if depth == 0 else composed(leaves, pattern=pattern, depth=depth - 1)
    several = st.lists(inner, max_size=3).map(tuple)
    match draw(st.integers(0, 3)):
        case 0:
            return draw(leaves)
        case 1:
            return TuplePattern(draw(several))
        case 2:
            return cons(draw(several), draw(inner | st.none()))
        case _:
            names = composed(values() | exports(), pattern=False, depth=0) if pattern else leaves
            pairs = draw(st.lists(st.tuples(names, inner), max_size=3, unique_by=lambda pair: compile_pattern(pair[0])))
            return MapPattern(tuple(pairs), exact=not pattern)


@st.composite
def repeated(draw: st.DrawFn) -> TermPattern:
    """Patterns in parentheses, in which there are no variables."""
    leaves = (values() | exports() | holes()).filter(lambda leaf: not isinstance(leaf, VariablePattern))
    parts = draw(st.lists(composed(leaves, pattern=True, depth=1), min_size=1, max_size=3).map(tuple))
    match draw(st.integers(0, 2)):
        case 0:
            return EachPattern(parts[0], draw(st.none() | st.integers(0, 5)))
        case 1:
            return OneOfPattern(parts)
        case _:
            return PairsPattern(tuple((part, draw(leaves)) for part in parts))


patterns = composed(values() | exports() | holes() | repeated(), pattern=True)
