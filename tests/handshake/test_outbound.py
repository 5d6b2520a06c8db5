"""The handshake of a guarded node that connects to a peer, step by step. See also test_relay.py."""

import struct

import pytest

from distwall._core import DistFlag
from distwall.handshake import Denied, NameReceived, Rejected, State, Turn, messages
from tests.handshake.play import (
    CLUSTER,
    GUARD,
    GUARD_CREATION,
    HIDDEN,
    OF_ACCEPTOR,
    OF_INITIATOR,
    PEER,
    PEER_CREATION,
    TO_ACCEPTOR,
    TO_INITIATOR,
    VISIBLE_29,
    Cookie,
    Entry,
    OutPlay,
    ack,
    challenge,
    framed,
    parsed_challenge,
    parsed_name,
    proof,
    send_name,
    status,
)


def test_a_whole_handshake_proves_each_side_its_own_cookie() -> None:
    entry = Entry()
    play = OutPlay(entry)
    play.guarded(send_name(GUARD, creation=GUARD_CREATION))
    assert play.events == [NameReceived(PEER, dynamic=False, entry=entry)]
    assert (play.machine.peer, play.machine.guard) == (PEER, GUARD)
    assert play.asked == [(PEER, GUARD)]
    assert parsed_name(play.sent_to_peer()) == messages.SendName(VISIBLE_29 & HIDDEN, GUARD_CREATION, GUARD)
    assert play.sent_to_guard() == b""

    play.peer(status("ok"))
    assert play.sent_to_guard() == status("ok")

    play.peer(challenge(PEER, creation=PEER_CREATION))
    shown = messages.Challenge(VISIBLE_29 & HIDDEN, TO_INITIATOR, PEER_CREATION, PEER)
    assert parsed_challenge(play.sent_to_guard()) == shown
    assert play.sent_to_peer() == b"", "the peer's challenge is not answered before the guarded node's proof"

    play.guarded(proof(CLUSTER.secret))
    assert play.proved
    own = messages.proof_of(b"peer-secret", OF_ACCEPTOR)
    assert play.sent_to_peer() == framed(messages.challenge_reply(TO_ACCEPTOR, own))
    assert play.sent_to_guard() == b"", "no acknowledgement before the peer's"

    play.peer(ack(b"peer-secret"))
    own = messages.proof_of(CLUSTER.secret, OF_INITIATOR)
    assert play.sent_to_guard() == framed(messages.challenge_ack(own))
    assert play.sent_to_peer() == b""
    done = play.established
    assert (done.peer.name, done.peer.creation) == (PEER, PEER_CREATION)
    assert (done.guard.name, done.guard.creation) == (GUARD, GUARD_CREATION)
    assert done.flags == VISIBLE_29 & HIDDEN
    assert (done.peer_data, done.guard_data, done.entry) == (b"", b"", play.entry)


def test_digests_are_those_of_real_nodes() -> None:
    """PROTOCOL.md 2.4: with the cookie ``secret`` on both legs, and the challenges seen there."""
    play = OutPlay(Entry(Cookie(b"secret")))
    play.machine._guard_cookie = Cookie(b"secret")
    play.to_challenge()
    play.sent_to_peer()
    play.guarded(framed(b"r" + bytes(4) + bytes.fromhex("d4047d3e56e6d6d63f7d16b85cd2fa88")))
    assert play.sent_to_peer()[-16:].hex() == "ff33d99bb8483a8f8dbf4742016b0dba"
    play.peer(framed(b"a" + bytes.fromhex("0db3032c6dc8371a3687c969a727bf2b")))
    assert play.machine.state is State.ESTABLISHED


def test_bytes_behind_the_last_messages_belong_to_the_channel() -> None:
    play = OutPlay().to_challenge()
    play.guarded(proof(CLUSTER.secret) + b"early").guarded(b" bird")
    play.peer(ack(b"peer-secret") + b"at once")
    assert (play.established.guard_data, play.established.peer_data) == (b"early bird", b"at once")


# === statuses ===


@pytest.mark.parametrize("answer", ["ok", "ok_simultaneous"])
def test_statuses_that_go_on_are_passed_on(answer: str) -> None:
    play = OutPlay().named().peer(status(answer))
    assert play.sent_to_guard() == status(answer)
    assert play.machine.state is State.CHALLENGE


