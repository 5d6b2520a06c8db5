"""AwaitedProofs that distwall waits for."""

import pytest

from distwall.handshake import AwaitedProofs, State
from distwall.handshake.messages import proof_of
from tests.handshake.play import InPlay, OutPlay, Play

WAITING = [State.NAME, State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF, State.ACK, State.ESTABLISHED]


@pytest.mark.parametrize("kind", [InPlay, OutPlay])
@pytest.mark.parametrize("state", WAITING, ids=lambda state: state.name.lower())
def test_a_handshake_waits_for_one_proof_until_it_is_over(kind: type[Play], state: State) -> None:
    play = kind().reach(state)
    assert len(play.machine._proofs) == (state in (State.PROOF, State.ACK))
    play.machine.refuse("timeout")
    assert len(play.machine._proofs) == 0


def test_proofs_are_told_apart_by_what_they_prove() -> None:
    """A cookie that ends in digits gives the same proof as a shorter one for a larger challenge."""
    proofs = AwaitedProofs()
    proofs.expect(proof_of(b"cookie", 123))
    assert proofs.is_awaited(proof_of(b"cookie1", 23))
    assert not proofs.is_awaited(proof_of(b"cookie", 23))


def test_what_two_wait_for_is_awaited_until_the_second_is_over() -> None:
    proofs = AwaitedProofs()
    for call in (proofs.expect, proofs.expect, proofs.forget):
        call(b"p")
    assert proofs.is_awaited(b"p")
    proofs.forget(b"p")
    assert not proofs.is_awaited(b"p")
