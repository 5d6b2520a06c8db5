"""The core against the reference judge, over random policies and sessions.

``DISTWALL_EXAMPLES`` plays so many new sessions instead of the ones that are always the same. A failure names its seed;
``DISTWALL_SEED`` plays it again.
"""

import os
from random import Random, SystemRandom

import pytest

from tests.reference.comparison import difference, reduced, story
from tests.reference.sessions import session

DEEP = os.environ.get("DISTWALL_EXAMPLES")
AGAIN = os.environ.get("DISTWALL_SEED")
EXAMPLES = 1 if AGAIN else int(DEEP or 3000)
FIRST = int(AGAIN or (SystemRandom().randrange(1 << 40) if DEEP else 0))
PARTS = 1 if AGAIN else 8
LENGTH = 30


def play(seed: int) -> None:
    made = session(Random(seed), LENGTH)
    if difference(made):
        pytest.fail(f"DISTWALL_SEED={seed}\n{story(reduced(made))}", pytrace=False)


@pytest.mark.timeout(0 if DEEP else 120)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_core_judges_sessions_as_the_reference_does(part: int) -> None:
    for seed in range(FIRST + part, FIRST + EXAMPLES, PARTS):
        play(seed)