@pytest.mark.parametrize("answer", ["nok", "not_allowed"])
def test_statuses_that_end_it_are_passed_on(answer: str) -> None:
    play = OutPlay().named().peer(status(answer))
    assert play.sent_to_guard() == status(answer)
    assert play.refused == Rejected("peer_refused", f"the peer answered {answer}", peer_fault=False)


def test_when_alive_is_answered_with_true_it_goes_on() -> None:
    play = OutPlay().named().peer(status("alive"))
    assert play.sent_to_guard() == status("alive")
    assert play.machine.turn is Turn.INITIATOR
    play.sent_to_peer()
    play.guarded(status("true"))
    assert play.sent_to_peer() == status("true")
    play.peer(challenge(PEER)).guarded(proof(CLUSTER.secret)).peer(ack(b"peer-secret"))
    assert play.machine.state is State.ESTABLISHED


def test_when_alive_is_answered_with_false_it_ends() -> None:
    play = OutPlay().named().peer(status("alive"))
    play.sent_to_peer()
    play.guarded(status("false"))
    assert play.sent_to_peer() == status("false")
    assert play.refused == Rejected("guard_declined", "the guarded node keeps the connection it has", peer_fault=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"named:\0\x0fbaz@127.0.0.2xx" + bytes(4),
        b"named:" + struct.pack(">H", len(GUARD)) + GUARD.encode() + bytes(4),
        b"named:\0\x03a@h\0\0\0\1",
    ],
)
def test_the_peer_gives_the_guarded_node_no_name(answer: bytes) -> None:
    play = OutPlay().named().peer(framed(b"s" + answer))
    assert play.refused == Rejected("bad_peer", "the node gave a name that was not asked for", peer_fault=True)
    assert play.to_initiator == b""


