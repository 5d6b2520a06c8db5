"""What stays in a guarded node for good, after a few seconds of peers that never say the same twice."""

from tests.attacks.soak import GUARD_ATOMS, soak


def test_the_atom_table_and_memory_are_bounded() -> None:
    measured = soak(seconds=8, seed=1)
    assert measured.messages > 300
    # Peers came up to the limit, and what they sent arrived in part: what is refused for another limit counts as well.
    assert measured.atoms > GUARD_ATOMS / 4
