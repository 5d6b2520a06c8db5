"""What holds for handshakes in both directions: pieces, framings, order, ends, flags and garbage."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distwall._core import MANDATORY_25, DistFlag
from distwall.handshake import Established, Proved, Rejected, State, Turn, messages
from distwall.handshake.leg_buffer import LegBuffer
from distwall.handshake.parties import PEER as THE_PEER
from distwall.handshake.states import TABLE
from tests.handshake.play import (
    ACCEPTORS_STATES,
    GUARD,
    HIDDEN,
    INITIATORS_STATES,
    KNOWN,
    OF_ACCEPTOR,
    PEER,
    VISIBLE_29,
    Entry,
    InPlay,
    OutPlay,
    Play,
    ack,
    challenge,
    framed,
    parsed_challenge,
    parsed_name,
    proof,
    reframed,
    send_name,
    status,
    unframed,
)

PLAYS = [InPlay, OutPlay]
SPOKEN = sorted(INITIATORS_STATES | ACCEPTORS_STATES, key=lambda state: state.value)
both = pytest.mark.parametrize("kind", PLAYS)


def result(play: Play) -> tuple[object, bytes, bytes]:
    return play.events, play.to_initiator, play.to_acceptor


def to_end(play: Play) -> Play:
    return play.reach(State.ESTABLISHED)


# === pieces and framings ===


@both
def test_messages_may_come_in_any_pieces(kind: type[Play]) -> None:
    whole = to_end(kind())
    script = whole.script()
    for size in (1, 3):
        play = kind()
        for state, data in script:
            (play.initiator if state in INITIATORS_STATES else play.acceptor)(data, size=size)
        assert result(play) == result(whole)
    for number, (_, data) in enumerate(script):
        for cut in range(1, len(data)):
            play = kind()
            for at, (state, message) in enumerate(script):
                for piece in (message[:cut], message[cut:]) if at == number else (message,):
                    play.say(state, piece)
            assert result(play) == result(whole)


@both
@pytest.mark.parametrize("initiator", [2, 4])
@pytest.mark.parametrize("acceptor", [2, 4])
@pytest.mark.parametrize("size", [0, 1])
def test_each_leg_has_a_framing_of_its_own(kind: type[Play], initiator: int, acceptor: int, size: int) -> None:
    plain = to_end(kind())
    play = kind(framings=(initiator, acceptor))
    for state, data in play.script():
        if state in INITIATORS_STATES:
            play.initiator(reframed(data, initiator), size=size)
        else:
            play.acceptor(reframed(data, acceptor), size=size)
    assert play.events == plain.events
    assert play.to_initiator == reframed(plain.to_initiator, initiator)
    assert play.to_acceptor == reframed(plain.to_acceptor, acceptor)


@both
def test_the_acceptors_framing_may_be_known_when_it_is_dialled(kind: type[Play]) -> None:
    play = kind()
    assert play.machine.acceptor_framing == 2
    play.machine.acceptor_framing = 4
    play.reach(State.STATUS)
    assert unframed(play.sent_to_acceptor(), 4)[0][:1] == b"N"
    play.acceptor(reframed(status("ok"), 4))
    assert (play.machine.state, play.sent_to_initiator()) == (State.CHALLENGE, status("ok"))


@both
@pytest.mark.parametrize("framing", [2, 4])
def test_an_end_that_frames_otherwise_is_refused(kind: type[Play], framing: int) -> None:
    other = 6 - framing
    for state in (State.NAME, State.STATUS):
        play = kind(framings=(framing, 2) if state is State.NAME else (2, framing)).reach(state)
        play.say(state, reframed(play.script()[0][1], other))
        assert play.refused.reason in ("malformed", "out_of_order")


@pytest.mark.parametrize("framing", [2, 4])
@given(st.lists(st.binary(min_size=1, max_size=messages.MAX_MESSAGE), max_size=5), st.integers(1, 50))
def test_a_leg_gives_back_what_another_sent(framing: int, sent: list[bytes], size: int) -> None:
    one, other = LegBuffer(framing), LegBuffer(framing)
    for message in sent:
        one.send(message)
    data = one.due() + b"\0"
    got = []
    for start in range(0, len(data), size):
        other.receive(data[start : start + size])
        while (message := other.next_message()) is not None:  # type: ignore[assignment]
            got.append(message)
    assert (got, other.rest(), one.due()) == (sent, b"\0", b"")


# === order ===


@both
@pytest.mark.parametrize("state", SPOKEN)
def test_each_state_takes_one_message_only(kind: type[Play], state: State) -> None:
    for tag in set(range(256)) - {TABLE[state].message, messages.SEND_NAME_OLD}:
        play = kind().reach(state)
        play.say(state, framed(bytes([tag]) + b"x" * 30))
        assert play.refused.reason == "out_of_order"
        assert play.machine.state is State.CLOSED


@both
@pytest.mark.parametrize("state", SPOKEN)
@pytest.mark.parametrize("early", [b"\0", *(framed(bytes([tag]) + b"x" * 20) for tag in b"Nsra")])
def test_whoever_does_not_wait_for_its_turn_is_refused(kind: type[Play], state: State, early: bytes) -> None:
    """With one exception: bytes behind the initiator's proof are the channel's."""
    play = kind().reach(state)
    before = result(play)[1:]
    (play.acceptor if state in INITIATORS_STATES else play.initiator)(early)
    if state is State.ACK:
        assert play.machine.state is State.ACK
        play.acceptor(dict(play.script())[State.ACK])
        done = play.established
        assert (done.peer_data or done.guard_data) == early
        return
    fault = (play.machine.acceptor if state in INITIATORS_STATES else play.machine.initiator) is THE_PEER
    assert (play.refused.reason, play.refused.peer_fault) == ("out_of_order", fault)
    assert result(play)[1:] == before, "nothing more is sent to anybody"


@both
@pytest.mark.parametrize("state", [State.NAME, State.STATUS, State.ALIVE, State.CHALLENGE])
def test_whoever_says_too_much_is_refused(kind: type[Play], state: State) -> None:
    """What comes behind a message in one piece may be the sender's next message, and only if it is its turn."""
    play = kind().reach(state)
    script = dict(play.script())
    play.say(state, script[state] + (b"\0" if state is not State.STATUS else script[State.CHALLENGE]))
    assert play.refused.reason == "out_of_order"


