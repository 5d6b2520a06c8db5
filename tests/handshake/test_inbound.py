"""The handshake of a peer that connects to a guarded node, step by step. See also test_relay.py."""

import struct

import pytest

from distwall._core import DistFlag
from distwall.handshake import Denied, NameReceived, Rejected, State, Turn, messages
from distwall.handshake.relay import MAX_EARLY
from tests.handshake.play import (
    GUARD,
    HIDDEN,
    OF_ACCEPTOR,
    OF_INITIATOR,
    PEER,
    TO_ACCEPTOR,
    TO_INITIATOR,
    VISIBLE_29,
    Cookie,
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
    unframed,
)

NAMED = b"snamed:" + struct.pack(">H", 15) + b"1-AB2@127.0.0.9" + struct.pack(">I", 77)


# === what real nodes do ===


def test_a_whole_handshake_proves_each_side_its_own_cookie() -> None:
    play = InPlay()
    play.peer(send_name())
    assert parsed_name(play.sent_to_guard()) == messages.SendName(VISIBLE_29 & HIDDEN, 0x01020304, PEER)
    assert play.sent_to_peer() == b""

    play.guarded(status("ok"))
    assert play.sent_to_peer() == status("ok")

    play.guarded(challenge())
    shown = messages.Challenge(VISIBLE_29 & HIDDEN, TO_INITIATOR, 0x0A0B0C0D, GUARD)
    assert parsed_challenge(play.sent_to_peer()) == shown
    assert play.sent_to_guard() == b"", "the guarded node's challenge is not answered before the peer's proof"

    play.peer(proof())
    assert play.proved
    own = messages.proof_of(b"cluster-secret", OF_ACCEPTOR)
    assert play.sent_to_guard() == framed(messages.challenge_reply(TO_ACCEPTOR, own))
    assert play.sent_to_peer() == b"", "no acknowledgement before the guarded node's"

    play.guarded(ack())
    assert play.sent_to_peer() == framed(messages.challenge_ack(messages.proof_of(b"peer-secret", OF_INITIATOR)))
    assert play.sent_to_guard() == b""
    done = play.established
    assert (done.peer.name, done.peer.creation) == (PEER, 0x01020304)
    assert (done.guard.name, done.guard.creation) == (GUARD, 0x0A0B0C0D)
    assert done.flags == VISIBLE_29 & HIDDEN
    assert (done.peer_data, done.guard_data) == (b"", b"")


def test_bytes_behind_the_last_messages_belong_to_the_channel() -> None:
    play = InPlay().to_challenge()
    play.peer(proof() + b"early").peer(b" bird")
    play.guarded(ack() + b"at once")
    assert (play.established.peer_data, play.established.guard_data) == (b"early bird", b"at once")
    assert play.machine.initiator_received(b"more") == [], "what comes later is for the channel, not for the handshake"


@pytest.mark.parametrize("answer", ["ok", "ok_simultaneous"])
def test_statuses_that_go_on_are_passed_on(answer: str) -> None:
    play = InPlay().peer(send_name())
    play.guarded(status(answer))
    assert play.sent_to_peer() == status(answer)
    assert play.machine.state is State.CHALLENGE


@pytest.mark.parametrize("answer", ["nok", "not_allowed"])
def test_statuses_that_end_it_are_passed_on(answer: str) -> None:
    play = InPlay().peer(send_name())
    play.guarded(status(answer))
    assert play.sent_to_peer() == status(answer)
    assert (play.refused.reason, play.refused.peer_fault) == ("guard_refused", False)


def test_when_alive_is_answered_with_true_it_goes_on() -> None:
    play = InPlay().peer(send_name()).guarded(status("alive"))
    assert play.sent_to_peer() == status("alive")
    assert play.machine.turn is Turn.INITIATOR
    play.sent_to_guard()
    play.peer(status("true"))
    assert play.sent_to_guard() == status("true")
    play.guarded(challenge()).peer(proof()).guarded(ack())
    assert play.machine.state is State.ESTABLISHED


def test_when_alive_is_answered_with_false_it_ends() -> None:
    play = InPlay().peer(send_name()).guarded(status("alive"))
    play.sent_to_guard()
    play.peer(status("false"))
    assert play.sent_to_guard() == status("false")
    assert (play.refused.reason, play.refused.peer_fault) == ("peer_declined", False)


