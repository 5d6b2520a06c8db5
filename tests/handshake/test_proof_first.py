"""A peer that has to prove its cookie before the guarded node hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distwall._core import DistFlag
from distwall.handshake import HandshakeEvent, Proved, Rejected, State, messages
from tests.handshake.play import (
    GUARD,
    GUARD_CREATION,
    HIDDEN,
    OF_ACCEPTOR,
    OF_INITIATOR,
    TO_ACCEPTOR,
    TO_INITIATOR,
    VISIBLE_29,
    Entry,
    InPlay,
    ack,
    challenge,
    framed,
    parsed_challenge,
    parsed_name,
    proof,
    send_name,
    status,
)

KNOWN = messages.Challenge(VISIBLE_29, 1, GUARD_CREATION, GUARD)


class First(InPlay):
    """The machine is told to ask for the proof first, and dials when it has it."""

    pending = True

    def _note(self, events: list[HandshakeEvent[Entry]]) -> None:
        self.events += events
        if self.machine.state is State.ADMISSION:
            self.machine.prove_first(KNOWN, lambda: self.pending)
        elif any(isinstance(event, Proved) for event in events):
            self.machine.dialled()
        self.collect()


def named() -> First:
    play = First(guard=GUARD)
    play.peer(send_name())
    return play


def proved() -> First:
    play = named()
    play.peer(proof())
    return play


def test_the_guarded_node_hears_of_the_peer_after_its_proof() -> None:
    play = named()
    assert play.sent_to_guard() == b""
    told = play.sent_to_peer()
    assert told[: len(status("ok"))] == status("ok")
    shown = messages.Challenge(VISIBLE_29 & HIDDEN, TO_INITIATOR, GUARD_CREATION, GUARD)
    assert parsed_challenge(told[len(status("ok")) :]) == shown
    play.peer(proof())
    assert play.proved
    assert parsed_name(play.sent_to_guard()).name == "foo@127.0.0.1"
    play.guarded(status("ok") + challenge())
    own = messages.proof_of(b"cluster-secret", OF_ACCEPTOR)
    assert play.sent_to_guard() == framed(messages.challenge_reply(TO_ACCEPTOR, own))
    assert play.sent_to_peer() == b"", "no acknowledgement before the guarded node's"
    play.guarded(ack())
    assert play.sent_to_peer() == framed(messages.challenge_ack(messages.proof_of(b"peer-secret", OF_INITIATOR)))
    assert play.established.flags == VISIBLE_29 & HIDDEN


def test_a_wrong_cookie_is_the_peers_fault_and_the_guarded_node_hears_nothing() -> None:
    play = named()
    play.peer(proof(b"wrong"))
    assert play.refused.peer_fault
    assert play.sent_to_guard() == b""


def test_a_peer_that_leaves_before_its_proof_is_to_blame_and_after_it_not() -> None:
    assert named().machine.initiator_closed() == [Rejected("peer_closed", "in state proof", peer_fault=True)]
    assert proved().machine.initiator_closed() == [Rejected("peer_closed", "in state status", peer_fault=False)]


@pytest.mark.parametrize("answer", ["ok", "ok_simultaneous"])
def test_both_ways_of_accepting_lead_on(answer: str) -> None:
    assert proved().guarded(status(answer) + challenge() + ack()).established.guard.name == GUARD


def test_a_guarded_node_with_a_stale_connection_is_told_that_it_is_stale() -> None:
    play = proved()
    play.sent_to_guard()
    play.guarded(status("alive"))
    assert play.sent_to_guard() == status("true")
    assert play.guarded(challenge() + ack()).established.guard.name == GUARD


def test_a_guarded_node_keeps_the_connection_that_the_peer_has_accepted_since() -> None:
    play = proved()
    play.sent_to_guard()
    play.sent_to_peer()
    play.pending = False
    play.guarded(status("alive"))
    assert play.sent_to_guard() == status("false")
    assert play.machine.acceptor_closed() == []
    assert play.sent_to_peer() == b""
    assert play.machine.initiator_closed() == [Rejected("peer_closed", "in state proved", peer_fault=False)]


def test_a_guarded_node_that_dials_as_well_wins_and_the_peer_hangs_up() -> None:
    play = proved()
    play.sent_to_peer()
    play.guarded(status("nok"))
    assert play.machine.acceptor_closed() == []
    assert play.sent_to_peer() == b""
    assert play.machine.initiator_closed() == [Rejected("peer_closed", "in state proved", peer_fault=False)]


def test_an_attempt_that_gave_way_can_still_be_ended() -> None:
    play = proved()
    play.guarded(status("nok"))
    (refused,) = play.machine.refuse("timeout")
    assert isinstance(refused, Rejected)


@pytest.mark.parametrize(("answer", "reason"), [("not_allowed", "guard_refused"), ("what", "bad_guard")])
def test_other_statuses_end_it(answer: str, reason: str) -> None:
    assert proved().guarded(status(answer)).refused.reason == reason


@pytest.mark.parametrize(
    "changed",
    [
        challenge(creation=GUARD_CREATION + 1),
        challenge(flags=VISIBLE_29 & ~DistFlag.SPAWN),
        challenge(name="bar@127.0.0.3"),
    ],
)
def test_a_guarded_node_that_is_another_now_ends_it(changed: bytes) -> None:
    play = proved()
    play.sent_to_guard()
    play.guarded(status("ok") + changed)
    assert play.refused.reason in ("guard_unknown", "bad_guard")
    assert not play.refused.peer_fault
    assert play.sent_to_guard() == b""


def test_what_it_says_is_known_next_time() -> None:
    play = proved()
    play.guarded(status("ok") + challenge(creation=GUARD_CREATION + 1))
    assert play.machine.given == replace(KNOWN, challenge=OF_ACCEPTOR, creation=GUARD_CREATION + 1)


def test_bytes_behind_the_proof_wait_for_the_channel() -> None:
    play = named()
    play.peer(proof() + b"frames")
    assert play.guarded(status("ok") + challenge() + ack()).established.peer_data == b"frames"


def test_a_dynamic_name_can_not_be_proved_first() -> None:
    play = InPlay(guard=GUARD)
    play.machine.initiator_received(send_name("127.0.0.9", flags=VISIBLE_29 | DistFlag.NAME_ME))
    with pytest.raises(RuntimeError):
        play.machine.prove_first(KNOWN, lambda: True)