@both
def test_nobody_may_speak_while_the_acceptor_is_dialled(kind: type[Play]) -> None:
    for early in ("initiator_received", "acceptor_received"):
        play = kind()
        name = play.script()[0][1]
        play.machine.initiator_received(name)
        assert (play.machine.state, play.machine.turn) == (State.ADMISSION, Turn.PROGRAM)
        (refused,) = getattr(play.machine, early)(b"\0")
        assert isinstance(refused, Rejected)
        assert refused.reason == "out_of_order"


@both
@pytest.mark.parametrize("length", [0, messages.MAX_MESSAGE + 1, 0xFFFF])
@pytest.mark.parametrize("state", SPOKEN)
def test_lengths_out_of_bounds_are_refused(kind: type[Play], length: int, state: State) -> None:
    play = kind().reach(state)
    play.say(state, struct.pack(">H", length))
    assert play.refused.reason == "malformed"


@both
@pytest.mark.parametrize("reply", [b"", b"maybe", b"true ", b"TRUE"])
def test_replies_to_alive_that_no_node_sends_are_refused(kind: type[Play], reply: bytes) -> None:
    play = kind().reach(State.ALIVE)
    sent = len(play.to_acceptor)
    assert play.initiator(framed(b"s" + reply)).refused.reason == "malformed"
    assert len(play.to_acceptor) == sent


@both
@pytest.mark.parametrize(
    "text", [b"", b"OK", b"ok\n", b"alive?", b"named", b"named:", b"named:\0\x03a@h\0\0\0\1", b"\xff"]
)
def test_statuses_that_no_node_sends_are_refused(kind: type[Play], text: bytes) -> None:
    play = kind().reach(State.STATUS).acceptor(framed(b"s" + text))
    assert play.refused.reason in ("bad_guard", "bad_peer", "malformed")
    assert play.refused.peer_fault is not play.peer_began
    assert play.to_initiator == b""


@both
def test_messages_cut_short_are_refused(kind: type[Play]) -> None:
    """All but the statuses, which may be of any length: those are unknown then."""
    for state in (State.NAME, State.CHALLENGE, State.PROOF, State.ACK):
        (body,) = unframed(dict(kind().script())[state])
        for length in range(1, len(body)):
            play = kind().reach(state)
            play.say(state, framed(body[:length]))
            assert play.refused.reason in ("malformed", "bad_name")


def test_the_table_has_a_way_through_all_states() -> None:
    assert set(TABLE) == set(State)
    for step in TABLE.values():
        assert (step.message is not None) == (step.turn in (Turn.INITIATOR, Turn.ACCEPTOR))
        assert bool(step.leads_to) == (step.turn is not Turn.NOBODY)
    reached = {State.NAME}
    for _ in State:
        reached |= {target for state in reached for target in TABLE[state].leads_to}
    assert reached == set(State) - {State.CLOSED}