def test_a_peer_that_asks_for_a_name_gets_it_from_the_guarded_node() -> None:
    flags = (VISIBLE_29 | DistFlag.NAME_ME) & ~DistFlag.PUBLISHED
    play = InPlay().peer(send_name("127.0.0.9", flags=flags, creation=0))
    asked = play.events[0]
    assert isinstance(asked, NameReceived)
    assert (asked.name, asked.dynamic) == ("undefined@127.0.0.9", True)
    assert parsed_name(play.sent_to_guard()) == messages.SendName(flags & (HIDDEN | DistFlag.NAME_ME), 0, "127.0.0.9")
    play.guarded(framed(NAMED))
    assert play.sent_to_peer() == framed(NAMED)
    play.guarded(challenge(flags=flags)).peer(proof()).guarded(ack())
    done = play.established
    assert (done.peer.name, done.peer.creation) == ("1-AB2@127.0.0.9", 77)
    assert done.flags == flags & HIDDEN & ~DistFlag.NAME_ME, "a request, not a capability"
    assert play.machine.peer == "undefined@127.0.0.9"


def test_what_comes_behind_the_fields_is_stripped() -> None:
    body = unframed(send_name())[0] + b"more fields"
    play = InPlay().peer(framed(body))
    assert play.sent_to_guard() == send_name(flags=VISIBLE_29 & HIDDEN)
    play.guarded(status("ok")).guarded(framed(unframed(challenge())[0] + b"more"))
    assert parsed_challenge(play.sent_to_peer()[5:]).name == GUARD


# === flags ===


def test_a_missing_flag_is_for_the_guarded_node_to_judge() -> None:
    play = InPlay().peer(send_name(flags=0))
    assert parsed_name(play.sent_to_guard()).flags == 0
    play.guarded(status("not_allowed"))
    assert play.sent_to_peer() == status("not_allowed")


# === names ===


def test_a_name_without_an_entry_is_told_so_and_never_relayed() -> None:
    play = InPlay(Denied("unknown_node", "nobody")).peer(send_name())
    assert play.sent_to_peer() == status("not_allowed")
    assert play.sent_to_guard() == b""
    assert play.events == [Rejected("unknown_node", "nobody", peer_fault=True)]


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"foo",
        b"@h",
        b"foo@",
        b"a@b@c",
        b"foo@h\n",
        b"fo\0o@h",
        b"foo@h ",
        b"f\x7f@h",
        b"f\x85@h",
        b"f@" + b"h" * 254,
    ],
)
def test_bad_names_are_refused_before_anybody_hears_of_them(name: bytes) -> None:
    play = InPlay().peer(framed(b"N" + struct.pack(">QIH", VISIBLE_29, 1, len(name)) + name))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_name", True)
    assert (play.asked, play.to_acceptor, play.to_initiator) == ([], b"", b"")


@pytest.mark.parametrize("host", [b"", b"foo@h", b"a@b@c", b"h\n"])
def test_bad_hosts_of_peers_that_ask_for_a_name_are_refused(host: bytes) -> None:
    flags = VISIBLE_29 | DistFlag.NAME_ME
    play = InPlay().peer(framed(b"N" + struct.pack(">QIH", flags, 0, len(host)) + host))
    assert play.refused.reason == "bad_name"


def test_latin_1_names_pass_as_they_are() -> None:
    play = InPlay().peer(send_name("foo@größe"))
    assert play.asked == [("foo@größe", None)]
    assert parsed_name(play.sent_to_guard()).name == "foo@größe"


def test_the_guarded_nodes_own_name_is_refused() -> None:
    play = InPlay(guard=GUARD).peer(send_name(GUARD))
    assert (play.refused.reason, play.to_acceptor) == ("own_name", b"")
    late = InPlay().peer(send_name(GUARD)).guarded(status("ok")).guarded(challenge())
    assert late.refused.reason == "own_name"


def test_the_entry_is_the_one_for_the_guarded_node_that_answers() -> None:
    one, other = Entry(), Entry(Cookie(b"other-secret"))
    assert InPlay(one).to_end().established.entry is one
    play = InPlay(one, per_guard={GUARD: other}).to_challenge()
    assert play.asked == [(PEER, None), (PEER, GUARD)]
    assert play.peer(proof(b"other-secret")).guarded(ack()).established.entry is other
    assert InPlay(one, per_guard={GUARD: other}).to_challenge().peer(proof()).refused.reason == "bad_cookie"
    denied = InPlay(one, per_guard={GUARD: Denied("unknown_node")}).to_challenge()
    assert denied.refused.reason == "unknown_node"