def test_a_status_that_no_node_sends_is_refused() -> None:
    play = OutPlay().named().peer(status("welcome"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_peer", True)
    assert play.to_initiator == b""


# === names ===


def test_an_entry_that_does_not_let_the_guarded_node_dial_is_told_at_once() -> None:
    play = OutPlay(Denied("unknown_node", "nobody")).guarded(send_name(GUARD))
    assert play.sent_to_guard() == status("not_allowed")
    assert play.events == [Rejected("unknown_node", "nobody", peer_fault=False)]
    assert (play.to_acceptor, play.machine.peer, play.machine.guard) == (b"", PEER, GUARD)


@pytest.mark.parametrize("name", ["baz@127.0.0.2", "bar@10.0.0.1", PEER])
def test_a_node_that_is_not_guarded_may_not_dial(name: str) -> None:
    play = OutPlay().guarded(send_name(name))
    assert play.sent_to_guard() == status("not_allowed")
    assert play.refused == Rejected("bad_guard", f"{name} is not guarded here", peer_fault=False)
    assert (play.asked, play.to_acceptor, play.machine.guard) == ([], b"", None)


def test_a_guarded_node_may_not_ask_for_a_name() -> None:
    play = OutPlay().guarded(send_name("127.0.0.2", flags=VISIBLE_29 | DistFlag.NAME_ME))
    assert play.sent_to_guard() == status("not_allowed")
    assert (play.refused.reason, play.refused.peer_fault) == ("dynamic", False)
    assert (play.asked, play.to_acceptor) == ([], b"")


def test_a_guarded_node_may_not_dial_itself() -> None:
    play = OutPlay(target=GUARD).guarded(send_name(GUARD))
    assert play.sent_to_guard() == status("not_allowed")
    assert play.refused == Rejected("own_name", "the guarded node's own name", peer_fault=False)
    assert (play.asked, play.to_acceptor) == ([], b"")


@pytest.mark.parametrize("name", [b"", b"bar", b"@h", b"bar@", b"a@b@c", b"bar@127.0.0.2\n", b"bar@" + b"1" * 252])
def test_bad_names_of_a_guarded_node_are_refused(name: bytes) -> None:
    play = OutPlay().guarded(framed(b"N" + struct.pack(">QIH", VISIBLE_29, 1, len(name)) + name))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_name", False)
    assert (play.asked, play.to_acceptor, play.to_initiator) == ([], b"", b"")


def test_an_old_handshake_is_refused_clearly() -> None:
    play = OutPlay().guarded(framed(b"n" + struct.pack(">HI", 5, 0x3DF7FBD) + GUARD.encode()))
    assert play.sent_to_guard() == status("not_allowed")
    assert (play.refused.reason, play.refused.peer_fault) == ("old_handshake", False)


@pytest.mark.parametrize(
    "name",
    [
        "baz@127.0.0.1",  # another one
        GUARD,  # the one that dials
        "foo@127.0.0.9",  # of another host
        "foo@localhost",
        "FOO@127.0.0.1",
        "foo@127.0.0.1.",
        "foo@127.0.0.10",
    ],
)
def test_the_peer_has_to_be_the_one_that_was_dialled(name: str) -> None:
    play = OutPlay().named().peer(status("ok"))
    play.sent_to_guard()
    play.sent_to_peer()
    play.peer(challenge(name))
    assert play.refused == Rejected("bad_peer", f"the node that answered is {name}", peer_fault=True)
    assert (play.to_initiator, play.to_acceptor) == (b"", b""), "neither side learns anything"


def test_a_name_from_a_peer_that_no_node_has_is_refused() -> None:
    play = OutPlay().named().peer(status("ok")).peer(challenge("foo@127.0.0.1\n"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_name", True)


def test_a_peer_may_not_answer_with_a_name_first() -> None:
    """What listens there dials, or is another distwall's peer: it is not taken for the guarded node."""
    play = OutPlay().named().peer(send_name())
    assert (play.refused.reason, play.refused.peer_fault) == ("out_of_order", True)


# === proofs ===


@pytest.mark.parametrize("wrong", [proof(b"peer-secret"), proof(b""), proof(CLUSTER.secret, of=1)])
def test_nothing_is_proved_to_the_peer_for_whoever_can_not_prove_the_clusters_cookie(wrong: bytes) -> None:
    play = OutPlay().to_challenge()
    play.sent_to_peer()
    play.sent_to_guard()
    play.guarded(wrong)
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_guard_cookie", False)
    assert (play.to_initiator, play.to_acceptor) == (b"", b"")
    assert not play.proved


@pytest.mark.parametrize("wrong", [ack(CLUSTER.secret), ack(b""), ack(b"peer-secret", of=1)])
def test_a_wrong_cookie_of_the_peer_never_reaches_the_guarded_node(wrong: bytes) -> None:
    play = OutPlay().to_challenge().guarded(proof(CLUSTER.secret))
    play.sent_to_guard()
    play.peer(wrong)
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_cookie", True)
    assert play.to_initiator == b""


def test_when_a_peer_hangs_up_on_the_proof_the_cookie_is_suspected() -> None:
    play = OutPlay().to_challenge().guarded(proof(CLUSTER.secret))
    detail = "the peer hung up on distwall's proof: does its cookie differ from its [[peers]] entry?"
    assert play.machine.acceptor_closed() == [Rejected("peer_closed", detail, peer_fault=False)]


# === ends ===


@pytest.mark.parametrize("state", [State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF])
def test_who_was_dialled_may_hang_up(state: State) -> None:
    (event,) = OutPlay().reach(state).machine.acceptor_closed()
    assert event == Rejected("peer_closed", f"in state {state.name.lower()}", peer_fault=False)


@pytest.mark.parametrize("state", [State.NAME, State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF, State.ACK])
def test_the_guarded_node_may_hang_up(state: State) -> None:
    (event,) = OutPlay().reach(state).machine.initiator_closed()
    assert event == Rejected("guard_closed", f"in state {state.name.lower()}", peer_fault=False)


def test_a_peer_that_can_not_be_dialled_is_told_to_the_guarded_node() -> None:
    play = OutPlay()
    play.machine.initiator_received(send_name(GUARD))
    (refused,) = play.machine.refuse("unreachable", "no route to host", tell=True)
    assert refused == Rejected("unreachable", "no route to host", peer_fault=False)
    assert play.machine.data_to_initiator() == status("not_allowed")
    play.machine.dialled()
    assert play.machine.data_to_acceptor() == b"", "too late"