# === ends ===


@both
@pytest.mark.parametrize("state", SPOKEN)
def test_either_end_may_close_in_any_state(kind: type[Play], state: State) -> None:
    for end in ("initiator_closed", "acceptor_closed"):
        machine = kind().reach(state).machine
        (event,) = getattr(machine, end)()
        assert isinstance(event, Rejected)
        party = machine.initiator if end == "initiator_closed" else machine.acceptor
        assert event.reason == party.closed
        assert machine.initiator_closed() == machine.acceptor_closed() == machine.refuse("x") == []
        assert machine.initiator_received(b"xyz") == machine.acceptor_received(b"xyz") == []
        machine.dialled()
        assert (machine.state, machine.turn) == (State.CLOSED, Turn.NOBODY)


@both
def test_an_established_handshake_has_no_other_end(kind: type[Play]) -> None:
    play = to_end(kind())
    assert play.machine.initiator_closed() == play.machine.acceptor_closed("x") == play.machine.refuse("x") == []
    assert play.machine.initiator_received(b"more") == play.machine.acceptor_received(b"more") == []
    assert play.machine.state is State.ESTABLISHED


@both
def test_an_acceptor_that_can_not_be_reached_ends_it(kind: type[Play]) -> None:
    play = kind()
    play.machine.initiator_received(play.script()[0][1])
    (refused,) = play.machine.acceptor_closed("connection refused")
    assert refused == Rejected(play.machine.acceptor.closed, "connection refused", peer_fault=False)


# === flags ===


def expanded(flags: int) -> int:
    return flags | MANDATORY_25 if flags & DistFlag.MANDATORY_25_DIGEST else flags


def with_flags(data: bytes, flags: int) -> bytes:
    """A name or a challenge with other flags."""
    (body,) = unframed(data)
    return framed(body[:1] + struct.pack(">Q", flags) + body[9:])


@both
@pytest.mark.parametrize("visible", [True, False])
@given(initiator=st.integers(0, 2**64 - 1), acceptor=st.integers(0, 2**64 - 1))
def test_both_sides_negotiate_what_they_would_without_distwall(
    kind: type[Play], visible: bool, initiator: int, acceptor: int
) -> None:
    initiator &= ~DistFlag.NAME_ME
    acceptor &= ~DistFlag.NAME_ME
    play = kind(Entry(visible=visible))
    script = dict(play.script())
    play.initiator(with_flags(script[State.NAME], initiator))
    seen_by_acceptor = expanded(parsed_name(play.sent_to_acceptor()).flags)
    play.acceptor(status("ok"))
    play.sent_to_initiator()
    play.acceptor(with_flags(script[State.CHALLENGE], acceptor))
    seen_by_initiator = expanded(parsed_challenge(play.sent_to_initiator()).flags)
    play.initiator(script[State.PROOF]).acceptor(script[State.ACK])
    mask = KNOWN if visible else HIDDEN
    without = expanded(initiator) & expanded(acceptor) & mask
    assert expanded(initiator) & seen_by_initiator & mask == without
    assert expanded(acceptor) & seen_by_acceptor & mask == without
    assert play.established.flags == without


@both
def test_nodes_are_hidden_unless_the_entry_says_visible(kind: type[Play]) -> None:
    for visible, shown in ((False, VISIBLE_29 & HIDDEN), (True, VISIBLE_29 & KNOWN)):
        play = kind(Entry(visible=visible)).reach(State.STATUS)
        assert parsed_name(play.sent_to_acceptor()).flags == shown
        play.acceptor(status("ok"))
        play.sent_to_initiator()
        play.acceptor(dict(play.script())[State.CHALLENGE])
        assert parsed_challenge(play.sent_to_initiator()).flags == shown


@both
def test_nobody_is_asked_for_a_name_by_an_acceptor(kind: type[Play]) -> None:
    play = kind().reach(State.CHALLENGE)
    play.sent_to_initiator()
    play.acceptor(with_flags(dict(play.script())[State.CHALLENGE], VISIBLE_29 | DistFlag.NAME_ME))
    assert parsed_challenge(play.sent_to_initiator()).flags == VISIBLE_29 & HIDDEN


# === proofs ===


def digests_sent(play: Play) -> tuple[bool, bool]:
    """Whether a proof went to the acceptor, and to the initiator."""
    to_acceptor = any(body[0] == messages.CHALLENGE_REPLY for body in unframed(play.to_acceptor))
    to_initiator = any(body[0] == messages.CHALLENGE_ACK for body in unframed(play.to_initiator))
    return to_acceptor, to_initiator


