"""What stays in a guarded node for good, after a few seconds of peers that never say the same twice."""

from tests.attacks.soak import GUARD_ATOMS, soak


def test_the_atom_table_and_memory_are_bounded() -> None:
    measured = soak(seconds=8, seed=1)
    assert measured.messages > 300
    # Peers came up to the limit: what is measured is not nothing.
    assert measured.atoms > GUARD_ATOMS / 2
