"""Random terms in distwall's own classes, for Hypothesis."""

from hypothesis import strategies as st

from distwall.etf import (
    Atom,
    BitString,
    Export,
    Fun,
    Improper,
    Map,
    Pid,
    Port,
    Record,
    Ref,
    Term,
    encode,
)

atoms = st.text(st.characters(exclude_categories=["Cs"]), max_size=255).map(Atom)
words = st.integers(0, 2**32 - 1)
pids = st.builds(Pid, atoms, words, words, words)
any_leaf = st.one_of(
    st.integers(-(2**600), 2**600),
    st.floats(allow_nan=False, allow_infinity=False),
    atoms,
    st.binary(max_size=300),
    st.builds(BitString, st.binary(min_size=1, max_size=9), st.integers(1, 7)),
    pids,
    st.builds(Port, atoms, st.integers(0, 2**64 - 1), words),
    st.builds(Ref, atoms, words, st.lists(words, min_size=1, max_size=5).map(tuple)),
    st.builds(Export, atoms, atoms, st.integers(0, 255)),
)


@st.composite
def leaf(draw: st.DrawFn) -> Term:
    """One of them. Hypothesis prints its name only; what it is made of would fill pages."""
    return draw(any_leaf)


def composed(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    not_a_list = inner.filter(lambda term: not isinstance(term, list | Improper))
    pairs = st.lists(st.tuples(inner, inner), max_size=4, unique_by=lambda pair: encode(pair[0]))
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.builds(Improper, st.lists(inner, min_size=1, max_size=3).map(tuple), not_a_list),
        pairs.map(lambda items: Map(tuple(items))),
        st.builds(
            Fun,
            st.integers(0, 255),
            st.binary(min_size=16, max_size=16),
            words,
            atoms,
            st.integers(0, 2**31 - 1),
            st.integers(0, 2**31 - 1),
            pids,
            st.lists(inner, max_size=3).map(tuple),
        ),
    )


any_of_otp_25 = st.recursive(leaf(), composed, max_leaves=20)


@st.composite
def of_otp_25(draw: st.DrawFn) -> Term:
    """A term that OTP 25 knows."""
    return draw(any_of_otp_25)


records = st.builds(
    Record,
    atoms,
    atoms,
    st.booleans(),
    st.lists(st.tuples(atoms, of_otp_25()), max_size=3, unique_by=lambda field: field[0]).map(tuple),
)
terms = of_otp_25() | records