@both
@pytest.mark.parametrize("state", SPOKEN)
def test_no_proof_is_given_before_one_is_taken(kind: type[Play], state: State) -> None:
    play = kind().reach(state)
    assert digests_sent(play) == (state is State.ACK, False)
    assert play.proved == (state is State.ACK)
    assert digests_sent(to_end(kind())) == (True, True)


@both
def test_a_digest_is_no_proof_of_another_challenge(kind: type[Play]) -> None:
    """An end that gets its own challenge, or its own proof, back has learnt nothing that it could use."""
    play = kind().reach(State.PROOF)
    cookie = b"peer-secret" if play.peer_began else b"cluster-secret"
    assert play.initiator(proof(cookie, of=OF_ACCEPTOR)).refused.reason == play.machine.initiator.wrong_cookie
    play = kind().reach(State.ACK)
    (*_, reply) = unframed(play.to_acceptor)
    assert play.acceptor(framed(b"a" + reply[5:])).refused.reason == play.machine.acceptor.wrong_cookie
    assert digests_sent(play) == (True, False)


@both
def test_every_handshake_has_challenges_of_its_own(kind: type[Play]) -> None:
    seen = set()
    for _ in range(8):
        play = kind(random=True).reach(State.CHALLENGE)
        play.sent_to_initiator()
        play.acceptor(dict(play.script())[State.CHALLENGE])
        given = parsed_challenge(play.sent_to_initiator()).challenge
        cookie = b"peer-secret" if play.peer_began else b"cluster-secret"
        play.sent_to_acceptor()
        play.initiator(proof(cookie, of=given))
        (reply,) = unframed(play.sent_to_acceptor())
        seen |= {given, messages.parse_challenge_reply(reply)[0]}
    assert len(seen) == 16


# === garbage ===

MESSAGE = st.sampled_from(
    [data for kind in PLAYS for _, data in kind().script()]
    + [
        send_name(),
        send_name("bar@127.0.0.9"),
        send_name(flags=VISIBLE_29 | DistFlag.NAME_ME),
        challenge(),
        challenge(PEER),
        challenge(GUARD),
        proof(b"x"),
        ack(b"x"),
        framed(b"snamed:\0\x03a@h\0\0\0\1"),
    ]
    + [status(text) for text in ("ok", "ok_simultaneous", "alive", "true", "false", "nok", "not_allowed")]
)
WHOLE = MESSAGE | st.builds(framed, st.binary(min_size=1, max_size=40))
BROKEN = st.binary(max_size=40) | st.builds(
    lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
    MESSAGE,
    st.integers(0, 40),
    st.integers(0, 255),
)
STEP = st.tuples(
    st.sampled_from(["initiator", "acceptor"]),
    st.tuples(st.just(True), WHOLE) | st.tuples(st.just(False), BROKEN),
)


@both
@given(
    start=st.sampled_from(SPOKEN),
    framings=st.sampled_from([(2, 2), (2, 4), (4, 2), (4, 4)]),
    steps=st.lists(STEP, max_size=12),
)
def test_garbage_is_refused_or_no_more(
    kind: type[Play], start: State, framings: tuple[int, int], steps: list[tuple[str, tuple[bool, bytes]]]
) -> None:
    """Whatever comes, in whichever state: no exception, at most one end, and no proof before the right proof."""
    play = kind(framings=framings)
    for state, data in play.script()[: SPOKEN.index(start)]:
        play.say(state, reframed(data, framings[0 if state in INITIATORS_STATES else 1]))
    assert play.machine.state is start
    played = dict(play.script())
    said = {"initiator": b"", "acceptor": b""}
    for side, (whole, data) in steps:
        framing = framings[0 if side == "initiator" else 1]
        said[side] += (sent := reframed(data, framing) if whole else data)
        getattr(play, side)(sent)
    ends = [event for event in play.events if isinstance(event, (Rejected, Established))]
    assert len(ends) <= 1
    to_acceptor = unframed(play.to_acceptor, framings[1])
    to_initiator = unframed(play.to_initiator, framings[0])
    proved = any(isinstance(event, Proved) for event in play.events)
    assert any(body[0] == messages.CHALLENGE_REPLY for body in to_acceptor) == proved
    established = any(isinstance(event, Established) for event in play.events)
    assert any(body[0] == messages.CHALLENGE_ACK for body in to_initiator) == established
    if proved and start is not State.ACK:
        assert unframed(played[State.PROOF])[0][5:] in said["initiator"]
    if established:
        assert proved
        assert unframed(played[State.ACK])[0] in said["acceptor"]