def test_an_entry_of_another_visibility_needs_a_new_handshake() -> None:
    entries: dict[str | None, Entry | Denied] = {GUARD: Entry(visible=True)}
    first = InPlay(Entry(), per_guard=entries).to_challenge()
    assert (first.refused.reason, first.machine.guard) == ("guard_unknown", GUARD)
    assert InPlay(Entry(), guard=GUARD, per_guard=entries).to_end().established.flags & DistFlag.PUBLISHED


def test_an_answer_of_a_node_that_is_not_guarded_is_refused() -> None:
    play = InPlay().peer(send_name()).guarded(status("ok")).guarded(challenge("evil@127.0.0.2"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_guard", False)


def test_an_old_handshake_is_refused_clearly() -> None:
    play = InPlay().peer(framed(b"n" + struct.pack(">HI", 5, 0x3DF7FBD) + PEER.encode()))
    assert play.sent_to_peer() == status("not_allowed")
    assert play.refused.reason == "old_handshake"


# === proofs ===


@pytest.mark.parametrize("wrong", [proof(b"cluster-secret"), proof(b""), proof(of=1)])
def test_a_wrong_cookie_never_reaches_the_guarded_node(wrong: bytes) -> None:
    play = InPlay().to_challenge("ok")
    play.sent_to_guard()
    play.sent_to_peer()
    play.peer(wrong)
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_cookie", True)
    assert (play.to_acceptor, play.to_initiator) == (b"", b"")


def test_a_wrong_cookie_at_the_guarded_node_is_not_the_peers_fault() -> None:
    play = InPlay().to_challenge()
    play.sent_to_peer()
    play.peer(proof()).guarded(ack(b"peer-secret"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_guard_cookie", False)
    assert play.to_initiator == b""


def test_when_the_guarded_node_hangs_up_on_the_proof_the_cookie_is_suspected() -> None:
    play = InPlay().to_challenge().peer(proof())
    (refused,) = play.machine.acceptor_closed()
    assert isinstance(refused, Rejected)
    assert "cookie" in refused.detail


def test_every_handshake_has_challenges_of_its_own() -> None:
    seen = set()
    for _ in range(8):
        play = InPlay(random=True).to_challenge()
        seen.add(parsed_challenge(play.sent_to_peer()[5:]).challenge)
    assert len(seen) == 8


# === order and ends ===


def test_early_bytes_are_bounded() -> None:
    play = InPlay().to_challenge().peer(proof())
    play.peer(b"x" * MAX_EARLY)
    assert not isinstance(play.events[-1], Rejected)
    play.peer(b"x")
    assert play.refused.reason == "out_of_order"


def test_status_and_challenge_come_in_one_piece() -> None:
    play = InPlay().peer(send_name()).guarded(status("ok") + challenge()).peer(proof()).guarded(ack())
    assert play.machine.state is State.ESTABLISHED


@pytest.mark.parametrize("named", [NAMED.replace(b".9", b".8"), NAMED.replace(b"@", b"_"), NAMED[:-1], b"sok"])
def test_names_given_that_can_not_be_are_refused(named: bytes) -> None:
    flags = VISIBLE_29 | DistFlag.NAME_ME
    play = InPlay().peer(send_name("127.0.0.9", flags=flags)).guarded(framed(named))
    assert play.refused.reason in ("bad_guard", "bad_name", "malformed")
    assert play.to_initiator == b""


def test_a_peer_that_leaves_without_a_proof_is_to_blame() -> None:
    for state in State:
        if state in (State.ESTABLISHED, State.CLOSED, State.ADMISSION, State.PROVED):
            continue
        (event,) = InPlay().reach(state).machine.initiator_closed()
        unproved = state not in (State.NAME, State.ACK)
        assert event == Rejected("peer_closed", f"in state {state.name.lower()}", peer_fault=unproved)


def test_a_refusal_from_outside_is_told_to_the_peer() -> None:
    play = InPlay()
    play.machine.initiator_received(send_name())
    (refused,) = play.machine.refuse("name_budget", tell=True)
    assert refused == Rejected("name_budget", "in state admission", peer_fault=False)
    assert play.machine.data_to_initiator() == status("not_allowed")
    play.machine.dialled()
    assert play.machine.data_to_acceptor() == b"", "too late"
