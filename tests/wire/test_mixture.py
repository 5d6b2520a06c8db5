"""Random mixes of accepted and refused messages: the accepted ones arrive untouched, of the others nothing remains."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import NO_CACHE, OTP_25, PASS_THROUGH, otp_slot
from tests.support.etf import Atom
from tests.wire.mixture import RULES, Mixture


def crowded(atom: Atom) -> int:
    """So few cache slots that atoms keep pushing each other out."""
    return zlib.crc32(atom.encode()) % 23


@pytest.mark.parametrize("slot", [otp_slot, crowded])
@pytest.mark.parametrize("rules", RULES)
def test_ten_thousand_messages_are_judged_as_the_model_says(rules: str, slot: Callable[[Atom], int]) -> None:
    channel = CoreChannel(*RULES[rules], flags=OTP_25, slot=slot)
    mixture = Mixture(channel, seed=1)
    mixture.run(10_000)
    mixture.check()
    assert len(mixture.peer.refused_atoms) > 2000


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("flags", [OTP_25, NO_CACHE, PASS_THROUGH], ids=["cached", "headers", "pass-through"])
def test_short_mixtures_are_judged_as_the_model_says(flags: int, seed: int) -> None:
    rules = RULES["all but" if seed % 2 else "allowed one by one"]
    mixture = Mixture(CoreChannel(*rules, flags=flags, slot=crowded), seed)
    mixture.run(150)
    mixture.check()
